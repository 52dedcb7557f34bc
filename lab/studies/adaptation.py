"""Is it adaptation, or just more training? Reviews against as many steps of general text.

    python -m lab.studies.adaptation            # needs ../shared/data; `make study` skips, saying so, without it

From the bundled checkpoint, five seeds train on film reviews and, as the control, as long on encyclopaedia and
novels. Both are evaluated on the same masked tokens of held-out reviews. Leaves lab/studies/adaptation.json and lab/studies/adaptation.png.
"""

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, load_dataset
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling, default_data_collator, set_seed

from helpers.access import cache_by_content
from helpers.labelled_logits import skip_unlabelled_logits
from helpers.masking import IGNORE_INDEX, freeze_masks
from helpers.paths import ROOT
from helpers.precision import autocast_dtype, default_device
from helpers.train import data
from lab.pretraining.prepare import documents

SHARED = ROOT.parent / "shared" / "data"
CHECKPOINT = ROOT / "lab" / "checkpoints" / "mini-bert"
SEEDS, EPOCHS, BATCH, RATE, LENGTH = range(5), 3, 16, 5e-4, 128
PROMPTS = """This is a great {}.
I watched this {} last night.
What a terrible {}.
The {} was too long.
I loved the {} from start to end.
The best {} of the year.
My wife and I enjoyed this {}.
The {} is weak and the music is loud.
Nobody should pay to see this {}.
The {} made me laugh and cry.""".splitlines()
FILM_WORDS = """film movie movies films story plot scene scenes character characters actor actors actress director directed
script cast role performance acting ending picture comedy drama screen series episode star audience musical""".split()


def splits_of(folder: Path) -> dict[str, Dataset]:
    """The rows of a data set, by split."""
    cache_by_content(str(folder), str(ROOT / "build" / "output" / "study"))
    return load_dataset(str(folder))


def texts_of(folder: Path) -> dict[str, list[str]]:
    """The texts of a data set, by split."""
    return {split: rows["text"][:] for split, rows in splits_of(folder).items()}


def chunks_of(tokenizer, texts: list[str], count: int | None, seed: int) -> Dataset:
    """Return shuffled texts as chunks, at most `count` of them."""
    rows = Dataset.from_dict({"text": texts}).shuffle(seed=seed)
    return data.to_chunks(rows, tokenizer, LENGTH, count).shuffle(seed=seed)


def frozen_reviews(tokenizer, texts: list[str]) -> Dataset:
    """One row a review, cut at 128 tokens, masked once: a review is the unit that the interval resamples."""
    rows = Dataset.from_dict(dict(tokenizer(texts, truncation=True, max_length=LENGTH, padding="max_length", return_token_type_ids=False)))
    return freeze_masks(rows, DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=0))


def train(model, pieces: Dataset, collator, seed: int, epochs: int = EPOCHS, rate: float = RATE) -> None:
    """AdamW with linear decay."""
    set_seed(seed)
    loader = DataLoader(pieces, batch_size=BATCH, shuffle=True, collate_fn=collator)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    steps = epochs * len(loader)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    for _ in tqdm(range(epochs), desc="epochs", leave=False):
        train_epoch(model, loader, optimiser, schedule)


def train_epoch(model, loader: DataLoader, optimiser, schedule) -> None:
    """One pass over the batches, in the device's number format."""
    device, dtype = model.device, autocast_dtype(model.device)
    model.train()
    for batch in loader:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            loss = model(**{name: tensor.to(device) for name, tensor in batch.items()}).loss
        loss.backward()
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()


@torch.no_grad()
def losses_by_review(model, reviews: Dataset) -> np.ndarray:
    """Sum of losses and number of masked tokens of each review, ``(reviews, 2)``."""
    model.eval()
    sums = []
    for batch in DataLoader(reviews, batch_size=32, collate_fn=default_data_collator):
        batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
        labelled = batch["labels"] != IGNORE_INDEX
        losses = F.cross_entropy(model(**batch).logits[0].float(), batch["labels"][labelled], reduction="none")
        row = labelled.nonzero()[:, 0]
        totals = torch.zeros(len(labelled), device=model.device).index_add(0, row, losses)
        sums.append(torch.stack((totals, labelled.sum(1)), dim=1).cpu().numpy())
    return np.concatenate(sums)


@torch.no_grad()
def film_share(model, tokenizer) -> float:
    """Probability of the film words together, averaged over the prompts."""
    model.eval()
    ids = tokenizer.convert_tokens_to_ids(FILM_WORDS)
    assert tokenizer.unk_token_id not in ids, "every film word must be one token of the vocabulary"
    inputs = tokenizer([prompt.format(tokenizer.mask_token) for prompt in PROMPTS], padding=True, return_tensors="pt").to(model.device)
    probabilities = model(**inputs).logits[inputs["input_ids"] == tokenizer.mask_token_id].softmax(dim=-1)
    return probabilities[:, ids].sum(dim=1).mean().item()


