"""The rules that every committed notebook keeps; a failure names notebook and cell."""

import ast
import re
import statistics
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat
import pytest
from detect_secrets import SecretsCollection
from detect_secrets.settings import transient_settings

from common import ROOT
from helpers import exercises

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EDITIONS = NOTEBOOKS + sorted((ROOT / "notebooks" / "zh").glob("*.ipynb"))
PLUGINS = ("AWSKeyDetector", "BasicAuthDetector", "GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector", "KeywordDetector",
           "OpenAIDetector", "PrivateKeyDetector", "SlackDetector", "StripeDetector")  # fmt: skip
WHOLE = {"d15a3b68": 30}  # chapter 05's loop on one page, which is read as a whole: cell and most lines
URL = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


@pytest.fixture(params=EDITIONS, ids=lambda path: "/".join(path.parts[path.parts.index("notebooks") + 1 :]).removesuffix(".ipynb"))
def notebook(request):
    """Path from the notebooks' folder, without its ending, and the notebook."""
    return request.param.relative_to(ROOT / "notebooks").with_suffix("").as_posix(), nbformat.read(request.param, as_version=4)


def code(cells):
    return [(i, cell) for i, cell in enumerate(cells) if cell.cell_type == "code"]


def lines_of_code(cell) -> int:
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in cell.source.splitlines())


def test_every_cell_has_run_in_order_and_none_failed(notebook):
    name, book = notebook
    counts = [cell.execution_count for _, cell in code(book.cells)]
    assert counts == list(range(1, len(counts) + 1)), f"{name}: cells ran as {counts}"
    failed = [i for i, cell in code(book.cells) for output in cell.outputs if output.output_type == "error"]
    assert not failed, f"{name}: cells {failed} hold errors"


