"""A helper that computes something else is noticed: in a copy of the sources, each mutant makes the named tests fail or leaves its band."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BANDS = tomllib.loads((ROOT / "tests" / "bands.toml").read_text())["lab"]
LABELS = "input_ids.masked_fill(~picked, IGNORE_INDEX)"
WEIGHTED = "total += model(**batch).loss.item() * asked\n            count += asked"
ASKED = 'asked = int((batch["labels"] != IGNORE_INDEX).sum())'
RELABELLED = 'batch = batch | {{"labels": {}}}\n        ' + ASKED.replace("{", "{{").replace("}", "}}")
NOTICED = {  # mutant: file of helpers, what stands there, what the mutant writes, tests that notice
    "mask rate doubled": ("masking.py", "device=word_ids.device) < probability", "device=word_ids.device) < 2 * probability", "masking"),
    "special tokens masked": ("masking.py", " & (word_ids != NO_WORD)", "", "masking"),
    "-100 forgotten": ("masking.py", LABELS, "input_ids", "masking"),
    "a label shifted": ("masking.py", LABELS, f"{LABELS}.roll(1, 1)", "masking"),
    "perplexity not weighted": ("metrics.py", WEIGHTED, "total += model(**batch).loss.item()\n            count += 1", "metrics"),
    "a chunk dropped": ("chunking.py", "range(0, end, chunk_size)", "range(0, end - chunk_size, chunk_size)", "chunking"),
    "a chunk of the one pass dropped": ("chunking.py", "tokens[:end]", "tokens[chunk_size:end]", "bench"),
}
MOVED = {  # mutant: file, what stands there, what the mutant writes, chapter whose figure leaves its band before any training
    "-100 forgotten": ("metrics.py", ASKED, RELABELLED.format('batch["input_ids"]'), "03_imdb_domain_adaptation"),
    "labels shifted": ("metrics.py", ASKED, RELABELLED.format('batch["labels"].roll(1, 1)'), "03_imdb_domain_adaptation"),
    "mask rate doubled": ("corpus.py", "mlm_probability=0.15", "mlm_probability=0.30", "05_accelerate_loop"),
}  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of what the tests read."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("helpers", "tests", "lab", "notebooks", "bench", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def python(sources: Path, *command: str) -> subprocess.CompletedProcess:
    """Runs a Python command in the copy, with the copy's helpers in every process."""
    environment = os.environ | {"PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *command], cwd=sources, env=environment, capture_output=True, text=True)


@pytest.fixture
def mutate(sources):
    """Writes a mutant into the copy, and takes it out afterwards."""
    written = {}

    def write(file: str, old: str, new: str) -> None:
        path = sources / "helpers" / file
        written[path] = path.read_text()
        assert written[path].count(old) == 1, f"{file} no longer has {old!r} once"
        path.write_text(written[path].replace(old, new))

    yield write
    for path, text in written.items():
        path.write_text(text)


@pytest.mark.parametrize("tests", sorted({tests for *_, tests in NOTICED.values()}))
def test_without_a_mutant_the_tests_pass(sources, tests):
    done = python(sources, "-m", "pytest", "-x", f"tests/helpers/test_{tests}.py")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("mutant", NOTICED)
def test_a_mutant_makes_tests_fail(sources, mutate, mutant):
    *change, tests = NOTICED[mutant]
    mutate(*change)
    done = python(sources, "-m", "pytest", "-x", f"tests/helpers/test_{tests}.py")
    assert done.returncode == 1 and "1 failed" in done.stdout, done.stdout


@pytest.mark.parametrize("mutant", [None, *MOVED])
def test_a_mutant_that_moves_a_figure_leaves_its_band(sources, mutate, mutant):
    *change, chapter = MOVED[mutant] if mutant else ["03_imdb_domain_adaptation"]
    if mutant:
        mutate(*change)
    out = sources / "build"
    notebook = f"notebooks/{chapter}.ipynb"
    done = python(sources, "tools/run.py", notebook, "--out", str(out), "-p", "num_train_epochs", "0.05")
    assert done.returncode == 0, done.stderr
    value = json.loads((out / f"{chapter}.json").read_text())["figures"]["perplexity_before"]
    low, high = BANDS[chapter]["perplexity_before"]
    assert (low <= value <= high) == (mutant is None), value
