"""configs/fsdp.yaml on two processes, whose layers are really sharded: on CPU cores, see fsdp_on_cpus.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

from common import ROOT, forty_reviews

SHAPES = {
    "bert": dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64),
    "roberta": dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, type_vocab_size=1),
    "distilbert": dict(dim=32, n_layers=2, n_heads=2, hidden_dim=64),
}
LAYERS = {"bert": "bert.encoder.layer", "roberta": "roberta.encoder.layer", "distilbert": "distilbert.transformer.layer"}


@pytest.fixture(scope="module", params=SHAPES)
def words(request, tmp_path_factory):
    """A tiny model of a family with its own dropout, and forty reviews, as arguments."""
    folder, family = tmp_path_factory.mktemp("materials"), request.param
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / ("mini-roberta" if family == "roberta" else "mini-bert"))
    common = dict(vocab_size=len(tokenizer), max_position_embeddings=66, pad_token_id=tokenizer.pad_token_id)
    torch.manual_seed(0)
    for part in (AutoModelForMaskedLM.from_config(AutoConfig.for_model(family, **common, **SHAPES[family])), tokenizer):
        part.save_pretrained(folder / family)
    given = {"checkpoint": folder / family, "dataset": forty_reviews(folder / "texts"), "chunk-size": 32, "batch-size": 16, "save-every": 2}
    return [*(f"--{name}={value}" for name, value in given.items()), "--num-train-epochs=2", "--mixed-precision=no", "--cpu"]


def launch(out: Path, *words: str, configuration: str = "fsdp", stop_after: int = 0) -> str:
    """Runs the training to its end, or to where it is stopped; returns what it prints."""
    program = [ROOT / "tests" / "slow" / "fsdp_on_cpus.py"] if configuration == "fsdp" else ["-m", "helpers.train"]
    command = [sys.executable, "-m", "accelerate.commands.launch", f"--config_file={ROOT / 'configs' / configuration}.yaml", *program]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "STOP_AFTER": str(stop_after)}
    command = [str(word) for word in (*command, *words, f"--output-dir={out}")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def weights(out: Path) -> dict[str, torch.Tensor]:
    return AutoModelForMaskedLM.from_pretrained(out / "model").state_dict()


def history(out: Path) -> list[dict]:
    newest = max(out.glob("checkpoints/step-*/notes.json"))
    return json.loads(newest.read_text())["history"]


def test_layers_are_sharded_and_the_figures_are_those_of_one_process(words, tmp_path):
    printed = launch(tmp_path / "sharded", *words, "--no-dropout")
    launch(tmp_path / "alone", *words, "--no-dropout", configuration="one_gpu")
    (line,) = [line for line in printed.splitlines() if line.startswith('{"sharded"')]
    family = Path(words[0]).name
    assert json.loads(line)["sharded"] == ["", f"{LAYERS[family]}.0", f"{LAYERS[family]}.1"]
    assert 0.45 < json.loads(line)["share"] < 0.55  # of the weights lie with this process
    ours, expected = history(tmp_path / "sharded"), history(tmp_path / "alone")
    assert len(ours) == len(expected) == 3
    for mine, other in zip(ours, expected):
        assert (mine["step"], mine["tokens"]) == (other["step"], other["tokens"])
        assert mine["perplexity"] == pytest.approx(other["perplexity"], rel=1e-4)
    saved, expected = weights(tmp_path / "sharded"), weights(tmp_path / "alone")
    assert saved.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(saved[name], tensor, atol=1e-4, rtol=0)


def test_stopped_and_resumed_it_ends_at_the_same_weights_bit_for_bit(words, tmp_path):
    launch(tmp_path / "whole", *words)
    launch(tmp_path / "stopped", *words, stop_after=5)
    assert not (tmp_path / "stopped" / "model").exists()
    launch(tmp_path / "stopped", *words, "--resume")
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    assert history(tmp_path / "whole") == history(tmp_path / "stopped")
