"""A copy of the course for tests that run it as its users do, and `make` as from a shell of their own."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from common import copy_of_course, fresh_shell, lend_environment


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Path:
    """All files that belong to the course as it stands."""
    tree = copy_of_course(tmp_path_factory.mktemp("course"))
    lend_environment(tree)
    return tree


@pytest.fixture(scope="session")
def environment(course) -> dict[str, str]:
    """What a process of the copy starts with."""
    return fresh_shell(PYTHONPATH=str(course), PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")


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
