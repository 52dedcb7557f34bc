"""Set up a training: accelerator, model, optimiser, schedule, batches, and the plan that decides its outcome."""

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import DistributedType
from torch.utils.data import DataLoader
from transformers import get_scheduler

from helpers.i18n import say
from helpers.labelled_logits import skip_unlabelled_logits
from helpers.memory import keep_freed_memory
from helpers.paths import path_tail
from helpers.precision import best_dtype, default_device
from helpers.settings import Settings
from helpers.train.data import MaskedChunks, fingerprint, stack
from helpers.validation import require

FORMATS = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}  # as Accelerate calls them
WORKERS = 4  # processes that mask the next batches while a GPU computes; a CPU has other work for its cores


@dataclass
class Run:
    """A training in progress.

    Attributes:
        plan: Numbers and names that decide the outcome: ``seed``, ``steps``, ``batch_size`` and so on.
        step: Optimiser steps done.
        losses: Loss of each step since the run was made, over the labelled tokens of all processes.
        history: A row for each evaluation: ``step``, ``epoch``, ``perplexity``, ``batch_means``, ``tokens``.
    """

    accelerator: Accelerator
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: object
    train_batches: DataLoader
    eval_batches: DataLoader
    plan: dict
    step: int = 0
    losses: list[float] = field(default_factory=list)
    history: list[dict] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.plan["steps"]


def new_accelerator(seed: int, cpu: bool | None = None, mixed_precision: str | None = None) -> Accelerator:
    """Return an accelerator that shares batches out among the processes, in an order that follows from the seed.

    `cpu` and `mixed_precision` ("no", "bf16", or "fp16" with scaled gradients) suit the hardware if not given.

    Raises:
        ValueError: More processes than cores or GPUs.
    """
    cpu = default_device().type == "cpu" if cpu is None else cpu
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    available, what = (os.cpu_count(), say("CPU cores")) if cpu else (max(torch.cuda.device_count(), 1), say("GPUs"))
    require(
        processes <= available,
        "{processes} processes were launched on a machine with {available} {what}: lower --num_processes to {available}.",
        processes=processes,
        available=available,
        what=what,
    )
    forget_accelerator()
    keep_freed_memory()
    batches = DataLoaderConfiguration(split_batches=True, use_seedable_sampler=True, data_seed=seed, non_blocking=torch.cuda.is_available())
    fastest = FORMATS[best_dtype("cpu" if cpu else None)]
    return Accelerator(cpu=cpu, mixed_precision=mixed_precision or fastest, dataloader_config=batches)


def forget_accelerator() -> None:
    """Clear what Accelerate keeps, so that the next accelerator may have another precision and `notebook_launcher` may start processes.

    Only a notebook, which makes several accelerators, needs this; Accelerate has no public call for it.
    """
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def prepare(accelerator: Accelerator, model, train_rows: MaskedChunks, eval_rows, settings: Settings, warmup_steps: int = 0) -> Run:
    """Make batches, optimiser and schedule, and prepare them and the model for the accelerator.

    The rows are those of `data.masked_rows`. The batch size is that of all processes together.

    Raises:
        ValueError: The processes cannot share it evenly.
    """
    batch_size, processes = min(settings.batch_size, len(train_rows)), accelerator.num_processes
    if batch_size % processes:
        raise ValueError(say("{n} processes cannot share batches of {rows} rows: take a multiple.", n=processes, rows=batch_size))
    skip_unlabelled_logits(model.train())  # from_pretrained leaves dropout off
    if accelerator.device.type == "cpu" and accelerator.mixed_precision == "bf16":
        model.set_attn_implementation("eager")  # there PyTorch's fused attention is the slower one (bench/README.md)
    on_gpu = accelerator.device.type == "cuda"
    options = {"collate_fn": stack, "num_workers": WORKERS if on_gpu else 0, "pin_memory": on_gpu}
    train_batches = DataLoader(train_rows, batch_size, shuffle=True, drop_last=True, **options)  # Accelerate would fill up a smaller one
    eval_batches = DataLoader(eval_rows, batch_size, **options)
    steps = math.ceil(settings.num_train_epochs * len(train_batches))
    optimizer = torch.optim.AdamW(with_and_without_decay(model, settings.weight_decay), lr=settings.learning_rate, fused=True)
    scheduler = get_scheduler("linear", optimizer, warmup_steps, steps)
    with _sharding_by_layer(accelerator, model):
        prepared = accelerator.prepare(model, optimizer, scheduler, train_batches, eval_batches)
    return Run(accelerator, *prepared, plan_of(settings, model, train_rows, eval_rows, steps, warmup_steps))


@contextmanager
def _sharding_by_layer(accelerator: Accelerator, model) -> Iterator[None]:
    """Under FSDP, let Accelerate shard each layer by itself, and embeddings and head in one group with the rest.

    It would shard the embeddings by themselves, and the head, which shares their weights, once more.
    """
    if accelerator.distributed_type != DistributedType.FSDP:
        yield
        return
    layers = max((module for module in model.modules() if isinstance(module, torch.nn.ModuleList)), key=len)
    accelerator.state.fsdp_plugin.transformer_cls_names_to_wrap = [type(layers[0]).__name__]  # BertLayer, TransformerBlock, …
    model.get_input_embeddings = model.get_output_embeddings = lambda: None
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")  # it is not changed in place
    yield
    del model.get_input_embeddings, model.get_output_embeddings


def set_dropout(model, p: float):
    """Set the probability of all dropout layers, 0 for none, and return the model."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = p
    return model


def with_and_without_decay(model, weight_decay: float) -> list[dict]:
    """Return parameter groups: weight decay for matrices, none for biases and normalisation."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def plan_of(settings: Settings, model, train_rows: MaskedChunks, eval_rows, steps: int, warmup_steps: int) -> dict:
    """Return what decides the outcome of a training, by name."""
    names = ("seed", "num_train_epochs", "batch_size", "learning_rate", "weight_decay", "chunk_size")
    return {
        "checkpoint": path_tail(settings.checkpoint),
        "dataset": path_tail(settings.dataset[0]),
        **{name: getattr(settings, name) for name in names},
        "chunks": len(train_rows),
        "fingerprint": fingerprint(train_rows.chunks, eval_rows),  # of the chunks, which another folder of that name would not have
        "masks": type(train_rows.collator).__name__,
        "warmup_steps": warmup_steps,
        "steps": steps,
        "dropout": max((module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)), default=0.0),
    }
