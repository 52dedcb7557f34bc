"""What chapter 01 claims: lengths of the real pairs, Trainer and loop alike, and what goes wrong told clearly."""

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict, load_dataset
from pyarrow import ArrowInvalid
from torch.utils.data import DataLoader
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    get_scheduler,
)

from common import ROOT, SHARED, TINY
from helpers import validation

PAIRS = {"sentence1": ["one", "two", "three"], "sentence2": ["a", "b", "c"], "label": [0, 1, 1]}


@pytest.mark.skipif(not (SHARED / "mrpc").exists(), reason="needs the real MRPC and BERT's vocabulary beside the repository")
def test_the_first_eight_pairs_of_mrpc_have_the_published_lengths():
    tokenizer = AutoTokenizer.from_pretrained(SHARED / "vocab" / "bert-base-uncased")
    rows = load_dataset(str(SHARED / "mrpc"), "mrpc", split="train[:8]")
    encoded = [tokenizer(row["sentence1"], row["sentence2"], truncation=True) for row in rows]
    assert [len(row["input_ids"]) for row in encoded] == [50, 59, 47, 67, 59, 50, 62, 32]
    assert {tensor.shape for tensor in DataCollatorWithPadding(tokenizer)(encoded).values()} == {(8, 67)}


def tiny_classifier():
    torch.manual_seed(0)
    config = BertConfig(**TINY | {"vocab_size": 8192}, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return BertForSequenceClassification(config)


def test_trainer_and_loop_have_the_same_first_20_losses(tokenizer, tmp_path):
    words = np.random.default_rng(0).choice(["gulls", "sat", "on", "the", "roof", "nobody", "saw", "it"], (160, 12))
    rows = Dataset.from_dict({**tokenizer([" ".join(row) for row in words]), "labels": (words == "it").any(axis=1).astype(int)})
    collator = DataCollatorWithPadding(tokenizer)
    arguments = TrainingArguments(
        tmp_path, max_steps=20, per_device_train_batch_size=8, learning_rate=1e-3, weight_decay=0.01, logging_steps=1, report_to="none",
        train_sampling_strategy="sequential", use_cpu=True, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(tiny_classifier(), arguments, train_dataset=rows, data_collator=collator)
    trainer.train()
    by_trainer = [row["loss"] for row in trainer.state.log_history if "loss" in row]

    model = tiny_classifier().train()
    groups = [  # Trainer decays neither biases nor normalisation
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    scheduler = get_scheduler("linear", optimizer, 0, 20)
    by_loop = []
    for batch in DataLoader(rows, 8, collate_fn=collator):
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        by_loop.append(loss.item())
    assert len(by_loop) == 20 and by_loop[-1] != pytest.approx(by_loop[0], abs=1e-3)  # something was learned
    assert by_trainer == pytest.approx(by_loop, abs=1e-5)


def test_a_batched_map_with_a_column_of_another_length_names_column_and_lengths():
    rows = Dataset.from_dict(PAIRS)
    with pytest.raises(ArrowInvalid, match="Column 3 named sentence expected length 3 but got length 6"):
        rows.map(lambda batch: {"sentence": [*batch["sentence1"], *batch["sentence2"]]}, batched=True)


@pytest.mark.parametrize("change, splits, message", [
    ({"label": [0, 1, -1]}, ("train",), "Row 2 of the split 'train' has the label -1, outside the classes 0 and 1 .*: leave such rows out"),
    ({"label": [0, 2, 1]}, ("train",), "Row 1 of the split 'train' has the label 2"),
    ({}, ("train", "validation"), "no split 'validation', only train"),
    ({name: values[:1] for name, values in PAIRS.items()}, ("train",), "has too few pairs \\(1\\)"),
    ({"sentence1": ["one", None, "three"]}, ("train",), "Row 1 of the split 'train' has None as its sentence1, where words belong: leave"),
    ({"sentence2": ["a", "b", "  "]}, ("train",), "Row 2 of the split 'train' has '  ' as its sentence2, where words belong"),
    ({"sentence2": [1, 2, 3]}, ("train",), "Row 0 of the split 'train' has 1 as its sentence2"),
    ({"label": [0, None, 1]}, ("train",), "Row 1 of the split 'train' has the label None"),
    ({"label": ["no", "yes", "yes"]}, ("train",), "Row 0 of the split 'train' has the label 'no', outside the classes"),
    ({}, ("train",), "The column 'label' has no names for its classes: put a card beside .*as lab/corpora/paraphrases/README.md does"),
])  # fmt: skip
def test_pairs_that_cannot_be_learned_from_are_told(change, splits, message):
    with pytest.raises(ValueError, match=message):
        validation.pairs(DatasetDict(train=Dataset.from_dict(PAIRS | change)), splits)


def test_a_missing_column_is_named():
    dataset = DatasetDict(train=Dataset.from_dict(PAIRS).rename_column("sentence2", "question2"))
    with pytest.raises(ValueError, match="no column 'sentence2', only sentence1, question2, label; rename yours"):
        validation.pairs(dataset, ("train",))


def test_the_bundled_pairs_pass():
    validation.pairs(load_dataset(str(ROOT / "lab" / "corpora" / "paraphrases")))
