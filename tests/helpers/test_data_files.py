"""Folders of data as people bring them: each file is read into the split it belongs to, or one sentence says why not."""

import bz2
import csv
import gzip
import io
import json
import time
import zipfile

import pytest
from datasets import Dataset, DatasetDict, config, load_dataset

from helpers import data_files

TEXT = "".join(f"Line {i} of a text.\n" for i in range(10))
CSV = "text,label\n" + "".join(f"Review {i} of a film.,{i % 2}\n" for i in range(10))
JSONL = "".join(json.dumps({"text": f"Review {i}, with a comma."}) + "\n" for i in range(10))
CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {}\n---\n"


def zipped(name: str, content: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()


@pytest.fixture
def look(tmp_path, monkeypatch):
    """Writes a folder and returns what is reported of it, and the splits that the libraries then read."""
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def call(files, folder="mine"):
        for name, content in files.items():
            file = tmp_path / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        _, line = data_files.check_folder((str(tmp_path / folder),))
        return line, load_dataset(str(tmp_path / folder))

    return call


# -- What is fine as it is


@pytest.mark.parametrize(
    "files, told, rows",
    [
        ({"train.csv": CSV.encode("utf-8-sig")}, "train: train.csv (10).", {"train": 10}),
        ({"train.csv": CSV.replace("\n", "\r\n")}, "train: train.csv (10).", {"train": 10}),
        ({"train.csv.gz": gzip.compress(CSV.encode())}, "train: train.csv.gz (10).", {"train": 10}),
        ({"train.jsonl.gz": gzip.compress(JSONL.encode())}, "train: train.jsonl.gz (10).", {"train": 10}),
        ({"train.csv": CSV, "test.csv": "text\nGood.\nBad.\n"}, "train: train.csv (10); test: test.csv (2).", {"train": 10, "test": 2}),
        ({"train.jsonl": JSONL, "._train.jsonl": b"\0\5\x16\7Mac OS X"}, "train: train.jsonl (10).", {"train": 10}),
        (
            {"train.jsonl": JSONL, "dev.jsonl": JSONL},
            "train: train.jsonl (10); validation: dev.jsonl (10).",
            {"train": 10, "validation": 10},
        ),
        ({"train.csv": CSV.replace("Review 0 of a film.", '"Review, 0,\nof ""a"" film."')}, "(10).", {"train": 10}),
        ({"train.csv": CSV.replace("\n", "\r")}, "(10).", {"train": 10}),
        ({"train.tsv": CSV.replace(",", "\t")}, "train: train.tsv (10).", {"train": 10}),
        ({"train.json": json.dumps([{"text": "Good."}] * 3)}, "train: train.json (3).", {"train": 3}),
        ({"one.jsonl": JSONL, "two.jsonl": 2 * JSONL}, "train: one.jsonl (10), two.jsonl (20).", {"train": 30}),
        ({"train.csv": CSV, "notes.txt": TEXT}, "train: train.csv (10). Not read: notes.txt.", {"train": 10}),
        ({f"chapter{i}.txt": TEXT for i in range(10)}, "train: 10 files (100 rows).", {"train": 100}),
        ({"train/a.txt": TEXT, "test/b.txt": TEXT}, "train: train/a.txt (10); test: test/b.txt (10).", {"train": 10, "test": 10}),
        (
            {"a.jsonl": JSONL, "b.jsonl": JSONL, "README.md": CARD.format("a.jsonl")},
            "train: a.jsonl (10). Not read: b.jsonl.",
            {"train": 10},
        ),
    ],
)
def test_what_is_read_is_told_with_its_rows(look, files, told, rows):
    line, read = look(files)
    assert line.startswith("Read from ") and line.endswith(told) and "\n" not in line
    assert {split: len(part) for split, part in read.items()} == rows


def test_a_folder_may_be_named_from_where_one_is(look, tmp_path, monkeypatch):
    look({"train.csv": CSV})
    monkeypatch.chdir(tmp_path)
    assert data_files.check_folder(["mine"])[1].endswith("train: train.csv (10).")


def test_names_of_labels_come_from_the_card(look):
    card = "---\ndataset_info:\n  features:\n  - name: text\n    dtype: string\n  - name: label\n    dtype:\n      class_label:\n"
    card += "        names:\n          '0': bad\n          '1': good\n---\n"
    rows = "".join(json.dumps({"text": f"Review {i}", "label": ["bad", "good"][i % 2]}) + "\n" for i in range(4))
    _, read = look({"train.jsonl": rows, "README.md": card})
    assert read["train"]["label"][:] == [0, 1, 0, 1] and read["train"].features["label"].names == ["bad", "good"]


def test_a_dict_saved_to_disk_is_read(look, tmp_path):
    DatasetDict(train=Dataset.from_dict({"text": ["Good."] * 5}), test=Dataset.from_dict({"text": ["Bad."] * 3})).save_to_disk(
        tmp_path / "mine"
    )
    line, read = look({})
    assert {split: len(part) for split, part in read.items()} == {"train": 5, "test": 3}
    assert line.endswith("train: train/data-00000-of-00001.arrow (5); test: test/data-00000-of-00001.arrow (3).")


# -- What would be read wrongly, or not at all


@pytest.mark.parametrize(
    "files, told",
    [
        (
            {**{f"chapter{i}.txt": TEXT for i in range(10)}, "training.txt": TEXT},
            "only training.txt would be read and chapter0.txt, .* would not",
        ),
        ({"reviews.csv": CSV, "test_1.csv": CSV}, "only test_1.csv would be read and reviews.csv would not: .*rename the files"),
        ({"part1.jsonl": JSONL, "my-dev-notes.jsonl": JSONL}, "only my-dev-notes.jsonl would be read and part1.jsonl would not"),
        ({"train.csv": CSV, "train.jsonl": JSONL}, "only train.jsonl would be read and train.csv would not: one kind of file is read"),
        (
            {"train.csv": CSV.replace("Review 0", "Review, 0")},
            "Line 2 of .*train.csv has 3 fields and the header has 2: put a text that holds ','",
        ),
        ({"train.csv": "\n" + CSV.replace("Review 0", "Review, 0")}, "Line 3 of .*train.csv has 3 fields and the header has 2"),
        ({"train.csv": CSV.replace("Review 7", "Review, 7")}, "Line 9 of .*train.csv has 3 fields and the header has 2"),
        ({"train.csv": CSV.replace(",0\n", ",0,\n").replace(",1\n", ",1,\n")}, "Line 2 of .*train.csv has 3 fields"),
        ({"train.csv.gz": gzip.compress(CSV.replace("Review 0", "Review, 0").encode())}, "Line 2 of .*train.csv.gz has 3 fields"),
        (
            {"train.csv": CSV.replace("Review 3", '"Review 3').replace("Review 6", '"Review 6')},
            r"Line 8 of .*train.csv cannot be cut into fields .*: put the whole text between double quotes",
        ),
        (
            {"train.csv": CSV.replace("Review 3", '"Review 3')},
            r"Line 11 of .*train.csv cannot be cut into fields \(unexpected end of data\)",
        ),
        ({"train.csv": CSV.replace("Review 3 of a film.", r'"Review \"3\" of it."')}, r"Line 5 of .*train.csv cannot be cut into fields"),
        ({"train.zip": zipped("train.csv", CSV)}, "train.zip is no file of rows that can be checked: unpack it, or save its texts as"),
        ({"train.csv.bz2": bz2.compress(CSV.encode())}, "train.csv.bz2 is no file of rows"),
        ({"train.tar.gz": gzip.compress(b"nothing")}, "train.tar.gz is no file of rows"),
        ({"train.csv.gz": gzip.compress(CSV.encode())[:-9]}, "train.csv.gz cannot be unpacked .*: compress the file anew"),
        ({"train.csv.gz": gzip.compress(CSV.encode())[:20] + b"x" * 90}, "train.csv.gz cannot be unpacked"),
        ({"train.jsonl.gz": JSONL}, "train.jsonl.gz cannot be unpacked .*Not a gzipped file"),
        ({"book.md": TEXT}, "book.md is no file of rows"),
        ({"mine.py": "", "train.jsonl": JSONL}, "cannot be read as a data set .*mine.py"),
        ({"train.csv": CSV.replace(",", ";")}, "The fields of .*train.csv are separated by ';', not by ',': save it anew"),
        ({"train.csv": CSV.replace(",", "\t")}, r"The fields of .*train.csv are separated by '\\t', not by ','"),
        ({"train.csv": CSV.replace(",", "|")}, r"The fields of .*train.csv are separated by '\|', not by ','"),
        (
            {"train.csv": CSV.replace("7", "é").encode("cp1252")},
            r"train.csv is not written in UTF-8 \(line 9\), but probably in cp1252: .*'cp1252'",
        ),
        ({"train.txt": TEXT.replace("3", "é").encode("cp1252")}, r"train.txt is not written in UTF-8 \(line 4\), but probably in cp1252"),
        ({"train.jsonl": b'{"text": "Caf\xe9"}\n'}, r"train.jsonl is not written in UTF-8 \(line 1\)"),
        ({"train.csv": CSV.encode("utf-16")}, r"train.csv is not written in UTF-8 \(line 1\), but probably in UTF-16"),
        ({"train.txt": TEXT.encode("utf-16-le")}, r"train.txt is not written in UTF-8 \(line 1\), but probably in UTF-16"),
        (
            {"train.jsonl": JSONL + '{"text": "a\n' + JSONL},
            r"Line 11 of .*train.jsonl is no JSON \(Unterminated string.*\): mend or delete it",
        ),
        ({"train.csv": ""}, "cannot be read together .*look at train.csv"),
        (
            {"one.csv": CSV, "two.csv": "review,stars\nGood.,5\n"},
            "cannot be read together .*look at one.csv, two.csv; all need the same columns",
        ),
        (
            {"train.jsonl": JSONL, "README.md": CARD.format("data/train-*.parquet")},
            r"cannot be read as a data set .*its card \(README.md\) names files",
        ),
        ({"README": "nothing"}, "cannot be read as a data set"),
        (
            {
                "train/pos/0_9.txt": "Good film.",
                "train/neg/1_2.txt": "Bad film.",
                "test/pos/0_8.txt": "Nice.",
                "train/urls_pos.txt": "http://a/1\n" * 9,
            },
            "urls_pos.txt lists addresses, not texts: move it out of the folder",
        ),
    ],
)
def test_what_would_be_read_wrongly_is_refused_with_a_way_out(look, files, told):
    with pytest.raises(ValueError, match=told) as caught:
        look(files)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["my [old] texts", "what?", "a*"])
def test_a_folder_whose_name_is_a_pattern_is_refused(look, name):
    with pytest.raises(ValueError, match=r"holds one of \[ \] \* \?, .*: rename the folder"):
        look({"train.txt": TEXT}, name)


def test_a_single_data_set_saved_to_disk_is_told_how_to_be_saved(look, tmp_path):
    Dataset.from_dict({"text": ["Good."] * 5}).save_to_disk(tmp_path / "mine")
    with pytest.raises(ValueError, match="was written by Dataset.save_to_disk: write train.parquet there instead"):
        look({})


def test_the_checks_of_25_000_reviews_take_less_than_a_second(tmp_path):
    file = tmp_path / "train.csv"
    with open(file, "w", newline="") as out:
        csv.writer(out).writerows([("text", "label"), *((f"{i} " + "A film, a good one. " * 65, i % 2) for i in range(25_000))])
    began = time.process_time()
    data_files._check_file(file)
    assert time.process_time() - began < 1
