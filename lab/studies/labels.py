"""What does adaptation buy? Review classifiers from the plain and from the adapted checkpoint, by number of labels.

    python -m lab.studies.labels      # part of `make study`; without ../shared/data on the bundled reviews alone

The checkpoint is adapted once to unlabelled reviews. Then, for each number of labels and each of five seeds, two
classifiers are trained on the same rows in the same order, until a fifth of those rows, kept for development, stops
improving; only the weights that they start from differ. Neither start brings a pooler, since masked language
modelling trains none. Beside them: the majority, and logistic regression on TF-IDF of all the rows, which reads
once what the classifiers read and once the whole reviews. Leaves lab/studies/labels.json, and goes on with it if it
was stopped.
"""

import copy
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
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
    set_seed,
)
from transformers.utils import logging

from helpers.labelled_logits import skip_unlabelled_logits
from helpers.paths import ROOT
from helpers.precision import autocast_dtype, default_device
from lab.studies import adaptation

RESULTS, STARTS = ROOT / "lab" / "studies" / "labels.json", ROOT / "build" / "labels"
ARMS, SEEDS = ("plain", "adapted"), range(5)
COUNTS = {"bundled": (25, 50, 100, 300, 600), "imdb": (100, 500, 1000, 2000, 5000)}
EPOCHS = {"bundled": 3, "imdb": 1}  # over the unlabelled reviews: 150 and the labelled 600, and 50,000
SETTINGS = {
    "tokens": 256, "batch_size": adaptation.BATCH, "learning_rate": 2e-4, "warm_up_steps": 20,
    "steps_a_round": 12,  # at least, and at least one epoch; after each round the development part is looked at
    "patience": 3,  # rounds without a better loss on it
    "rounds": 20,  # at most
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
    """Of the weights and of all that decides the figures: others make the saved ones void."""
    weights = (adaptation.CHECKPOINT / "model.safetensors").read_bytes()
    decides = repr((SETTINGS, EPOCHS, adaptation.BATCH, adaptation.RATE)).encode()
    return hashlib.sha256(weights + decides).hexdigest()[:16]


def pick(rows: Dataset, count: int, seed: int) -> tuple[Dataset, Dataset]:
    """Return `count` rows drawn by the seed, in equal parts of both labels: four fifths to train on, one for development."""
    labels, rng = np.array(rows["label"][:]), np.random.default_rng(seed)
    by_label = [rng.permutation(np.flatnonzero(labels == label))[: (count + 1 - label) // 2] for label in (0, 1)]
    train, development = zip(*(np.split(part, [len(part) - len(part) // 5]) for part in by_label))
    return rows.select(np.concatenate(train)), rows.select(np.concatenate(development))


def classify(start: Path, rows: Dataset, development: Dataset, test: Dataset, collator, seed: int) -> float:
    """Train a classifier until its loss on `development` stops falling, and return the accuracy of the best on `test`."""
    set_seed(seed)  # pooler and head are new, and the same for both arms
    model = AutoModelForSequenceClassification.from_pretrained(start, num_labels=2, dtype=torch.float32, attn_implementation="eager")
    model.to(default_device())
    loader = torch.utils.data.DataLoader(rows, SETTINGS["batch_size"], shuffle=True, collate_fn=collator)
    optimiser = torch.optim.AdamW(model.parameters(), lr=SETTINGS["learning_rate"], weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1, (step + 1) / SETTINGS["warm_up_steps"]))
    best, weights, waited = math.inf, None, 0
    for _ in range(SETTINGS["rounds"]):
        for _ in range(math.ceil(SETTINGS["steps_a_round"] / len(loader))):
            adaptation.train_epoch(model, loader, optimiser, schedule)
        loss = evaluate(model, development, collator)[0]
        if loss < best:
            best, weights, waited = loss, copy.deepcopy(model.state_dict()), 0
        elif (waited := waited + 1) == SETTINGS["patience"]:
            break
    model.load_state_dict(weights)
    return evaluate(model, test, collator)[1]


@torch.no_grad()
def evaluate(model, rows: Dataset, collator, batch_size: int = 50) -> tuple[float, float]:
    """Return the mean loss, and the share of the rows, 0 to 1, whose label the model predicts."""
    model.eval()
    device, dtype, loss, right = model.device, autocast_dtype(model.device), 0.0, 0
    for batch in torch.utils.data.DataLoader(rows, batch_size, collate_fn=collator):
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            output = model(**batch.to(device))
        loss += output.loss.item() * len(batch["labels"])
        right += (output.logits.argmax(dim=-1) == batch["labels"]).sum().item()
    return loss / len(rows), right / len(rows)


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
        rows, development = pick(train, count, seed)
        both = concatenate_datasets([rows, development])
        majority = np.bincount(both["label"]).argmax()
        inputs = [part.remove_columns(["text", "start"]) for part in (rows, development, test)]
        new = {arm: classify(starts[arm], *inputs, collator, seed) for arm in ARMS}
        new["majority"] = float(np.mean(np.array(test["label"]) == majority))
        new["tfidf, same tokens"] = tfidf(both, test, "start")
        new["tfidf"] = tfidf(both, test, "text")
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
