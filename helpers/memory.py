"""Bytes of a training step: estimated from shapes before it runs, and measured as it runs."""

import copy
import ctypes
import sys
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from helpers.precision import best_dtype, default_device

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


@dataclass(frozen=True)
class Memory:
    """Bytes of tensors in one training step.

    Tensors alone: not the interpreter, the CUDA context (some 0.5 GiB), or gaps between an allocator's blocks.

    Attributes:
        weights: Parameters and buffers.
        gradients: One for each trained parameter.
        optimizer: Its state; AdamW has two moments for each trained parameter (https://arxiv.org/abs/1711.05101).
        activations: What the forward pass keeps for the backward pass.
        peak: The most alive at once. Not the sum: gradients come as activations go, and every pass needs room to work in.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    peak: int


def estimate(
    model: nn.Module,
    batch_size: int,
    length: int,
    *,
    labelled: float = 0.15,
    accumulation: int = 1,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Memory:
    """Return an estimate of the tensor bytes of a training step by AdamW, which runs on a copy of the model with shapes and no data.

    PyTorch's fake tensors (https://docs.pytorch.org/docs/stable/torch.compiler_fake_tensor.html) go through the
    model's own operations, so attention, autocast, checkpointing and heads count as they are on the device.

    Args:
        model: Sequence classifier or masked language model, on any device; left as it is.
        batch_size: Rows in a forward pass.
        length: Tokens in a row.
        labelled: Share of tokens with a label; matters under `skip_unlabelled_logits`.
        accumulation: Forward passes for one update; from two on, gradients are alive throughout.
        device: What the training runs on, which this machine must have; `default_device` if not given.
        dtype: For autocast; `best_dtype` of the device if not given. float32: no autocast.
    """
    device = torch.device(device or default_device())
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = training_copy(model, lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype, device=device))
        update = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
        for parameter in update.param_groups[0]["params"]:
            parameter.grad = torch.empty_like(parameter)
        update.step()  # the first one makes the optimiser's state
        update.zero_grad()
        batch = {name: torch.empty(batch_size, length, dtype=torch.long, device=device) for name in ("input_ids", "attention_mask")}
        with torch.no_grad():
            per_token = model(**batch).logits.dim() == 3
        batch["labels"] = torch.empty((batch_size, length) if per_token else batch_size, dtype=torch.long, device=device)
        with _LiveBytes([*_storages(model, update), *_storages_of(batch.values())], labelled) as count:
            resident = count.live
            for _ in range(min(accumulation, 2)):
                with autocast(device, dtype):
                    loss = model(**batch).loss
                activations = count.live - resident
                loss.backward()
                del loss
                resident = count.live
            update.step()
    trained = sum(p.nbytes for p in update.param_groups[0]["params"])
    weights, state = (sum(s.nbytes() for s in storages) for storages in (_storages(model, grads=False), _storages_of(_state(update))))
    return Memory(weights, trained, state, activations, count.peak)


def measured_peak(step: Callable[[], object], model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> int:
    """Return the most bytes that tensors take while ``step()`` runs, those of model and optimiser included.

    On CUDA the allocator's own record; elsewhere the storages of every operation's results, until Python frees them.
    Take a second step, since the first makes AdamW's state.
    """
    device = next(model.parameters()).device
    if device.type == "cuda":
        held = sum(storage.nbytes() for storage in _storages(model, optimizer))
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return held + torch.cuda.max_memory_allocated(device) - before
    with _LiveBytes(_storages(model, optimizer)) as count:
        step()
    return count.peak


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next tensors; elsewhere do nothing.

    It gives large blocks back to the system when they are freed. Each step of a training then gets the same pages anew, and the
    system zeroes them one by one: 18,000 page faults in a step of the bundled model (bench/README.md).
    See https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)


def size(n: float) -> str:
    """Return bytes as MiB (2**20) or, from one on, GiB (2**30): "310.5 MiB", "3.1 GiB", "15 GiB"."""
    value, unit = (n / 2**30, "GiB") if n >= 2**30 else (n / 2**20, "MiB")
    return f"{value:,.1f}".removesuffix(".0") + f" {unit}"


def training_copy(model: nn.Module, make: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    """Return a copy in training mode, without gradients, whose parameters and buffers are ``make`` of the model's."""
    made = {id(p): nn.Parameter(make(p.detach()), requires_grad=p.requires_grad) for p in model.parameters()}
    return copy.deepcopy(model, made | {id(buffer): make(buffer) for buffer in model.buffers()}).train()


def autocast(device: torch.device, dtype: torch.dtype | None = None) -> AbstractContextManager:
    """Return a context of autocast to a number format, `best_dtype` if not given; of nothing for float32."""
    dtype = dtype or best_dtype(device)
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


class _LiveBytes(TorchDispatchMode):
    """Counts the bytes of storages as operations make them and Python frees them: ``live`` now, ``peak`` at the most.

    Args:
        held: Storages that exist already.
        labelled: Share of positions that a boolean mask without data selects.
    """

    def __init__(self, held: list[torch.UntypedStorage], labelled: float = 1.0):
        super().__init__()
        self.labelled, self.live, self.peak = labelled, 0, 0
        self.seen: set[int] = set()
        while held:
            self.add(held.pop())  # without keeping any alive, since the step may free gradients

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.index.Tensor:
            args = (args[0], [position for index in args[1] for position in self._positions(index)])
        result = func(*args, **(kwargs or {}))
        for storage in _storages_of(tree_leaves(result)):
            self.add(storage)
        return result

    def _positions(self, index) -> list:
        """Return the positions of an index; a boolean mask without data selects the share that has labels."""
        if not isinstance(index, FakeTensor) or index.dtype != torch.bool:
            return [index]
        return [torch.empty(round(self.labelled * index.numel()), dtype=torch.long, device=index.device)] * index.dim()

    def add(self, storage: torch.UntypedStorage) -> None:
        key, n = storage._cdata, storage.nbytes()
        if key not in self.seen:
            self.seen.add(key)
            self.live += n
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._free, key, n)

    def _free(self, key: int, n: int) -> None:
        self.seen.discard(key)
        self.live -= n


def _storages_of(tensors) -> list[torch.UntypedStorage]:
    """Return the storages of tensors; shared ones once."""
    storages = [tensor.untyped_storage() for tensor in tensors if isinstance(tensor, torch.Tensor)]
    return list({storage._cdata: storage for storage in storages}.values())


def _storages(model: nn.Module, optimizer: torch.optim.Optimizer | None = None, grads: bool = True) -> list[torch.UntypedStorage]:
    """Return the storages of weights, gradients and optimiser state."""
    gradients = [p.grad for p in model.parameters()] if grads else []
    return _storages_of([*model.parameters(), *model.buffers(), *gradients, *(_state(optimizer) if optimizer else [])])


def _state(optimizer: torch.optim.Optimizer) -> list:
    return tree_leaves([*optimizer.state.values()])
