"""Accelerator, batches and dropout of a training, and Accelerate's configurations."""

import os

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from transformers import AutoConfig, AutoModelForMaskedLM

from common import ROOT
from helpers.train.loop import train_step
from helpers.train.setup import new_accelerator, set_dropout, with_and_without_decay
from training import SEED, new_run, tiny_bert

pytestmark = pytest.mark.usefixtures("one_thread", "fresh_accelerator")


@pytest.fixture(params=["bert", "distilbert", "roberta"])
def tiny_family(request):
    """A random model of each family with the dropout that it has by default."""
    config = AutoConfig.for_model(request.param, vocab_size=200, max_position_embeddings=64)
    names = ("dim", "n_layers", "n_heads", "hidden_dim") if request.param == "distilbert" else (
        "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")  # fmt: skip
    config.update(dict(zip(names, (32, 2, 2, 64))))
    return AutoModelForMaskedLM.from_config(config)


def test_without_dropout_the_forward_pass_of_training_is_that_of_evaluation(batch, tiny_family):
    model = set_dropout(tiny_family, 0.0)
    ids = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        torch.testing.assert_close(model.train()(**ids).logits, model.eval()(**ids).logits)


def test_a_model_in_evaluation_mode_is_trained_with_its_dropout(tokenizer):
    run = new_run(tokenizer, tiny_bert(dropout=0.25).eval())
    assert run.model.training and run.plan["dropout"] == 0.25


def test_bfloat16_on_a_cpu_takes_the_attention_that_is_fast_there_and_has_the_same_loss(tokenizer):
    losses = {}
    for implementation in ("sdpa", "eager"):
        run = new_run(tokenizer, mixed_precision="bf16")
        assert run.model.config._attn_implementation == "eager"
        run.model.set_attn_implementation(implementation)
        losses[implementation] = train_step(run, next(iter(run.train_batches))).item()
    assert losses["eager"] == pytest.approx(losses["sdpa"], rel=1e-3)
    assert new_run(tokenizer).model.config._attn_implementation == "sdpa"


def test_more_processes_than_the_machine_has(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4096")
    cores = os.cpu_count()
    with pytest.raises(ValueError, match=f"4096 processes .* {cores} CPU cores: lower --num_processes to {cores}"):
        new_accelerator(SEED, cpu=True)


def test_a_second_accelerator_may_have_another_precision():
    first = new_accelerator(SEED, cpu=True, mixed_precision="no")
    second = new_accelerator(SEED, cpu=True, mixed_precision="bf16")
    assert (first.num_processes, second.num_processes, second.mixed_precision) == (1, 1, "bf16")


@pytest.mark.parametrize("dtype, name", [(torch.float32, "no"), (torch.bfloat16, "bf16"), (torch.float16, "fp16")])
def test_the_precision_is_that_of_the_hardware_unless_given(dtype, name, monkeypatch):
    made = []
    monkeypatch.setattr("helpers.train.setup.best_dtype", lambda device: dtype)
    monkeypatch.setattr("helpers.train.setup.Accelerator", lambda **options: made.append(options["mixed_precision"]))
    new_accelerator(SEED, cpu=True)
    new_accelerator(SEED, cpu=True, mixed_precision="no")
    assert made == [name, "no"]


def test_biases_and_normalisation_do_not_decay():
    model = tiny_bert()
    decayed, others = with_and_without_decay(model, 0.01)
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.01, 0.0)
    expected = {id(p) for name, p in model.named_parameters() if name.endswith("bias") or "LayerNorm" in name}
    assert {id(p) for p in others["params"]} == expected
    assert len(decayed["params"]) + len(others["params"]) == len(list(model.parameters()))


def test_part_of_an_epoch_is_a_training_too(tokenizer):
    assert [new_run(tokenizer, num_train_epochs=epochs).steps for epochs in (0.5, 0.3)] == [6, 4]  # 12 an epoch; what is begun is done


@pytest.mark.parametrize("name, kind, processes", [
    ("one_gpu", "NO", 1), ("several_gpus", "MULTI_GPU", 2), ("several_machines", "MULTI_GPU", 4), ("fsdp", "FSDP", 2),
    ("two_cpu_processes", "MULTI_GPU", 2),
])  # fmt: skip
def test_configurations_load(name, kind, processes):
    config = load_config_from_file(str(ROOT / "configs" / f"{name}.yaml"))
    assert (config.distributed_type.value, config.num_processes) == (kind, processes)
