"""Pretraining batches are a pure function of seed and step, and mask what they should."""

import numpy as np
import pytest
import torch

from lab.pretraining.batches import BatchMaker


def equal(one, two):
    return all(wa == wb and a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for (wa, a), (wb, b) in zip(one, two))


def test_a_batch_follows_from_seed_and_step_alone(text, tokenizer):
    one, two = (BatchMaker(text, tokenizer, 4, seed=0, pairs=True) for _ in range(2))
    list(one.step(0, 0))  # what came before leaves no trace
    assert equal(list(one.step(7, 28, 0.5)), list(two.step(7, 28, 0.5)))
    assert not equal(list(one.step(7, 28, 0.5)), list(one.step(8, 32, 0.5)))
    assert not equal(list(one.step(7, 28, 0.5)), list(BatchMaker(text, tokenizer, 4, seed=1, pairs=True).step(7, 28, 0.5)))


@pytest.mark.parametrize("decay, rate", [(0.0, 0.30), (0.5, 0.225), (1.0, 0.15)])
def test_batches_mask_at_the_rate_and_never_a_special_token(text, tokenizer, decay, rate):
    maker = BatchMaker(text, tokenizer, 16, seed=0, pairs=True)
    asked = total = 0
    for step in range(20):
        _, batch = next(maker.step(2 * step, 32 * step, decay))
        original = torch.where(batch["labels"] != -100, batch["labels"], batch["input_ids"])
        special = torch.isin(original, torch.tensor(tokenizer.all_special_ids))
        assert not (special & (batch["labels"] != -100)).any()
        asked, total = asked + int((batch["labels"] != -100).sum()), total + int((~special).sum())
    assert abs(asked - total * rate) < 5 * (total * rate * (1 - rate)) ** 0.5


def test_second_segments_and_pair_labels_belong_together(text, tokenizer):
    _, batch = next(BatchMaker(text, tokenizer, 16, seed=0, pairs=True).step(3, 48))
    split = batch["token_type_ids"].any(dim=1)
    assert torch.equal(split, batch["pair_labels"] != -100)
    assert split.sum() == 8


def test_what_recurs_is_what_stands_in_both_sentences(text, tokenizer):
    maker = BatchMaker(text, tokenizer, 4, seed=0, pairs=True, pair_rows=12)
    batch = maker._rewritten(0.0, 0.5, np.random.default_rng(0))  # no masks: the ids are the sentences'
    for ids, segments, recurs, shares in zip(*(batch[name].tolist() for name in ("input_ids", "token_type_ids", "recurs", "shares"))):
        end = ids.index(tokenizer.sep_token_id)
        sides = ids[1:end], [token for token, segment in zip(ids, segments) if segment][:-1]
        for own, other, share in zip(sides, sides[::-1], shares):
            assert share == pytest.approx(sum(token in other for token in own) / len(own))
        expected = [int(token in other) for own, other in (sides, sides[::-1]) for token in own]
        assert [value for value in recurs if value != -100] == expected
