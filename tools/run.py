"""Execute one chapter with papermill and leave what it says and claims in a folder.

    python tools/run.py notebooks/03_imdb_domain_adaptation.ipynb --out build -p num_train_epochs 1

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
from papermill.iorw import LocalHandler, papermill_io

from helpers.results import recorded, without_controls

WAYS_OUT = {  # what the report of an error contains: what to do
    "No space left on device|Disk quota exceeded": "The disk is full: free some space, and the same command goes on with this chapter.",
    "Permission denied|Read-only file system": "Name a folder that you may write to: OUT=… of make, --out of this program.",
    "DeadKernelError": "Kernels die mostly for want of memory: lower batch_size or max_train_samples, or close other programs.",
    "[Tt]imeout|[Tt]imed out|RemoteProtocolError|ConnectError|HTTPStatusError|HfHubHTTPError": (
        "The network or the Hub gave out on the way: run the same command again, which fetches only what is missing, "
        "or take the lab profile, which needs no network."
    ),
}
TOLD = re.compile(r"^(?:\w+\.)*(\w+(?:Error|Exception|Invalid|Timeout)): .+$", re.MULTILINE)  # how a traceback ends each of its errors
COLOUR = re.compile(r"\x1b\[[\d;]*m")


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


def reason(error: Exception) -> str:
    """What went wrong, what it began with where libraries said it again in other words, and a way out where one is known."""
    told = [f"{type(error).__name__}: {error}"]
    if isinstance(error, PapermillExecutionError):
        chain = [match[0] for match in TOLD.finditer(COLOUR.sub("", "\n".join(error.traceback))) if match[1] != error.ename]
        told = [f"{error.ename}: {error.evalue}", *(f"It began with {first}" for first in chain[:1])]
    ways = [way for said, way in WAYS_OUT.items() if re.search(said, "\n".join(told))]
    return "\n".join([*told, *ways[:1]])


def failure(executed: Path, error: Exception) -> str:
    """Which cell, under which heading, why, and what to do."""
    cells = nbformat.read(executed, as_version=4).cells if executed.exists() else []
    status = {i: cell.metadata.papermill.status for i, cell in enumerate(cells) if cell.metadata.get("papermill", {}).get("start_time")}
    index = max(status, default=0)  # it ran when its kernel died or the notebook could not be written
    if isinstance(error, PapermillExecutionError):
        index = error.cell_index + 2  # papermill has put two notes above the cell
    where = f"in {place(cells, index)}" if status else "before the first cell"
    if status and index == len(cells) - 1 and status[index] == "completed":
        where = "after the last cell"
    kept = f"\nThe partly executed notebook: {executed}" if status else ""
    return f"{executed.stem} failed {where}: {reason(error)}{kept}"


def write(path: Path, text: str) -> None:
    """Writes beside and renames: a kill or a full disk leaves what was there, or nothing, never a half."""
    beside = path.with_name(f"{path.name}.tmp")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


class Whole(LocalHandler):
    """Writes papermill's notebook, which is saved after each cell."""

    def write(self, buf, path):
        write(Path(path), buf)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build"))
    parser.add_argument("--profile", default="lab")
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter of the chapter")
    args = parser.parse_args()
    given = {name: value_of(value) for name, value in args.p}
    name, out = args.notebook.stem, args.out.resolve()
    executed = out / f"{name}.ipynb"
    parameters = {"profile": args.profile, "output_dir": str(out / "output" / name)} | given
    try:
        for suffix in ("html", "json"):  # of an earlier run, which the summary would take for this one's
            (out / f"{name}.{suffix}").unlink(missing_ok=True)
        check_parameters(args.notebook, given)
        out.mkdir(parents=True, exist_ok=True)
        executed.unlink(missing_ok=True)  # as the two above: a failure would look for its cell there
        return execute(args.notebook, executed, parameters, given)
    except Exception as error:  # whatever went wrong, the reader needs the cell and the reason, not papermill's own traceback
        print(f"\n{failure(executed, error)}", file=sys.stderr)  # below the bar
        return 1


def execute(source: Path, executed: Path, parameters: dict, given: dict) -> int:
    """Runs the cells and leaves notebook, page and figures; 1 if some cells never ran."""
    name, out = executed.stem, executed.parent
    papermill_io.register(f"{out}{os.sep}", Whole())
    began = time.time()
    papermill.execute_notebook(
        str(source), str(executed), parameters=parameters, cwd=str(source.parent),
        kernel_name="python3", progress_bar={"desc": name, "unit": "cell"}, request_save_on_cell_execute=True,
    )  # fmt: skip
    seconds = time.time() - began
    notebook = nbformat.read(executed, as_version=4)
    pending = [i for i, c in enumerate(notebook.cells) if c.cell_type == "code" and c.source.strip() and c.execution_count is None]
    if pending:  # sys.exit(0) in a cell ends the run without an error
        print(f"{name} failed: {place(notebook.cells, pending[0])} and those below never ran.", file=sys.stderr)
        return 1
    without_controls(notebook)
    write(executed, nbformat.writes(notebook))
    for cell in notebook.cells:
        cell.source = cell.source.replace("](../assets/", "](assets/")  # nbconvert embeds nothing above the folder that it is told
    resources = {"metadata": {"path": str(Path(__file__).resolve().parents[1] / "notebooks")}}
    html, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook, resources=resources)
    write(out / f"{name}.html", html)
    result = {
        "chapter": name,
        "seconds": round(seconds, 1),
        "profile": parameters["profile"],
        "parameters": given,
        "figures": recorded(notebook),
    }
    write(out / f"{name}.json", json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
