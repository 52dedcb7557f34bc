"""Does the classifier of chapter 01 learn more than the majority, and more than counting words?

    python -m lab.studies.paraphrases      # the real MRPC is read from ../shared/data, and skipped without it

Trains as the chapter does, on the bundled pairs with ten seeds and on the real MRPC with five, and holds the answers
against the majority's and a logistic regression's on word overlap and length. Leaves lab/studies/paraphrases.json.
"""

import json

import numpy as np
from datasets import load_dataset
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments, set_seed

from helpers.access import cache_by_content
from helpers.paths import ROOT
from helpers.precision import training_flags
from helpers.settings import resolve

SHARED = ROOT.parent / "shared" / "data"
RUNS = {  # name: (data set, parameters of the chapter, seeds)
    "bundled": (None, {}, range(10)),
    "mrpc": ((str(SHARED / "mrpc"), "mrpc"), {"num_train_epochs": 3}, range(5)),
}


def answers(rows, settings, seed: int) -> np.ndarray:
    """Trains with a seed and returns the classes predicted for the validation split."""
    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(settings.checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(settings.checkpoint, num_labels=2)
    arguments = TrainingArguments(
        settings.output_dir, num_train_epochs=settings.num_train_epochs, learning_rate=settings.learning_rate, seed=seed,
        per_device_train_batch_size=settings.batch_size, weight_decay=settings.weight_decay, report_to="none", save_strategy="no",
        logging_strategy="no", **training_flags(),
    )  # fmt: skip
    tokens = rows.map(lambda batch: tokenizer(batch["sentence1"], batch["sentence2"], truncation=True), batched=True)
    trainer = Trainer(model, arguments, train_dataset=tokens["train"], processing_class=tokenizer)
    trainer.train()
    return trainer.predict(tokens["validation"]).predictions.argmax(axis=-1)


def overlap(rows) -> list[list[float]]:
    """Shares of common words and difference of lengths, for each pair; as chapter 01 counts them."""
    pairs = [[set(row[name].lower().split()) for name in ("sentence1", "sentence2")] for row in rows]
    return [[len(a & b) / len(a | b), len(a & b) / min(len(a), len(b)), abs(len(a) - len(b))] for a, b in pairs]


def interval(right: np.ndarray, other: np.ndarray, draws: int = 10_000) -> list[float]:
    """95% interval of the difference in accuracy, paired; seeds and pairs resampled.

    Args:
        right: Whether each answer was right, ``(seeds, pairs)``.
        other: The same for one baseline, ``(pairs,)``.
    """
    rng = np.random.default_rng(0)
    gain = right.astype(float) - other
    seeds, pairs = gain.shape
    means = [gain[np.ix_(rng.integers(seeds, size=seeds), rng.integers(pairs, size=pairs))].mean() for _ in range(draws)]
    return np.quantile(means, [0.025, 0.975]).tolist()


def student(values) -> list[float]:
    """95% interval of the mean of a few values, by Student's t."""
    return list(map(float, stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))))


def study(rows, settings, seeds) -> dict:
    """Accuracy and F1 of all seeds, and the paired differences from both baselines."""
    truth = np.array(rows["validation"]["label"][:])
    predictions = np.array([answers(rows, settings, seed) for seed in seeds])
    words = LogisticRegression(max_iter=1000).fit(overlap(rows["train"]), rows["train"]["label"][:]).predict(overlap(rows["validation"]))
    accuracy, f1 = (predictions == truth).mean(axis=1), [f1_score(truth, row) for row in predictions]
    return {
        "accuracy": accuracy.tolist(),
        "f1": f1,
        "accuracy_interval": student(accuracy),
        "f1_interval": student(f1),
        "majority": float(truth.mean()),
        "overlap": float((words == truth).mean()),
        "over_majority": interval(predictions == truth, truth == 1),
        "over_overlap": interval(predictions == truth, words == truth),
    }


def main() -> None:
    results = {}
    for name, (dataset, changes, seeds) in RUNS.items():
        if dataset and not (SHARED / "mrpc").exists():
            print(f"{name}: skipped, {SHARED / 'mrpc'} is not there")
            continue
        settings = resolve("01_mrpc_classification", output_dir="build/output/paraphrase_study", **changes)
        dataset = dataset or settings.dataset
        cache_by_content(dataset[0], settings.output_dir)
        results[name] = study(load_dataset(*dataset), settings, seeds)
        print(name, json.dumps(results[name], indent=1), flush=True)
    (ROOT / "lab" / "studies" / "paraphrases.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
