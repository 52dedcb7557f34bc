"""What the plots draw against the figures that they were given."""

import math

import matplotlib.pyplot as plt
import pytest

from helpers.memory import Memory
from helpers.views import plots

HISTORY = [
    {"epoch": 1.0, "loss": 0.6},
    {"epoch": 1.0, "eval_loss": 0.59, "eval_accuracy": 0.7},
    {"epoch": 2.0, "loss": 0.5},
    {"epoch": 2.0, "eval_loss": 0.57, "eval_accuracy": 0.75},
    {"train_loss": 0.55, "epoch": 2.0},
]


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    """Figures stay open until a test has looked at them."""
    monkeypatch.setattr(plt, "show", lambda: None)
    yield
    plt.close("all")


def test_learning_curves_show_losses_accuracy_its_error_and_every_baseline():
    plots.plot_learning_curves(HISTORY, {"majority": 0.66, "head": 0.4}, 300)
    left, right = plt.gcf().axes
    assert {line.get_label(): list(line.get_ydata()) for line in left.lines} == {"training": [0.6, 0.5], "held out": [0.59, 0.57]}
    (bars,) = right.containers
    for ((_, low), (_, high)), accuracy in zip(bars.lines[2][0].get_segments(), (0.7, 0.75), strict=True):
        assert high - low == pytest.approx(2 * math.sqrt(accuracy * (1 - accuracy) / 300))
    assert {0.66, 0.4} <= {line.get_ydata()[0] for line in right.lines}
    low, high = right.get_ylim()
    assert low < 0.4 and high == 1 and list(right.get_xticks()) == [0, 1, 2]


def test_learning_curves_of_half_an_epoch_need_no_training_loss():
    plots.plot_learning_curves([{"epoch": 0.5, "eval_loss": 0.6, "eval_accuracy": 0.7}], {}, 10)
    assert [line.get_label() for line in plt.gcf().axes[0].lines] == ["held out"]


def test_a_confusion_matrix_shows_each_row_as_shares_and_classes_never_answered():
    plots.plot_confusion_matrix([0, 0, 0, 0, 1], [1, 1, 1, 1, 1], ["no", "yes"])
    assert [text.get_text() for text in plt.gca().texts] == ["0%", "100%", "0%", "100%"]


def test_two_runs_are_dots_in_circles():
    plots.plot_two_runs([3.0, 2.0], [3.0, 2.5], ("ours", "theirs"))
    theirs, ours = plt.gca().lines
    assert list(ours.get_ydata()) == [3.0, 2.0] and ours.get_marker() == "." and theirs.get_marker() == "o"


def test_bars_of_memory_end_at_the_estimated_peak_and_diamonds_stand_at_the_measured_one():
    needs = {"plain": Memory(2**20, 2**20, 2 * 2**20, 5 * 2**20, 10 * 2**20), "small": Memory(2**20, 2**20, 2 * 2**20, 2**20, 4 * 2**20)}
    plots.plot_memory_of_steps(needs, {"plain": 11 * 2**20, "small": 4 * 2**20})
    ends = [0.0, 0.0]
    for bars in plt.gca().containers:
        ends = [max(end, bar.get_x() + bar.get_width()) for end, bar in zip(ends, bars, strict=True)]
    assert ends == pytest.approx([10, 4])
    assert list(plt.gca().lines[0].get_xdata()) == [11, 4]


def test_the_study_shows_every_seed_and_a_line_through_their_means():
    accuracies = {
        "25": {"plain": [0.5, 0.7], "adapted": [0.6, 0.8], "tfidf": [0.5, 0.6]},
        "100": {"plain": [0.6, 0.6], "adapted": [0.5, 0.9], "tfidf": [0.8, 0.8]},
    }
    stopped = accuracies | {"100": {arm: of[:1] for arm, of in accuracies["100"].items()}}
    plots.plot_study_of_labels({"bundled": accuracies, "imdb": stopped})
    left, right = plt.gcf().axes
    assert (left.get_title(), right.get_title()) == ("bundled reviews", "imdb reviews")
    lines = {line.get_label(): list(line.get_ydata()) for line in left.lines}
    assert lines["plain"] == pytest.approx([0.6, 0.6]) and lines["adapted"] == pytest.approx([0.7, 0.7])
    assert lines["tfidf"] == pytest.approx([0.55, 0.8])
    assert marks(left) == [(25, 0.5), (25, 0.6), (25, 0.7), (25, 0.8), (100, 0.5), (100, 0.6), (100, 0.6), (100, 0.9)]
    assert marks(right) == [(25, 0.5), (25, 0.6), (25, 0.7), (25, 0.8), (100, 0.5), (100, 0.6)]
    assert list(left.get_xticks()) == [25, 100]


def marks(axes):
    """The points of single seeds, in order."""
    lines = [line for line in axes.lines if line.get_label() not in ("plain", "adapted", "tfidf")]
    return sorted(point for line in lines for point in zip(line.get_xdata(), line.get_ydata()))
