"""A band that lets an untrained model pass holds nothing."""

import math
import tomllib

import nbformat
import pytest

from common import ROOT
from helpers.results import recorded
from tools.bands import rewritten

TEXT = (ROOT / "tests" / "bands.toml").read_text(encoding="utf-8")
BANDS = tomllib.loads(TEXT)
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


# -- The hub profile: published figures --------------------------------------------------------------------------------

UNTRAINED = {"accuracy": 0.684, "f1": 0.812, "loop_accuracy": 0.684, "loop_f1": 0.812}  # of always saying "equivalent"
UNTRAINED |= {"loss_all_tokens": math.log(30_522), "perplexity_after": 21.75, "perplexity_ratio": 1.0}
NOT_TRAINED_FOR = {"majority_accuracy", "perplexity_before"}


@pytest.mark.parametrize("name", CHAPTERS)
def test_bands_of_the_hub_profile_hold_a_figure_of_the_chapter_and_no_untrained_one(name):
    bands = BANDS["hub"][name]
    assert bands.keys() <= BANDS["lab"][name].keys()
    for figure in bands.keys() - NOT_TRAINED_FOR:
        low, high = bands[figure]
        assert low < high and not low <= UNTRAINED[figure] <= high, f"{name}: {figure} of an untrained model passes"


# -- Writing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_measuring_a_chapter_changes_its_section_and_no_other_line(chapter):
    text = rewritten(TEXT, f"lab.{chapter}", {"x": [1.0, 2.5]})
    found = tomllib.loads(text)
    assert found.pop("lab") == BANDS["lab"] | {chapter: {"x": [1.0, 2.5]}} and found.pop("hub") == BANDS["hub"]
    assert [line for line in text.splitlines() if line.startswith("#")] == [line for line in TEXT.splitlines() if line.startswith("#")]
    assert rewritten(text, f"lab.{chapter}", BANDS["lab"][chapter]) == TEXT


def test_a_measured_section_of_the_hub_profile_loses_the_published_figures_and_a_new_one_is_added():
    text = rewritten(TEXT, "hub.03_imdb_domain_adaptation", {"perplexity_after": [11.0, 11.5]})
    assert tomllib.loads(text)["hub"]["03_imdb_domain_adaptation"] == {"perplexity_after": [11.0, 11.5]}
    assert "21.75" in TEXT and "21.75" not in text and "10.73" in text
    assert tomllib.loads(rewritten(TEXT, "hub.06_new", {"x": [1, 2]}))["hub"]["06_new"] == {"x": [1, 2]}
