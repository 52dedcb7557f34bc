"""Chapters on texts of a user's own that are odd: empty, of 100,000 characters, in other scripts; and on a row that is no text."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = ["这部电影真好看，演员也很棒。" * 20, "هذا فيلم رائع جدا. " * 20, "यह फ़िल्म अच्छी है। " * 20, "🐳🎬 " * 100, "a\0b\u200bc" * 20]
ODD = ["", "  \n", "word " * 20_000, "x" * 100_000, *SCRIPTS]
SMALL = ("-p", "num_train_epochs", "0.2", "-p", "max_train_samples", "32")


@pytest.fixture
def texts(course) -> list[str]:
    lines = (course / "lab" / "corpora" / "reviews" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:30]
    return [json.loads(line)["text"] for line in lines]


@pytest.fixture
def execute(course, environment, tmp_path):
    """Runs a chapter on a folder, with few samples."""

    def call(chapter: str, folder: Path) -> subprocess.CompletedProcess:
        command = [course / ".venv/bin/python", "tools/run.py", f"notebooks/{chapter}.ipynb", "--out", tmp_path / "out"]
        given = ("-p", "dataset", str(folder), *SMALL)
        return subprocess.run([*command, *given], cwd=course, env=environment, capture_output=True, text=True)

    return call


def write(file: Path, rows: list[dict]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def figures(out: Path, chapter: str) -> dict[str, float]:
    return json.loads((out / f"{chapter}.json").read_text())["figures"]


def test_pairs(course, execute, texts, tmp_path):
    sentences = [*texts, *filter(str.strip, ODD)]
    pairs = [{"sentence1": a, "sentence2": b, "label": i % 2} for i, (a, b) in enumerate(zip(sentences, sentences[::-1]))]
    write(tmp_path / "pairs" / "train.jsonl", pairs)
    write(tmp_path / "pairs" / "validation.jsonl", pairs[10:20])
    shutil.copy(course / "lab" / "corpora" / "paraphrases" / "README.md", tmp_path / "pairs")  # the names of the classes
    done = execute("01_mrpc_classification", tmp_path / "pairs")
    assert done.returncode == 0, done.stderr[-2000:]
    assert 0 <= figures(tmp_path / "out", "01_mrpc_classification")["accuracy"] <= 1


def test_reviews(execute, texts, tmp_path):
    write(tmp_path / "reviews" / "train.jsonl", [{"text": text} for text in texts + ODD])
    done = execute("03_imdb_domain_adaptation", tmp_path / "reviews")
    assert done.returncode == 0, done.stderr[-2000:]
    assert figures(tmp_path / "out", "03_imdb_domain_adaptation")["perplexity_after"] > 1


def test_answers(execute, texts, tmp_path):
    rows = [{"title": "Why?", "answers": {"text": [text] * (i % 3), "score": [1] * (i % 3)}} for i, text in enumerate(texts + 3 * ODD)]
    write(tmp_path / "questions" / "train.jsonl", rows)
    done = execute("04_eli5_distilroberta", tmp_path / "questions")
    assert done.returncode == 0, done.stderr[-2000:]
    assert figures(tmp_path / "out", "04_eli5_distilroberta")["perplexity_after"] > 1


def test_a_row_that_is_no_text_is_named_where_the_data_set_is_read(execute, texts, tmp_path):
    write(tmp_path / "reviews" / "train.jsonl", [{"text": text} for text in [*texts, None]])
    done = execute("03_imdb_domain_adaptation", tmp_path / "reviews")
    assert done.returncode == 1
    told = (
        r"^03_imdb_domain_adaptation failed in cell \[\d+\] \(.+\): ValueError: Row 30 of the split 'train' has None in the column 'text', "
        r"where a text belongs: leave such rows out, or name the column with the texts: text_column=…$"
    )
    assert re.search(told, done.stderr, re.MULTILINE), done.stderr
