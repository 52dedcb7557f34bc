"""Execute one chapter with papermill and leave what it says and claims in a folder.

    python tests/notebooks/run.py notebooks/03_imdb_domain_adaptation.ipynb --out build -p num_train_epochs 1

leaves NAME.ipynb (kept up to the failing cell if one fails), NAME.html and, when all cells have run, NAME.json.
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

import nbformat
import papermill
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError

from helpers.results import recorded, without_controls


def value_of(text: str) -> object:
    """What `papermill -p NAME VALUE` makes of a value: a number, True, False, None, or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return {"True": True, "False": False, "None": None}.get(text, text)


def check_parameters(notebook: Path, given: dict) -> None:
    """Papermill only warns of an unknown parameter, and says nothing where the `parameters` tag is missing."""
    known = papermill.inspect_notebook(str(notebook))
    if not known:
        sys.exit(f"{notebook.name} has no cell tagged 'parameters'.")
    if unknown := sorted(given.keys() - known.keys()):
        sys.exit(f"{notebook.name} has no parameter {unknown[0]!r}; it knows {', '.join(known)}.")


def heading(cells: list, index: int) -> str:
    """The nearest heading above a cell, for a message that people find their way by."""
    prose = "\n".join(cell.source for cell in cells[: index + 1] if cell.cell_type == "markdown")
    return (re.findall(r"^#+ (.+)$", prose, re.MULTILINE) or ["top"])[-1]


def place(cells: list, index: int) -> str:
    """A cell by the number that Jupyter shows beside it, and its heading."""
    number = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in cells[: index + 1])
    return f"cell [{number}] ({heading(cells, index)})"


def failure(executed: Path, error: Exception) -> str:
    """One sentence: which cell, under which heading, and why."""
    cells = nbformat.read(executed, as_version=4).cells if executed.exists() else []
    started = [i for i, c in enumerate(cells) if c.metadata.get("papermill", {}).get("start_time")]
    if isinstance(error, PapermillExecutionError):
        index, why = error.cell_index + 2, f"{error.ename}: {error.evalue}"  # papermill has put two notes above the cell
    else:  # a kernel that died, an output file that could not be written
        index, why = max(started, default=0), f"{type(error).__name__}: {error}"
    where = f"in {place(cells, index)}" if started else "before the first cell"
    return f"{executed.stem} failed {where}: {why}\nThe partly executed notebook: {executed}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build"))
    parser.add_argument("--profile", default="lab")
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter of the chapter")
    args = parser.parse_args()
    given = {name: value_of(value) for name, value in args.p}
    name, out = args.notebook.stem, args.out.resolve()
    for suffix in ("html", "json"):  # of an earlier run, which the summary would take for this one's
        (out / f"{name}.{suffix}").unlink(missing_ok=True)
    check_parameters(args.notebook, given)

    out.mkdir(parents=True, exist_ok=True)
    executed = out / f"{name}.ipynb"
    parameters = {"profile": args.profile, "output_dir": str(out / "output" / name)} | given
    print(f"{name} …", file=sys.stderr)
    began = time.time()
    try:
        papermill.execute_notebook(
            str(args.notebook), str(executed), parameters=parameters, cwd=str(args.notebook.parent),
            kernel_name="python3", progress_bar=True, request_save_on_cell_execute=True,
        )  # fmt: skip
    except Exception as error:  # whatever went wrong, the reader needs the cell and the reason, not papermill's own traceback
        print(failure(executed, error), file=sys.stderr)
        return 1
    seconds = time.time() - began
    notebook = nbformat.read(executed, as_version=4)
    pending = [i for i, c in enumerate(notebook.cells) if c.cell_type == "code" and c.source.strip() and c.execution_count is None]
    if pending:  # sys.exit(0) in a cell ends the run without an error
        print(f"{name} failed: {place(notebook.cells, pending[0])} and those below never ran.", file=sys.stderr)
        return 1
    without_controls(notebook)
    nbformat.write(notebook, executed)
    resources = {"metadata": {"path": str(args.notebook.parent)}}  # where the notebook's pictures lie
    html, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook, resources=resources)
    (out / f"{name}.html").write_text(html, encoding="utf-8")
    result = {
        "chapter": name,
        "seconds": round(seconds, 1),
        "profile": parameters["profile"],
        "parameters": given,
        "figures": recorded(notebook),
    }
    beside = out / f"{name}.json.tmp"
    beside.write_text(json.dumps(result, indent=1), encoding="utf-8")
    os.replace(beside, out / f"{name}.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
