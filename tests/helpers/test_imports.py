"""The rooms of `helpers`: arrows run one way, and no import runs in a circle."""

import ast
from graphlib import TopologicalSorter

from common import ROOT

HELPERS = ROOT / "helpers"
ALLOWED = {"flat": {"flat"}, "train": {"flat", "train"}, "views": {"flat", "views"}, "exercises": {"flat", "train", "exercises"}}
MODULES = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in HELPERS.rglob("*.py")}


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (HELPERS / parts[1]).is_dir() else "flat"


def imports(module):
    """Modules of `helpers` that a module imports, anywhere in its text."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in filter(lambda name: name.startswith("helpers."), names):
            yield name if name in MODULES else name.rpartition(".")[0]


def test_the_rooms_are_those_of_the_plan():
    assert {room(module) for module in MODULES} == set(ALLOWED)


def test_no_module_imports_from_a_room_above_its_own():
    arrows = [(module, target) for module in MODULES for target in imports(module)]
    assert len(arrows) > 30
    assert [f"{module} imports {target}" for module, target in arrows if room(target) not in ALLOWED[room(module)]] == []


def test_no_import_runs_in_a_circle():
    graph = {module: {target for target in imports(module) if target != module} for module in MODULES}
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_imports_are_absolute():
    relative = [
        module
        for module, file in MODULES.items()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []
