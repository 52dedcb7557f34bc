"""Cases 3 and 4: a training step of a masked language model, and of a classifier of pairs."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench import data, tutorials
from bench.measure import Products, Row, Spread, rate, side_by_side, times_faster
from helpers.labelled_logits import skip_unlabelled_logits
from helpers.masking import IGNORE_INDEX
from helpers.memory import autocast
from helpers.precision import autocast_dtype

LABELLED = 0.15


def mini_bert(device: str, head: bool = False):
    """The bundled model; with its dense head if asked."""
    from transformers import AutoModelForMaskedLM

    model = AutoModelForMaskedLM.from_pretrained(data.MINI_BERT).to(device).train()
    if not head:
        skip_unlabelled_logits(model)
    return model


def distilbert(device: str, head: bool = False):
    """DistilBERT's shape with random weights, which take as long as trained ones."""
    from transformers import DistilBertConfig, DistilBertForMaskedLM

    torch.manual_seed(0)
    model = DistilBertForMaskedLM(DistilBertConfig()).to(device).train()
    if not head:
        skip_unlabelled_logits(model)
    return model


def random_batch(vocabulary: int, rows: int, length: int, device: str) -> dict[str, torch.Tensor]:
    """Ids drawn evenly, labels at 15% of the positions: what a step costs does not depend on which tokens there are."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(200, vocabulary, (rows, length), generator=generator)
    labels = ids.masked_fill(torch.rand(ids.shape, generator=generator) > LABELLED, IGNORE_INDEX)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    return {name: tensor.to(device) for name, tensor in batch.items()}


def stepper(model, dtype: torch.dtype = torch.float32) -> Callable[[dict], torch.Tensor]:
    """This course's training step, without schedule and log: fused AdamW, autocast to `dtype`."""
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def train(batch):
        with autocast(device, dtype):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return train


