"""The study of labels: pairs that differ in their start alone, and a file that is gone on with."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset

from lab.studies import labels

ROWS = Dataset.from_dict({"text": [f"row {i}" for i in range(40)], "label": [i % 2 for i in range(40)]})


def test_rows_are_balanced_distinct_and_follow_from_the_seed():
    for count in (25, 10):
        one, again, other = (labels.pick(ROWS, count, seed) for seed in (1, 1, 2))
        assert one["text"][:] == again["text"][:] and set(one["text"]) != set(other["text"])
        assert len(set(one["text"])) == count and sum(one["label"]) == count // 2


@pytest.mark.parametrize("count, steps", [(8, 60), (32, 60), (480, 150)])  # 60 at least, and five epochs at least
def test_a_classifier_takes_so_many_steps_while_the_rate_rises_and_falls_to_zero(monkeypatch, count, steps):
    model, rates = torch.nn.Linear(1, 1), []
    model.device = torch.device("cpu")

    def train_epoch(model, loader, optimiser, schedule):
        for _ in loader:
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()

    monkeypatch.setattr(labels.AutoModelForSequenceClassification, "from_pretrained", lambda *_, **__: model)
    monkeypatch.setattr(labels.adaptation, "train_epoch", train_epoch)
    monkeypatch.setattr(labels, "accuracy", lambda *_: 0.75)
    rows = Dataset.from_dict({"label": [0, 1] * (count // 2)})
    assert labels.classify("start", rows, "test", lambda rows: rows, seed=0) == 0.75
    assert len(rates) == steps
    assert max(rates) == rates[steps // 10] == labels.SETTINGS["learning_rate"]
    assert rates[0] == 0 and rates[-1] == pytest.approx(labels.SETTINGS["learning_rate"] / (0.9 * steps))


def test_accuracy_is_a_share_of_rows_not_a_mean_of_batches():
    class Constant(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, labels):
            return SimpleNamespace(logits=torch.tensor([0.0, 1.0]).expand(len(labels), 2))

    class Batch(dict):
        def to(self, device):
            return self

    rows = Dataset.from_dict({"label": [1] * 5 + [0] * 2})
    assert labels.accuracy(
        Constant(), rows, lambda rows: Batch(labels=torch.tensor([row["label"] for row in rows])), batch_size=4
    ) == pytest.approx(5 / 7)


def test_a_bag_of_words_reads_the_column_it_is_given():
    rows = Dataset.from_dict({"text": ["good fun", "bad bore"] * 4, "start": ["same"] * 8, "label": [1, 0] * 4})
    assert labels.tfidf(rows, rows, "text") == 1.0 and labels.tfidf(rows, rows, "start") == 0.5


def test_the_interval_is_students():
    low, high = labels.interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (low + high) / 2 == pytest.approx(3.0)
    assert high - low == pytest.approx(2 * 2.776445 * np.sqrt(2.5 / 5), rel=1e-3)  # t of 4 degrees of freedom


def test_both_arms_get_the_same_rows_and_seed_and_saved_pairs_are_not_trained_again(monkeypatch, tmp_path):
    trained = []

    def classify(start, rows, test, collator, seed):
        trained.append((start, tuple(map(tuple, rows["input_ids"])), seed))
        return 0.5 + 0.1 * (start == "b") + 0.01 * seed

    monkeypatch.setattr(labels, "RESULTS", tmp_path / "labels.json")
    monkeypatch.setattr(labels, "COUNTS", {"bundled": (4, 8)})
    monkeypatch.setattr(labels, "adapt", lambda *_: {"plain": "a", "adapted": "b"})
    monkeypatch.setattr(labels, "classify", classify)
    labels.main()
    assert len(trained) == 20
    for plain, adapted in zip(trained[::2], trained[1::2]):
        assert (plain[0], adapted[0]) == ("a", "b") and plain[1:] == adapted[1:]
    whole = json.loads((tmp_path / "labels.json").read_text())
    shares = whole["bundled"]["4"]
    assert shares["plain"] == [0.5, 0.51, 0.52, 0.53, 0.54] and shares["adapted"] == pytest.approx([0.6, 0.61, 0.62, 0.63, 0.64])
    assert shares["majority"] == [0.5] * 5 and [len(shares[name]) for name in ("tfidf", "tfidf, same tokens")] == [5, 5]

    stopped = json.loads(json.dumps(whole))
    for values in stopped["bundled"]["8"].values():
        del values[3:]
    (tmp_path / "labels.json").write_text(json.dumps(stopped))
    trained.clear()
    labels.main()
    assert [seed for _, _, seed in trained] == [3, 3, 4, 4]
    assert json.loads((tmp_path / "labels.json").read_text()) == whole

    trained.clear()
    monkeypatch.setitem(labels.SETTINGS, "learning_rate", 1.0)  # other settings: nothing that was saved counts
    labels.main()
    assert len(trained) == 20
