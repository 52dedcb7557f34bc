"""How the result of an answer is compared with the right one: whether they agree, and where they first differ."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

TOLERANCE = 1e-5  # of real numbers, relative


@dataclass(frozen=True)
class Raised:
    """The exception that an answer raised; returning one is something else."""

    error: Exception

    def __repr__(self) -> str:
        return type(self.error).__name__


class _Difference(NamedTuple):
    """A part of a result that differs: its place, such as ``['labels'][3]``, its value and the right one."""

    place: str
    got: object
    right: object


def difference(got: object, right: object, tolerance: float = TOLERANCE, place: str = "") -> _Difference | None:
    """Return where a result first differs from the right one, or None.

    Numbers must be of one kind (boolean, whole or real; a whole number may stand for a real one) and real ones agree within the
    tolerance; their width does not matter. Any sequence or array may stand for a list, but only a tensor for a tensor. Exceptions
    agree by class.
    """
    here = _Difference(place, got, right)
    if isinstance(right, torch.Tensor) and right.ndim and not (isinstance(got, torch.Tensor) and got.shape == right.shape):
        return here
    got, right = (value.tolist() if hasattr(value, "tolist") else value for value in (got, right))
    if isinstance(right, Mapping):
        comparable, keys = isinstance(got, Mapping) and got.keys() == right.keys(), right
    elif isinstance(right, list | tuple):
        comparable = isinstance(got, Sequence) and not isinstance(got, str | bytes) and len(got) == len(right)
        keys = range(len(right))
    else:
        return None if _same_value(got, right, tolerance) else here
    if not comparable:
        return here
    parts = (difference(got[key], right[key], tolerance, f"{place}[{key!r}]") for key in keys)
    return next(filter(None, parts), None)


def _same_value(got: object, right: object, tolerance: float) -> bool:
    """Return whether a number, a text, an exception or the like equals the right one."""
    if isinstance(right, Raised):
        return isinstance(got, Raised) and isinstance(got.error, type(right.error))
    if isinstance(right, float):
        return type(got) in (int, float) and math.isclose(got, right, rel_tol=tolerance, abs_tol=1e-8)
    return isinstance(got, type(right)) and isinstance(got, bool) == isinstance(right, bool) and got == right


def same(got: object, right: object, tolerance: float = TOLERANCE) -> bool:
    """Return whether a result equals the right one, as `difference` understands it."""
    return difference(got, right, tolerance) is None


def shown(value: object, most: int = 160) -> str:
    """Return a value in one line, shortened."""
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[: most - 2]} …"
