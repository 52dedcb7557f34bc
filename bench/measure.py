"""Time ways to do one thing in turn, so that whatever else the machine does meets all of them alike."""

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent


class NotMeasured(Exception):
    """What a case needs is not here: a GPU, a data set, executed chapters. Its message says what."""


@dataclass(frozen=True)
class Spread:
    """A median with the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Of at least one value."""
        low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        return cls(median, low, high)


@dataclass
class Row:
    """One row of the table.

    Attributes:
        case: Name that the lines go by.
        what: What is done, in words.
        unit: Of `tutorials`, `course` and `limit`, such as "tokens/s".
        ratio: How many times faster the course's way is than the tutorials'; None where they have none.
        limit: The floor or ceiling in `unit`, and `limit_name` what it is.
        share: What the course's way makes of the limit, 1 being all.
        figures: All numbers that a line may name, and others worth keeping.
        seconds: Of each way, each round.
    """

    case: str
    what: str
    unit: str
    tutorials: Spread | None
    course: Spread
    ratio: Spread | None = None
    limit: float | None = None
    limit_name: str = ""
    share: float | None = None
    figures: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self):
        self.figures = {f"{self.case}.{name}": value for name, value in self.figures.items()}
        if self.ratio:
            self.figures[f"{self.case}.ratio"] = self.ratio.median


def side_by_side(ways: dict[str, Callable[[int], object]], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds that each way takes in each round; every second round goes through the ways backwards.

    Args:
        ways: Name to a function of the round's number. Those of one round do the same work.
        rounds: How often each is timed.
        warmup: Rounds that go before, untimed.
    """
    seconds = {name: [] for name in ways}
    for i in range(-warmup, rounds):
        for name in list(ways)[:: -1 if i % 2 else 1]:
            began = time.perf_counter()
            ways[name](max(i, 0))
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if i >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def times_faster(slow: list[float], fast: list[float]) -> Spread:
    """Ratio of each round's two times."""
    return Spread.of([a / b for a, b in zip(slow, fast)])


def rate(amount: float | list[float], seconds: list[float]) -> Spread:
    """Amount per second in each round; a list gives each round's own amount."""
    amounts = amount if isinstance(amount, list) else [amount] * len(seconds)
    return Spread.of([a / s for a, s in zip(amounts, seconds)])


def in_fresh_process(function: str, *arguments) -> dict:
    """What ``function``, written "module:name", returns for plain arguments, called in a Python of its own."""
    module, name = function.split(":")
    code = f"import json, sys, {module} as m; print('\\n' + json.dumps(m.{name}(*json.loads(sys.argv[1]))))"
    done = subprocess.run([sys.executable, "-c", code, json.dumps(arguments)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{function}{arguments} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


class PeakMemory:
    """The most bytes that this process held at once inside a ``with``, looked at 100 times a second.

    On Linux without pages of mapped files: the system drops those when it needs the room. Elsewhere all that it ever held.
    """

    def __enter__(self):
        self.bytes, self.over = 0, threading.Event()
        self.watch = threading.Thread(target=self._look)
        self.watch.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.watch.join()

    def _look(self) -> None:
        while True:
            self.bytes = max(self.bytes, self._held())
            if self.over.wait(0.01):
                return

    @staticmethod
    def _held() -> int:
        status = Path("/proc/self/status")
        if status.exists():
            return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("RssAnon"))
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Products:
    """Matrix products of several shapes, a way for `side_by_side`; the best of them is a training step's ceiling.

    Args:
        dtype: Number format.
        device: "cuda" or "cpu".
        rows: Tokens of a step.
        hidden: Width of the model.
    """

    def __init__(self, dtype: torch.dtype, device: str, rows: int, hidden: int):
        edge = 8192 if device == "cuda" else 1024
        self.shapes = [(rows, hidden, 4 * hidden), (rows, 4 * hidden, hidden), (edge, edge, edge)]
        self.pairs = [tuple(torch.randn(size, dtype=dtype, device=device) for size in ((m, k), (k, n))) for m, k, n in self.shapes]
        self.rates: dict[str, list[float]] = {}

    def __call__(self, _) -> None:
        for (m, k, n), (a, b) in zip(self.shapes, self.pairs):
            for _ in range(5):
                began = time.perf_counter()
                a @ b
                if a.is_cuda:
                    torch.cuda.synchronize()
                self.rates.setdefault(f"{m} x {k} x {n}", []).append(2 * m * k * n / (time.perf_counter() - began))

    def best(self) -> tuple[float, str]:
        """FLOP/s, the median of the shape that has the highest, and that shape."""
        return max((Spread.of(rates).median, shape) for shape, rates in self.rates.items())
