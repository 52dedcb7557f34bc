import math

import evaluate
import pytest
import torch
from torch.nn import functional as F

from common import ROOT
from helpers.labelled_logits import skip_unlabelled_logits
from helpers.metrics import as_perplexity, mean_masked_loss, perplexity
from training import frozen_rows, tiny_bert


def batches_of(batch):
    """Two batches with very different numbers of masked tokens, and one with none."""
    one = {name: tensor[:1] for name, tensor in batch.items()}
    one["labels"] = one["labels"].clone()
    one["labels"][:, 2:] = -100
    one["labels"][:, :2] = one["input_ids"][:, :2]
    rest = {name: tensor[1:] for name, tensor in batch.items()}
    none = {name: tensor[:1].clone() for name, tensor in batch.items()}
    none["labels"][:] = -100
    return [one, rest, none]


def brute_force(model, batches):
    """Minus the log probability of each masked token, one at a time."""
    losses = []
    for batch in batches:
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits.double()
        for row, labels in zip(logits, batch["labels"]):
            losses += [-F.log_softmax(scores, dim=-1)[label].item() for scores, label in zip(row, labels) if label != -100]
    return math.exp(sum(losses) / len(losses))


def test_perplexity_equals_brute_force_and_not_the_mean_of_batch_means(tiny_model, batch):
    batches = batches_of(batch)
    with torch.no_grad():
        tiny_model.eval()
        expected = brute_force(tiny_model, batches)
        unweighted = math.exp(sum(tiny_model(**b).loss.item() for b in batches[:2]) / 2)
    assert perplexity(tiny_model, batches) == pytest.approx(expected, rel=1e-5)
    assert abs(unweighted - expected) > 1e-3 * expected  # the mistake would show
    skip_unlabelled_logits(tiny_model)
    assert perplexity(tiny_model, batches) == pytest.approx(expected, rel=1e-5)


def test_the_batch_size_does_not_matter(tiny_model, batch):
    singly = [{name: tensor[i : i + 1] for name, tensor in batch.items()} for i in range(4)]
    assert mean_masked_loss(tiny_model, singly) == pytest.approx(mean_masked_loss(tiny_model, [batch]), rel=1e-6)


def test_dropout_is_off_during_the_evaluation(tokenizer):
    rows = [{name: tensor[None] for name, tensor in row.items()} for row in frozen_rows(tokenizer)]
    assert mean_masked_loss(tiny_bert(dropout=0.5).train(), rows) == mean_masked_loss(tiny_bert(dropout=0.0).train(), rows)


@pytest.mark.parametrize("training", [True, False])
def test_every_part_of_the_model_is_left_in_its_mode(tiny_model, batch, training):
    tiny_model.train(training)
    tiny_model.base_model.embeddings.train(False)
    perplexity(tiny_model, [batch])
    with pytest.raises(KeyError):
        perplexity(tiny_model, [batch, {}])
    assert tiny_model.training is training and not tiny_model.base_model.embeddings.dropout.training


def test_nothing_masked_is_an_error(tiny_model, batch):
    with pytest.raises(ValueError, match="No token of the evaluation is masked: give it more rows or a higher masking rate"):
        perplexity(tiny_model, batches_of(batch)[2:])


def test_overflow_becomes_infinity():
    assert as_perplexity(1000.0) == math.inf
    assert as_perplexity(0.0) == 1.0


@pytest.mark.parametrize(
    "predictions, references, accuracy, f1",
    [
        ([1, 1, 0, 0], [1, 0, 1, 0], 0.5, 0.5),
        ([1] * 100, [1] * 68 + [0] * 32, 0.68, 2 * 0.68 / 1.68),  # the majority
        ([0, 0, 0], [1, 1, 0], 1 / 3, 0.0),
        ([1, 0, 1], [1, 0, 1], 1.0, 1.0),
    ],
)
def test_the_mrpc_metric_loads_offline_and_agrees_with_arithmetic(predictions, references, accuracy, f1, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    metric = evaluate.load(str(ROOT / "lab" / "metrics" / "mrpc"))
    for prediction, reference in zip(predictions, references):
        metric.add_batch(predictions=[prediction], references=[reference])
    assert metric.compute() == pytest.approx({"accuracy": accuracy, "f1": f1})
