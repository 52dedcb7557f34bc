"""run.py, summary.py and the Makefile on notebooks that take a second each."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from common import ROOT, fresh_shell, lend_environment
from tools import run, summary

RECORD = "from helpers.results import record\n"
PYTHON3 = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def write_notebook(path: Path, *sources: str, tags: tuple[str, ...] = ("parameters",)) -> Path:
    """Parameters, a heading, and a code cell for each source; papermill's own parameters come second, so the first source is [3]."""
    parameters = new_code_cell("epochs = 1\nprofile = 'lab'\noutput_dir = ''", metadata={"tags": list(tags)})
    cells = [new_markdown_cell("# A chapter"), parameters, new_markdown_cell("## Training\nsteps"), *map(new_code_cell, sources)]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata=PYTHON3), path)
    return path


@pytest.fixture
def execute(tmp_path, monkeypatch, capsys):
    """Calls run.py on a notebook of the given sources: its status, what it said on stderr, and where it left its files."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the kernel

    def call(*sources: str, arguments: tuple[str, ...] = (), **layout):
        notebook, out = write_notebook(tmp_path / "notebooks" / "01_a.ipynb", *sources, **layout), tmp_path / "build"
        monkeypatch.setattr(sys, "argv", ["run.py", str(notebook), "--out", str(out), *arguments])
        return SimpleNamespace(status=run.main(), said=capsys.readouterr().err, out=out)

    return call


# --- run.py


def test_a_chapter_leaves_notebook_page_and_figures(execute):
    ran = execute(
        RECORD + "record(x=epochs + 0.5)",
        "record(y=2)\nprint(profile, output_dir)",
        arguments=("-p", "epochs", "3", "--profile", "hub"),
    )
    assert ran.status == 0
    result = json.loads((ran.out / "01_a.json").read_text())
    assert 0 < result.pop("seconds") < 60
    assert result == {"chapter": "01_a", "profile": "hub", "parameters": {"epochs": 3}, "figures": {"x": 3.5, "y": 2.0}}
    cells = nbformat.read(ran.out / "01_a.ipynb", as_version=4).cells
    assert cells[-1].outputs[-1].text == f"hub {ran.out / 'output' / '01_a'}\n"
    assert "Training" in (ran.out / "01_a.html").read_text()
    assert sorted(path.name for path in ran.out.iterdir()) == ["01_a.html", "01_a.ipynb", "01_a.json"]


def test_a_failing_cell_is_named_and_leaves_its_notebook_but_no_figures(execute):
    ran = execute("x = 1", "raise ValueError('no such review')", "y = 2")
    assert ran.status == 1
    assert "01_a failed in cell [4] (Training): ValueError: no such review" in ran.said
    cells = nbformat.read(ran.out / "01_a.ipynb", as_version=4).cells
    assert [cell.execution_count for cell in cells if cell.cell_type == "code"] == [1, 2, 3, 4, None]
    assert not (ran.out / "01_a.json").exists()


def test_a_failure_takes_away_the_figures_of_an_earlier_run(execute, tmp_path):
    (tmp_path / "build").mkdir()
    for name in ("01_a.json", "01_a.html"):
        (tmp_path / "build" / name).write_text("{}")
    ran = execute("1 / 0")
    assert ran.status == 1
    assert [path.name for path in ran.out.iterdir()] == ["01_a.ipynb"]


@pytest.mark.parametrize("death", ["os._exit(1)", "os.kill(os.getpid(), 9)"])
def test_a_kernel_that_dies_is_a_failure_of_the_cell_that_ran(execute, death):
    ran = execute("print('kept')", f"import os; {death}", "y = 2")
    assert ran.status == 1
    assert "01_a failed in cell [4] (Training): DeadKernelError" in ran.said
    assert "\nKernels die mostly for want of memory: lower batch_size or max_train_samples" in ran.said
    cells = nbformat.read(ran.out / "01_a.ipynb", as_version=4).cells
    assert [output.text for cell in cells if cell.cell_type == "code" for output in cell.outputs] == ["kept\n"]
    assert [path.name for path in ran.out.iterdir()] == ["01_a.ipynb"]


def test_what_an_error_began_with_is_told_with_a_way_out(execute):
    ran = execute(
        "try:\n    raise TimeoutError('timed out')\nexcept TimeoutError as error:\n    raise OSError('Is it a local folder?') from error"
    )
    assert (
        "01_a failed in cell [3] (Training): OSError: Is it a local folder?\n"
        "It began with TimeoutError: timed out\n"
        "The network or the Hub gave out on the way: run the same command again"
    ) in ran.said


def test_leaving_by_sys_exit_0_before_the_last_cell_is_a_failure(execute):
    ran = execute("import sys; sys.exit(0)", "y = 2")
    assert ran.status == 1
    assert "01_a failed: cell [4] (Training) and those below never ran" in ran.said
    assert not (ran.out / "01_a.json").exists()


def test_an_empty_cell_is_not_one_that_never_ran(execute):
    assert execute("x = 1", "  \n").status == 0


def test_an_unknown_parameter_is_an_error_that_names_the_known_ones(execute):
    with pytest.raises(SystemExit, match="^01_a.ipynb has no parameter 'epoch'; it knows epochs, profile, output_dir.$"):
        execute("x = 1", arguments=("-p", "epoch", "3"))


def test_a_notebook_without_tagged_parameters_is_an_error(execute):
    with pytest.raises(SystemExit, match="^01_a.ipynb has no cell tagged 'parameters'.$"):
        execute("x = 1", tags=())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("1_000", 1000),
        ("007", 7),
        ("2e-5", 2e-5),
        ("3.0", 3.0),
        ("inf", float("inf")),
        ("True", True),
        ("False", False),
        ("None", None),
        ("true", "true"),
        ("abc", "abc"),
        ("'3'", "'3'"),
        ("[1]", "[1]"),
        ("", ""),
        ("../lab/checkpoints/mini-bert", "../lab/checkpoints/mini-bert"),
    ],
)
def test_a_value_becomes_what_papermill_makes_of_it(text, value):
    made = run.value_of(text)
    assert (type(made), made) == (type(value), value)


# --- summary.py


@pytest.fixture
def summarise(tmp_path, monkeypatch, capsys):
    """Calls summary.py on results written here: its status, its rows as {(chapter, figure): verdict}, its page and what it printed."""
    monkeypatch.setattr(summary, "BANDS", tmp_path / "bands.toml")
    summary.BANDS.write_text("[lab.01_a]\nx = [1, 2]\n[hub.01_a]\nx = [8, 9]\n")

    def call(*chapters: str, **results: dict):
        for name, figures in results.items():
            asked = {"profile": "lab", "parameters": {}} | figures.pop("asked", {})
            (tmp_path / f"{name}.json").write_text(json.dumps({"chapter": name, "seconds": 3.0, "figures": figures} | asked))
        monkeypatch.setattr(sys, "argv", ["summary.py", "--out", str(tmp_path), *chapters])
        status = summary.main()
        verdicts = {(row["chapter"], row["figure"]): row["verdict"] for row in json.loads((tmp_path / "summary.json").read_text())}
        page = (tmp_path / "index.html").read_text()
        return SimpleNamespace(status=status, verdicts=verdicts, page=page, printed=capsys.readouterr().out)

    return call


@pytest.mark.parametrize(
    ("figures", "verdicts", "status"),
    [
        ({"x": 1.0}, {"x": "pass"}, 0),
        ({"x": 2.0}, {"x": "pass"}, 0),
        ({"x": 2.001}, {"x": "FAIL"}, 1),
        ({"x": float("nan")}, {"x": "FAIL"}, 1),
        ({"x": 1.5, "z": 7.0}, {"x": "pass", "z": "no band"}, 0),
        ({"z": 7.0}, {"x": "FAIL: not recorded", "z": "no band"}, 1),
        ({}, {"(none recorded)": "FAIL", "x": "FAIL: not recorded"}, 1),
        ({"x": 99.0, "asked": {"parameters": {"epochs": 1}}}, {"x": "shown"}, 0),
        ({"z": 99.0, "asked": {"parameters": {"epochs": 1}}}, {"z": "shown"}, 0),
        ({"x": 8.5, "asked": {"profile": "hub"}}, {"x": "pass"}, 0),
        ({"x": 1.5, "asked": {"profile": "hub"}}, {"x": "FAIL"}, 1),
    ],
)
def test_figures_are_held_against_the_bands_of_their_profile(summarise, figures, verdicts, status):
    made = summarise("01_a", **{"01_a": figures})
    assert made.verdicts == {("01_a", figure): said for figure, said in verdicts.items()}
    assert made.status == status


def test_a_chapter_that_did_not_finish_fails_beside_one_that_passes(summarise):
    made = summarise("01_a", "02_b", **{"01_a": {"x": 1.5}})
    assert made.verdicts == {("01_a", "x"): "pass", ("02_b", None): "FAIL: did not finish"}
    assert made.status == 1
    for text in ("01_a", "1.5", "1 to 2", "pass", "02_b", "FAIL: did not finish"):
        assert text in made.printed and text in made.page


def test_the_page_escapes_the_names_of_figures_and_links_the_pages_that_exist(summarise, tmp_path):
    (tmp_path / "01_a.html").touch()
    made = summarise("01_a", "02_b", **{"01_a": {"<script>&": 1.0}})
    assert "&lt;script&gt;&amp;" in made.page and "<script>" not in made.page
    assert '<a href="01_a.html">01_a</a>' in made.page and "02_b.html" not in made.page


@pytest.mark.parametrize(("value", "place"), [(1.5, 50), (1.0, 25), (2.0, 75), (1.75, 62.5), (0.8, 15), (9.0, 99), (-9.0, 1)])
def test_the_page_draws_each_figure_at_its_place_in_the_band(summarise, value, place):
    band, mark = re.findall(r'<rect class="(?:band|pass|FAIL)"[^>]*>', summarise("01_a", **{"01_a": {"x": value}}).page)
    assert 'x="25" ' in band and 'width="50"' in band  # the band is the middle half
    assert float(re.search(r'x="([\d.]+)"', mark)[1]) + 1 == pytest.approx(place, abs=0.1)
    assert ("FAIL" in mark) == (not 1 <= value <= 2)


def test_the_page_shows_a_chapters_pictures(summarise, tmp_path):
    picture = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0K\n"})
    cell = nbformat.v4.new_code_cell("", outputs=[picture], metadata={"alt": 'a "curve"'})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "01_a.ipynb")
    assert "<img" not in summarise("01_a", **{"01_a": {"x": 1.0}}).page  # the run did not finish
    (tmp_path / "01_a.html").touch()
    page = summarise("01_a", **{"01_a": {"x": 1.0}}).page
    assert 'src="data:image/png;base64,iVBORw0K" alt="a &quot;curve&quot;"' in page


# --- Makefile

CHAPTERS = ("01_a", "02_b")


def make(tree: Path, *arguments: str) -> subprocess.CompletedProcess:
    """`make` as from a shell of its own, even where these tests run under `make test ARGS=…`."""
    environment = fresh_shell(PYTHONPATH=str(tree))
    return subprocess.run(["make", *arguments], cwd=tree, env=environment, capture_output=True, text=True, timeout=100)


def written(tree: Path) -> dict[str, int]:
    """When the figures of each chapter were written."""
    return {name: file.stat().st_mtime_ns for name in CHAPTERS if (file := tree / "build" / f"{name}.json").exists()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small copy of the course in which `make run` has run once."""
    tree = tmp_path_factory.mktemp("finished")
    for file in ("Makefile", "pyproject.toml", "requirements.txt", "constraints.txt"):
        shutil.copy(ROOT / file, tree)
    for folder in ("helpers", "tools"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "tests").mkdir()
    (tree / "tests" / "bands.toml").write_text("[lab.01_a]\nx = [1, 2]\n[lab.02_b]\nx = [1, 2]\n")
    for name in CHAPTERS:
        write_notebook(tree / "notebooks" / f"{name}.ipynb", RECORD + "record(x=1.5)")
    lend_environment(tree)
    done = make(tree, "run")
    assert done.returncode == 0, done.stderr
    return tree


