"""Predictions of a masked language model for the blanks of a sentence."""

import re

import torch

from helpers import pretrained
from helpers.metrics import evaluation_mode

BLANK = re.compile(r"\[MASK\]|<mask>|_{3,}", re.IGNORECASE)  # as any of the tokenizers writes it, or as people do


@torch.no_grad()
def guess_blanks(model, tokenizer, sentence: str, k: int = 5) -> list[list[tuple[str, float]]]:
    """Return the `k` most probable tokens of each blank of a sentence, with their probabilities.

    Args:
        model: A masked language model, on any device; left in the mode, training or evaluation, in which it was.
        tokenizer: With a mask token, which takes the place of ``[MASK]``, ``<mask>`` and ``___``.
        sentence: Text with blanks; one beyond the model's length gets no guesses.
        k: Guesses a blank.
    """
    limit = pretrained.max_length(tokenizer, model)
    device = next(model.parameters()).device
    text = BLANK.sub(lambda blank: tokenizer.mask_token, sentence)
    inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=limit).to(device)
    with evaluation_mode(model):
        logits = model(**inputs).logits[0]
    blanks = logits[inputs["input_ids"][0] == tokenizer.mask_token_id].float().softmax(-1)
    best = blanks.topk(min(k, blanks.shape[-1]))
    guesses = [list(zip(*rows)) for rows in zip(best.indices.tolist(), best.values.tolist())]
    return [[(tokenizer.decode([i]).strip() or tokenizer.convert_ids_to_tokens(i), p) for i, p in row] for row in guesses]
