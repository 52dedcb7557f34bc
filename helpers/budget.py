"""Time and memory of a training before it starts, and what to change when it will not fit or takes hours."""

import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import psutil  # comes with accelerate
import torch
from torch import nn

from helpers import memory
from helpers.i18n import say
from helpers.masking import IGNORE_INDEX
from helpers.memory import Memory, size
from helpers.precision import best_dtype, default_device

HOUR = 3600
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Plan:
    """What a training takes, printed as "375 steps, about 2 min 40 s; peak 3.1 GiB of 15 GiB" and, if need be, advice.

    Attributes:
        steps: Updates by the optimiser.
        seconds: For all of them; evaluation comes on top.
        memory: Estimate for one step.
        available: Bytes that it may take.
        advice: What to change when it takes over an hour, else empty.
    """

    steps: int
    seconds: float
    memory: Memory
    available: float
    advice: str = ""

    def __str__(self) -> str:
        line = say(
            "{steps:,} steps, about {time}; peak {peak} of {available}",
            steps=self.steps,
            time=duration(self.seconds),
            peak=size(self.memory.peak),
            available=size(self.available),
        )
        return f"{line}\n{self.advice}" if self.advice else line


def plan(
    model: nn.Module,
    batch: dict[str, torch.Tensor],
    steps: int,
    *,
    length: int | None = None,
    accumulation: int = 1,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    limit: float | None = None,
) -> Plan:
    """Return an estimate of the memory and the time of a training by AdamW, from up to four steps (no new one after 10 s) on a copy.

    The model with its gradients and modes stays as it is, and so does the random state.

    Args:
        model, accumulation, device, dtype: As for `memory.estimate`.
        batch: A batch as the DataLoader gives it, labels included; ``input_ids`` is (batch, sequence).
        steps: Updates by the optimiser in the whole training.
        length: Tokens in the longest row to come, for the memory; those of this batch if not given.
        limit: Bytes that the training may take; if not given, what `available_memory` gives and what the model holds already.

    Raises:
        MemoryError: The estimate is above the limit; the message names a batch size that fits, and other remedies.
    """
    chosen: torch.device = torch.device(device or default_device())
    rows, width = batch["input_ids"].shape
    labels = batch["labels"]
    share = (labels != IGNORE_INDEX).float().mean().item() if labels.shape == (rows, width) else 1.0
    options = dict(length=length or width, labelled=share, device=chosen, dtype=dtype)
    need = memory.estimate(model, rows, accumulation=accumulation, **options)
    if limit is None:
        limit = available_memory(chosen)
        if next(model.parameters()).device.type == chosen.type:
            limit += need.weights  # already taken, and no longer free
    if need.peak > limit:
        raise MemoryError(_what_fits(model, rows, accumulation, limit, need, options))
    total = steps * _seconds(model, batch, accumulation, chosen, dtype)
    return Plan(steps, total, need, limit, _how_to_hurry(model, total, chosen, dtype) if total > HOUR else "")


def _seconds(model, batch, accumulation, device, dtype) -> float:
    """Return the seconds of one step: the median of a few on a copy, after one that warms up."""
    seconds: list[float] = []
    on_gpu = device.type != "cpu"
    batch = {name: tensor.to(device) for name, tensor in batch.items()}
    index = torch.accelerator.current_device_index() if on_gpu and device.index is None else device.index
    with torch.random.fork_rng([index] if on_gpu else [], device_type=device.type):
        model = memory.training_copy(model, lambda tensor: tensor.to(device, copy=True))
        update = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
        while len(seconds) < 4 and sum(seconds) < 10:
            start = time.perf_counter()
            for _ in range(accumulation):
                with memory.autocast(device, dtype):
                    loss = model(**batch).loss / accumulation
                loss.backward()
            update.step()
            update.zero_grad()
            if on_gpu:
                torch.accelerator.synchronize(device)
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:] or seconds)


