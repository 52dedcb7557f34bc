"""Vocabulary logits at labelled positions alone."""

from typing import Any

import torch
from torch import Tensor, nn

from helpers.i18n import say
from helpers.masking import IGNORE_INDEX


def skip_unlabelled_logits(model: nn.Module) -> "LabelledLogitsHandle":
    """Make a masked language model compute vocabulary logits at labelled positions alone.

    A vocabulary is some thirty times wider than a hidden state, and 85% of the positions carry no label:
    their logits would be computed, kept for the backward pass and thrown away. The loss is the same,
    since cross-entropy ignores these positions anyway.

    The model's ``forward`` takes the same arguments afterwards. With labels given, ``logits`` is
    ``(1, labelled, vocabulary)`` in reading order; without labels nothing changes. It also takes ``positions``, those of the
    labels in the flattened batch, with or without the labels themselves: to look for them, the CPU has to wait for the GPU.
    Not for `nn.DataParallel`, which cannot gather logits of unequal number (`accelerate launch` runs one process for each device).

    Args:
        model: A model whose head works position by position on the last hidden state of ``model.base_model``.

    Returns:
        A handle; its ``remove()`` gives the model its full logits back.

    Raises:
        TypeError: The model has no separate base model to take hidden states from.
    """
    if getattr(model, "base_model", model) is model:
        raise TypeError(say("{model} has no base model below its head; use the model as it is.", model=type(model).__name__))
    return LabelledLogitsHandle(model)


class LabelledLogitsHandle:
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
        self._labelled = kwargs.pop("positions", None)
        if labels is not None:
            if self._labelled is None:
                self._labelled = labels != IGNORE_INDEX
            kwargs = kwargs | {"labels": self._pick(labels)}
        return args, kwargs

    def _select_hidden_states(self, module: nn.Module, args: tuple, output: Any) -> Any:
        if self._labelled is not None:
            output["last_hidden_state"] = self._pick(output["last_hidden_state"])
            self._labelled = None  # the next call may come without labels
        return output

    def _pick(self, tensor: Tensor) -> Tensor:
        """Return what the tensor has at the labelled positions: ``(1, labelled, …)``."""
        assert self._labelled is not None
        if self._labelled.dtype == torch.bool:
            return tensor[self._labelled][None]
        return tensor.flatten(0, 1)[self._labelled][None]
