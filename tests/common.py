"""What the tests of several folders need: a tiny model to train, copies of the course, and a shell in which nobody has set anything."""

import linecache
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"  # the real data sets, where the machine has them
CHAPTERS = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
SCREENSHOTS = ROOT / "build" / "screenshots"
TINY = dict(vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64)
SET_HERE = tuple("HF_ HUGGING_FACE XDG_ JUPYTER_ IPYTHON MPL MAKE MFLAGS CHAPTERS EDITION PROFILE ARGS OUT PYTHON VERSIONS".split())


def tiny_checkpoint(folder: Path) -> Path:
    """A masked language model of two narrow layers, with dropout and random weights, and the bundled tokenizer."""
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    shape = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=128)
    BertForMaskedLM(BertConfig(vocab_size=8192, **shape)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-bert").save_pretrained(folder)
    return folder


def forty_reviews(folder: Path) -> Path:
    """A data set that takes seconds to train on."""
    lines = (ROOT / "lab" / "corpora" / "reviews" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:40]
    folder.mkdir()
    (folder / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def run_cells(chapter: str, without: str, until: str = "", **parameters: object) -> dict:
    """Execute a notebook's code cells in one namespace, as its readers do, and return the names that they leave.

    Args:
        chapter: Its number, such as ``"03"``.
        without: A regular expression; cells in which it is found are left out, and so are exercises and the one for Colab.
        until: What the last cell to execute holds; all are executed by default.
        **parameters: Values in place of those of the parameters cell.
    """
    import nbformat

    (path,) = (ROOT / "notebooks").glob(f"{chapter}_*.ipynb")
    names: dict = {}
    with mock.patch("matplotlib.pyplot.show"), mock.patch("helpers.exercises.chapter", lambda number: None):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and not re.search(rf"google.colab|\bex\.|{without}", cell.source):
                file = f"{path.name}, cell {cell.id}"
                linecache.cache[file] = len(cell.source), None, cell.source.splitlines(keepends=True), file  # for inspect
                exec(compile(cell.source, file, "exec"), names)
                if "parameters" in cell.metadata.get("tags", []):
                    names.update(parameters)
                if until and until in cell.source:
                    break
    return names


def copy_of_course(tree: Path) -> Path:
    """Copies what would be pushed next: the files of the working tree that git knows or would take."""
    listed = subprocess.run(["git", "ls-files", "-zco", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


def lend_environment(tree: Path) -> None:
    """Gives a tree the environment of these tests as the one that its Makefile would make: newer than all, so nothing is installed."""
    (tree / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".ready":
            (tree / ".venv" / entry.name).symlink_to(entry)
    (tree / ".venv" / ".ready").touch()


def fresh_shell(**more: str) -> dict[str, str]:
    """The variables of a process that starts with nothing that this user, or the `make` above these tests, has set."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SET_HERE) and "proxy" not in name.lower()} | more
