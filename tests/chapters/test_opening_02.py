"""What the opening of chapter 02 shows is what the chapter's own outputs show."""

import re

import nbformat
import pytest

from common import ROOT

EDITIONS = [ROOT / "notebooks" / folder / "02_manual_masking.ipynb" for folder in ("", "zh")]


@pytest.mark.parametrize("path", EDITIONS, ids=["en", "zh"])
def test_the_guesses_of_the_opening_are_those_of_section_3(path):
    book = nbformat.read(path, as_version=4)
    shown = re.findall(r"^\| (\S+) \| (.+) \|$", book.cells[0].source, re.M)[1:]  # without the table's head
    cell = next(cell for cell in book.cells if cell.id == "5f0c2a71")
    printed = dict(re.findall(r"^(\S+) +(\[.*\])$", cell.outputs[0].text, re.M))
    assert len(shown) == 4
    for hidden, guesses in shown:
        tokens = re.findall(r"'([^']+)'", printed[hidden])
        assert [guess.strip('" ') for guess in re.split(r'[,，、] |(?<="), ', guesses)] == tokens
