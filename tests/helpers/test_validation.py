"""Rows that no corpus should have, and some have: each works, or one sentence names the row and a way out."""

import csv
import json
import time
from pathlib import Path

import datasets
import pytest
from datasets import Dataset, DatasetDict, load_dataset

from common import ROOT
from helpers import access, validation
from helpers.settings import resolve
from helpers.train import data

TEXTS = [json.loads(line)["text"] for line in (ROOT / "lab/corpora/reviews/train.jsonl").read_text(encoding="utf-8").splitlines()[:40]]
SCRIPTS = [
    "这部电影真好看，演员也很棒。" * 20,
    "هذا فيلم رائع جدا. " * 20,
    "यह फ़िल्म अच्छी है। " * 20,
    "🐳🎬 " * 100,
    "a\0b\u200bc\ufffd" * 20,
]
MIXED = pytest.mark.skipif(not hasattr(datasets, "Json"), reason="this version of datasets refuses such a file itself")


def folder_with(path: Path, rows: list, kind: str) -> str:
    """A data set's folder with a column ``text`` in a file of a kind."""
    path.mkdir()
    with open(path / f"train.{kind}", "w", encoding="utf-8", newline="") as file:
        if kind == "jsonl":
            file.writelines(json.dumps({"text": row}, ensure_ascii=False) + "\n" for row in rows)
        elif kind == "csv":
            csv.writer(file).writerows([["text"], *([row] for row in rows)])
        else:
            file.write("\n".join(rows))
    return str(path)


@pytest.fixture
def chunks(tmp_path, tokenizer, monkeypatch):
    """What chapters 03 and 05 make of the training texts of a folder."""
    from datasets import config

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", config.HF_DATASETS_CACHE)

    def make(rows: list, kind: str = "jsonl") -> Dataset:
        given = folder_with(tmp_path / "rows", rows, kind)
        settings = resolve("03_imdb_domain_adaptation", dataset=given, output_dir=str(tmp_path / "out"))
        access.check_access(settings)
        texts = data.read_texts(settings.dataset, settings.text_column, settings.train_splits)
        return data.to_chunks(texts["train"], tokenizer, settings.chunk_size)

    return make


@pytest.mark.parametrize(
    "kind, odd",
    [
        ("jsonl", ["", "  \n"]),
        ("txt", ["", "   "]),
        ("jsonl", ["word " * 20_000]),
        ("jsonl", ["x" * 100_000]),
        ("jsonl", SCRIPTS),
        ("csv", SCRIPTS),
        ("csv", ["2024"]),
    ],
    ids=["empty", "empty lines", "long", "one long word", "scripts", "scripts in csv", "a number among texts in csv"],
)
def test_odd_texts_are_texts(chunks, kind, odd):
    made = chunks([*TEXTS, *odd], kind)
    assert len(made) > 10 and {len(row) for row in made["input_ids"]} == {128}


@pytest.mark.parametrize("text", ["这部电影真好看，演员也很棒。", "Фильм хороший, 9/10!", "ይህ ፊልም በጣም ጥሩ ነው። 1, 2, 3."])
def test_a_script_that_the_vocabulary_lacks_is_told(chunks, text):
    with pytest.raises(ValueError, match=r"\d\d% of the tokens in the column 'text' are \[UNK\]: the vocabulary of .*mini-bert lacks"):
        chunks([f"{text * 10} {'i' * i}" for i in range(40)])


def test_some_unknown_tokens_pass_and_lists_and_missing_columns_too(tokenizer, roberta):
    validation.check_vocabulary(tokenizer, Dataset.from_dict({"text": ["Good 🐳, a film to see."] * 3}), ["text"])
    validation.check_vocabulary(roberta, Dataset.from_dict({"text": SCRIPTS}), ["text"])  # of bytes, it knows all
    answers = Dataset.from_dict({"answers": [{"text": ["电影", "好看"]}, {"text": []}, {"text": None}]})
    validation.check_vocabulary(tokenizer, answers, ["text", "answers"])
    with pytest.raises(ValueError, match="100% of the tokens in the column 'answers.text'"):
        validation.check_vocabulary(tokenizer, answers, ["answers.text"])


