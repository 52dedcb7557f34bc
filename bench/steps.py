"""A training step of a masked language model, and of a classifier of pairs."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from datasets import Dataset
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    DistilBertConfig,
    DistilBertForMaskedLM,
)

from bench import tutorials
from bench.data import SIZE, Setup
from bench.measure import Case, Elsewhere, Way, best_products
from helpers.masking import masking_collator
from helpers.paths import MINI_BERT
from helpers.precision import best_dtype
from helpers.settings import Settings
from helpers.train import data, loop
from helpers.train.setup import FORMATS, Run, new_accelerator, prepare

RATE = 1e-5


def mini_bert():
    """Return the bundled model with the library's own attention, as the tutorials have it."""
    return AutoModelForMaskedLM.from_pretrained(MINI_BERT, dtype=torch.float32, attn_implementation="sdpa").train()


def distilbert(**shape):
    """Return a model of DistilBERT's shape with random weights, which take as long as trained ones."""
    torch.manual_seed(0)
    return DistilBertForMaskedLM(DistilBertConfig(**shape)).train()


def new_run(model, tokenizer, rows: int, dtype: torch.dtype = torch.float32, cpu: bool = True, chunks: Dataset | None = None) -> Run:
    """Return a run of the course's own loop with batches of so many chunks, of random tokens if none are given."""
    if chunks is None:
        ids = torch.randint(200, model.config.vocab_size, (rows, SIZE), generator=torch.Generator().manual_seed(0))
        chunks = Dataset.from_dict({"input_ids": ids.tolist(), "attention_mask": torch.ones_like(ids).tolist()})
    masked = data.MaskedChunks(chunks, masking_collator(tokenizer), seed=0)
    settings = Settings("05", "lab", "", ("bench",), num_train_epochs=1000, batch_size=rows, learning_rate=RATE, output_dir="")
    return prepare(new_accelerator(0, cpu=cpu, mixed_precision=FORMATS[dtype]), model, masked, chunks, settings)


def first_batch(run: Run) -> dict[str, torch.Tensor]:
    """Return a batch of the run, on its device."""
    return next(iter(run.train_batches))


def dense(batch: dict) -> dict[str, torch.Tensor]:
    """Return a batch of the loop as the tutorials' way takes it."""
    return {"input_ids": batch["input_ids"], "attention_mask": torch.ones_like(batch["input_ids"]), "labels": batch["labels"]}


def matrix_flops(run: Run, batch: dict) -> int:
    """Return the floating-point operations of the matrix products in one forward and backward pass."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # so that attention is products that are counted
        loop.backward(run.accelerator, run.model, batch)
    run.optimizer.zero_grad()
    return counter.get_total_flops()


@torch.no_grad()
def loss_difference(run: Run, model, batch: dict) -> float:
    """Return by how much the losses of the loop's model and of a dense one differ, without dropout."""
    run.model.eval()
    ours = loop.token_losses(run.model, batch).sum() / len(batch["positions"])
    run.model.train()
    return abs(ours - model.eval()(**dense(batch)).loss).item()


def tutorials_step(make: Callable, batch: dict) -> Way:
    """Return a way that takes the tutorials' step on a batch, again and again."""
    model = make()
    step = tutorials.step(model, torch.optim.AdamW(model.parameters(), lr=RATE))
    return lambda i: step(batch)


def mlm_cases(setup: Setup, name: str = "mlm", what: str = "3 layers x 384", make: Callable = mini_bert, rows: int = 16) -> Iterator[Case]:
    """The loop's step beside the tutorials', in float32 and in the number format that the course takes on this CPU, which counts."""
    rows, own = setup.size(rows, 2), best_dtype("cpu")
    for dtype in dict.fromkeys((torch.float32, own)):
        run = new_run(make(), setup.tokenizer, rows, dtype)
        batch, tokens, label = first_batch(run), rows * SIZE, str(dtype)[6:]
        assert dtype != torch.float32 or loss_difference(run, make(), batch) < 1e-5
        products, flops, shape = best_products(dtype, "cpu", tokens, run.model.config.hidden_size)
        yield Case(
            name if dtype == own else f"{name}_{label}", f"MLM step, {what}, {rows} x {SIZE}, {label}", "tokens/s", tokens,
            lambda i, run=run, batch=batch: loop.train_step(run, batch), Elsewhere(tutorials_step, make, dense(batch)),
            products, shape, tokens * flops / matrix_flops(run, batch), setup.size(9, 2),
        )  # fmt: skip


def distilbert_cases(setup: Setup) -> Iterator[Case]:
    """At the shape that the tutorials train."""
    if not setup.quick:
        yield from mlm_cases(setup, "distilbert", "DistilBERT", distilbert, 8)


def pair_cases(setup: Setup) -> Iterator[Case]:
    """Training a classifier of pairs: batches of like length against padding to the longest pair of the corpus."""
    size, pairs = setup.size(8, 4), setup.pairs().shuffle(seed=0)
    pairs = pairs.select(range(setup.size(len(pairs), 16)))[:]
    encoded = setup.tokenizer(pairs["sentence1"], pairs["sentence2"], truncation=True)
    rows = [{name: encoded[name][i] for name in encoded} | {"labels": pairs["label"][i]} for i in range(len(pairs["label"]))]
    by_length = sorted(rows, key=lambda row: len(row["input_ids"]))
    collate = DataCollatorWithPadding(setup.tokenizer)
    grouped = [collate(by_length[start : start + size]) for start in range(0, len(rows), size)]
    padded = tutorials.padded_to_longest_of_corpus(setup.tokenizer, pairs, size)
    mixed, count = np.random.default_rng(0).permutation(len(grouped)), min(len(grouped), setup.size(40, 2))
    places = [sum(batch["input_ids"].numel() for batch in batches) for batches in (padded, grouped)]

    def stepping(batches, **options):
        """The step on batches of each round's own, spread over the corpus."""
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(MINI_BERT, dtype=torch.float32).train()
        with torch.no_grad():  # the same pairs get the same answers
            assert torch.allclose(model(**padded[0]).logits, model(**collate(rows[:size])).logits, atol=1e-4)
        dtype = options.pop("dtype", torch.float32)
        step = tutorials.step(model, torch.optim.AdamW(model.parameters(), lr=RATE, **options), dtype)
        return lambda i: [step(batches[mixed[(i * count + j) % len(batches)]]) for j in range(count)]

    what = f"classifier of pairs, grouped lengths ({places[0] / places[1]:.2f} times fewer tokens), batches of {size}"
    for dtype in dict.fromkeys((torch.float32, best_dtype("cpu"))):
        yield Case(
            "pairs" if dtype == best_dtype("cpu") else "pairs_float32", f"{what}, {str(dtype)[6:]}", "pairs/s", count * size,
            stepping(grouped, fused=True, dtype=dtype), stepping(padded), rounds=setup.size(5, 1),
        )  # fmt: skip
