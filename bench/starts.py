"""Cases 5 and 6: how long a chapter takes to its first line of output, and all five to their ends."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from bench.data import Setup
from bench.measure import ROOT, NotMeasured, Row, Spread, side_by_side, times_faster

CHAPTERS = sorted((ROOT / "notebooks").glob("0*.ipynb"))


def imports(notebook: Path) -> str:
    """The cell with a chapter's imports: its first but for the one that acts on Colab alone."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return next(source for source in sources if "google.colab" not in source)


def without_helpers(cell: str) -> str:
    """The import cell's libraries alone: what the chapter cannot do without."""
    body = [node for node in ast.parse(cell).body if not (isinstance(node, ast.ImportFrom) and node.module.startswith("helpers"))]
    return ast.unparse(ast.Module(body, []))


def start_case(setup: Setup):
    """Seconds until each chapter's import cell is done, beside its libraries without `helpers`."""
    environment = os.environ | {"MPLBACKEND": "agg"}
    cells = {notebook.stem[:2]: imports(notebook) for notebook in CHAPTERS[: setup.size(len(CHAPTERS), 1)]}

    def run(source):
        return lambda i: subprocess.run([sys.executable, "-c", source], cwd=ROOT, env=environment, check=True, capture_output=True)

    ways = {name: run(cell) for name, cell in cells.items()}
    ways |= {f"{name} libraries": run(without_helpers(cell)) for name, cell in cells.items()}
    seconds = side_by_side(ways, rounds=setup.size(2, 1), warmup=setup.size(1, 0))
    for name in cells:
        mine, floor = seconds[name], seconds[f"{name} libraries"]
        yield Row(
            "start", f"chapter {name} has imported", "s", None, Spread.of(mine), None, Spread.of(floor).median, "its libraries alone",
            1 / times_faster(mine, floor).median, {f"seconds_{name}": Spread.of(mine).median}, {name: mine, f"{name} libraries": floor},
        )  # fmt: skip


def chapters_case(setup: Setup):
    """Seconds of the last `make run`, read from what it left."""
    files = [ROOT / "build" / f"{notebook.stem}.json" for notebook in CHAPTERS]
    if missing := [file.stem[:2] for file in files if not file.exists()]:
        raise NotMeasured(f"`make run` has not finished chapter {', '.join(missing)}")
    runs = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    if any(run["profile"] != "lab" or run["parameters"] for run in runs):
        raise NotMeasured("the last `make run` had parameters of its own")
    seconds = {run["chapter"]: [run["seconds"]] for run in runs}
    total = sum(run["seconds"] for run in runs)
    yield Row("chapters", "all five chapters, last `make run`", "s", None, Spread.of([total]), figures={"seconds": total}, seconds=seconds)
