"""What does adaptation buy? Review classifiers from the plain and from the adapted checkpoint, by number of labels.

    python -m lab.studies.labels      # part of `make study`; without ../shared/data on the bundled reviews alone

The checkpoint is adapted once to unlabelled reviews. Then, for each number of labels and each of five seeds, two
classifiers are trained on the same rows in the same order; only the weights that they start from differ. Neither
start brings a pooler, since masked language modelling trains none. The recipe was chosen on parts of the training rows
(lab/README.md). Beside them: the majority, and logistic regression on TF-IDF of the same rows, which reads once what
the classifiers read and once the whole reviews. Leaves lab/studies/labels.json, and goes on with it if it was stopped.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from scipy import stats
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from tqdm.auto import tqdm
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorWithPadding,
    get_linear_schedule_with_warmup,
    set_seed,
)
from transformers.utils import logging

from helpers.labelled_logits import skip_unlabelled_logits
from helpers.paths import ROOT
from helpers.precision import autocast_dtype, default_device
from lab.studies import adaptation

RESULTS, STARTS = ROOT / "lab" / "studies" / "labels.json", ROOT / "build" / "labels"
ARMS, SEEDS = ("plain", "adapted"), range(5)
COUNTS = {"bundled": (25, 50, 100, 300, 600), "imdb": (50, 100, 500, 1000, 2000, 5000)}
EPOCHS = {"bundled": 3, "imdb": 1}  # over the unlabelled reviews: 150 and the labelled 600, and 50,000
SETTINGS = {
    "tokens": 256, "batch_size": adaptation.BATCH, "learning_rate": 2e-4, "warm_up": 0.1,  # a share of the steps; then it falls to 0
    "epochs": 5, "steps": 60,  # at least, both
}  # fmt: skip


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
        model = AutoModelForMaskedLM.from_pretrained(adaptation.CHECKPOINT, dtype=torch.float32, attn_implementation="eager")
        model.to(default_device()).save_pretrained(starts["plain"])
        skip_unlabelled_logits(model)
        pieces = adaptation.chunks_of(tokenizer, texts, None, seed=0)
        adaptation.train(model, pieces, DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15), 0, EPOCHS[name])
        model.save_pretrained(starts["adapted"])
    return starts


def fingerprint() -> str:
    """Of the weights and of all that decides the starts: others make what was saved void."""
    weights = (adaptation.CHECKPOINT / "model.safetensors").read_bytes()
    return hashlib.sha256(weights + repr((EPOCHS, adaptation.BATCH, adaptation.RATE)).encode()).hexdigest()[:16]


def pick(rows: Dataset, count: int, seed: int) -> Dataset:
    """Return `count` rows drawn by the seed, in equal parts of both labels."""
    labels, rng = np.array(rows["label"][:]), np.random.default_rng(seed)
    by_label = [rng.permutation(np.flatnonzero(labels == label))[: (count + 1 - label) // 2] for label in (0, 1)]
    return rows.select(np.concatenate(by_label))


def classify(start: Path, rows: Dataset, test: Dataset, collator, seed: int) -> float:
    """Train a classifier, and return its accuracy on `test`."""
    set_seed(seed)  # pooler and head are new, and the same for both arms
    model = AutoModelForSequenceClassification.from_pretrained(start, num_labels=2, dtype=torch.float32, attn_implementation="eager")
    model.to(default_device())
    loader = torch.utils.data.DataLoader(rows, SETTINGS["batch_size"], shuffle=True, collate_fn=collator)
    optimiser = torch.optim.AdamW(model.parameters(), lr=SETTINGS["learning_rate"], weight_decay=0.01)
    epochs = max(SETTINGS["epochs"], math.ceil(SETTINGS["steps"] / len(loader)))
    steps = epochs * len(loader)
    schedule = get_linear_schedule_with_warmup(optimiser, int(SETTINGS["warm_up"] * steps), steps)
    for _ in range(epochs):
        adaptation.train_epoch(model, loader, optimiser, schedule)
    return accuracy(model, test, collator)


@torch.no_grad()
def accuracy(model, rows: Dataset, collator, batch_size: int = 50) -> float:
    """Return the share of the rows, 0 to 1, whose label the model predicts."""
    model.eval()
    device, dtype, right = model.device, autocast_dtype(model.device), 0
    for batch in torch.utils.data.DataLoader(rows, batch_size, collate_fn=collator):
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            logits = model(**batch.to(device)).logits
        right += (logits.argmax(dim=-1) == batch["labels"]).sum().item()
    return right / len(rows)


def tfidf(train: Dataset, test: Dataset, column: str) -> float:
    """Return the accuracy of logistic regression on TF-IDF of single words and pairs of words."""
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=1000))
    return model.fit(train[column], train["label"]).score(test[column], test["label"])


def measure(name: str, results: dict) -> None:
    """Add what is missing to the results, and save them after each seed."""
    tokenizer = AutoTokenizer.from_pretrained(adaptation.CHECKPOINT)
    collator = DataCollatorWithPadding(tokenizer)

    def encode(batch):
        ids = tokenizer(batch["text"], truncation=True, max_length=SETTINGS["tokens"])
        return ids | {"start": tokenizer.batch_decode(ids["input_ids"], skip_special_tokens=True)}

    texts, *labelled = reviews(name)
    train, test = (rows.map(encode, batched=True) for rows in labelled)
    starts = adapt(name, texts, tokenizer)
    todo = [(count, seed) for count in COUNTS[name] for seed in SEEDS]
    for count, seed in tqdm(todo, desc=f"{name}: pairs of classifiers"):
        shares = results.setdefault(name, {}).setdefault(str(count), {})
        if len(shares.get("tfidf", [])) > seed:
            continue
        rows = pick(train, count, seed)
        majority = np.bincount(rows["label"]).argmax()
        inputs = [part.remove_columns(["text", "start"]) for part in (rows, test)]
        new = {arm: classify(starts[arm], *inputs, collator, seed) for arm in ARMS}
        new["majority"] = float(np.mean(np.array(test["label"]) == majority))
        new["tfidf, same tokens"] = tfidf(rows, test, "start")
        new["tfidf"] = tfidf(rows, test, "text")
        for key, value in new.items():
            shares.setdefault(key, []).append(value)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def interval(differences: list[float]) -> tuple[float, float]:
    """95% interval of the mean of paired differences, by Student's t."""
    half = stats.t.ppf(0.975, len(differences) - 1) * np.std(differences, ddof=1) / np.sqrt(len(differences))
    return np.mean(differences) - half, np.mean(differences) + half


def table(results: dict) -> str:
    """Mean accuracies, and the means of the paired differences with their intervals, in points."""
    lines = []
    for name in COUNTS:
        for count, shares in results.get(name, {}).items():
            means = ", ".join(f"{key} {100 * np.mean(values):.1f}" for key, values in shares.items())
            for one, other in (("adapted", "plain"), ("adapted", "tfidf, same tokens")):
                differences = [100 * (a - b) for a, b in zip(shares[one], shares[other])]
                low, high = interval(differences)
                means += f"; {one} - {other} {np.mean(differences):+.1f} [{low:+.1f}, {high:+.1f}]"
            lines.append(f"{name:8} {count:>5} labels: {means}")
    return "\n".join(lines)


def main() -> None:
    logging.set_verbosity_error()  # each classifier would report its new head
    settings = {"weights and settings": fingerprint(), "seeds": len(SEEDS), **SETTINGS}
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
