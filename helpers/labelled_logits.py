"""Vocabulary logits at labelled positions alone."""

from typing import Any

from torch import Tensor, nn

from helpers.i18n import say
from helpers.masking import IGNORE_INDEX


def skip_unlabelled_logits(model: nn.Module) -> "Handle":
    """Make a masked language model compute vocabulary logits at labelled positions alone.

    A vocabulary is some thirty times wider than a hidden state, and 85% of the positions carry no label:
    their logits would be computed, kept for the backward pass and thrown away. The loss is the same,
    since cross-entropy ignores these positions anyway.

    The model's ``forward`` takes the same arguments afterwards. With labels given, ``logits`` is
    ``(1, labelled, vocabulary)`` in reading order; without labels nothing changes. Not for `nn.DataParallel`,
    which cannot gather logits of unequal number (`accelerate launch` runs one process for each device).

    Args:
        model: A model whose head works position by position on the last hidden state of ``model.base_model``.

    Returns:
        A handle; its ``remove()`` gives the model its full logits back.

    Raises:
        TypeError: The model has no separate base model to take hidden states from.
    """
    if getattr(model, "base_model", model) is model:
        raise TypeError(say("{model} has no base model below its head; use the model as it is.", model=type(model).__name__))
    return Handle(model)


class Handle:
    """The two hooks of `skip_unlabelled_logits`, and the labelled positions that one hands to the other."""

    def __init__(self, model: nn.Module):
        self._labelled: Tensor | None = None
        base: Any = model.base_model
        self._hooks = [
            model.register_forward_pre_hook(self._select_labels, with_kwargs=True),
            base.register_forward_hook(self._select_hidden_states),
        ]

    def remove(self) -> None:
        """Remove the hooks: the model computes all logits again."""
        for hook in self._hooks:
            hook.remove()

    def _select_labels(self, module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        labels = kwargs.get("labels")
        self._labelled = None if labels is None else labels != IGNORE_INDEX
        if labels is not None:
            kwargs = kwargs | {"labels": labels[self._labelled][None]}
        return args, kwargs

    def _select_hidden_states(self, module: nn.Module, args: tuple, output: Any) -> Any:
        labelled, self._labelled = self._labelled, None  # the next call may come without labels
        if labelled is not None:
            output["last_hidden_state"] = output["last_hidden_state"][labelled][None]
        return output
