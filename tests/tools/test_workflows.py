"""CI does what a stranger can do: its steps are the Makefile's targets, and a broken release is reported by notebook and cell."""

import re
import shutil
import subprocess

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from common import ROOT
from tools import canary

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
OTHERS = {"gh issue create", "pipx run --spec"}  # what no target does: open an issue, check the workflows themselves


def steps(path):
    """Commands of all jobs, by lines."""
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    return [line for job in jobs for step in job["steps"] if "run" in step for line in step["run"].strip().splitlines()]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_steps_are_the_makefiles_targets(path):
    for line in steps(path):
        words = line.split()
        named = [word for word in words[1:] if "=" not in word]
        assert (words[0] == "make" and named and set(named) <= TARGETS) or " ".join(words[:3]) in OTHERS, line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_no_more_than_it_says(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"], "without permissions a token may write anywhere"
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


@pytest.mark.skipif(not shutil.which("actionlint"), reason="no actionlint here; the CPU workflow runs it")
def test_actionlint_finds_nothing():
    subprocess.run(["actionlint"], cwd=ROOT, check=True)


LOG = """\
FAILED notebooks/03_imdb_domain_adaptation.ipynb::Cell 2 - \x1b[91mCell outputs differ\x1b[0m
FAILED tests/helpers/test_masking.py::test_x - AssertionError
ERROR tests/helpers/test_labelled_logits.py - ImportError
05_accelerate_loop failed in cell [7] (2 · The data): KeyError: 'text'
make: *** [Makefile:38: test] Error 1
exit 2
"""


def test_a_broken_release_is_reported_by_notebook_and_cell():
    title, _, text = canary.report(LOG).partition("\n")
    assert title == ("The newest releases break 03_imdb_domain_adaptation, cell [3] (Set-up): Cell outputs differ")
    assert "- 05_accelerate_loop, cell [7] (2 · The data): KeyError: 'text'\n- tests/helpers/test_masking.py::test_x" in text
    assert "\n- tests/helpers/test_labelled_logits.py - ImportError\n" in text
    assert re.search(r"transformers \d+\.\d+", text)
    assert canary.report("187 passed\nexit 0\n") is None
    assert canary.report("no matching distribution\nexit 2\n").startswith("The newest releases break the setup")


def constraints(name):
    """Library to release of one set of versions."""
    lines = (ROOT / "tests" / "versions" / f"{name}.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_oldest_releases_tested_are_the_oldest_admitted_and_colabs_are_admitted():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    ranges = {wanted.name: wanted.specifier for wanted in (Requirement(line) for line in lines if not line.startswith("#"))}
    oldest, colab = constraints("oldest"), constraints("colab")
    assert oldest.keys() == ranges.keys()
    for name, specifier in ranges.items():
        (bound,) = specifier
        assert bound.operator == ">=" and Version(bound.version) == Version(oldest[name]), name
    assert all(version in ranges[name] for name, version in colab.items())
