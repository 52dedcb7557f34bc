"""Chapter 05 opens with the losses of one process and of two: those that its own last run prints."""

import re

import nbformat
import pytest

from common import ROOT


@pytest.mark.parametrize("edition", ["", "zh"])
def test_the_losses_of_the_opening_are_those_of_section_8(edition):
    book = nbformat.read(ROOT / "notebooks" / edition / "05_accelerate_loop.ipynb", as_version=4)
    rows = [re.findall(r"\d+\.\d+", row) for row in re.findall(r"^\|.*\d\.\d.*\|$", book.cells[0].source, re.M)]
    shown = [list(column) for column in zip(*rows, strict=True)]
    (cell,) = (cell for cell in book.cells if cell.id == "68002925")
    text = "".join(output.get("text", "") for output in cell.outputs)
    printed = [re.findall(r"\d+\.\d+", line) for line in re.findall(r"^(?:one|two) process.*$", text, re.M)]
    assert len(shown) == 2 and len(shown[0]) == 5 and shown == printed  # four losses and a perplexity
