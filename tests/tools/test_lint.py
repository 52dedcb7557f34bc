"""What no linter checks: hints on every public function of the flat modules, and a tree in CONTRIBUTING.md that names every file."""

import ast
import re
import subprocess

import pytest

from common import ROOT

FLAT = sorted((ROOT / "helpers").glob("[a-z]*.py"))
TREE = re.findall(r"^```\n(README.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.S | re.M)[0]


@pytest.mark.parametrize("path", FLAT, ids=lambda path: path.stem)
def test_public_functions_have_hints_on_all_parameters_and_the_result(path):
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    nodes += [inner for node in nodes if isinstance(node, ast.ClassDef) and not node.name.startswith("_") for inner in node.body]
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            own = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            bare = [arg.arg for arg in own if arg and arg.annotation is None and arg.arg not in ("self", "cls")]
            assert not bare and node.returns, f"{node.name}: {bare or 'its result'}"


def test_the_tree_in_contributing_names_every_module_and_no_other():
    listed = subprocess.run(
        ["git", "ls-files", "helpers", "tools", "lab/pretraining"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    there = {name.rpartition("/")[2] for name in listed.stdout.split() if name.endswith((".py", ".toml")) and "__init__" not in name}
    there = {name for name in there if not name.startswith("chapter_")}
    named = set(re.findall(r"[a-z0-9_]+\.(?:py|toml)", TREE))
    assert there <= named, there - named
    every = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    assert named - {"05.py", ".py"} <= {name.rpartition("/")[2] for name in every}


def test_test_files_have_names_of_their_own():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}
