"""Shares of padding against a count of all positions."""

import random
import warnings

import pytest
import torch
from transformers.trainer_pt_utils import LengthGroupedSampler

from helpers.views import padding_picture
from helpers.views.padding import padded_batches, padding_share


@pytest.mark.parametrize("size", [1, 3, 8, 40])
def test_padding_shares_equal_a_count_of_positions(size):
    lengths = random.Random(size).choices(range(1, 60), k=37)
    figure = padding_picture(iter(lengths), size)
    sampler = LengthGroupedSampler(size, lengths=lengths, generator=torch.Generator().manual_seed(0))  # Trainer's
    orders = lengths, lengths, [lengths[i] for i in sampler]
    for strategy, order, panel in zip(("corpus", "batch", "grouped"), orders, figure.axes):
        filled = empty = 0
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            for row in rows:
                for position in range(max(lengths if strategy == "corpus" else rows)):
                    filled, empty = filled + (position < row), empty + (position >= row)
        batches = padded_batches(lengths, size, strategy)
        assert padding_share(batches) == pytest.approx(empty / (filled + empty))
        assert f"{empty / (filled + empty):.0%} padding" in panel.get_title()
        drawn = [row for rows, _ in batches[: max(1, 32 // size)] for row in rows]
        assert [bar.get_width() for bar in panel.containers[0]] == drawn
        assert {bar.get_hatch() for bar in panel.containers[1]} == {"////"}  # told apart without colour


def test_grouping_keeps_every_text():
    lengths = list(range(1, 50))
    assert sorted(row for rows, _ in padded_batches(lengths, 4, "grouped") for row in rows) == lengths


def test_the_padding_picture_warns_of_no_missing_letters():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        padding_picture([3, 5, 9], 2).canvas.draw()
