"""A tiny training for the tests of the loop: model, rows and run; and a CPU that has as few number formats as an Apple GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import torch
from datasets import Dataset
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import BertConfig, BertForMaskedLM

from helpers import masking
from helpers.masking import freeze_masks
from helpers.settings import Settings
from helpers.train import data
from helpers.train.setup import new_accelerator, prepare

SEED, SIZE, BATCH = 3, 32, 4
SETTINGS = Settings(
    chapter="05_accelerate_loop", profile="lab", checkpoint="tiny", dataset=("random",), num_train_epochs=2, batch_size=BATCH,
    learning_rate=3e-3, output_dir="", seed=SEED,
)  # fmt: skip


def tiny_bert(dropout=0.0, width=32):
    torch.manual_seed(0)
    shape = dict(hidden_size=width, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64)
    return BertForMaskedLM(BertConfig(vocab_size=8192, **shape, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout))


def rows_of(count, seed):
    """Chunks of random tokens."""
    ids = torch.randint(200, 8000, (count, SIZE), generator=torch.Generator().manual_seed(seed))
    return Dataset.from_dict({"input_ids": ids.tolist(), "attention_mask": torch.ones_like(ids).tolist()})


def masked_chunks(tokenizer, count=50):
    return data.MaskedChunks(rows_of(count, 1), masking.masking_collator(tokenizer), SEED)


def frozen_rows(tokenizer, count=13):
    return freeze_masks(rows_of(count, 2), masking.masking_collator(tokenizer)).with_format("torch")


def new_run(tokenizer, model=None, mixed_precision="no", **changes):
    """A training of 24 steps, 12 an epoch; 13 rows to evaluate on, so that the last batch holds one."""
    accelerator = new_accelerator(SEED, cpu=True, mixed_precision=mixed_precision)
    return prepare(accelerator, model or tiny_bert(), masked_chunks(tokenizer), frozen_rows(tokenizer), replace(SETTINGS, **changes))


def weights_of(run):
    return {name: tensor.clone() for name, tensor in run.accelerator.unwrap_model(run.model).state_dict().items()}


def assert_same(one, two):
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


class OnCpu(torch.Tensor):
    """What has been brought to the CPU, and all that is computed from it."""

    def __format__(self, spec):
        return format(self.as_subclass(torch.Tensor), spec)


class WithoutFloat64(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        if any(tensor.dtype == torch.float64 for tensor in tensors):
            if not any(isinstance(leaf, OnCpu) for leaf in tree_leaves((args, kwargs))):
                raise TypeError(f"this device has no float64: {function}")
        return result


@contextmanager
def without_float64() -> Iterator[None]:
    """Make float64 an error, as on Apple's GPUs, but in what has been brought to the CPU by `Tensor.cpu`."""
    with mock.patch.object(torch.Tensor, "cpu", lambda tensor: tensor.as_subclass(OnCpu)), WithoutFloat64():
        yield
