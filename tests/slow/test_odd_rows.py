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


# -- What is told before any training, and what is mended on loading


@pytest.fixture
def stored_in_half(course, tmp_path) -> Path:
    """The bundled checkpoint as many are stored: in float16 by its own configuration too, and without a limit on the length."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    bundled = course / "lab" / "checkpoints" / "mini-bert"
    AutoModelForMaskedLM.from_pretrained(bundled, dtype=torch.float16).save_pretrained(tmp_path / "half")
    AutoTokenizer.from_pretrained(bundled, model_max_length=10**30).save_pretrained(tmp_path / "half")
    return tmp_path / "half"


@pytest.mark.parametrize("chapter, figure", [("01_mrpc_classification", "loss"), ("03_imdb_domain_adaptation", "perplexity_after")])
def test_weights_in_half_precision_train(course, environment, stored_in_half, tmp_path, chapter, figure):
    command = [course / ".venv/bin/python", "tools/run.py", f"notebooks/{chapter}.ipynb", "--out", tmp_path / "out"]
    done = subprocess.run(
        [*command, "-p", "checkpoint", str(stored_in_half), *SMALL], cwd=course, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert 0 < figures(tmp_path / "out", chapter)[figure] < 1000


def test_files_that_no_split_takes_stop_a_chapter_in_its_settings(execute, tmp_path):
    folder = tmp_path / "book"
    folder.mkdir()
    for name in [*(f"chapter{i}" for i in range(10)), "training"]:
        (folder / f"{name}.txt").write_text("A line of text.\n" * 10)
    done = execute("03_imdb_domain_adaptation", folder)
    assert done.returncode == 1
    told = r"^03_imdb_domain_adaptation failed in cell \[\d+\] .*: ValueError: Of .*book only training.txt would be read and"
    assert re.search(told, done.stderr, re.MULTILINE), done.stderr


def test_labels_of_reviews_stop_chapter_05_before_its_training(execute, texts, tmp_path):
    rows = [{"text": text, "label": 1 + i % 5} for i, text in enumerate(texts)]
    write(tmp_path / "reviews" / "train.jsonl", rows)
    write(tmp_path / "reviews" / "test.jsonl", rows[:10])
    done = execute("05_accelerate_loop", tmp_path / "reviews")
    assert done.returncode == 1
    told = r"^05_accelerate_loop failed in cell \[\d+\] \(3 .*\): ValueError: Row 1 of the split 'train' has 2 in the column 'label'"
    assert re.search(told, done.stderr, re.MULTILINE), done.stderr


@pytest.mark.parametrize("shifted", [True, False])
def test_the_command_line_tells_what_it_reads_or_why_not(course, environment, texts, tmp_path, shifted):
    lines = [f"{'Good, really' if shifted and not i else json.dumps(text.replace(chr(34), ''))},{i % 2}" for i, text in enumerate(texts)]
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "train.csv").write_text("\n".join(["text,label", *lines]))
    given = ["--dataset", tmp_path / "reviews", "--output-dir", tmp_path / "out", "--max-train-samples=16", "--num-train-epochs=1", "--cpu"]
    command = [course / ".venv/bin/python", "-m", "helpers.train", *given]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    if shifted:
        assert done.returncode == 1 and done.stdout == ""
        assert re.search(r"^error: Line 2 of .*train.csv has 3 fields and the header has 2: put a text", done.stderr, re.MULTILINE)
        assert "Traceback" not in done.stderr
    else:
        assert done.returncode == 0, done.stderr[-2000:]
        assert f"Read from {tmp_path / 'reviews'} (rows): train: train.csv (30)." in done.stdout
