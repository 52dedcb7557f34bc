"""How `pytest --nbval` runs the chapters: quietly, and blind to what is no claim of theirs."""

import os

import pytest

# a bar's output depends on the clock
os.environ.update(HF_HUB_DISABLE_PROGRESS_BARS="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1")


def pytest_collectstart(collector):
    """Warnings and load reports on stderr hold paths and process ids."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr",)


@pytest.hookimpl(trylast=True)  # when pytest has started the kernel
def pytest_runtest_setup(item):
    """Some thousand messages of one cell would be dropped, and nbval would wait for them in vain."""
    if kernel := getattr(item.parent, "kernel", None):
        kernel.kc.iopub_channel.socket.rcvhwm = 0
