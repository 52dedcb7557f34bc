"""Plots of the chapters: each takes figures that a cell has computed, and shows them."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import ConfusionMatrixDisplay

from helpers.views.html import BLUE, GREEN, GREY, ORANGE, VERMILION

# -- Chapter 01 --------------------------------------------------------------------------------------------------------


def plot_learning_curves(history: Sequence[Mapping[str, float]], baselines: Mapping[str, float], rows: int) -> None:
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


def plot_confusion_matrix(labels: Sequence[int], answers: Sequence[int], names: Sequence[str]) -> None:
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


def plot_two_runs(ours: Sequence[float], theirs: Sequence[float], names: tuple[str, str]) -> None:
    """Show the losses of two trainings step by step: dots for the first, circles for the second."""
    _, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    axes.plot(theirs, "o", markersize=9, fillstyle="none", color=VERMILION, label=names[1])
    axes.plot(ours, marker=".", color=BLUE, label=names[0])
    axes.set(xlabel="step", ylabel="loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    plt.show()


# -- Chapter 02 --------------------------------------------------------------------------------------------------------


def plot_binomial(counts: Sequence[int], tokens: int, probability: float) -> None:
    """Show how often a number of tokens is masked, beside what the binomial distribution predicts.

    Args:
        counts: Masked tokens in each draw.
        tokens: Tokens that could be masked in a draw.
        probability: Of each token to be masked. The shaded band is two standard deviations, sqrt(p (1 - p) / tokens), on either side.
    """
    counts = np.asarray(counts)
    numbers = np.arange(counts.max() + 1)
    expected = [len(counts) * math.comb(tokens, k) * probability**k * (1 - probability) ** (tokens - k) for k in numbers.tolist()]
    band = 2 * math.sqrt(probability * (1 - probability) / tokens)
    _, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    axes.bar(numbers / tokens, np.bincount(counts), 0.8 / tokens, color=BLUE, label="drawn")
    axes.plot(numbers / tokens, expected, "o", color=ORANGE, markeredgecolor="black", label="binomial")
    axes.axvspan(probability - band, probability + band, color=GREY, alpha=0.3, label="two standard deviations")
    axes.set(xlabel="share of tokens masked", ylabel="draws")
    axes.legend()
    plt.show()


def plot_bars(values: Mapping[str, float], label: str, number: str = "{:.2f}") -> None:
    """Show named values as horizontal bars, the first on top."""
    _, axes = plt.subplots(figsize=(7, 0.7 + 0.5 * len(values)), layout="constrained")
    colours = [GREY, BLUE, ORANGE, GREEN, VERMILION] * len(values)
    axes.bar_label(axes.barh([*values], [*values.values()], color=colours[: len(values)]), fmt=number, padding=3)
    axes.set(xlabel=label)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    plt.show()


def plot_losses(points: Sequence[tuple[int, float]], before: Mapping[str, float], after: Mapping[str, float]) -> None:
    """Show the losses of single steps, and for each named set of texts a line from its loss before to its loss after them."""
    _, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    axes.plot(*zip(*points), color=GREY, marker=".", label="single steps")
    for (name, start), colour, marker in zip(before.items(), (BLUE, ORANGE), "os"):
        axes.plot([0, len(points)], [start, after[name]], color=colour, marker=marker, markersize=9, label=name)
    axes.set(xlabel="steps", ylabel="loss (nats)")
    axes.legend()
    plt.show()


def plot_memory_of_steps(estimates: Mapping[str, object], peaks: Mapping[str, int]) -> None:
    """Show the estimated peak of a step's memory as a stacked bar of its parts, and the measured peak beside it.

    What weights, gradients and optimizer state leave of a peak is drawn as one part: activations, and room to work in.

    Args:
        estimates: Name to `helpers.memory.Memory`.
        peaks: Name to bytes.
    """
    _, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
    parts = {part: np.array([getattr(need, part) for need in estimates.values()]) for part in ("weights", "gradients", "optimizer")}
    parts["activations, room to work"] = np.array([need.peak for need in estimates.values()]) - sum(parts.values())
    left = np.zeros(len(estimates))
    for (part, sizes), colour, hatch in zip(parts.items(), (BLUE, ORANGE, GREEN, "white"), ("", "//", "..", "xx")):
        axes.barh([*estimates], sizes / 2**20, left=left, color=colour, hatch=hatch, edgecolor="black", lw=0.5, label=part)
        left += sizes / 2**20
    measured = [peaks[name] / 2**20 for name in estimates]
    axes.plot(measured, [*estimates], "D", color=VERMILION, markeredgecolor="black", label="measured peak")
    axes.invert_yaxis()
    axes.set(xlabel="MiB")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.25), ncols=5, fontsize="small")
    plt.show()


# -- Chapter 03 --------------------------------------------------------------------------------------------------------


def plot_three_stages() -> None:
    """Show pretraining, adaptation and fine-tuning as three boxes, the second one marked."""
    stages = [
        ("1  Pretrain", "general text,\nbillions of words", "language"),
        ("2  Adapt", "text of the domain,\nno labels", "its words and style"),
        ("3  Fine-tune", "a few labelled\nexamples", "the task"),
    ]
    _, axes = plt.subplots(figsize=(12, 2.2))
    for i, (name, text, learns) in enumerate(stages):
        look = dict(facecolor="#ffd27f", linewidth=3) if i == 1 else dict(facecolor="#e8eef4")
        axes.text(i, 0.5, f"{name}\n\n{text}\n\nlearns {learns}", ha="center", va="center", bbox=dict(boxstyle="round,pad=0.8", **look))
        if i:
            axes.annotate("", (i - 0.43, 0.5), (i - 0.58, 0.5), arrowprops=dict(arrowstyle="->", linewidth=2))
    axes.set(xlim=(-0.5, 2.5), ylim=(0, 1))
    axes.axis("off")
    plt.show()


def plot_lengths(values: Sequence[int], label: str, mark: int) -> None:
    """Show a histogram of lengths, with a dashed line at one of them, the size of a chunk say."""
    _, axes = plt.subplots(figsize=(7, 2.5), layout="constrained")
    axes.hist(values, bins=40, color=BLUE)
    axes.axvline(mark, color=VERMILION, linestyle="--", label=f"{mark}")
    axes.set(xlabel=label, ylabel="texts")
    axes.legend()
    plt.show()


def plot_perplexity_by_epoch(history: Sequence[tuple[float, float]]) -> None:
    """Show perplexities over epochs, from (epoch, perplexity) pairs, each with its value beside it."""
    _, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    axes.plot(*zip(*history), marker="o", color=BLUE)
    for epoch, value in history:
        axes.annotate(f"{value:.1f}", (epoch, value), textcoords="offset points", xytext=(6, 6))
    axes.margins(x=0.08)
    axes.set(xlabel="epochs", ylabel="perplexity", ylim=(0, 1.2 * max(value for _, value in history)))
    plt.show()


def plot_guesses_before_and_after(
    sentences: Sequence[str], before: Sequence[Mapping[str, float]], after: Sequence[Mapping[str, float]]
) -> None:
    """Show the guesses for each sentence as bars of probability, before the training on the left and after it on the right.

    Args:
        sentences: With a mask each.
        before, after: For each sentence, tokens with their probabilities, the best first.
    """
    _, panels = plt.subplots(len(sentences), 2, figsize=(9, 2.3 * len(sentences)), sharex="row", squeeze=False, layout="constrained")
    for row, sentence, *answers in zip(panels, sentences, before, after):
        for axes, words, when, colour in zip(row, answers, ("before", "after"), (GREY, BLUE)):
            axes.bar_label(axes.barh(list(words)[::-1], list(words.values())[::-1], color=colour), fmt="{:.1%}", padding=3)
            axes.set(title=f"{when}: {sentence}", xlabel="probability")
            axes.margins(x=0.2)
    plt.show()


# -- Chapter 04 --------------------------------------------------------------------------------------------------------


def plot_architectures(rows: Sequence[Mapping]) -> None:
    """Show in two columns how many parameters each architecture has, whether it took a training step, and a note.

    Args:
        rows: Each with ``architecture``, ``parameters`` (None where there is no model), ``step`` and ``note``.
    """
    half = math.ceil(len(rows) / 2)
    _, panels = plt.subplots(1, 2, figsize=(11, 7), layout="constrained", sharex=True)
    for axes, part in zip(panels, (rows[:half], rows[half:])):
        bars = axes.barh([row["architecture"] for row in part], [(row["parameters"] or 0) / 1000 for row in part], color=BLUE)
        axes.bar_label(bars, [f"{'✓' if row['step'] else '✗'} {row['note']}" for row in part], padding=3, fontsize=8)
        axes.set(xlabel="thousand parameters", xlim=(0, 1500), ylim=(half - 0.4, -0.6))
    plt.show()


# -- Chapter 05 --------------------------------------------------------------------------------------------------------


def plot_study_of_labels(studies: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> None:
    """Show accuracy over the number of labels in a panel for each study: a mark for each seed, a line through their means.

    Args:
        studies: Name, number of labels and arm to accuracies, one for each seed. The arms ``plain`` and ``adapted``
            are models; any others are baselines, drawn as lines without marks.
    """
    _, panels = plt.subplots(1, len(studies), figsize=(5 * len(studies), 3.6), squeeze=False, layout="constrained")
    for axes, (name, accuracies) in zip(panels[0], studies.items()):
        labels = [int(count) for count in accuracies]
        models = {"plain": (GREY, "s"), "adapted": (BLUE, "o")}
        lines = iter(((":", GREY), ("--", ORANGE), ("-.", GREEN)))
        for arm in next(iter(accuracies.values())):
            shares = [of[arm] for of in accuracies.values()]  # a study that was stopped has fewer seeds at its last number
            means = [np.mean(of) for of in shares]
            if arm in models:
                colour, marker = models[arm]
                axes.plot(labels, means, color=colour, marker=marker, label=arm)
                for count, of in zip(labels, shares):
                    axes.plot([count] * len(of), of, marker, color=colour, alpha=0.4, markersize=4)
            else:
                style, colour = next(lines)
                axes.plot(labels, means, style, color=colour, label=arm)
        axes.set(title=f"{name} reviews", xscale="log", xlabel="labels", ylabel="accuracy")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xticks(labels, labels)
        axes.minorticks_off()
    panels[0, 0].legend(fontsize="small")  # the same lines in all panels
    plt.show()
