"""A copy of the course for tests that run it as its users do, and `make` as from a shell of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent.parent
SET_HERE = tuple("HF_ HUGGING_FACE XDG_ JUPYTER_ IPYTHON MPL MAKE MFLAGS CHAPTERS PROFILE EDITION VERSIONS ARGS OUT".split())


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Path:
    """All files that belong to the course as it stands, with this environment as the one that its Makefile would make."""
    tree = tmp_path_factory.mktemp("course")
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    (tree / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".ready":
            (tree / ".venv" / entry.name).symlink_to(entry)
    (tree / ".venv" / ".ready").touch()  # newer than all, so that nothing is installed
    return tree


@pytest.fixture(scope="session")
def environment(course) -> dict[str, str]:
    """What a process of the copy starts with: nothing that this user, or the `make` above these tests, has set."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(SET_HERE) and "proxy" not in name.lower()}
    return ours | {"PYTHONPATH": str(course), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def small_chapter():
    """Writes a notebook that takes a second: parameters, a heading, and a cell for each source, of which the first is [3]."""

    def write(path: Path, *sources: str) -> Path:
        parameters = new_code_cell("profile = 'lab'\noutput_dir = ''", metadata={"tags": ["parameters"]})
        cells = [parameters, new_markdown_cell("## Training"), *map(new_code_cell, sources)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(new_notebook(cells=cells, metadata=kernel), path)
        return path

    return write
