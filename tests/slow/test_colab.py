"""Colab's setup cell for real: `google.colab` is there, the notebook stands alone in an empty folder, and the repository is cloned."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

from common import ROOT, copy_of_course, fresh_shell

CHAPTERS = sorted((ROOT / "notebooks").glob("0*.ipynb"))
CONTENT = Path("/content")  # where Colab works
URL = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """A Python with the libraries and without `helpers`, as Colab has it, and the environment to start it in."""
    if CONTENT.exists() or not os.access("/", os.W_OK):
        pytest.skip("needs /content, and may not make it here")
    folder = tmp_path_factory.mktemp("colab")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    (site,) = folder.glob("venv/lib/python*/site-packages")
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "libraries.pth").write_text(libraries)  # not what .pth files in there add, such as an installed course
    (site / "google" / "colab").mkdir(parents=True)
    (site / "google" / "colab" / "__init__.py").touch()
    (site / "sitecustomize.py").write_text("import google.colab")
    source = copy_of_course(folder / "source")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], cwd=source, check=True)
    CONTENT.mkdir()
    clone = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.file://{source}.insteadOf", "GIT_CONFIG_VALUE_0": URL}
    yield folder / "venv" / "bin" / "python", fresh_shell(**clone)
    shutil.rmtree(CONTENT)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_alone_in_an_empty_folder_fetches_the_course_and_runs(colab, chapter, tmp_path):
    python, environment = colab
    subprocess.run([python, "-m", "pip", "uninstall", "-qy", "fine-tuning-course"], check=True)  # of the chapter before
    shutil.rmtree(CONTENT / "fine-tuning-course", ignore_errors=True)
    alone = Path(shutil.copy(chapter, tmp_path))
    assert subprocess.run([python, "-c", "import helpers"], cwd=tmp_path, env=environment, capture_output=True).returncode, (
        "the course is already there"
    )
    epochs = [] if chapter.stem.startswith("02") else ["-p", "num_train_epochs", "0.1"]
    command = [python, "-m", "papermill", alone, tmp_path / "out.ipynb", "-k", "python3", "--no-progress-bar", *epochs]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert all(cell.execution_count for cell in cells if cell.cell_type == "code")
    assert (CONTENT / "fine-tuning-course" / "helpers").is_dir()
