"""Chapter 04 opens with an answer with masks: it is a held-out one, and the guesses are those of the chapter's own last run."""

import ast
import re

import nbformat
import pytest
from datasets import load_dataset

from common import ROOT
from helpers.train import data


@pytest.fixture(params=["", "zh"])
def book(request):
    return nbformat.read(ROOT / "notebooks" / request.param / "04_eli5_distilroberta.ipynb", as_version=4)


def cell(book, name):
    return next(cell for cell in book.cells if cell.id == name)


def result(book, name) -> str:
    return cell(book, name).outputs[-1].data["text/plain"]


def masked(book) -> tuple[str, list[str]]:
    """The answer with its gaps and the words hidden there, from the cell that writes the masks."""
    values = {line.targets[0].id: line.value for line in ast.parse(cell(book, "c1d70e52").source).body if isinstance(line, ast.Assign)}
    return ast.literal_eval(values["answer"]), ast.literal_eval(values["hidden"])


def test_the_guesses_of_the_opening_are_those_of_section_6(book):
    shown = re.findall(r"^\| (\w+) \| ([^|]+) \| ([^|]+) \|$", book.cells[0].source, re.M)[1:]  # without the table's head
    assert ast.literal_eval(result(book, "6c7c04f2")) == {word: (before, after) for word, before, after in shown}
    assert len(shown) == len(masked(book)[1])


def test_the_guesses_before_the_training_are_shown_before_it(book):
    shown = re.findall(r"^\| (\w+) \| ([^|]+) \| [^|]+ \|$", book.cells[0].source, re.M)[1:]
    assert ast.literal_eval(result(book, "5c7c04f2")) == dict(shown)


def test_the_opening_shows_the_answer_that_the_cells_mask(book):
    answer, _ = masked(book)
    assert answer.replace("___", "`<mask>`") in book.cells[0].source


def test_the_answer_is_held_out(book):
    answer, hidden = masked(book)
    for word in hidden:
        answer = answer.replace("___", word, 1)
    rows = load_dataset("json", data_files=str(ROOT / "lab" / "corpora" / "questions" / "train.jsonl"), split="train")
    texts = [" ".join(answers["text"]) for answers in rows["answers"]]
    (number,) = [i for i, text in enumerate(texts) if answer in text]
    assert f"**{rows[number]['title']}**" in book.cells[0].source
    parts = data.hold_out(data.drop_repeats(rows.map(lambda row, i: {"text": texts[i]}, with_indices=True).select_columns("text")))
    assert texts[number] in parts["test"]["text"] and texts[number] not in parts["train"]["text"]
