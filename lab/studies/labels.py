"""What does adaptation buy? Review classifiers from the plain and from the adapted checkpoint, by number of labels.

    python -m lab.studies.labels      # part of `make study`; without ../shared/data on the bundled reviews alone

The checkpoint is adapted once to unlabelled reviews. Then, for each number of labels and each of five seeds, two
classifiers are trained: same rows in the same order, as many steps, same schedule; only the weights that they start
from differ. Neither start brings a pooler, since masked language modelling trains none. Leaves lab/studies/labels.json,
and goes on with it if it was stopped.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from scipy import stats
from tqdm.auto import tqdm
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorWithPadding,
    set_seed,
)
from transformers.utils import logging

from helpers.labelled_logits import skip_unlabelled_logits
from helpers.paths import ROOT
from helpers.precision import autocast_dtype, default_device
from lab.studies import adaptation

RESULTS, STARTS = ROOT / "lab" / "studies" / "labels.json", ROOT / "build" / "labels"
ARMS, SEEDS = ("plain", "adapted"), range(5)
COUNTS = {"bundled": (25, 50, 100, 300), "imdb": (100, 500, 1000, 2000)}
CHUNKS = {"bundled": None, "imdb": 2000}  # to adapt to; None for all
STEPS, RATE = 48, 2e-4  # at least so many steps, and at least one epoch; the rate of chapter 01


def reviews(name: str) -> tuple[list[str], Dataset, Dataset]:
    """Texts to adapt to, labelled reviews to train on and the fixed ones to test on."""
    folder = ROOT / "lab" / "corpora" / "reviews" if name == "bundled" else adaptation.SHARED / "imdb"
    splits = adaptation.splits_of(folder)
    texts = splits["unsupervised"]["text"][:] + (splits["train"]["text"][:] if name == "bundled" else [])
    test = splits["test"].shuffle(seed=0)
    return texts, splits["train"], test.select(range(min(1000, len(test))))


def adapt(name: str, texts: list[str], tokenizer) -> dict[str, Path]:
    """Folders with the two starts, as masked language models."""
    starts = {arm: STARTS / fingerprint() / f"{name}-{arm}" for arm in ARMS}
    if not (starts["adapted"] / "model.safetensors").exists():
        model = AutoModelForMaskedLM.from_pretrained(adaptation.CHECKPOINT, attn_implementation="eager").to(default_device())
        model.save_pretrained(starts["plain"])
        skip_unlabelled_logits(model)
        pieces = adaptation.chunks_of(tokenizer, texts, CHUNKS[name], seed=0)
        adaptation.train(model, pieces, DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15), seed=0)
        model.save_pretrained(starts["adapted"])
    return starts


def fingerprint() -> str:
    """Of the weights and of all that decides the figures: others make the saved ones void."""
    weights = (adaptation.CHECKPOINT / "model.safetensors").read_bytes()
    return hashlib.sha256(weights + repr((STEPS, RATE, CHUNKS, adaptation.EPOCHS, adaptation.BATCH, adaptation.RATE)).encode()).hexdigest()[
        :16
    ]


def pick(rows: Dataset, count: int, seed: int) -> Dataset:
    """Equally many of both labels where `count` is even, drawn by the seed."""
    labels, rng = np.array(rows["label"][:]), np.random.default_rng(seed)
    by_label = [rng.permutation(np.flatnonzero(labels == label))[: (count + 1 - label) // 2] for label in (0, 1)]
    return rows.select(np.concatenate(by_label))


def classify(start: Path, rows: Dataset, test: Dataset, collator, seed: int) -> float:
    """Trains a classifier and returns its accuracy."""
    set_seed(seed)  # pooler and head are new, and the same for both arms
    model = AutoModelForSequenceClassification.from_pretrained(start, num_labels=2, attn_implementation="eager").to(default_device())
    epochs = math.ceil(STEPS / math.ceil(len(rows) / adaptation.BATCH))
    adaptation.train(model, rows, collator, seed, epochs, RATE)
    return accuracy(model, test, collator)


@torch.no_grad()
def accuracy(model, test: Dataset, collator, batch_size: int = 50) -> float:
    """Share of the reviews, 0 to 1, whose label the model predicts."""
    model.eval()
    device, dtype, right = model.device, autocast_dtype(model.device), 0
    for batch in torch.utils.data.DataLoader(test, batch_size, collate_fn=collator):
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            batch = batch.to(device)
            right += (model(**batch).logits.argmax(dim=-1) == batch["labels"]).sum().item()
    return right / len(test)


def measure(name: str, results: dict) -> None:
    """Adds what is missing to the results, and saves them after each pair."""
    tokenizer = AutoTokenizer.from_pretrained(adaptation.CHECKPOINT)
    collator = DataCollatorWithPadding(tokenizer)
    texts, train, test = reviews(name)
    train, test = (
        rows.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=adaptation.LENGTH), batched=True, remove_columns="text")
        for rows in (train, test)
    )
    starts = adapt(name, texts, tokenizer)
    todo = [(count, seed) for count in COUNTS[name] for seed in SEEDS]
    for count, seed in tqdm(todo, desc=f"{name}: pairs of classifiers"):
        shares = results.setdefault(name, {}).setdefault(str(count), {arm: [] for arm in ARMS})
        if len(shares["adapted"]) > seed:
            continue
        rows = pick(train, count, seed)
        pair = {arm: classify(starts[arm], rows, test, collator, seed) for arm in ARMS}
        for arm in ARMS:
            shares[arm].append(pair[arm])
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def interval(differences: list[float]) -> tuple[float, float]:
    """95% interval of the mean of paired differences, by Student's t."""
    half = stats.t.ppf(0.975, len(differences) - 1) * np.std(differences, ddof=1) / np.sqrt(len(differences))
    return np.mean(differences) - half, np.mean(differences) + half


def table(results: dict) -> str:
    """Mean accuracies, and the mean of the paired differences with its interval, in points."""
    lines = [f"{'reviews':8} {'labels':>6} {'plain':>6} {'adapted':>8}   difference"]
    for name in COUNTS:
        for count, shares in results.get(name, {}).items():
            differences = [100 * (a - p) for p, a in zip(shares["plain"], shares["adapted"])]
            low, high = interval(differences)
            plain, adapted = (100 * np.mean(shares[arm]) for arm in ARMS)
            lines.append(f"{name:8} {count:>6} {plain:6.1f} {adapted:8.1f}   {np.mean(differences):+.1f} [{low:+.1f}, {high:+.1f}]")
    return "\n".join(lines)


def main() -> None:
    logging.set_verbosity_error()  # each classifier would report its new head
    settings = {"weights and settings": fingerprint(), "seeds": len(SEEDS), "batch_size": adaptation.BATCH, "learning_rate": RATE,
                "steps": f"{STEPS} or one epoch, whichever is more", "tokens": adaptation.LENGTH}  # fmt: skip
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if results.get("settings") != settings:
        results = {"settings": settings}
    for name in COUNTS:
        if name == "imdb" and not adaptation.SHARED.exists():
            print("make study: the real reviews are skipped, ../shared/data is not there")
            continue
        measure(name, results)
    print(table(results))


if __name__ == "__main__":
    main()
