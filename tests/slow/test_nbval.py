"""nbval: a committed id that is wrong is noticed in every chapter, and what differs by machine is not."""

import configparser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch

from helpers import settings

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("0*.ipynb"))
WRONG = {  # chapter: a token, an id or a count that one compared cell shows, and another in its place
    "01": ("([43, 40], ", "([43, 41], "),
    "02": ("special tokens ever hidden: 0", "special tokens ever hidden: 1"),
    "03": ("train: 517 chunks", "train: 516 chunks"),
    "04": ("test: 36 blocks", "test: 35 blocks"),
    "05": ("num_processes: 2", "num_processes: 3"),
}


def compared(folder: Path, options: tuple = (), edit=str) -> subprocess.CompletedProcess:
    """What `make test` does with its notebooks, for those of a folder; `edit` changes its plugin."""
    plugin = (ROOT / "tools" / "nbval" / "plugin.py").read_text()
    if edit(plugin) != plugin:
        (folder / "conftest.py").write_text(edit(plugin))
        options = ("-p", "no:tools.nbval.plugin", *options)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "tools/nbval/pytest.ini"), "--rootdir", str(folder), *options]
    return subprocess.run([*command, str(folder)], cwd=ROOT, capture_output=True, text=True)


def small(source: str, *outputs, tags=()) -> nbformat.NotebookNode:
    """A notebook of one cell."""
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)}, execution_count=1)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})


def test_one_changed_output_in_each_chapter_fails_there_and_nowhere_else(tmp_path):
    book_folder = ROOT / "notebooks"
    for path in CHAPTERS:
        book, (right, wrong) = nbformat.read(path, as_version=4), WRONG[path.stem[:2]]
        cells = [c for c in book.cells if c.cell_type == "code" and "nbval-ignore-output" not in c.metadata.get("tags", [])]
        (cell,) = [c for c in cells if right in json.dumps(c.outputs)]
        cell.outputs = nbformat.from_dict(json.loads(json.dumps(cell.outputs).replace(right, wrong)))
        nbformat.write(book, tmp_path / path.name)
    shutil.copytree(book_folder / "assets", tmp_path / "assets")
    said = compared(tmp_path, ("-n", "2", "--dist", "loadfile")).stdout
    failed = re.findall(r"^FAILED .*?(\d\d)_\w+\.ipynb", said, re.M)
    assert sorted(failed) == sorted(WRONG), said[-3000:]


def test_what_is_right_passes_and_what_is_wrong_fails(tmp_path):
    for value, status in (("2", 0), ("3", 1)):
        result = nbformat.v4.new_output("execute_result", {"text/plain": value}, execution_count=1)
        nbformat.write(small("1 + 1", result), tmp_path / "sum.ipynb")
        assert compared(tmp_path).returncode == status


@pytest.mark.parametrize("mark, status", [("0", 0), ("10", 1)])
def test_thousands_of_messages_of_one_cell_arrive_where_the_mark_is_lifted(tmp_path, mark, status):
    flood = "from IPython.display import display\nfor i in range(6000):\n    display('x' * 1500)"  # more than buffers of sockets hold
    nbformat.write(small(flood, tags=["nbval-ignore-output"]), tmp_path / "flood.ipynb")
    done = compared(tmp_path, edit=lambda plugin: plugin.replace("rcvhwm = 0", f"rcvhwm = {mark}"))
    assert done.returncode == status, done.stdout


def rules() -> list[tuple[str, str, str]]:
    """Name, pattern and replacement of each rule."""
    file = configparser.ConfigParser(interpolation=None)
    file.read(ROOT / "tools" / "nbval" / "sanitize.cfg")
    return [(name, file[name]["regex"], file[name]["replace"]) for name in file.sections()]


@pytest.mark.parametrize("name, regex, replace", rules(), ids=[name for name, *_ in rules()])
def test_each_rule_makes_two_machines_outputs_one(name, regex, replace, tmp_path, monkeypatch):
    shown = {}
    for device in ("cpu", "cuda"):
        monkeypatch.setattr(settings, "default_device", lambda device=device: torch.device(device))
        shown[device] = settings.resolve("03_imdb_domain_adaptation", output_dir=str(tmp_path))._repr_html_()
    assert shown["cpu"] != shown["cuda"], name
    assert re.sub(regex, replace, shown["cuda"]) == shown["cpu"], name
