"""Write the notebooks with every exercise solved, and run them: all answers must be found right.

    python tools/solutions.py --out build/solutions

leaves what `run.py` leaves, of the solved notebooks.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import nbformat

from helpers import exercises
from helpers.paths import ROOT


def solved(path: Path):
    """A notebook whose stubs are replaced by the solutions, and the names of its exercises."""
    notebook, names = nbformat.read(path, as_version=4), []
    for exercise in exercises.chapter(path.stem[:2]):
        name, check = exercise.name, f"ex.{exercise.name}.check({exercise.name})"
        (cell,) = [cell for cell in notebook.cells if check in cell.source]
        cell.outputs, cell.source = [], f"{exercise.source()}\n\n\n{check}"
        names.append(name)
    return notebook, names


def verdicts(notebook) -> dict[str, str]:
    """What each check of an executed notebook said, by the cell's last line."""
    cells = [
        cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.rstrip().endswith(")") and ".check(" in cell.source
    ]
    return {
        cell.source.splitlines()[-1]: cell.outputs[-1].data["text/plain"]
        for cell in cells
        if cell.source.splitlines()[-1].startswith("ex.")
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "solutions")
    args = parser.parse_args()
    sources = args.out / "notebooks"
    sources.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook, names = solved(path)
        nbformat.write(notebook, sources / path.name)
        command = [sys.executable, ROOT / "tools" / "run.py", sources / path.name, "--out", args.out]
        if subprocess.run(command, cwd=ROOT).returncode:
            return 1
        said = verdicts(nbformat.read(args.out / path.name, as_version=4))
        not_right = {call: text for call, text in said.items() if not text.startswith("✓")}
        wrong += len(not_right) + len(names) - len(said)
        print(f"{path.stem}: {len(said) - len(not_right)} of {len(names)} solutions found right", *not_right.items(), sep="\n  ")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
