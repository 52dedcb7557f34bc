"""What the opening of chapter 03 shows is what the chapter's own outputs show."""

import re

import nbformat
import pytest

from common import ROOT

EDITIONS = [ROOT / "notebooks" / folder / "03_imdb_domain_adaptation.ipynb" for folder in ("", "zh")]


@pytest.mark.parametrize("path", EDITIONS, ids=["en", "zh"])
def test_the_guesses_of_the_opening_are_those_of_section_10(path):
    book = nbformat.read(path, as_version=4)
    shown = re.findall(r"^\| (.*\[MASK\].*) \| (.+) \| (.+) \|$", book.cells[0].source, re.M)
    output = next(cell for cell in book.cells if cell.id == "3b682933").outputs[0].text
    printed = [tuple(re.split("   before: |   after: ", line)) for line in output.splitlines()]
    assert len(shown) == 2 and shown == printed[::-1]  # the sentence with words of the cinema first
