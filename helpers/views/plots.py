"""Plots of the chapters: each takes figures that a cell has computed, and shows them."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import ConfusionMatrixDisplay

from helpers.views.html import BLUE, GREEN, GREY, ORANGE, VERMILION

# -- Chapter 01 --------------------------------------------------------------------------------------------------------


def learning_curves(history: Sequence[Mapping[str, float]], baselines: Mapping[str, float], rows: int) -> None:
    """Show losses and held-out accuracy after each epoch, the accuracy with its standard error and beside baselines.

    Args:
        history: ``trainer.state.log_history`` of a training that logs and evaluates after each epoch.
        baselines: Name to accuracy.
        rows: Held-out rows. The error bars are one standard error of a share of so many, sqrt(a (1 - a) / rows).
    """
    _, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    for key, marker, colour, name in (("loss", "o", BLUE, "training"), ("eval_loss", "s", VERMILION, "held out")):
        points = [(row["epoch"], row[key]) for row in history if key in row]
        left.plot(*zip(*points), marker=marker, color=colour, label=name)
    epochs, accuracies = zip(*[(row["epoch"], row["eval_accuracy"]) for row in history if "eval_accuracy" in row])
    errors = [math.sqrt(a * (1 - a) / rows) for a in accuracies]
    right.errorbar(epochs, accuracies, errors, marker="o", color=BLUE, capsize=4, label="this model, ± 1 standard error")
    for (name, accuracy), line, colour in zip(baselines.items(), ("--", ":", "-."), (GREY, ORANGE, GREEN)):
        right.axhline(accuracy, color=colour, linestyle=line, label=name)
    left.set(ylabel="loss")
    right.set(ylabel="accuracy, held out", ylim=(min(0.5, *accuracies, *baselines.values()) - 0.05, 1))
    right.yaxis.set_major_formatter(PercentFormatter(1))
    for axes in (left, right):
        axes.set(xlabel="epochs", xlim=(0, max(epochs) + 0.5), xticks=range(math.ceil(max(epochs)) + 1))
        axes.legend(fontsize="small", loc="upper left")
    plt.show()


def confusion_matrix(labels: Sequence[int], answers: Sequence[int], names: Sequence[str]) -> None:
    """Show a confusion matrix: true classes in rows, answers in columns, each cell as a share of its row.

    Args:
        labels: True classes.
        answers: Predicted classes.
        names: Of the classes 0, 1, …
    """
    _, axes = plt.subplots(figsize=(4.4, 3.4), layout="constrained")
    look = dict(display_labels=names, cmap="Blues", im_kw={"vmin": 0, "vmax": 1}, colorbar=False, ax=axes)
    ConfusionMatrixDisplay.from_predictions(labels, answers, labels=range(len(names)), normalize="true", values_format=".0%", **look)
    axes.set(ylabel="true class", xlabel="answer")
    plt.show()


def two_runs(ours: Sequence[float], theirs: Sequence[float], names: tuple[str, str]) -> None:
    """Show the losses of two trainings step by step: dots for the first, circles for the second."""
    _, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    axes.plot(theirs, "o", markersize=9, fillstyle="none", color=VERMILION, label=names[1])
    axes.plot(ours, marker=".", color=BLUE, label=names[0])
    axes.set(xlabel="step", ylabel="loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    plt.show()
