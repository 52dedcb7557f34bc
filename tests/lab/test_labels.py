"""The study of labels: pairs that differ in their start alone, and a file that is gone on with."""

import json

import numpy as np
import pytest
from datasets import Dataset

from lab.studies import labels

ROWS = Dataset.from_dict({"text": [f"row {i}" for i in range(40)], "label": [i % 2 for i in range(40)]})


def test_rows_are_balanced_distinct_and_follow_from_the_seed():
    for count in (25, 10):
        one, again, other = (labels.pick(ROWS, count, seed) for seed in (1, 1, 2))
        assert one["text"][:] == again["text"][:] and set(one["text"][:]) != set(other["text"][:])
        assert len(set(one["text"][:])) == count and sum(one["label"][:]) == count // 2


def test_the_interval_is_students():
    low, high = labels.interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (low + high) / 2 == pytest.approx(3.0)
    assert high - low == pytest.approx(2 * 2.776445 * np.sqrt(2.5 / 5), rel=1e-3)  # t of 4 degrees of freedom


def test_both_arms_get_the_same_rows_and_seed_and_saved_pairs_are_not_trained_again(monkeypatch, tmp_path):
    asked = []

    def classify(start, rows, test, collator, seed):
        asked.append((start, tuple(map(tuple, rows["input_ids"][:])), seed))
        return 0.5 + 0.1 * (start == "b") + 0.01 * seed

    monkeypatch.setattr(labels, "RESULTS", tmp_path / "labels.json")
    monkeypatch.setattr(labels, "COUNTS", {"bundled": (4, 8)})
    monkeypatch.setattr(labels, "adapt", lambda *_: {"plain": "a", "adapted": "b"})
    monkeypatch.setattr(labels, "classify", classify)
    labels.main()
    assert len(asked) == 20
    for plain, adapted in zip(asked[::2], asked[1::2]):
        assert (plain[0], adapted[0]) == ("a", "b") and plain[1:] == adapted[1:]
    whole = json.loads((tmp_path / "labels.json").read_text())
    assert whole["bundled"]["4"] == {"plain": [0.5, 0.51, 0.52, 0.53, 0.54], "adapted": pytest.approx([0.6, 0.61, 0.62, 0.63, 0.64])}

    stopped = json.loads(json.dumps(whole))
    for arm in labels.ARMS:
        del stopped["bundled"]["8"][arm][3:]
    (tmp_path / "labels.json").write_text(json.dumps(stopped))
    asked.clear()
    labels.main()
    assert [seed for _, _, seed in asked] == [3, 3, 4, 4]
    assert json.loads((tmp_path / "labels.json").read_text()) == whole

    asked.clear()
    monkeypatch.setattr(labels, "RATE", 1.0)  # other settings: nothing that was saved counts
    labels.main()
    assert len(asked) == 20
