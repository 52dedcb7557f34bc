"""Nightly: every architecture that transformers maps to a masked language model takes one step, as the committed table says."""

import json

import pytest
import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from tools import architectures

COMMITTED = json.loads(architectures.TABLE.read_text(encoding="utf-8"))
ROWS = {row["architecture"]: row for row in COMMITTED["rows"]}


def test_the_table_is_of_the_installed_release():
    assert COMMITTED["transformers"] == transformers.__version__, "python tools/architectures.py writes it anew"


@pytest.mark.parametrize("architecture", MODEL_FOR_MASKED_LM_MAPPING_NAMES)
def test_the_step_is_done_and_the_row_is_the_committed_one(architecture):
    assert architectures.one_step(architecture) == ROWS[architecture]


def test_a_loss_that_counts_unlabelled_tokens_is_noticed(monkeypatch):
    honest = architectures.tiny_model("bert", architectures.chapter()["tokenizer"])

    class CountsAll(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = honest

        def forward(self, labels, **inputs):
            return self.inner(**inputs, labels=labels.clamp(min=0))

    monkeypatch.setattr(architectures, "tiny_model", lambda *_: CountsAll())
    with pytest.raises(AssertionError):
        architectures.one_step("bert")


def test_a_model_that_does_not_learn_is_noticed(monkeypatch):
    frozen = architectures.tiny_model("bert", architectures.chapter()["tokenizer"])
    monkeypatch.setattr(architectures, "tiny_model", lambda *_: frozen)
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: None)
    with pytest.raises(AssertionError):
        architectures.one_step("bert")
