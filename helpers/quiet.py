"""Loading without the libraries' reports and progress bars."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def quiet(logging: ModuleType) -> Iterator[None]:
    """Keep the reports and progress bars of a library from being shown.

    Args:
        logging: `transformers.logging` or `datasets.logging`.
    """
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