@pytest.fixture
def tree(finished, tmp_path):
    """A copy of it for one test, times of the files included."""
    return shutil.copytree(finished, tmp_path / "tree", symlinks=True)


def test_make_run_leaves_both_chapters_and_the_summary(finished):
    assert {"01_a.json", "02_b.json", "01_a.html", "02_b.ipynb", "index.html", "summary.json"} <= set(os.listdir(finished / "build"))


def test_a_second_make_run_executes_nothing(tree):
    before = written(tree)
    done = make(tree, "run")
    assert done.returncode == 0 and done.stdout.count("pass") == 2
    assert written(tree) == before


def test_a_new_band_is_judged_without_executing_again(tree):
    before = written(tree)
    (tree / "tests" / "bands.toml").write_text("[lab.01_a]\nx = [3, 4]\n")
    done = make(tree, "run")
    assert done.returncode != 0 and "FAIL" in done.stdout
    assert written(tree) == before


@pytest.mark.parametrize("change", ["ARGS=-p epochs 2", "PROFILE=hub", "helper"])
def test_a_chapter_is_stale_when_arguments_profile_or_a_helper_change(tree, change):
    before = written(tree)
    if change == "helper":
        (tree / "helpers" / "results.py").touch()
    done = make(tree, "run", "CHAPTERS=01", *([change] if "=" in change else []))
    assert done.returncode == 0, done.stderr
    after = written(tree)
    assert after["01_a"] > before["01_a"] and after["02_b"] == before["02_b"]
    result = json.loads((tree / "build" / "01_a.json").read_text())
    assert result["parameters"] == ({"epochs": 2} if "ARGS" in change else {})
    assert result["profile"] == ("hub" if "PROFILE" in change else "lab")


