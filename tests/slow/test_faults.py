"""What can go wrong around a run: kills, a full disk, a folder of somebody else's. What was done is kept, and a way out is named."""

import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import nbformat
import psutil
import pytest

SMALL = {"CHAPTERS": "03 04", "ARGS": "-p num_train_epochs 0.2 -p max_train_samples 16"}
CHAPTERS = ("03_imdb_domain_adaptation", "04_eli5_distilroberta")
MOMENTS = (0, 1, 10, 25, "page")  # of each chapter: as it begins, so many cells done, as its page is written


@pytest.fixture
def make(course, environment):
    """Starts `make run` in the copy of the course; what it says goes into a file."""

    def start(out: Path, said: Path, prefix: tuple[str, ...] = (), **variables: str) -> subprocess.Popen:
        words = [f"{name}={value}" for name, value in {**SMALL, "OUT": out, **variables}.items()]
        marked = environment | {"MARK": str(out)}
        with said.open("w") as log:
            command = [*prefix, "make", "run", *words]
            return subprocess.Popen(command, cwd=course, env=marked, stdout=log, stderr=log, start_new_session=True)

    return start


def results(out: Path) -> dict[str, dict]:
    """What each finished chapter found, but for the seconds it took."""
    return {file.stem: json.loads(file.read_text()) | {"seconds": None} for file in out.glob("[0-9]*.json")}


def written(out: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in out.glob("[0-9]*") if file.with_suffix(".json").exists()}


# -- Kills


def reached(out: Path, chapter: str, moment: int | str, since: int) -> bool:
    """Whether a chapter has come so far in a life of `make run`."""
    page, notebook = out / f"{chapter}.html", out / f"{chapter}.ipynb"
    if moment == "page":
        return page.exists() or (out / f"{chapter}.html.tmp").exists()
    if not notebook.exists() or notebook.stat().st_mtime_ns < since:
        return False
    return notebook.read_text(encoding="utf-8").count('"status": "completed"') >= moment


def alive(out: Path) -> list[psutil.Process]:
    """Processes of a run, kernels included, which have sessions of their own."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MARK") == str(out) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            pass  # over, or another user's
    return found


def test_killed_at_ten_moments_it_goes_on_and_ends_the_same(make, tmp_path):
    assert make(tmp_path / "whole", tmp_path / "log").wait() == 0, (tmp_path / "log").read_text()
    whole, out, chance = results(tmp_path / "whole"), tmp_path / "killed", random.Random(0)
    assert set(whole) == set(CHAPTERS) and all(result["figures"] for result in whole.values())

    for chapter, moment in [(chapter, moment) for chapter in CHAPTERS for moment in MOMENTS]:
        since, before = time.time_ns(), written(out)
        life = make(out, tmp_path / "log")
        while not reached(out, chapter, moment, since):
            assert life.poll() is None, f"over before {chapter} came to {moment}: {(tmp_path / 'log').read_text()}"
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.3) if moment != "page" else 0)
        os.killpg(life.pid, signal.SIGKILL)
        life.wait()
        done = results(out)
        assert all(done[name] == whole[name] for name in done), "half a result counts as one"
        assert all((out / f"{name}.html").read_text(encoding="utf-8").rstrip().endswith("</html>") for name in done)
        assert before.items() <= written(out).items(), "a finished chapter was run again"
        deadline = time.monotonic() + 20
        while left := alive(out):
            assert time.monotonic() < deadline, f"a kernel outlives its run: {left}"
            time.sleep(0.1)

    assert make(out, tmp_path / "log").wait() == 0, (tmp_path / "log").read_text()
    assert results(out) == whole
    before = written(out)
    assert make(out, tmp_path / "log").wait() == 0 and written(out) == before
    assert [path.name for path in out.iterdir() if path.suffix == ".tmp"] == []


# -- A full disk


@pytest.fixture
def disk(tmp_path):
    """A disk of its own: mounts it, or gives it another size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(size: str) -> Path:
        again = "remount," if os.path.ismount(folder) else ""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"{again}size={size}", "none", folder], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no mounting here: {done.stderr.strip()}")
        return folder

    yield resize
    subprocess.run(["umount", "--lazy", folder], capture_output=True)


