"""What a run on the newest releases broke, as an issue: a title, and below it every notebook and cell that failed.

    python tools/canary.py build/canary.log build/canary.md

Exit status 1 and a file if something failed, 0 and no file if not. Nothing but Python itself is needed: whatever broke, this runs.
"""

import json
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

BOOKS = Path(__file__).resolve().parents[1] / "notebooks"
LIBRARIES = ("torch", "transformers", "datasets", "accelerate", "evaluate", "huggingface_hub")


def place(name: str, number: int) -> str:
    """A code cell by the number that Jupyter shows beside it, and the heading above it."""
    heading, seen = "top", -1
    for cell in json.loads((BOOKS / name).read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            heading = (re.findall(r"^#+ (.+)$", "".join(cell["source"]), re.M) or [heading])[-1]
        else:
            seen += 1
            if seen == number:
                break
    return f"cell [{number + 1}] ({heading})"


def broken(log: str) -> list[str]:
    """One line for each failed cell of nbval or papermill, and each failed test."""
    log = re.sub(r"\x1b\[[\d;]*m", "", log)
    cells = re.findall(r"^FAILED (?:\S*notebooks/)?(\S+\.ipynb)::Cell (\d+)(?: - (.*))?$", log, re.M)
    failures = [f"{Path(name).stem}, {place(name, int(number))}: {why}" for name, number, why in cells]
    failures += [f"{name}, {where}" for name, where in re.findall(r"^(\w+) failed (?:in )?(.*)$", log, re.M)]
    return list(dict.fromkeys(failures + re.findall(r"^(?:FAILED|ERROR) (tests/\S+.*)$", log, re.M)))


def installed(name: str) -> str:
    """A library and its release."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} is not installed"


def report(log: str) -> str | None:
    """The issue's title and text, or None where all went well."""
    if log.rstrip().endswith("exit 0"):
        return None
    lines = broken(log) or ["the setup: no cell was reached"]
    items = "\n".join(f"- {line}" for line in lines)
    libraries = ", ".join(map(installed, LIBRARIES))
    return f"The newest releases break {lines[0]}\n\n{items}\n\n{libraries}\n\nThe last lines of the log:\n\n```\n{log[-3000:]}\n```\n"


if __name__ == "__main__":
    text = report(Path(sys.argv[1]).read_text(encoding="utf-8", errors="replace"))
    Path(sys.argv[2]).unlink(missing_ok=True)  # an earlier run's
    if text:
        Path(sys.argv[2]).write_text(text, encoding="utf-8")
    sys.exit(bool(text))