def test_a_chapter_is_stale_when_a_folder_that_it_was_given_changes(tree, tmp_path):
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "train.txt").write_text("One row.")
    arguments = f"ARGS=-p epochs 2 -p profile {tmp_path / 'rows'} -p output_dir {tree / 'build'}"
    times = []
    for text in ("One row.", "One row.", "One row more."):
        if text != (tmp_path / "rows" / "train.txt").read_text():
            (tmp_path / "rows" / "train.txt").write_text(text)
        assert make(tree, "run", "CHAPTERS=01", arguments).returncode == 0
        times.append(written(tree)["01_a"])
    assert times[0] == times[1] < times[2]


def test_two_chapters_run_side_by_side(tree):
    """Each waits until the other has begun."""
    for name, other in zip(CHAPTERS, reversed(CHAPTERS)):
        wait = f"import pathlib, time\npathlib.Path('{name}').touch()\nwhile not pathlib.Path('{other}').exists(): time.sleep(0.1)"
        write_notebook(tree / "notebooks" / f"{name}.ipynb", RECORD + "record(x=1.5)", wait)
    done = make(tree, "run")
    assert done.returncode == 0 and done.stdout.count("pass") == 2


def test_a_failing_chapter_stops_no_other_and_fails_the_run(tree):
    for name in CHAPTERS:
        (tree / "build" / f"{name}.json").unlink()
    write_notebook(tree / "notebooks" / "01_a.ipynb", "1 / 0")
    done = make(tree, "run")
    assert done.returncode != 0
    assert "01_a failed in cell [3] (Training): ZeroDivisionError" in done.stderr
    assert "did not finish" in done.stdout and "pass" in done.stdout
    assert set(written(tree)) == {"02_b"}


