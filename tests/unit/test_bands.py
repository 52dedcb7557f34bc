"""A band that lets an untrained model pass holds nothing."""

import math
import tomllib

import nbformat
import pytest

from conftest import ROOT
from helpers.results import recorded

BANDS = tomllib.loads((ROOT / "tests" / "bands.toml").read_text(encoding="utf-8"))
CHAPTERS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=CHAPTERS)
def chapter(request):
    figures = recorded(nbformat.read(ROOT / "notebooks" / f"{request.param}.ipynb", as_version=4))
    return request.param, BANDS["lab"][request.param], figures


def test_every_recorded_figure_has_a_band_and_lies_in_it(chapter):
    name, bands, figures = chapter
    assert bands.keys() == figures.keys(), name
    for figure, value in figures.items():
        low, high = bands[figure]
        assert low <= value <= high, f"{name}: {figure}"


def test_untrained_figures_fall_outside(chapter):
    name, bands, figures = chapter
    untrained = {
        "perplexity_after": figures.get("perplexity_before"),
        "perplexity_ratio": 1.0,
        "loss_train_after": figures.get("loss_train_before"),
        "loss": math.log(2),  # of guessing between two classes
    }
    checked = [figure for figure in untrained if figure in bands]
    assert checked, f"{name} has no figure that training must move"
    for figure in checked:
        low, high = bands[figure]
        assert not low <= untrained[figure] <= high, f"{name}: {figure} of the untrained model passes"
