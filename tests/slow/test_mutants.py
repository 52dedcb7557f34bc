"""A helper that computes something else is noticed: in a copy of the sources, each mutant makes a unit test fail or leaves its band."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from common import ROOT

BANDS = tomllib.loads((ROOT / "tests" / "bands.toml").read_text())["lab"]
MUTANTS = tomllib.loads((Path(__file__).with_name("mutants.toml")).read_text(encoding="utf-8"))["mutant"]
LABELLED = 'labelled = int((batch["labels"] != IGNORE_INDEX).sum())'
RELABELLED = 'batch = batch | {{"labels": {}}}\n        ' + LABELLED.replace("{", "{{").replace("}", "}}")
MOVED = {  # mutant: file, what is replaced, by what, chapter whose figure leaves its band before any training
    "-100 forgotten": ("metrics.py", LABELLED, RELABELLED.format('batch["input_ids"]'), "03_imdb_domain_adaptation"),
    "labels shifted": ("metrics.py", LABELLED, RELABELLED.format('batch["labels"].roll(1, 1)'), "03_imdb_domain_adaptation"),
    "mask rate doubled": ("masking.py", "mlm_probability=0.15", "mlm_probability=0.30", "05_accelerate_loop"),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of what the tests read."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("helpers", "tests", "tools", "lab", "notebooks", "bench", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "Makefile", "README.md", "README.zh-CN.md", "INSTRUCTORS.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def python(sources: Path, *command: str) -> subprocess.CompletedProcess:
    """Runs a Python command in the copy, with the copy's helpers in every process."""
    environment = os.environ | {"PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
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


def tests_of(file: str) -> str:
    """The test file of a module, by its name."""
    return f"tests/helpers/test_{Path(file).stem}.py"


@pytest.mark.parametrize("file", sorted({mutant["file"] for mutant in MUTANTS}))
def test_without_a_mutant_the_tests_pass(sources, file):
    done = python(sources, "-m", "pytest", "-x", tests_of(file))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["name"])
def test_a_mutant_makes_a_test_of_its_module_fail(sources, mutate, mutant):
    mutate(mutant["file"], mutant["old"], mutant["new"])
    done = python(sources, "-m", "pytest", "-x", tests_of(mutant["file"]))
    assert done.returncode == 1 and ("1 failed" in done.stdout or "1 error" in done.stdout), done.stdout


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