def ratio_with_interval(adapted: np.ndarray, control: np.ndarray, draws: int = 2000) -> tuple[float, float, float]:
    """Ratio of perplexities and its 95% interval, resampling seeds and reviews; both ``(seeds, reviews, 2)``."""

    def ratio(a, c):
        return math.exp(a[..., 0].sum() / a[..., 1].sum() - c[..., 0].sum() / c[..., 1].sum())

    rng = np.random.default_rng(0)
    seeds, reviews = adapted.shape[:2]
    picks = ((rng.integers(seeds, size=seeds), rng.integers(reviews, size=reviews)) for _ in range(draws))
    resampled = [ratio(adapted[s][:, r], control[s][:, r]) for s, r in picks]
    return ratio(adapted, control), *np.percentile(resampled, [2.5, 97.5])


def compare(name: str, reviews: list[str], held_out: list[str], general: list[str], count: int | None) -> dict:
    """Adapted and control over all seeds, on one corpus of reviews."""
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    frozen = frozen_reviews(tokenizer, held_out)

    def fresh():
        model = AutoModelForMaskedLM.from_pretrained(CHECKPOINT).to(default_device())
        skip_unlabelled_logits(model)
        return model

    before = fresh()
    losses, shares = {"before": losses_by_review(before, frozen)[None]}, {"before": [film_share(before, tokenizer)]}
    for arm, texts in (("adapted", reviews), ("control", general)):
        losses[arm], shares[arm] = [], []
        for seed in tqdm(SEEDS, desc=f"{name}, {arm}"):
            pieces = chunks_of(tokenizer, texts, count, seed)
            count = len(pieces)  # the control trains on as many as there are of reviews
            model = fresh()
            train(model, pieces, collator, seed)
            losses[arm].append(losses_by_review(model, frozen))
            shares[arm].append(film_share(model, tokenizer))
    losses = {arm: np.stack(list(values)) for arm, values in losses.items()}
    perplexities = {arm: [math.exp(seed[:, 0].sum() / seed[:, 1].sum()) for seed in values] for arm, values in losses.items()}
    ratio, low, high = ratio_with_interval(losses["adapted"], losses["control"])
    return {"chunks": count, "held_out": len(held_out), "perplexity": perplexities, "film_words": shares, "ratio": [ratio, low, high]}


def draw(results: dict, picture: Path) -> None:
    """Perplexity and film words, before, control and adapted, one dot a seed."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, len(results), figsize=(4.5 * len(results), 6), squeeze=False, layout="constrained")
    for column, (name, result) in enumerate(results.items()):
        for row, (key, label) in enumerate((("perplexity", "perplexity on held-out reviews"), ("film_words", "probability of film words"))):
            axes = panels[row, column]
            for x, (arm, marker) in enumerate((("before", "s"), ("control", "o"), ("adapted", "^"))):
                axes.scatter([x] * len(result[key][arm]), result[key][arm], marker=marker, s=40, alpha=0.7, color="#0072b2")
            axes.set(xticks=range(3), xticklabels=["before", "control:\ngeneral text", "adapted:\nreviews"], ylabel=label, xlim=(-0.5, 2.5))
            axes.set_ylim(bottom=0)
            axes.set_title(name if row == 0 else "")
    figure.savefig(picture, dpi=120)


def main() -> None:
    if not SHARED.exists():
        print("make study: skipped, ../shared/data is not there")
        return
    began = time.time()
    bundled, real = (texts_of(folder) for folder in (ROOT / "lab" / "corpora" / "reviews", SHARED / "imdb"))
    texts = documents(SHARED / "general")
    order = np.random.default_rng(0).permutation(len(texts))
    general = [text for i in order[:100] for text in texts[i].split("\n")]  # what prepare.py kept out of the pretraining
    results = {
        "real reviews (IMDb)": compare("IMDb", real["train"], real["test"][::12], general, 2000),
        "bundled reviews": compare("bundled", bundled["train"] + bundled["unsupervised"], bundled["test"], general, None),
    }
    (ROOT / "lab" / "studies" / "adaptation.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(results, ROOT / "lab" / "studies" / "adaptation.png")
    for name, result in results.items():
        mean = {key: {arm: float(np.mean(values)) for arm, values in result[key].items()} for key in ("perplexity", "film_words")}
        print(f"{name}: {json.dumps(mean)}, adapted/control {result['ratio'][0]:.3f} [{result['ratio'][1]:.3f}, {result['ratio'][2]:.3f}]")
    print(f"{time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
