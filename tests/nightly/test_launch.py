"""The launch configurations at work, as far as two processes on CPU cores allow; all must end at the same perplexities."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A tiny model and forty reviews, as arguments."""
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("materials")
    shape = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64)
    BertForMaskedLM(BertConfig(vocab_size=8192, **shape)).save_pretrained(folder / "model")
    AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-bert").save_pretrained(folder / "model")
    lines = (ROOT / "lab" / "corpora" / "reviews" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:40]
    (folder / "texts").mkdir()
    (folder / "texts" / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    given = {"checkpoint": folder / "model", "dataset": folder / "texts", "chunk-size": 32, "batch-size": 16, "num-train-epochs": 1}
    return [*(f"--{name}={value}" for name, value in given.items()), "--mixed-precision=no", "--no-dropout", "--cpu"]


def start(configuration: str, words: list[str], out: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "accelerate.commands.launch", f"--config_file={ROOT / 'configs' / configuration}.yaml", *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "-m", "helpers.train", *words, f"--output-dir={out}"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )


def history(out: Path, *launched: subprocess.Popen) -> list[dict]:
    """Evaluations of a training, when all that was launched for it has ended well."""
    for process in launched:
        errors = process.communicate(timeout=180)[1]
        assert process.returncode == 0, errors
    (notes,) = out.glob("checkpoints/step-*/notes.json")
    return json.loads(notes.read_text())["history"]


@pytest.fixture(scope="module")
def alone(words, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    return history(out, start("one_gpu", words, out))


def assert_same_figures(found, alone):
    assert len(found) == len(alone) == 2
    for mine, other in zip(found, alone):
        assert (mine["step"], mine["tokens"]) == (other["step"], other["tokens"])
        assert mine["perplexity"] == pytest.approx(other["perplexity"], rel=1e-4)


@pytest.mark.parametrize("configuration", ["two_cpu_processes", "several_gpus"])
def test_two_processes_on_one_machine(words, alone, tmp_path, configuration):
    assert_same_figures(history(tmp_path, start(configuration, words, tmp_path)), alone)


def test_two_machines(words, alone, tmp_path):
    """Both are this one, with a process each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = ["--main_process_ip=127.0.0.1", f"--main_process_port={port}", "--num_processes=2"]
    machines = [start("several_machines", words, tmp_path, *common, f"--machine_rank={rank}") for rank in (0, 1)]
    assert_same_figures(history(tmp_path, *machines), alone)