def matrix_flops(model, batch: dict) -> int:
    """Floating-point operations of the matrix products in one forward and backward pass."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # so that attention is products that are counted
        model(**batch).loss.backward()
    model.zero_grad()
    return counter.get_total_flops()


@torch.no_grad()
def loss_without_dropout(model, batch: dict) -> float:
    """The loss of the model as it stands, without dropout, in float32."""
    model.eval()
    loss = model(**batch).loss.item()
    model.train()
    return loss


def _mlm(case: str, what: str, make: Callable, rows: int, rounds: int, setup: data.Setup, length: int = 128):
    """A dense head against logits at labels alone, both in float32; then the course's way in the device's own number format.

    Where that is another format, its ratio is the one that counts, since precision by device is part of the course's way.
    """
    dense, sparse = make(setup.device, head=True), make(setup.device)
    batch = random_batch(dense.config.vocab_size, rows, length, setup.device)
    difference = abs(loss_without_dropout(dense, batch) - loss_without_dropout(sparse, batch))
    assert difference < 1e-5, f"{case}: the two losses differ by {difference}"
    flops, tokens = matrix_flops(sparse, batch), rows * length
    theirs, ours = tutorials.step(dense, torch.optim.AdamW(dense.parameters(), lr=1e-5)), stepper(sparse)
    products = Products(torch.float32, setup.device, tokens, getattr(dense.config, "hidden_size", 768))
    ways = {"tutorials": lambda i: theirs(batch), "course": lambda i: ours(batch), "products": products}
    own = autocast_dtype(setup.device)
    if own != torch.float32:
        fast_step = stepper(make(setup.device), own)
        own_products = Products(own, setup.device, tokens, getattr(dense.config, "hidden_size", 768))
        ways |= {"own": lambda i: fast_step(batch), "own products": own_products}
    seconds = side_by_side(ways, rounds)
    for way, name, peak in (("course", "float32", products), *([("own", str(own)[6:], own_products)] if own != torch.float32 else [])):
        best, shape = peak.best()
        reached = flops / Spread.of(seconds[way]).median
        yield Row(
            case, f"MLM step, {what}, {rows} x {length}, {name}", "tokens/s",
            rate(tokens, seconds["tutorials"]), rate(tokens, seconds[way]), times_faster(seconds["tutorials"], seconds[way]),
            tokens * best / flops, f"{name} products of {shape}, {best / 1e9:,.0f} GFLOP/s", reached / best,
            {f"share_{name}": reached / best, f"products_{name}": best, f"reached_{name}": reached, "loss_difference": difference}, seconds,
        )  # fmt: skip


def mlm_case(setup: data.Setup):
    """At the shape that the lab trains."""
    yield from _mlm("mlm", "4 layers x 256", mini_bert, setup.size(16, 2), setup.size(11, 2), setup, setup.size(128, 32))


def distilbert_case(setup: data.Setup):
    """At the shape that the tutorials train."""
    if not setup.quick:
        yield from _mlm("distilbert", "DistilBERT", distilbert, 8, 5, setup)


def length_case(setup: data.Setup):
    """Cost against sequence length: the same number of tokens a step in ever longer rows, so that what grows is the attention."""
    tokens, lengths = setup.size(4096, 256), [32, 64] if setup.quick else [32, 64, 128, 256, 512]
    model = mini_bert(setup.device)
    step = stepper(model)
    batches = {n: random_batch(model.config.vocab_size, tokens // n, n, setup.device) for n in lengths}
    seconds = side_by_side({str(n): lambda _, n=n: step(batches[n]) for n in lengths}, rounds=setup.size(5, 1))
    speeds = [tokens / Spread.of(seconds[str(n)]).median for n in lengths]
    slope = float(np.polyfit(np.log(lengths), -np.log(speeds), 1)[0])
    what = f"a training step at {lengths[0]} to {lengths[-1]} tokens a row: time a token ~ length^{slope:.2f}"
    yield Row("length", what, "tokens/s", None, Spread.of(speeds), figures={"exponent": slope}, seconds=seconds)


def pairs_case(setup: data.Setup):
    """Training a classifier of pairs: batches of like length against padding to the longest pair of the corpus."""
    from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

    tokenizer, rounds, size = data.tokenizer(), setup.size(5, 1), setup.size(8, 4)
    pairs = setup.pairs()
    pairs = pairs.shuffle(seed=0).select(range(setup.size(len(pairs), 16)))[:]
    padded = tutorials.padded_to_longest_of_corpus(tokenizer, pairs, size)
    encoded = tokenizer(pairs["sentence1"], pairs["sentence2"], truncation=True)
    rows = [{name: encoded[name][i] for name in encoded} | {"labels": pairs["label"][i]} for i in range(len(pairs["label"]))]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]["input_ids"]))
    collate = DataCollatorWithPadding(tokenizer)
    grouped = [collate([rows[i] for i in order[start : start + size]]) for start in range(0, len(order), size)]
    mixed = np.random.default_rng(0).permutation(len(grouped))
    count = min(len(grouped), setup.size(40, 2))

    def model():
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_pretrained(data.MINI_BERT).to(setup.device)

    first = model()
    with torch.no_grad():  # the same pairs get the same answers
        wide = torch.cat([first.eval()(**_to(batch, setup.device)).logits for batch in padded[: count * 2]])
        narrow = torch.cat([first(**_to(collate(rows[i : i + size]), setup.device)).logits for i in range(0, len(wide), size)])
    assert torch.allclose(wide, narrow, atol=1e-4)
    theirs = tutorials.step(first.train(), torch.optim.AdamW(first.parameters(), lr=1e-5))
    forms = {"course": torch.float32, "own": autocast_dtype(setup.device)}  # the last ratio is the one that counts
    if forms["own"] == torch.float32:
        del forms["own"]
    steppers = {way: stepper(model().train(), form) for way, form in forms.items()}

    def batches(made, i):  # each round its own, spread over the corpus
        return [_to(made[mixed[(i * count + j) % len(made)]], setup.device) for j in range(count)]

    def every(step, made):
        return lambda i: [step(batch) for batch in batches(made, i)]

    ways = {"tutorials": every(theirs, padded)} | {way: every(step, grouped) for way, step in steppers.items()}
    seconds = side_by_side(ways, rounds)
    places = [sum(batch["input_ids"].numel() for batch in made) for made in (padded, grouped)]
    used = sum(len(row["input_ids"]) for row in rows)
    for way, form in forms.items():
        yield Row(
            "pairs", f"classifier of pairs, grouped lengths, batches of {size}, {str(form)[6:]}",
            "pairs/s", rate(count * size, seconds["tutorials"]), rate(count * size, seconds[way]),
            times_faster(seconds["tutorials"], seconds[way]), None, f"no padding at all ({places[0] / used:.2f} times)", used / places[1],
            {"padding_tutorials": 1 - used / places[0], "padding_course": 1 - used / places[1]}, seconds,
        )  # fmt: skip


def _to(batch: dict, device: str) -> dict:
    return {name: tensor.to(device) for name, tensor in batch.items()}