@pytest.mark.parametrize(
    "rows, kind, told",
    [
        ([*TEXTS, None], "jsonl", "Row 40 of the split 'train' has None"),
        ([None, None], "jsonl", "Row 0 of the split 'train' has None"),
        ([*TEXTS, ""], "csv", "Row 40 of the split 'train' has None"),  # as CSV is read
        pytest.param([*TEXTS, 7], "jsonl", "Row 40 of the split 'train' has 7", marks=MIXED),
        pytest.param([7, *TEXTS], "jsonl", "Row 0 of the split 'train' has 7", marks=MIXED),
        (range(40), "csv", "Row 0 of the split 'train' has 0"),
        pytest.param([*TEXTS, ["one", "two"]], "jsonl", r"Row 40 of the split 'train' has \['one', 'two'\]", marks=MIXED),
        ([["one", "two"]] * 3, "jsonl", r"Row 0 of the split 'train' has \['one', 'two'\]"),
        ([{"en": "one"}] * 3, "jsonl", "Row 0 of the split 'train' has {'en': 'one'}"),
    ],
)
def test_a_row_without_a_text_is_named_with_a_way_out(chunks, rows, kind, told):
    way_out = "in the column 'text', where a text belongs: leave such rows out, or name the column with the texts: text_column=…$"
    with pytest.raises(ValueError, match=f"^{told} {way_out}"):
        chunks(rows, kind)


def test_a_null_in_a_split_without_labels_is_named_too(chunks, monkeypatch):
    texts = Dataset.from_dict({"text": TEXTS})
    splits = DatasetDict(train=texts, unsupervised=Dataset.from_dict({"text": ["One.", None] * 9}))
    monkeypatch.setattr("helpers.train.data.load_dataset", lambda name: splits)
    with pytest.raises(ValueError, match="Row 1 of the split 'unsupervised' has None in the column 'text', where a text belongs"):
        chunks(TEXTS)


def test_answers_may_be_lists(tmp_path):
    rows = [{"answers": {"text": value}} for value in (["One.", "Two."], [], ["", *SCRIPTS])]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    validation.check_texts(
        {"train": load_dataset(str(tmp_path), split="train", cache_dir=str(tmp_path / "cache")).flatten()}, "answers.text", lists=True
    )


@pytest.mark.parametrize("value", [None, ["One.", None], [7], 7])
def test_an_answer_that_is_no_text_is_named(value):
    data = {"train": Dataset.from_dict({"answers.text": [value, value]})}
    with pytest.raises(ValueError, match="Row 0 of the split 'train' has .* in the column 'answers.text', where a text belongs"):
        validation.check_texts(data, "answers.text", lists=True)


def test_a_long_value_is_shortened():
    with pytest.raises(ValueError) as caught:
        validation.check_texts(DatasetDict(train=Dataset.from_dict({"text": [["x" * 100_000]] * 2})), "text")
    assert len(str(caught.value)) < 250


rows = Dataset.from_dict({"text": ["a", "b"]})


@pytest.mark.parametrize(
    "data, column, message",
    [
        (DatasetDict(test=rows), "text", "The data set has no split 'train', only test; name its file train.parquet"),
        (
            DatasetDict(train=rows),
            "review",
            "The data set has no column 'review', only text; name the column with the texts: text_column",
        ),
        (DatasetDict(train=rows.select([])), "text", "The split 'train' has too few rows .0."),
        (DatasetDict(train=rows.select([0])), "text", "The split 'train' has too few rows .1."),
    ],
)
def test_a_corpus_that_does_not_fit_is_told_why(data, column, message):
    with pytest.raises(ValueError, match=message):
        validation.check_texts(data, column)


# -- Rows as they are used: without blank and repeated ones, with words, with labels


@pytest.mark.parametrize(
    "texts, told",
    [
        (["word " * 20_000, "", "  \n"], "The column 'text' holds 1 different texts without the blank ones"),
        (["", " ", "\t"], "The column 'text' holds 0 different texts"),
        (["The same."] * 5, "The column 'text' holds 1 different texts"),
        (["A film.", "A  film.\n"], "The column 'text' holds 1 different texts"),
        (["1", "0", "1", "0", "A film."], "4 of 5 texts in the column 'text' hold no words, such as '1': name the column with the texts"),
        (["0.5", "1.5", "2.5"], "3 of 3 texts in the column 'text' hold no words, such as '0.5'"),
        (["http://a.org/title/tt1", "https://a.org/title/tt2", "One."], "2 of 3 texts in the column 'text' hold no words, such as 'http"),
    ],
)
def test_texts_that_teach_nothing_are_refused(texts, told):
    with pytest.raises(ValueError, match=told):
        validation.check_texts({"train": Dataset.from_dict({"text": texts})}, "text")