@pytest.fixture
def execute(course, environment, small_chapter, tmp_path):
    """Runs a chapter of the given cells by the program that `make run` calls."""

    def call(*sources: str, out: Path, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
        notebook = small_chapter(tmp_path / "01_a.ipynb", *sources)
        command = [*prefix, course / ".venv/bin/python", "tools/run.py", notebook, "--out", out]
        return subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)

    return call


FULL = "The disk is full: free some space, and the same command goes on with this chapter."


def test_a_disk_that_fills_up_keeps_what_is_executed_and_with_space_the_run_goes_on(execute, disk):
    out, cells = disk("1m"), ("print('kept')", "print('x' * 2_000_000)", "y = 2")
    done = execute(*cells, out=out)
    assert done.returncode == 1
    assert f"01_a failed in cell [4] (Training): OSError: [Errno 28] No space left on device\n{FULL}\n" in done.stderr
    assert "Traceback" not in done.stderr
    partly = nbformat.read(out / "01_a.ipynb", as_version=4)
    assert "kept\n" in [output.get("text") for cell in partly.cells for output in cell.get("outputs", [])]
    assert sorted(path.name for path in out.iterdir()) == ["01_a.ipynb"]
    disk("16m")
    assert execute(*cells, out=out).returncode == 0 and (out / "01_a.json").exists()


def test_a_page_that_does_not_fit_on_the_disk_is_told_as_well(execute, disk):
    done = execute("print('x' * 700_000)", out=disk("1600k"))  # fits twice, but not beside a page
    assert done.returncode == 1 and re.search(rf"01_a failed after the last cell: OSError.*\n{FULL}\n", done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_a_chapter_whose_model_does_not_fit_on_the_disk(make, disk, tmp_path):
    out, log, only = disk("4m"), tmp_path / "log", {"CHAPTERS": "03"}
    assert make(out, log, **only).wait() != 0
    said = log.read_text()
    assert re.search(rf"03_imdb_domain_adaptation failed in cell \[\d+\] \(D · Sharing the model\): .*No space left.*\n{FULL}\n", said), (
        said
    )
    assert "FAIL: did not finish" in said and "Traceback" not in said
    disk("64m")
    assert make(out, log, **only).wait() == 0, log.read_text()


def test_without_room_for_the_summary_the_figures_are_printed_all_the_same(course, environment, disk):
    out = disk("64k")
    figures = {"chapter": "03", "seconds": 1, "profile": "lab", "parameters": {"seed": 1}, "figures": {"perplexity": 12.5}}
    (out / "03.json").write_text(json.dumps(figures))
    with pytest.raises(OSError), open(out / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    command = [course / ".venv/bin/python", "tools/summary.py", "--out", out, "03"]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == "" and "perplexity  12.5" in done.stdout
    assert "There is no summary page ([Errno 28] No space left on device): free some disk space" in done.stdout


# -- A folder that is not one's own

LIKE_OTHERS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()  # root may write anywhere
OF_ONES_OWN = "Name a folder that you may write to: OUT=… of make, --out of this program."


@pytest.fixture
def theirs(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


@pytest.mark.parametrize("below", [".", "mine"])
def test_an_output_folder_without_permission_is_told_before_the_first_cell(execute, theirs, below):
    done = execute("x = 1", out=theirs / below, prefix=LIKE_OTHERS)
    assert done.returncode == 1
    assert re.search(rf"^01_a failed before the first cell: PermissionError: .*Permission denied.*\n{OF_ONES_OWN}\n", done.stderr, re.M)
    assert "Traceback" not in done.stderr
    assert list(theirs.iterdir()) == []


def test_make_run_says_so_too(make, theirs, tmp_path):
    assert make(theirs, tmp_path / "log", LIKE_OTHERS).wait() != 0
    said = (tmp_path / "log").read_text()
    assert "Permission denied" in said and "Traceback" not in said
    assert re.search(r"There is no summary page \(.*Permission denied.*\): .*name a folder that you may write to \(OUT=…\)", said), said


def test_the_settings_cell_finds_out_before_the_training(course, environment, theirs):
    cell = f"from helpers.access import open_chapter; open_chapter('03_imdb_domain_adaptation', dict(output_dir={str(theirs)!r}))"
    command = [*LIKE_OTHERS, course / ".venv/bin/python", "-c", cell]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    (last,) = done.stderr.splitlines()[-1:]
    assert (
        last
        == f"OSError: Nothing can be written to the output folder {theirs} (Permission denied): give another as output_dir (OUT= of make)."
    )
