"""What chapter 01 claims: lengths of the real pairs, Trainer and the notebook's loop alike, and what goes wrong told clearly."""

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict, load_dataset
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, DataCollatorWithPadding, get_scheduler

from common import ROOT, SHARED, run_cells, tiny_checkpoint
from helpers import validation

pytestmark = pytest.mark.long

PAIRS = {"sentence1": ["one", "two", "three"], "sentence2": ["a", "b", "c"], "label": [0, 1, 1]}


@pytest.mark.skipif(not (SHARED / "mrpc").exists(), reason="needs the real MRPC and BERT's vocabulary beside the repository")
def test_the_first_eight_pairs_of_mrpc_have_the_published_lengths():
    tokenizer = AutoTokenizer.from_pretrained(SHARED / "vocab" / "bert-base-uncased")
    rows = load_dataset(str(SHARED / "mrpc"), "mrpc", split="train[:8]")
    encoded = [tokenizer(row["sentence1"], row["sentence2"], truncation=True) for row in rows]
    assert [len(row["input_ids"]) for row in encoded] == [50, 59, 47, 67, 59, 50, 62, 32]
    assert {tensor.shape for tensor in DataCollatorWithPadding(tokenizer)(encoded).values()} == {(8, 67)}


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    """What the notebook's cells leave, on 160 pairs and with a tiny model that has dropout; Trainer's own trainings are left out."""
    folder = tmp_path_factory.mktemp("chapter")
    small = dict(checkpoint=str(tiny_checkpoint(folder / "model")), max_train_samples=160, max_eval_samples=40, batch_size=8)
    without = r"trainer\.|seconds\(|sureness|surest|probabilities"
    return run_cells("01", without, **small, num_train_epochs=1, output_dir=str(folder / "out"))


def test_trainer_and_loop_have_the_same_20_losses_once_nothing_is_left_to_chance(chapter):
    assert len(chapter["by_loop"]) == 20 and np.ptp(chapter["by_loop"]) > 5e-3
    assert chapter["by_trainer"][:20] == pytest.approx(chapter["by_loop"], abs=1e-5)


def test_an_epoch_of_the_loop_ends_at_trainers_weights(chapter):
    model, seen = chapter["without_dropout"]().to(chapter["device"]).eval(), []
    model.register_forward_pre_hook(lambda model, inputs: seen.append(model.training))
    optimizer = torch.optim.AdamW(model.parameters(), **chapter["rates"])
    scheduler = get_scheduler("linear", optimizer, 0, 20)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    losses = chapter["train_epoch"](model, chapter["few_batches"], optimizer, scheduler)
    assert losses == chapter["by_loop"] and seen == [True] * 20 and scheduler.get_last_lr() == [0.0]
    for name, tensor in chapter["twin"].model.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, atol=2e-5, rtol=0)
    assert max((tensor - before[name]).abs().max() for name, tensor in model.state_dict().items()) > 5e-4


def test_the_loops_evaluation_switches_dropout_off_and_counts_every_pair_once(chapter):
    torch.manual_seed(1)
    model = chapter["fresh_model"]().to(chapter["device"]).train()
    model.classifier.weight.data *= 100
    rows = [chapter["collator"]([row]).to(chapter["device"]) for row in chapter["for_model"](chapter["eval_tokens"])]
    with torch.no_grad():
        logits = torch.cat([model.eval()(**row).logits for row in rows])
        model.classifier.bias += logits.median(dim=0).values.flip(0)  # half of the answers are of each class
        answers = torch.cat([model(**row).logits.argmax(dim=-1) for row in rows]).tolist()
    model.train()
    scores = chapter["evaluate_epoch"](model, DataLoader(chapter["for_model"](chapter["eval_tokens"]), 7, collate_fn=chapter["collator"]))
    assert not model.training
    labels = chapter["eval_rows"]["label"][:]
    assert len(labels) == 40 and 0 < sum(answers) < 40
    assert scores["accuracy"] == pytest.approx(sum(a == b for a, b in zip(answers, labels)) / 40)
    assert scores["f1"] == pytest.approx(2 * sum(a & b for a, b in zip(answers, labels)) / (sum(answers) + sum(labels)))


@pytest.mark.parametrize("change, splits, message", [
    (
        {"label": [0, 1, -1]},
        ("train",),
        "Row 2 of the split 'train' has -1 in the column 'label', where one of the whole numbers 0 and 1 .* belongs: leave such rows out",
    ),
    ({"label": [0, 2, 1]}, ("train",), "Row 1 of the split 'train' has 2 in the column 'label'"),
    ({}, ("train", "validation"), "no split 'validation', only train"),
    ({name: values[:1] for name, values in PAIRS.items()}, ("train",), "has too few rows \\(1\\)"),
    ({"sentence1": ["one", None, "three"]}, ("train",), "has None in the column 'sentence1', where a sentence belongs: leave"),
    ({"sentence2": ["a", "b", "  "]}, ("train",), "Row 2 .* has '  ' in the column 'sentence2', where a sentence belongs"),
    ({"sentence2": [1, 2, 3]}, ("train",), "Row 0 of the split 'train' has 1 in the column 'sentence2'"),
    ({"label": [0, None, 1]}, ("train",), "Row 1 of the split 'train' has None in the column 'label'"),
    ({"label": ["no", "yes", "yes"]}, ("train",), "Row 0 of the split 'train' has 'no' in the column 'label', where one of"),
    ({}, ("train",), "The column 'label' has no names for its classes: put a card beside .*as lab/corpora/paraphrases/README.md does"),
])  # fmt: skip
def test_pairs_that_cannot_be_learned_from_are_told(change, splits, message):
    with pytest.raises(ValueError, match=message):
        validation.check_pairs(DatasetDict(train=Dataset.from_dict(PAIRS | change)), splits)


def test_a_missing_column_is_named():
    dataset = DatasetDict(train=Dataset.from_dict(PAIRS).rename_column("sentence2", "question2"))
    with pytest.raises(ValueError, match="no column 'sentence2', only sentence1, question2, label; rename yours"):
        validation.check_pairs(dataset, ("train",))


def test_the_bundled_pairs_pass():
    validation.check_pairs(load_dataset(str(ROOT / "lab" / "corpora" / "paraphrases")))