def test_some_texts_without_words_are_told_in_one_line(capsys):
    texts = ["A film.", "好看", "7", "🐳🎬", "See https://a.org/b for more.", ""]
    for rows in (texts, texts[:2]):
        validation.check_texts({"train": Dataset.from_dict({"text": rows})}, "text")
    assert capsys.readouterr().out == "2 of 5 texts hold no words.\n"


def test_blank_answers_do_not_count(tmp_path):
    for answers in ([["One."], [" ", ""], []], [["One.", "Two."], []]):  # the answers of a row are joined
        with pytest.raises(ValueError, match="holds 1 different texts"):
            validation.check_texts({"train": Dataset.from_dict({"answers": answers})}, "answers", lists=True)


def reviews(labels, split="train", **columns):
    """Two splits of reviews, one of them with these labels."""
    fine = {"text": ["Good.", "Bad.", "So so."], "label": [1, 0, 1]}
    return DatasetDict(
        {"train": Dataset.from_dict(fine), "test": Dataset.from_dict(fine)} | {split: Dataset.from_dict(fine | {"label": labels} | columns)}
    )


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    "labels, told",
    [
        ([1, 5, 3], "Row 1 of the split '{}' has 5 in the column 'label', where one of the whole numbers 0 and 1"),
        (["pos", "neg", "pos"], "Row 0 of the split '{}' has 'pos' in the column 'label'"),
        ([0.0, 1.0, 1.0], "Row 0 of the split '{}' has 0.0 in the column 'label'"),
        ([0, 1, -1], "Row 2 of the split '{}' has -1 in the column 'label'"),
        ([True, False, True], "Row 0 of the split '{}' has True in the column 'label'"),
        ([0, None, 1], "Row 1 of the split '{}' has None in the column 'label'"),
        (["0", "1", "1"], "Row 0 of the split '{}' has '0' in the column 'label'"),
    ],
)
def test_labels_that_the_last_part_of_chapter_05_cannot_use_are_told(labels, split, told):
    with pytest.raises(ValueError, match=told.format(split)):
        validation.check_labels(reviews(labels, split), "text")


def test_reviews_without_labels_pass_and_without_texts_do_not():
    validation.check_labels(reviews([0, 1, 1]), "text")
    validation.check_labels(reviews([0, 1, 1]).remove_columns("label"), "text")
    validation.check_labels(DatasetDict(train=reviews([7, 7, 7])["train"]), "text")  # without a test split nothing is classified
    with pytest.raises(ValueError, match="Row 1 of the split 'test' has None in the column 'text'"):
        validation.check_labels(reviews([0, 1, 1], "test", text=["Good.", None, "Bad."]), "text")


def test_rows_on_both_sides_are_counted(capsys):
    validation.check_labels(reviews([0, 1, 1], "test", text=["Good. ", "So\nso.", "Fine."]), "text")
    line = "2 of {} rows of the split {!r} are also in 'train': the scores on them show memory.\n"
    assert capsys.readouterr().out == line.format(3, "test")
    names = datasets.ClassLabel(names=["no", "yes"])
    rows = Dataset.from_dict({"sentence1": ["A b.", "C."], "sentence2": ["D.", "E."], "label": [0, 1]}).cast_column("label", names)
    turned = rows.rename_columns({"sentence1": "sentence2", "sentence2": "sentence1"})
    other = Dataset.from_dict({"sentence1": ["A b.", "C."], "sentence2": ["E.", "D."], "label": [0, 1]}).cast_column("label", names)
    for validated in (rows, turned, other):
        validation.check_pairs(DatasetDict(train=rows, validation=validated))
    assert capsys.readouterr().out == 2 * line.format(2, "validation")


def test_rows_of_one_label_are_nothing_to_train_on():
    with pytest.raises(ValueError, match="The 2 rows to train on all have the label 1: raise max_train_samples, or give rows of both"):
        validation.check_both_labels(Dataset.from_dict({"label": [1, 1]}))
    validation.check_both_labels(Dataset.from_dict({"label": [1, 0]}))


def test_the_bundled_rows_pass(capsys):
    validation.check_labels(load_dataset(str(ROOT / "lab" / "corpora" / "reviews")), "text")
    validation.check_pairs(load_dataset(str(ROOT / "lab" / "corpora" / "paraphrases")))
    assert capsys.readouterr().out == ""


def test_the_checks_of_25_000_reviews_take_less_than_a_second():
    texts = [f"{i} " + "A film, a good one. " * 65 for i in range(25_000)]
    data = {"train": Dataset.from_dict({"text": texts, "label": [i % 2 for i in range(25_000)]})}
    began = time.process_time()
    validation.check_texts(data, "text")
    assert time.process_time() - began < 1
