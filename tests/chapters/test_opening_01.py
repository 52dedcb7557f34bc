"""Chapter 01 opens with two verdicts: its own last run gives them, to the digits shown."""

import re

import nbformat
import pytest

from common import ROOT

ROW = re.compile(
    r"^\| ([^|（]+?)(?:（[^|]+）)? \| ([^|（]+?)(?:（[^|]+）)? \| [^|]+ \| (\d+%) \|$", re.M
)  # two sentences, the truth, the model's answer


@pytest.mark.parametrize("edition", ["", "zh"])
def test_the_opening_shows_the_verdicts_of_the_committed_outputs(edition):
    book = nbformat.read(ROOT / "notebooks" / edition / "01_mrpc_classification.ipynb", as_version=4)
    (cell,) = (cell for cell in book.cells if cell.id == "d41c09e7")
    printed = "".join(output.get("text", "") for output in cell.outputs)
    rows = ROW.findall(book.cells[0].source)
    assert len(rows) == 2
    for one, two, same in rows:
        assert f"{same} equivalent: {one.strip('*')} | {two.strip('*')}\n" in printed
