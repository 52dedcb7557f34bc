"""Predictions for blanks against the softmax of the logits."""

import numpy as np
import pytest
import torch

from helpers.views.fill_mask import guess_blanks


def wanted(model, tokenizer, text, k):
    """Oracle: tokens and probabilities from the model's logits, one blank at a time, by NumPy."""
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0].double().numpy()
    for position in np.flatnonzero(ids[0].numpy() == tokenizer.mask_token_id):
        p = np.exp(logits[position] - logits[position].max())
        best = np.argsort(-p)[:k]
        yield [tokenizer.decode([i]).strip() for i in best], p[best] / p.sum()


@pytest.mark.parametrize("spelling", ["[MASK]", "<mask>", "___", "_____", "[mask]"])
def test_guesses_are_the_softmax_of_the_logits(checkpoints, spelling):
    sentence = "The {0} was good and the {0} was bad."
    for model, tokenizer in checkpoints.values():
        guesses = guess_blanks(model, tokenizer, sentence.format(spelling), 7)
        oracle = list(wanted(model, tokenizer, sentence.format(tokenizer.mask_token), 7))
        assert len(guesses) == len(oracle) == 2
        for row, (tokens, probabilities) in zip(guesses, oracle):
            assert [token for token, _ in row] == tokens
            np.testing.assert_allclose([p for _, p in row], probabilities, rtol=1e-4)


def test_a_model_gets_its_modes_back(checkpoints):
    model, tokenizer = checkpoints["before"]
    model.train()
    frozen = next(model.children()).eval()  # a part that its owner keeps in evaluation mode
    guesses = [guess_blanks(model, tokenizer, "A ___ day.") for _ in range(2)]
    assert guesses[0] == guesses[1]  # no dropout
    assert model.training and not any(module.training for module in frozen.modules())
    with pytest.raises(AttributeError):
        guess_blanks(model, lambda *args, **kwargs: None, "A ___ day.")
    assert model.training
    model.eval()
