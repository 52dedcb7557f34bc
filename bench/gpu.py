"""Case 7, on a GPU: the tutorials' recipe beside this course's at its best batch; and whether `torch.compile` pays, anywhere."""

import time
from collections.abc import Iterator
from itertools import islice

import torch
from torch.utils.data import DataLoader

from bench import data, texts, tutorials
from bench.measure import NotMeasured, Products, Row, Spread, rate, side_by_side, times_faster
from bench.steps import distilbert, matrix_flops, mini_bert, random_batch, stepper
from helpers.masking import WholeWordCollator
from helpers.precision import autocast_dtype


def gpu_case(setup: data.Setup):
    """DistilBERT's shape, 128 tokens, whole recipes with their collators and loaders."""
    if setup.device != "cuda":
        raise NotMeasured("no GPU here")
    yield from recipes(setup, distilbert, (64, 128, 256, 512, 1024), steps=40, rounds=5, texts_to_read=5_000)


def endless(loader: DataLoader) -> Iterator[dict]:
    """Batches, epoch after epoch."""
    while True:
        yield from loader


def recipes(setup: data.Setup, make, sizes: tuple[int, ...], steps: int, rounds: int, texts_to_read: int):
    """Both recipes over about as many tokens: the tutorials' `steps` batches of the first size, and the course's in each size."""
    tokenizer, device, dtype = data.tokenizer(), setup.device, autocast_dtype(setup.device)
    gpu = device == "cuda"
    few = setup.texts(texts_to_read)
    ours = texts.to_chunks(few, tokenizer).select_columns(["input_ids", "word_ids"]).with_format("numpy")
    theirs = tutorials.chunks(few, tokenizer, texts.SIZE)
    dense, sparse = make(device, head=True), make(device)
    slow = tutorials.step(dense, torch.optim.AdamW(dense.parameters(), lr=2e-5), torch.float16 if gpu else torch.float32)
    fast, collate = stepper(sparse, dtype), WholeWordCollator(tokenizer, 0.2)

    def batches(rows, size, collate, workers=0):
        options = dict(num_workers=workers, persistent_workers=True, prefetch_factor=4) if workers else {}
        return endless(DataLoader(rows, size, shuffle=True, drop_last=True, collate_fn=collate, pin_memory=gpu, **options))

    def run(step, batches, count):
        for batch in islice(batches, count):
            step({name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()})

    old = batches(theirs, sizes[0], tutorials.whole_word_collator(tokenizer.mask_token_id, tutorials.draw_words(0.2)))
    sizes = [size for size in sizes if size <= len(ours)]
    count = {size: -(-steps * sizes[0] // size) for size in sizes}
    new = {size: batches(ours, size, collate, workers=4 if gpu else 0) for size in sizes}
    products = Products(dtype, device, 4096, 768)
    ways = {"tutorials": lambda i: run(slow, old, steps), "products": products}
    ways |= {str(size): lambda i, size=size: run(fast, new[size], count[size]) for size in sizes}
    seconds = side_by_side(ways, rounds)

    tokens = {size: count[size] * size * texts.SIZE for size in sizes}
    best = max(sizes, key=lambda size: tokens[size] / Spread.of(seconds[str(size)]).median)
    batch = {name: tensor.to(device) for name, tensor in collate(ours.__getitems__(range(best))).items()}
    pure = side_by_side({"pure": lambda i: [fast(batch) for _ in range(count[best])]}, rounds)["pure"]  # the same steps with data at hand
    flops = matrix_flops(sparse, batch) / (best * texts.SIZE)  # of a token
    ceiling, shape = products.best()
    reached = flops * tokens[best] / Spread.of(seconds[str(best)]).median
    wait = max(0.0, 1 - Spread.of(pure).median / Spread.of(seconds[str(best)]).median)
    amount, number = steps * sizes[0] * texts.SIZE, str(dtype)[6:]
    yield Row(
        "gpu", f"MLM recipe, batch {sizes[0]} {'fp16' if gpu else 'fp32'} against {best} {number}, {wait:.1%} of it waiting for data",
        "tokens/s", rate(amount, seconds["tutorials"]), rate(tokens[best], seconds[str(best)]),
        times_faster([s * tokens[best] / amount for s in seconds["tutorials"]], seconds[str(best)]),
        ceiling / flops, f"{number} products of {shape}, {ceiling / 1e9:,.0f} GFLOP/s", reached / ceiling,
        {"share": reached / ceiling, "wait": wait, "batch": best, "products": ceiling}, seconds,
    )  # fmt: skip


def compile_case(setup: data.Setup):
    """The encoder compiled: what the first steps cost, what the later ones gain, and after how many steps that is even."""
    make, rows = (distilbert, 256) if setup.device == "cuda" else (mini_bert, 16)
    if setup.quick:
        return
    dtype = autocast_dtype(setup.device)
    plain, compiled = make(setup.device), make(setup.device)
    layers = next(module for name, module in compiled.base_model.named_children() if name in ("encoder", "transformer"))
    layers.compile()  # without embeddings and head, whose shapes change with the number of labels
    batch = random_batch(plain.config.vocab_size, rows, 128, setup.device)
    step, faster = stepper(plain, dtype), stepper(compiled, dtype)
    step(batch)
    began = time.perf_counter()
    try:
        faster(batch)
    except Exception as error:  # no compiler at hand, mostly
        raise NotMeasured(f"torch.compile failed: {str(error).splitlines()[0]}") from error
    compiling = time.perf_counter() - began
    seconds = side_by_side({"plain": lambda i: step(batch), "compiled": lambda i: faster(batch)}, rounds=15)
    gain = Spread.of(seconds["plain"]).median - Spread.of(seconds["compiled"]).median
    even = compiling / gain if gain > 0 else float("inf")
    yield Row(
        "compile", f"torch.compile of the encoder, {rows} x 128: {compiling:.0f} s first, even after {even:,.0f} steps", "tokens/s",
        rate(rows * 128, seconds["plain"]), rate(rows * 128, seconds["compiled"]), times_faster(seconds["plain"], seconds["compiled"]),
        figures={"compile_seconds": compiling, "even_after_steps": even}, seconds=seconds,
    )  # fmt: skip