def test_one_cell_of_annotated_literals_with_comments_is_tagged_parameters(notebook):
    name, book = notebook
    tagged = [cell for _, cell in code(book.cells) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1, name
    lines = tagged[0].source.splitlines()
    for statement, line in zip(ast.parse(tagged[0].source).body, lines, strict=True):
        assert isinstance(statement, ast.AnnAssign) and isinstance(statement.value, ast.Constant), f"{name}: {line}"
        assert re.search(r"  # \S", line), f"{name}: {line} says nothing of itself"


def test_code_cells_have_at_most_15_lines(notebook):
    name, book = notebook
    lines = {cell.id: lines_of_code(cell) for _, cell in code(book.cells) if "parameters" not in cell.metadata.get("tags", [])}
    assert {cell: count for cell, count in lines.items() if count > WHOLE.get(cell, 15)} == {}, name


def test_code_fits_the_page(notebook):
    name, book = notebook
    wide = [i for i, cell in code(book.cells) if any(len(line) > 110 for line in cell.source.splitlines())]
    assert not wide, f"{name}: cells {wide} have lines beyond 110 characters"


def test_the_core_path_has_at_most_40_code_cells_of_5_lines_in_the_median(notebook):
    name, book = notebook
    start, end = (
        next(i for i, cell in enumerate(book.cells) if re.search(head, cell.source, re.M)) for head in ("^## 1 ", "^## (Recap|小结)")
    )
    sizes = [lines_of_code(cell) for _, cell in code(book.cells[start:end])]
    assert len(sizes) <= 40 and statistics.median(sizes) <= 5, f"{name}: {len(sizes)} code cells, lines {sorted(sizes)}"


def test_the_set_up_is_one_folded_section(notebook):
    name, book = notebook
    heading = book.cells[1]
    assert re.match("## (Set-up|准备)\n", heading.source) and heading.metadata["jp-MarkdownHeadingCollapsed"], name
    assert book.metadata["colab"]["collapsed_sections"] == [heading.id], name
    for cell in book.cells[2:6]:
        assert cell.cell_type == "code" and "hide-input" in cell.metadata["tags"], name


def test_no_widget_state_no_path_and_no_remote_image(notebook):
    name, book = notebook
    assert set(book.metadata) == {"kernelspec", "language_info", "colab"}, f"{name}: without a kernelspec Jupyter asks, and papermill fails"
    for i, cell in enumerate(book.cells):
        outputs = "".join(str(output) for output in cell.get("outputs", []))
        for path in (str(ROOT), str(Path.home()), tempfile.gettempdir(), "/home/", "/Users/", "site-packages"):
            assert path not in outputs, f"{name}: cell {i} shows a path"
        assert not re.search(r"!\[[^]]*\]\(https?:|<img[^>]+src=.https?:", cell.source), f"{name}: cell {i} has a remote image"


def test_badge_and_setup_follow_the_repositorys_url(notebook):
    name, book = notebook
    owner_and_name = URL.removeprefix("https://github.com/")
    badge = f"https://colab.research.google.com/github/{owner_and_name}/blob/main/notebooks/{name}.ipynb"
    assert badge in book.cells[0].source, name
    assert f"git clone -q --depth 1 {URL}\n" in book.cells[2].source, name
    assert book.cells[2].outputs == [], f"{name}: the setup cell speaks outside Colab"


def test_links_inside_the_notebook_and_the_repository_resolve(notebook):
    name, book = notebook
    prose = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    anchors = {line.lstrip("# ").replace(" ", "-") for line in prose.splitlines() if line.startswith("#")}
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith("#"):
            assert target[1:] in anchors, f"{name}: no heading for {target}"
        elif not target.startswith("http"):
            assert ((ROOT / "notebooks" / name).parent / target).exists(), f"{name}: {target} leads nowhere"


def test_settings_are_looked_up_and_never_the_profile(notebook):
    name, book = notebook
    asks = [i for i, cell in code(book.cells) if re.search(r"\bif\b.*\bprofile\b", cell.source)]
    assert not asks, f"{name}: cells {asks} ask for the profile; that belongs into helpers/settings.py"


def test_every_figure_is_described_for_those_who_cannot_see_it(notebook):
    name, book = notebook
    figures = [(i, cell) for i, cell in code(book.cells) if any("image/png" in output.get("data", {}) for output in cell.outputs)]
    least = 10 if name.startswith("zh/") else 20  # characters: a Chinese one says more
    silent = [i for i, cell in figures if len(cell.metadata.get("alt", "")) < least]
    assert figures and not silent, f"{name}: the figures of cells {silent} have no alt text"


def test_data_sets_are_named_with_their_owner(notebook):
    name, book = notebook
    for i, cell in code(book.cells):
        bare = re.findall(r"""(?:load_dataset|from_pretrained)\(\s*["']([\w.-]+)["']""", cell.source)
        assert not bare, f"{name}: cell {i} loads {bare}, which today's libraries no longer find"


def test_nothing_that_looks_like_a_password_stands_in_a_notebook(notebook, tmp_path):
    name, book = notebook
    planted = book.copy() | {"cells": [*book.cells, nbformat.v4.new_code_cell('token = "hf_' + "aB3" * 12 + '"')]}
    for expected, found in ((0, secrets(book, tmp_path)), (1, secrets(nbformat.from_dict(planted), tmp_path))):
        assert len(found) == expected, f"{name}: {found}"


def secrets(book, folder) -> list[str]:
    """What detect-secrets finds in the cells and their text outputs, and access tokens of the Hub, which it does not know."""
    said = [cell.source for cell in book.cells]
    for cell in book.cells:
        for output in cell.get("outputs", []):
            said += [
                output.get("text", ""),
                *(str(value) for kind, value in output.get("data", {}).items() if not kind.startswith("image/")),
            ]
    file = folder / "notebook.txt"
    file.write_text("\n".join(said), encoding="utf-8")
    found = SecretsCollection()
    with transient_settings({"plugins_used": [{"name": plugin} for plugin in PLUGINS]}):
        found.scan_file(str(file))
    return [f"{secret.type} in line {secret.line_number}" for _, secret in found] + re.findall(r"\bhf_[A-Za-z0-9]{30,}", file.read_text())


def test_ruff_accepts_the_code():
    subprocess.run([sys.executable, "-m", "ruff", "check", "-q", "notebooks"], cwd=ROOT, check=True)


def test_no_file_of_ours_asks_for_remote_code_or_unpickles():
    for path in [*EDITIONS, *(file for folder in ("helpers", "lab", "bench") for file in (ROOT / folder).rglob("*.py"))]:
        text = path.read_text(encoding="utf-8")
        for call in ("trust_remote_code", "pickle.load", "weights_only=False", "pytorch_model.bin"):
            assert call not in text, f"{path.relative_to(ROOT)}: {call}"


def test_the_setup_cell_is_the_same_in_every_chapter():
    cells = {nbformat.read(path, as_version=4).cells[2].source for path in EDITIONS}
    assert len(cells) == 1 and "\n    !git clone" in cells.pop()


def test_each_exercise_is_asked_and_none_is_answered(notebook):
    name, book = notebook
    said = [str(output) for _, cell in code(book.cells) for output in cell.outputs]
    everything = "\n".join([cell.source for cell in book.cells] + said)
    unanswered = "… 尚未作答" if name.startswith("zh/") else "… Not answered yet"
    for exercise in exercises.chapter(name.removeprefix("zh/")[:2]):
        (cell,) = [cell for _, cell in code(book.cells) if cell.source.endswith(f"ex.{exercise.name}.check({exercise.name})")]
        assert cell.outputs[-1].data["text/plain"].startswith(unanswered), exercise.name
        body = exercise.source().partition("\n")[2] or exercise.source()
        assert body not in everything, f"{name} gives {exercise.name} away"
