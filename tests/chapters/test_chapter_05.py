"""What chapter 05 says of the loop and of the study, against the helpers as they are and against SciPy."""

import json
import re
from dataclasses import replace
from html import unescape

import nbformat
import numpy as np
import pytest
from scipy import stats

from common import ROOT
from helpers import results
from helpers.train import loop
from helpers.train.setup import forget_accelerator, new_accelerator
from training import SEED, SETTINGS, assert_same, frozen_rows, masked_chunks, new_run, tiny_bert, weights_of

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


@pytest.fixture
def accelerator():
    yield new_accelerator(SEED, cpu=True, mixed_precision="no")
    forget_accelerator()


@pytest.mark.parametrize("epochs", [2, 1.5])
def test_the_page_trains_as_the_loop_of_the_helpers(tokenizer, accelerator, epochs):
    run = new_run(tokenizer, num_train_epochs=epochs)
    loop.record(run)
    loop.train(run)
    names = {}
    for text in ("import math", "def set_up(", "def train("):
        exec(cell(text).source, names)
    settings = replace(SETTINGS, num_train_epochs=epochs)
    parts = names["set_up"](accelerator, tiny_bert(), masked_chunks(tokenizer), frozen_rows(tokenizer), settings)
    history, losses = names["train"](accelerator, *parts)
    assert losses == pytest.approx(run.losses, abs=1e-6) and len(losses) == run.steps
    assert history == [{name: pytest.approx(value, rel=1e-6) for name, value in row.items() if name in history[0]} for row in run.history]
    assert_same(accelerator.unwrap_model(parts[0]).state_dict(), weights_of(run))


def test_the_diff_rebuilds_both_loops():
    page = cell("code_diff").outputs[0].data["text/html"]
    lines = [unescape(line) for line in re.findall(r"<div[^>]*>(.*?)</div>", page)]
    for marker, name in (("+", "plain_loop"), ("-", "accelerated_loop")):
        rebuilt = [line[2:] for line in lines if line[0] != marker]
        assert rebuilt == cell(f"def {name}(").source.splitlines()


def printed(text):
    return "".join(output.text for output in cell(text).outputs if output.output_type == "stream")


def test_plain_accelerators_multiply_the_batch_and_split_batches_do_not():
    alone, plain, split = printed("two, split_batches=True").splitlines()
    four = ", ".join(f"16 rows at rate {rate:.2f}" for rate in (1, 0.75, 0.5, 0.25))
    assert re.fullmatch(rf"one process +{four}", alone) and re.fullmatch(rf"two, split_batches=True +{four}", split)
    assert re.fullmatch(r"two, Accelerator\(\) +32 rows at rate 1.00, 32 rows at rate 0.50", plain)


def test_two_processes_report_the_figures_of_one():
    one, two = re.findall(r"^(?:one process|two processes) +(.*)$", printed("plot_two_runs("), re.M)
    assert [float(figure) for figure in re.findall(r"[\d.]+", two)] == [
        pytest.approx(float(figure), abs=2e-3) for figure in re.findall(r"[\d.]+", one)
    ]
    assert float(re.search(r"two processes to one: ([\d.]+)", printed("plot_two_runs("))[1]) > 0


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
