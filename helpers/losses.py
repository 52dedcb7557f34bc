"""Vocabulary logits only where a label asks for them."""

from torch import nn

from helpers.words import say

IGNORE_INDEX = -100  # the label that cross-entropy leaves out


class LogitsWhereLabelled:
    """Makes a masked language model compute its output head at labelled positions alone.

    A vocabulary is some thirty times wider than a hidden state, and 85% of the positions carry no label:
    their logits would be computed, kept for the backward pass and thrown away. The loss is the same,
    since cross-entropy ignores these positions anyway.

    Call it once on a model; its ``forward`` then takes and returns what it did, but with labels given,
    ``logits`` is ``(1, labelled, vocabulary)`` in reading order. Without labels nothing changes. One process
    drives one device: `nn.DataParallel` cannot gather logits of unequal number (`accelerate launch` has no such trouble).

    Args:
        model: Any model whose head works position by position on the last hidden state of ``model.base_model``.

    Raises:
        TypeError: The model has no separate base model to take hidden states from.
    """

    def __init__(self, model: nn.Module):
        if getattr(model, "base_model", model) is model:
            raise TypeError(say("{model} has no base model below its head; use the model as it is.", model=type(model).__name__))
        self.wanted = None
        self.handles = [
            model.register_forward_pre_hook(self._take_labels, with_kwargs=True),
            model.base_model.register_forward_hook(self._keep_labelled),
        ]

    def remove(self) -> None:
        """Gives the model its dense head back."""
        for handle in self.handles:
            handle.remove()

    def _take_labels(self, module, args, kwargs):
        labels = kwargs.get("labels")
        self.wanted = None if labels is None else labels != IGNORE_INDEX
        if labels is not None:
            kwargs = kwargs | {"labels": labels[self.wanted][None]}
        return args, kwargs

    def _keep_labelled(self, module, args, output):
        wanted, self.wanted = self.wanted, None  # for this call alone
        if wanted is not None:
            output["last_hidden_state"] = output["last_hidden_state"][wanted][None]
        return output
