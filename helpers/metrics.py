"""Perplexity, weighted by labelled tokens."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from helpers.i18n import say
from helpers.masking import IGNORE_INDEX


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Switch dropout and the like off for a while; every part of the model goes back to the mode in which it was."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@torch.no_grad()
def mean_masked_loss(model: nn.Module, batches: Iterable[dict]) -> float:
    """Return the mean cross-entropy in nats over all labelled tokens of all batches.

    A mean of batch means, as the tutorials take it or nearly so, gives a token in a batch with few masks
    more say than one in a batch with many.

    Args:
        model: A masked language model; left in the mode, training or evaluation, in which it was.
        batches: Dictionaries of tensors with ``labels`` ``(batch, sequence)``, -100 where there is no label.

    Raises:
        ValueError: No token is labelled, so that there is nothing to take a mean of.
    """
    device = next(model.parameters()).device
    total, count = 0.0, 0
    with evaluation_mode(model):
        for batch in batches:
            labelled = int((batch["labels"] != IGNORE_INDEX).sum())
            if labelled:
                batch = {name: tensor.to(device) for name, tensor in batch.items()}
                total += model(**batch).loss.item() * labelled
                count += labelled
    if count == 0:
        raise ValueError(say("No token of the evaluation is masked: give it more rows or a higher masking rate."))
    return total / count


def perplexity(model: nn.Module, batches: Iterable[dict]) -> float:
    """Return the exponential of `mean_masked_loss`, infinite where that overflows a float."""
    return as_perplexity(mean_masked_loss(model, batches))


def as_perplexity(loss: float) -> float:
    """Return ``exp(loss)`` for a loss in nats, or infinity where it overflows."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf
