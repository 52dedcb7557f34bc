"""One shape for every case: ways to do one thing, timed in turn and round by round, so that what else the machine does meets all alike."""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import torch

Way = Callable[[int], object]  # a function of the round's number


class NotMeasured(Exception):
    """What a case needs is not here, such as executed chapters; the message says what."""


@dataclass
class Case:
    """One thing, done in up to three ways: a row of the table.

    Attributes:
        name: Name that the lines go by: NAME.ratio, NAME.share, and what `figures` holds.
        what: What is done, in words.
        unit: Such as "tokens/s"; in "s", figures are seconds and not rates.
        amount: Units of work in one call.
        ours: This course's way.
        other: The tutorials' way, which does the same.
        limit: What nobody can pass, called `limit_name`; a call is worth `limit_amount` units, or `amount` if that is not given.
        rounds: How often each way is timed, after `warmup` rounds that are not.
        figures: More numbers for lines.
        seconds: Of each way in each round; given where the ways need not be called any more.
    """

    name: str
    what: str
    unit: str
    amount: float = 1
    ours: Way | None = None
    other: Way | None = None
    limit: Way | None = None
    limit_name: str = ""
    limit_amount: float | None = None
    rounds: int = 5
    warmup: int = 1
    figures: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def measure(self) -> "Case":
        """Time the ways, take ratios round by round, and return the case."""
        if not self.seconds:
            ways = {name: way for name in ("ours", "other", "limit") if (way := getattr(self, name))}
            self.seconds = side_by_side(ways, self.rounds, self.warmup)
        for name, key, worth in (("ratio", "other", 1), ("share", "limit", self.amount / (self.limit_amount or self.amount))):
            if key in self.seconds:
                self.figures[name] = worth * quartiles(self.times_faster(key))[1]
        return self

    def times_faster(self, other: str) -> list[float]:
        """Return how many times faster ours is than another way, round by round."""
        return [theirs / ours for theirs, ours in zip(self.seconds[other], self.seconds["ours"], strict=True)]

    def rates(self, way: str) -> list[float]:
        """Return the units of each round by which the table knows a way."""
        amount = (self.limit_amount if way == "limit" else None) or self.amount
        return [s if self.unit == "s" else amount / s for s in self.seconds.get(way, [])]


def quartiles(values: list[float]) -> list[float]:
    """Return the lower quartile, the median and the upper quartile."""
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3


def side_by_side(ways: dict[str, Way], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Return the seconds that each way takes in each round; every second round goes through the ways backwards."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(-warmup, rounds):
        for name in list(ways)[:: -1 if i % 2 else 1]:
            began = time.perf_counter()
            ways[name](max(i, 0))
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if i >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


class Elsewhere:
    """A way in a process of its own: the course's loop changes how this one keeps memory, by which the tutorials' would gain too.

    Args:
        make: A function of a module, called there with the arguments; returns the way.
    """

    def __init__(self, make: Callable[..., Way], *arguments):
        self.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _make, (make, arguments))
        self.pool.submit(len, "").result()  # it has started

    def __call__(self, i: int) -> None:
        self.pool.submit(_call, i).result()


made: list[Way] = []  # in that process: the way


def _make(make: Callable[..., Way], arguments: tuple) -> None:
    made.append(make(*arguments))


def _call(i: int) -> None:
    made[0](i)


def best_products(dtype: torch.dtype, device: str, rows: int, hidden: int) -> tuple[Way, float, str]:
    """Return a way that multiplies matrices of the shape that is fastest of a few, its FLOPs, and the shape in words.

    Args:
        dtype: Number format.
        device: "cuda" or "cpu".
        rows: Tokens of a step.
        hidden: Width of the model.
    """
    edge, ways, flops = 8192 if device == "cuda" else 1024, {}, {}
    for m, k, n in ((rows, hidden, 4 * hidden), (rows, 4 * hidden, hidden), (edge, edge, edge)):
        a, b = (torch.randn(shape, dtype=dtype, device=device) for shape in ((m, k), (k, n)))
        name = f"{str(dtype)[6:]} products of {m} x {k} x {n}"
        ways[name], flops[name] = lambda i, a=a, b=b: [a @ b for _ in range(5)], 5 * 2 * m * k * n
    seconds = side_by_side(ways, rounds=5)
    best = max(ways, key=lambda name: flops[name] / quartiles(seconds[name])[1])
    return ways[best], flops[best], best