def _what_fits(model, rows, accumulation, limit, need, options) -> str:
    """Return the largest batch that fits, by bisection, and what else helps, in sentences."""

    def fits(n, passes):
        return memory.estimate(model, n, accumulation=passes, **options).peak <= limit

    low, high = 0, rows  # low fits, high does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle, accumulation) else (low, middle)
    sentences = [
        say(
            "A batch of {rows} x {length} tokens needs {need}, and there are {limit}.",
            rows=rows,
            length=options["length"],
            need=size(need.peak),
            limit=size(limit),
        ),
        say("A batch size of {low} would fit.", low=low) if low else say("Not even one row would fit."),
    ]
    part = next((n for n in range(low, 0, -1) if rows % n == 0 and fits(n, 2)), None)  # from two passes on, gradients stay
    if part:
        total = rows * accumulation
        sentences.append(
            say(
                "A batch size of {part} with gradient_accumulation_steps={passes} would still update on {total} rows.",
                part=part,
                passes=total // part,
                total=total,
            )
        )
    # later releases rename it
    enable = "activation_checkpointing_enable" if hasattr(model, "activation_checkpointing_enable") else "gradient_checkpointing_enable"
    ways = [] if _uses_checkpointing(model) else [say("gradient checkpointing (model.{enable}())", enable=enable)]
    ways += _precision(options["device"], options["dtype"])
    return " ".join([*sentences, say("What else saves memory: {ways}.", ways=_listed(ways))])


def _how_to_hurry(model, seconds, device, dtype) -> str:
    share = say("1/{n} of the samples (max_train_samples), which takes an hour at most", n=math.ceil(seconds / HOUR))
    ways = [share, *_precision(device, dtype)]
    if _uses_checkpointing(model):
        ways.append(say("no gradient checkpointing"))
    if device.type == "cpu":
        ways.append(say("a GPU"))
    return say("That is over an hour. What saves time: {ways}.", ways=_listed(ways))


def _listed(ways: list[str]) -> str:
    """Return remedies as a list in a sentence, with the two that always help."""
    return say(", ").join([*ways, say("shorter texts"), say("a smaller checkpoint")])


def _uses_checkpointing(model) -> bool:
    return any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def _precision(device, dtype) -> list[str]:
    """Return the flag of TrainingArguments for `best_dtype`, where the training does not use it."""
    best = best_dtype(device)
    return [{torch.bfloat16: "bf16=True", torch.float16: "fp16=True"}[best]] if dtype == torch.float32 != best else []


def available_memory(device: torch.device | str | None = None) -> float:
    """Return the bytes that new tensors can take.

    CUDA: what is free, and what PyTorch has reserved without using it. Apple: `torch.mps.recommended_max_memory`
    less what is taken. CPU: what the system offers without swapping, or the container's limit (cgroup v2) where that is lower.
    """
    chosen: torch.device = torch.device(device or default_device())
    if chosen.type == "cuda":
        unused = torch.cuda.memory_reserved(chosen) - torch.cuda.memory_allocated(chosen)
        return torch.cuda.mem_get_info(chosen)[0] + unused
    if chosen.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    try:
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        stat = (CGROUP / "memory.stat").read_text().split()
        free: float = limit - used + int(stat[stat.index("inactive_file") + 1])  # the kernel gives this cache back
    except (OSError, ValueError):  # no such file, or no limit ("max")
        free = math.inf
    return max(0, min(free, psutil.virtual_memory().available))


def duration(seconds: float) -> str:
    """Return seconds as people say them: "45 s", "2 min 40 s", from an hour on "1 h 5 min"."""
    whole = max(1, round(seconds))
    units = (say("min"), say("s")) if whole < HOUR else (say("h"), say("min"))
    pair = divmod(whole if whole < HOUR else round(seconds / 60), 60)
    return " ".join(f"{n} {unit}" for n, unit in zip(pair, units, strict=True) if n)
