"""Functions of a notebook in processes of their own: they find their variables, each other, and the way back."""

import pytest

from helpers.train import processes

pytestmark = pytest.mark.long

NOTEBOOK = """
import os
import torch
from accelerate import Accelerator

base = 10

def number(accelerator):
    return torch.tensor(base + accelerator.process_index)

def report():
    accelerator = Accelerator(cpu=True)
    accelerator.print("one line")
    total = accelerator.reduce(number(accelerator)).item()
    return accelerator.process_index, accelerator.num_processes, total, torch.get_num_threads()

def fail():
    raise ValueError("no rows today")
"""


@pytest.fixture(scope="module")
def notebook():
    """Names as a notebook's cells leave them: no file has them."""
    names = {"__name__": "__main__"}
    exec(NOTEBOOK, names)
    return names


@pytest.mark.parametrize("n, total", [(1, 10), (2, 10 + 11)])
def test_each_process_has_its_rank_and_one_core_and_they_add_up(notebook, n, total, capsys):
    assert processes.launch(notebook["report"], n) == [(rank, n, total, 1) for rank in range(n)]
    assert capsys.readouterr().out == "one line\n"


def test_a_mistake_in_the_function_is_told(notebook):
    with pytest.raises(RuntimeError, match="(?s)A process has failed.*ValueError: no rows today"):
        processes.launch(notebook["fail"], 1)
