"""Rewritten sentences: noise keeps what a sentence says, changes do not."""

import numpy as np

from lab.pretraining.batches import BatchMaker
from lab.pretraining.pairs import Flag


def test_noise_keeps_names_numbers_and_negation_and_changes_change(text, tokenizer):
    maker = BatchMaker(text, tokenizer, 4, seed=0, pairs=True)
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(200):
        _, words = maker._sentence(rng)
        others = [word for _ in range(4) for word in maker._sentence(rng)[1]]
        kept = maker.pairs.noised(words, rng)
        for word in words:
            if word[1] & (Flag.NAME | Flag.NUMBER) or word[0][0] == maker.pairs.negation:
                assert word in kept
        assert not {w[0] for w in kept} - {w[0] for w in words}
        changed += maker.pairs.changed(words, others, rng) != words
    assert changed > 150  # the rest drew the number or name that stood there, and are labelled as unchanged


def test_what_is_different_differs_and_what_is_subtle_keeps_most_words(text, tokenizer):
    maker, rng = BatchMaker(text, tokenizer, 4, seed=0, pairs=True), np.random.default_rng(0)
    kept = {0.0: [], 1.0: []}
    for subtle, shares in kept.items():
        for _ in range(200):
            i, words = maker._sentence(rng)
            other = maker.pairs.different(words, maker._sentence(rng, i + 1)[1], maker._sentence(rng)[1], subtle, rng)
            shares.append(sum(word in other for word in words) / len(words))
    assert np.mean(kept[1.0]) > np.mean(kept[0.0]) + 0.05