def test_after_an_interruption_only_the_missing_chapter_is_executed(tree):
    before = written(tree)
    (tree / "build" / "02_b.json").unlink()
    assert make(tree, "run").returncode == 0
    after = written(tree)
    assert after["01_a"] == before["01_a"] and after["02_b"] > before["02_b"]


def test_damaged_leftovers_of_an_earlier_run_are_made_anew(tree):
    before, whole = written(tree), (tree / "build" / "01_a.json").read_text()
    for name in ("01_a.json", "01_a.ipynb", "01_a.html", "02_b.ipynb", "summary.json", "index.html"):
        file = tree / "build" / name
        file.write_text(file.read_text()[:20])
    done = make(tree, "run")
    assert done.returncode == 0, done.stderr
    after = written(tree)
    assert after["01_a"] > before["01_a"] and after["02_b"] == before["02_b"]
    assert json.loads((tree / "build" / "01_a.json").read_text()).keys() == json.loads(whole).keys()
    assert done.stdout.count("pass") == 2 and len(json.loads((tree / "build" / "summary.json").read_text())) == 2


def test_chapters_selects_by_number(tree):
    (tree / "build" / "01_a.json").unlink()
    done = make(tree, "run", "CHAPTERS=02")
    assert done.returncode == 0
    assert "02_b" in done.stdout and "01_a" not in done.stdout
    assert set(written(tree)) == {"02_b"}


def test_an_unknown_chapter_is_an_error(tree):
    before = written(tree)
    done = make(tree, "run", "CHAPTERS=02 07")
    assert done.returncode != 0 and "no chapter 07" in done.stderr
    assert written(tree) == before


def test_an_unknown_parameter_fails_the_run_and_old_figures_do_not_pass_for_its_own(tree):
    done = make(tree, "run", "CHAPTERS=01", "ARGS=-p epoch 2")
    assert done.returncode != 0 and "no parameter 'epoch'" in done.stderr
    assert "did not finish" in done.stdout
