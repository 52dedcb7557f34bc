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
        texts = [[*rows["text"], *development["text"]] for rows, development in (one, again, other)]
        assert texts[0] == texts[1] and set(texts[0]) != set(texts[2])
        assert len(set(texts[0])) == count and sum(one[0]["label"]) + sum(one[1]["label"]) == count // 2
        assert len(one[1]) == count // 10 * 2 and sum(one[1]["label"]) == count // 10


class Counter(torch.nn.Module):
    """A classifier whose one weight counts the epochs that it was trained for."""

    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        self.epochs = torch.nn.Parameter(torch.zeros(()))


@pytest.mark.parametrize(
    "losses, rounds, best",
    [
        ([0.5, 0.4, 0.45, 0.41, 0.42, 0.1], 5, 2),  # three rounds without a better one: the second is taken
        ([0.5, 0.6, 0.55, 0.4, 0.45, 0.44, 0.43, 0.1], 7, 4),
        ([1 / (n + 1) for n in range(99)], labels.SETTINGS["rounds"], labels.SETTINGS["rounds"]),
    ],
)
def test_training_ends_when_the_development_part_stops_improving_and_the_best_is_tested(monkeypatch, losses, rounds, best):
    model, development, trained, remaining = Counter(), object(), [], iter(losses)

    def train_epoch(model, *_):
        trained.append(1)
        with torch.no_grad():
            model.epochs += 1

    monkeypatch.setattr(labels.AutoModelForSequenceClassification, "from_pretrained", lambda *_, **__: model)
    monkeypatch.setattr(labels.adaptation, "train_epoch", train_epoch)
    monkeypatch.setattr(labels, "evaluate", lambda model, rows, _: (next(remaining) if rows is development else None, model.epochs.item()))
    rows = ROWS.select(range(32))  # two batches: six epochs are the twelve steps of a round
    assert labels.classify("start", rows, development, "test", None, seed=0) == 6 * best
    assert len(trained) == 6 * rounds


def test_loss_and_accuracy_are_means_over_rows():
    class Constant(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, labels):
            logits = torch.tensor([0.0, 1.0]).expand(len(labels), 2)
            return SimpleNamespace(logits=logits, loss=torch.nn.functional.cross_entropy(logits, labels))

    class Batch(dict):
        def to(self, device):
            return self

    rows = Dataset.from_dict({"label": [1] * 5 + [0] * 2})
    loss, accuracy = labels.evaluate(
        Constant(), rows, lambda rows: Batch(labels=torch.tensor([row["label"] for row in rows])), batch_size=4
    )
    one, zero = np.log(1 + np.exp(-1)), np.log(1 + np.exp(1))
    assert loss == pytest.approx((5 * one + 2 * zero) / 7, rel=1e-6) and accuracy == pytest.approx(5 / 7)


def test_a_bag_of_words_reads_the_column_it_is_given():
    rows = Dataset.from_dict({"text": ["good fun", "bad bore"] * 4, "start": ["same"] * 8, "label": [1, 0] * 4})
    assert labels.tfidf(rows, rows, "text") == 1.0 and labels.tfidf(rows, rows, "start") == 0.5


def test_the_interval_is_students():
    low, high = labels.interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (low + high) / 2 == pytest.approx(3.0)
    assert high - low == pytest.approx(2 * 2.776445 * np.sqrt(2.5 / 5), rel=1e-3)  # t of 4 degrees of freedom


def test_both_arms_get_the_same_rows_and_seed_and_saved_pairs_are_not_trained_again(monkeypatch, tmp_path):
    trained = []

    def classify(start, rows, development, test, collator, seed):
        trained.append((start, tuple(map(tuple, [*rows["input_ids"], *development["input_ids"]])), seed))
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
