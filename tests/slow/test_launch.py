"""The launch configurations at work, as far as two processes on CPU cores allow; all must end at the same perplexities."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from common import ROOT, forty_reviews, tiny_checkpoint


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A tiny model and forty reviews, as arguments."""
    folder = tmp_path_factory.mktemp("materials")
    model, texts = tiny_checkpoint(folder / "model"), forty_reviews(folder / "texts")
    given = {"checkpoint": model, "dataset": texts, "chunk-size": 32, "batch-size": 16, "num-train-epochs": 1}
    return [*(f"--{name}={value}" for name, value in given.items()), "--mixed-precision=no", "--no-dropout", "--cpu"]


def start(configuration: str, words: list[str], out: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "accelerate.commands.launch", f"--config_file={ROOT / 'configs' / configuration}.yaml", *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command += ["-m", "helpers.train", *words, f"--output-dir={out}"]
    with tempfile.NamedTemporaryFile("w", dir=out, prefix="errors-", delete=False) as errors:  # a pipe that nobody reads may fill up
        return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=errors)


def history(out: Path, *launched: subprocess.Popen) -> list[dict]:
    """Evaluations of a training, when all that was launched for it has ended well."""
    try:
        for process in launched:
            assert process.wait(timeout=180) == 0, [file.read_text() for file in out.glob("errors-*")]
    finally:
        for process in launched:
            process.kill()
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
