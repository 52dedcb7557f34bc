"""Plots of the chapters: each takes figures that a cell has computed, and shows them."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from helpers.views.html import BLUE, GREEN, GREY, ORANGE, VERMILION

# -- Chapter 02 --------------------------------------------------------------------------------------------------------


def binomial(counts: Sequence[int], tokens: int, probability: float) -> None:
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


def bars(values: Mapping[str, float], label: str, number: str = "{:.2f}") -> None:
    """Show named values as horizontal bars, the first on top."""
    _, axes = plt.subplots(figsize=(7, 0.7 + 0.5 * len(values)), layout="constrained")
    colours = [GREY, BLUE, ORANGE, GREEN, VERMILION] * len(values)
    axes.bar_label(axes.barh([*values], [*values.values()], color=colours[: len(values)]), fmt=number, padding=3)
    axes.set(xlabel=label)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    plt.show()


def losses(points: Sequence[tuple[int, float]], before: Mapping[str, float], after: Mapping[str, float]) -> None:
    """Show the losses of single steps, and for each named set of texts a line from its loss before to its loss after them."""
    _, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    axes.plot(*zip(*points), color=GREY, marker=".", label="single steps")
    for (name, start), colour, marker in zip(before.items(), (BLUE, ORANGE), "os"):
        axes.plot([0, len(points)], [start, after[name]], color=colour, marker=marker, markersize=9, label=name)
    axes.set(xlabel="steps", ylabel="loss (nats)")
    axes.legend()
    plt.show()


def memory_of_steps(estimates: Mapping[str, object], peaks: Mapping[str, int]) -> None:
    """Show the estimated parts of a step's memory as stacked bars, and the measured peak beside them.

    Args:
        estimates: Name to `helpers.memory.Memory`.
        peaks: Name to bytes.
    """
    _, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
    left = np.zeros(len(estimates))
    for part, colour, hatch in zip(
        ("weights", "gradients", "optimizer", "activations"), (BLUE, ORANGE, GREEN, "white"), ("", "//", "..", "xx")
    ):
        values = np.array([getattr(need, part) / 2**20 for need in estimates.values()])
        axes.barh([*estimates], values, left=left, color=colour, hatch=hatch, edgecolor="black", lw=0.5, label=part)
        left += values
    measured = [peaks[name] / 2**20 for name in estimates]
    axes.plot(measured, [*estimates], "D", color=VERMILION, markeredgecolor="black", label="measured peak")
    axes.invert_yaxis()
    axes.set(xlabel="MiB")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.25), ncols=5, fontsize="small")
    plt.show()
