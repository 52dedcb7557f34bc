"""What INSTRUCTORS.md tells is there: its snippet, exercises, parameters, targets, sections, minutes and budget lines."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from common import ROOT
from helpers import exercises

pytestmark = pytest.mark.long

TEXT = (ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
NOTEBOOKS = {path.stem[:2]: nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
CHAPTERS = {part[:2]: part for part in re.split(r"^## (?:Chapter )?", TEXT, flags=re.MULTILINE) if re.match(r"\d\d: ", part)}
EXERCISES = {number: [exercise.name for exercise in exercises.chapter(number)] for number in NOTEBOOKS}
chapters = pytest.mark.parametrize("number", list(NOTEBOOKS))


def parameters(number: str) -> set[str]:
    (cell,) = [cell for cell in NOTEBOOKS[number].cells if "parameters" in cell.metadata.get("tags", [])]
    return set(re.findall(r"^(\w+):", cell.source, re.MULTILINE))


def returned(path: Path, verdict: str, perplexity: float) -> None:
    """A learner's notebook of chapter 04, with one answer, one empty exercise and figures."""

    def shown(**data):
        return [new_output("display_data", {name.replace("_", "/"): value for name, value in data.items()})]

    figures = {"course_metrics": {"perplexity_before": 52.3, "perplexity_after": perplexity, "perplexity_ratio": 0.86}}
    cells = [
        new_markdown_cell("`ex.prose.check(prose)` counts for nothing"),
        new_code_cell('settings = open_chapter("04_eli5_distilroberta", globals())'),
        new_code_cell("def best_first(texts, scores): ...\n\n\nex.best_first.check(best_first)", outputs=shown(text_plain=verdict)),
        new_code_cell("ex.fill_all.check(fill_all)"),  # never run
        new_code_cell("results.record(…)", outputs=shown(application_json=figures, text_plain="…")),
    ]
    nbformat.write(new_notebook(cells=cells), path)


def test_the_cells_with_badges_are_those_to_accept():
    (accepted,) = re.findall(r'^make zh ACCEPT="(.*) README"', TEXT, re.MULTILINE)
    prose = [cell for book in NOTEBOOKS.values() for cell in book.cells if cell.cell_type == "markdown"]
    badges = [cell.id for cell in prose if "colab.research" in cell.source]
    assert accepted.split() == badges


def test_the_snippet_makes_a_table_of_returned_notebooks(tmp_path):
    folder = tmp_path / "returned"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    returned(folder / "ada.ipynb", "✓ Right.", 45.0)
    (folder / "bob").mkdir()
    returned(folder / "bob" / "04.ipynb", "✗ Not yet: The worst comes first: sort the other way round.", 52.3)
    returned(folder / ".ipynb_checkpoints" / "ada-checkpoint.ipynb", "✓ Right.", 45.0)
    (snippet,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    (tmp_path / "collect.py").write_text(snippet, encoding="utf-8")
    done = subprocess.run([sys.executable, tmp_path / "collect.py", folder], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    heads, *rows = done.stdout.splitlines()
    assert heads.replace("not right", "not_right").split() == [
        "notebook", "right", "of", "not_right", "outside", "perplexity_after", "perplexity_before", "perplexity_ratio"
    ]  # fmt: skip
    assert [row.split() for row in rows] == [
        ["ada.ipynb", "1", "2", "fill_all", "-", "45", "52.3", "0.86"],
        ["bob/04.ipynb", "0", "2", "best_first,fill_all", "perplexity_after", "52.3", "52.3", "0.86"],
    ]


@chapters
def test_every_exercise_stands_once_in_its_chapters_list_and_no_other(number):
    assert sorted(re.findall(r"^- `(\w+)` \((?:section|part)", CHAPTERS[number], re.MULTILINE)) == sorted(EXERCISES[number])


@chapters
def test_exercises_stand_where_the_list_says(number):
    heading, place = None, {}
    for cell in NOTEBOOKS[number].cells:
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^## (\w+) ·", cell.source, re.MULTILINE) or [heading])[-1]
        elif found := re.search(r"^ex\.(\w+)\.check\(", cell.source, re.MULTILINE):
            place[found[1]] = heading
    assert dict(re.findall(r"^- `(\w+)` \((?:section|part) (\w+)", CHAPTERS[number], re.MULTILINE)) == place


@chapters
def test_sections_and_parts_exist(number):
    prose = "\n".join(cell.source for cell in NOTEBOOKS[number].cells if cell.cell_type == "markdown")
    there = set(re.findall(r"^## (\w+) ·", prose, re.MULTILINE))
    own = re.sub(r"[Pp]art \w of chapter \d\d", "", CHAPTERS[number])
    told = set(re.findall(r"\b[Ss]ections? (\d+)\b", own)) | set(re.findall(r"\b[Pp]art ([A-Z])\b", own))
    told |= set(re.findall(r"\b[Ss]ections \d+ (?:and|to) (\d+)\b", own))
    assert told and told <= there, told - there


@chapters
def test_a_session_is_ninety_minutes(number):
    assert sum(map(int, re.findall(r"^\| (\d+) \|", CHAPTERS[number], re.MULTILINE))) == 90


@chapters
def test_parameters_exist(number):
    told = set(re.findall(r"-p (\w+)", CHAPTERS[number]))
    assert told and told <= parameters(number), told - parameters(number)


def test_parameters_exist_anywhere():
    told, common = set(re.findall(r"-p (\w+)", TEXT)), set.union(*map(parameters, NOTEBOOKS))
    assert told <= common, told - common


def test_make_targets_and_variables_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make ([a-z]+)", TEXT, re.MULTILINE))
    assert {"run", "test", "solutions"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for variable in re.findall(r"\bmake run.*?([A-Z_]+)=", TEXT):
        assert re.search(rf"^{variable} +\?=", makefile, re.MULTILINE), variable


def test_files_and_links_exist():
    for name in re.findall(r"`((?:notebooks|helpers|tests|configs)/[\w/.]+\.\w+)`", TEXT) + re.findall(r"\]\(([\w/.]+)(?:#[^)]*)?\)", TEXT):
        assert (ROOT / name).exists(), name


@chapters
def test_budget_lines_are_those_of_the_committed_notebooks(number):
    (told,) = re.findall(rf"^\| {number} \| (peak [\d.]+ MiB) \|$", TEXT, re.MULTILINE)
    assert re.search(rf"{told} of [\d.]+ \w+", str(NOTEBOOKS[number]))
