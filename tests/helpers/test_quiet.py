"""Reports and progress bars of the libraries, off while something loads and then as they were."""

import datasets
import pytest
import transformers

from helpers.quiet import quiet


@pytest.mark.parametrize("logging", [transformers.logging, datasets.logging], ids=["transformers", "datasets"])
@pytest.mark.parametrize("bars", [True, False])
def test_reports_and_bars_are_off_inside_and_afterwards_as_before(logging, bars):
    def state():
        return logging.get_verbosity(), logging.is_progress_bar_enabled()

    try:
        logging.enable_progress_bar() if bars else logging.disable_progress_bar()
        before = state()
        with pytest.raises(KeyError), quiet(logging):
            assert state() == (logging.CRITICAL, False)
            raise KeyError
        assert state() == before and before[1] is bars
    finally:
        logging.enable_progress_bar()
