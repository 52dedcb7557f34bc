"""A band that lets an untrained model pass holds nothing."""

import tomllib

import nbformat
import pytest

from common import ROOT
from helpers.results import recorded
from tools.bands import UNTRAINED, band, rewritten

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


NOT_TRAINED = {  # figures of the data, of word counts, and of the model as it was pretrained
    "majority_accuracy", "overlap_accuracy", "pretrained_accuracy", "perplexity_before", "loss_train_before", "loss_heldout_before",
    "loss_all_tokens", "loss_masked_only", "loss_visible_only",
    "loss_heldout_after",  # chapter 02 shows that a few paragraphs learned by heart do not move it
}  # fmt: skip


@pytest.mark.parametrize("profile", ["lab", "hub"])
@pytest.mark.parametrize("name", CHAPTERS)
def test_the_untrained_figure_lies_outside_the_band_of_every_trained_one(name, profile):
    bands = BANDS[profile][name]
    middle = {figure: (low + high) / 2 for figure, (low, high) in bands.items()}
    for figure in bands.keys() - NOT_TRAINED:
        low, high = bands[figure]
        assert low < high and not low <= UNTRAINED[figure](middle) <= high, f"{name}: {figure} of an untrained model passes"


@pytest.mark.parametrize("name", CHAPTERS)
def test_bands_of_the_hub_profile_are_of_figures_that_the_chapter_records(name):
    assert BANDS["hub"][name].keys() <= BANDS["lab"][name].keys()


def test_a_band_ends_before_the_untrained_figure_on_whichever_side_it_lies():
    values = [0.80, 0.85, 0.90]  # standard deviation 0.05
    assert band(values) == [0.6, 1.1]
    assert band(values, 0.8) == [0.8008, 1.1] and band(values, 0.5) == [0.6, 1.1]
    assert band(values, 0.9) == [0.6, 0.8991] and band(values, 2.0) == [0.6, 1.1]
    assert band([10.0, 10.0]) == [9.8, 10.2]


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
