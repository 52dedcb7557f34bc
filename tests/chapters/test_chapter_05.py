"""What chapter 05 says of the loop and of the study, against the helpers as they are and against SciPy."""

import inspect
import json
import re

import nbformat
import numpy as np
import pytest
from scipy import stats

from common import ROOT
from helpers import metrics, results
from helpers.train import loop, setup

pytestmark = pytest.mark.long

BOOK = nbformat.read(ROOT / "notebooks" / "05_accelerate_loop.ipynb", as_version=4)


def cell(text):
    """The one code cell that holds a text."""
    (found,) = [cell for cell in BOOK.cells if cell.cell_type == "code" and text in cell.source]
    return found


def definition(name, **names):
    """A function that the notebook defines, made from the text of its cell up to the next statement."""
    source = re.search(rf"^def {name}\(.*?(?=^\S|\Z)", cell(f"def {name}(").source, re.S | re.M).group()
    exec(source, names)
    return names[name]


def test_the_functions_shown_are_those_of_the_helpers():
    shown = "".join(output.data.get("text/markdown", "") for cell in BOOK.cells for output in cell.get("outputs", []) if "data" in output)
    for function in (
        setup.prepare, loop.token_losses, loop.backward, loop.train_step, loop.remaining_batches, loop.evaluate,
        metrics.as_perplexity, loop.train,
    ):  # fmt: skip
        assert inspect.getsource(function) in shown, function.__name__


def test_the_diff_rebuilds_both_loops():
    page = cell("difflib.ndiff").outputs[0].data["text/html"]
    lines = re.findall(r"<div[^>]*>(.*?)</div>", page)
    for marker, name in (("+", "plain_loop"), ("-", "accelerated_loop")):
        rebuilt = [line[2:] for line in lines if line[0] != marker]
        assert rebuilt == cell(f"def {name}(").source.splitlines()


def test_two_processes_report_the_perplexities_of_one():
    text = "".join(output.text for output in cell("accelerate.commands.launch").outputs if output.output_type == "stream")
    two, one = (re.findall(r"perplexity ([\d.]+) on ([\d,]+)", part) for part in text.split("one process"))
    assert len(one) == 2 and one == two


def test_reading_reviews_lowers_the_perplexity_of_reviews():
    figures = results.recorded(BOOK)
    assert figures["perplexity_after"] < 0.95 * figures["perplexity_before"]


def test_the_interval_of_paired_differences_is_scipys():
    rng = np.random.default_rng(0)
    plain, adapted = rng.uniform(0.5, 0.6, 5), rng.uniform(0.55, 0.65, 5)
    mean, low, high = definition("interval", np=np, stats=stats)(plain, adapted)
    expected = stats.ttest_rel(100 * adapted, 100 * plain).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high)) and low < mean < high


@pytest.mark.parametrize("gain, verdict", [(0.1, "a gain"), (-0.1, "a loss"), (0.0, "within noise")])
def test_the_verdict_on_the_study_follows_from_its_figures(gain, verdict, capsys):
    plain = [0.60, 0.62, 0.61, 0.59, 0.60]
    adapted = [share + gain + noise for share, noise in zip(plain, (0.01, -0.01, 0.02, -0.02, 0.0))]
    studies = {"bundled": {"25": {"plain": plain, "adapted": adapted}}}
    exec(cell("verdict").source, dict(studies=studies, interval=definition("interval", np=np, stats=stats)))
    assert capsys.readouterr().out.rstrip().endswith(verdict)


def test_saved_figures_have_five_seeds_of_both_arms():
    file = ROOT / "lab" / "studies" / "labels.json"
    if not file.exists():
        pytest.skip("lab/studies/labels.json is not there: make study")
    saved = json.loads(file.read_text())
    for name in {"bundled", "imdb"} & saved.keys():
        for count, found in saved[name].items():
            shares = np.array([found["plain"], found["adapted"]])
            assert shares.shape == (2, 5) and int(count) > 0 and ((0 < shares) & (shares <= 1)).all()


def test_exercise_stubs_run_untouched():
    for name in ("perplexities", "differing", "accumulating_loop", "share_of", "gains"):
        assert "# your code here" in cell(f"def {name}(").source
