"""Cases 1 and 2: from text to chunks, and from chunks to masked batches."""

import time
from pathlib import Path

import numpy as np
import torch

from bench import data, tutorials
from bench.measure import PeakMemory, Row, Spread, in_fresh_process, rate, side_by_side, times_faster
from helpers import chunking
from helpers.masking import WholeWordCollator

SIZE = 128  # tokens in a chunk
COLUMNS = ("input_ids", "attention_mask", "word_ids")


def to_chunks(texts, tokenizer):
    """This course's way: one pass."""
    function = chunking.text_to_chunks(tokenizer, SIZE)
    return texts.map(function, batched=True, remove_columns=texts.column_names, load_from_cache_file=False)


def same_chunks(ours, theirs, special_ids: list[int]) -> bool:
    """Return whether two data sets of chunks hold the same tokens, masks and word ids.

    Special tokens that a text spells have word ids in the tutorials' way alone.
    """
    tables = [rows.with_format("arrow")[:].select(COLUMNS) for rows in (ours, theirs)]
    left, right = ([np.asarray(column.combine_chunks().flatten().fill_null(-1)) for column in table.columns] for table in tables)
    right[2] = np.where(np.isin(right[0], special_ids), chunking.NO_WORD, right[2])
    return all(np.array_equal(a, b) for a, b in zip(left, right))


def without_special_words(rows: list[dict], special_ids: list[int]) -> list[dict]:
    """The tutorials' rows with no word ids at special tokens, as this course's have them."""
    return [
        row | {"word_ids": [None if token in special_ids else word for token, word in zip(row["input_ids"], row["word_ids"])]}
        for row in rows
    ]


def chunk_case(setup: data.Setup):
    """Texts to chunks, piece by piece, so that all three ways see the same texts under the same conditions."""
    tokenizer, rounds = data.tokenizer(), setup.size(5, 2)
    count = setup.size(25_000, 200) // rounds
    texts = setup.texts(rounds * count)
    pieces = [texts.select(range(i * count, (i + 1) * count)).flatten_indices() for i in range(rounds)]
    plain = [piece["text"][:] for piece in pieces]
    few = pieces[0].select(range(min(100, count)))
    assert same_chunks(to_chunks(few, tokenizer), tutorials.chunks(few, tokenizer, SIZE), tokenizer.all_special_ids)  # and warm both up
    made = {}

    def rust(i):
        for start in range(0, count, 1000):  # the batches of Dataset.map
            tokenizer.backend_tokenizer.encode_batch(plain[i][start : start + 1000])

    ways = {
        "tutorials": lambda i: made.update({("tutorials", i): tutorials.chunks(pieces[i], tokenizer, SIZE)}),
        "course": lambda i: made.update({("course", i): to_chunks(pieces[i], tokenizer)}),
        "floor": rust,
    }
    seconds = side_by_side(ways, rounds, warmup=0)
    assert all(same_chunks(made["course", i], made["tutorials", i], tokenizer.all_special_ids) for i in range(rounds))
    over = times_faster(seconds["course"], seconds["floor"])
    beside = {  # two threads may hide nearly all of it
        way: [max(whole - floor, floor / 100) for whole, floor in zip(seconds[way], seconds["floor"])] for way in ("tutorials", "course")
    }
    yield Row(
        "chunks", f"{rounds * count:,} reviews to chunks with word ids", "reviews/s",
        rate(count, seconds["tutorials"]), rate(count, seconds["course"]), times_faster(seconds["tutorials"], seconds["course"]),
        rate(count, seconds["floor"]).median, "Rust tokenizer alone", 1 / over.median,
        {"over_floor": over.median, "beside_ratio": times_faster(beside["tutorials"], beside["course"]).median}, seconds,
    )  # fmt: skip


def one_size(count: int, folders: list[str], scratch: str, streamed: bool) -> dict:
    """In a process of its own: seconds for so many texts, their chunks, and the most memory that it held at once."""
    setup, tokenizer = data.Setup([Path(folder) for folder in folders], Path(scratch)), data.tokenizer()
    texts = setup.texts(count)
    to_chunks(texts.select(range(min(count, 50))), tokenizer)
    with PeakMemory() as peak:
        began = time.perf_counter()
        if streamed:  # the chunks go by and none is kept
            rows = texts.to_iterable_dataset().map(chunking.text_to_chunks(tokenizer, SIZE), batched=True, remove_columns=["text"])
            made = sum(len(batch["input_ids"]) for batch in rows.iter(batch_size=1000))
        else:
            made = len(to_chunks(texts, tokenizer))
        took = time.perf_counter() - began
    return {"count": count, "seconds": took, "chunks": made, "bytes": peak.bytes}


def growth_case(setup: data.Setup):
    """Cost against rows: a straight line through log time over log rows, and the peak memory of the largest over the smallest."""
    setup.texts(1)  # into Arrow files, which all sizes then read
    counts = [100, 300] if setup.quick else [1_000, 10_000, 100_000]
    folders = [str(folder.resolve()) for folder in setup.folders]
    for streamed, what in ((False, "Dataset.map"), (True, "streamed")):
        runs = [in_fresh_process("bench.texts:one_size", n, folders, str(setup.scratch.resolve()), streamed) for n in counts]
        slope = float(np.polyfit(np.log(counts), np.log([run["seconds"] for run in runs]), 1)[0])
        growth = runs[-1]["bytes"] / runs[0]["bytes"] - 1
        speed = [run["count"] / run["seconds"] for run in runs]
        figures = {"exponent": slope, "memory_growth": growth} | {f"bytes_{run['count']}": run["bytes"] for run in runs}
        what = f"{counts[0]:,} to {counts[-1]:,} reviews, {what}: time ~ rows^{slope:.2f}, peak memory {growth:+.1%}"
        yield Row(
            "streamed" if streamed else "growth", what, "reviews/s", None, Spread.of(speed),
            figures=figures, seconds={str(run["count"]): [run["seconds"]] for run in runs},
        )  # fmt: skip


def same_draws(word_ids: list[list[int]], probability: float, seed: int):
    """The draws that `pick_words` makes of a seed, for a loop that has no use for those of special tokens."""
    starts = [(row[i], i == 0 or row[i] != row[i - 1]) for row in word_ids for i in range(len(row))]
    runs = [word for word, first in starts if first]
    picked = torch.rand(len(runs), generator=torch.Generator().manual_seed(seed)) < probability
    left = iter([pick.item() for pick, word in zip(picked, runs) if word != chunking.NO_WORD])
    return lambda count: np.array([next(left) for _ in range(count)], dtype=bool)


def collator_case(setup: data.Setup):
    """Whole-word masks for 64 chunks of 128 tokens, from rows of the data set to tensors."""
    tokenizer = data.tokenizer()
    texts = setup.texts(setup.size(300, 100))
    ours = to_chunks(texts, tokenizer).select_columns(["input_ids", "word_ids"]).with_format("numpy")
    theirs = tutorials.chunks(texts, tokenizer, SIZE)
    order = np.random.default_rng(0).permutation(len(ours))[:64].tolist()

    loop = tutorials.whole_word_collator(tokenizer.mask_token_id, same_draws(ours[order]["word_ids"], 0.2, seed=1))
    expected = loop(without_special_words(theirs.__getitems__(order), tokenizer.all_special_ids))
    found = WholeWordCollator(tokenizer, 0.2, seed=1)(ours.__getitems__(order))
    assert all(torch.equal(expected[name], found[name]) for name in expected)

    loop = tutorials.whole_word_collator(tokenizer.mask_token_id, tutorials.draw_words(0.2))
    vectorised = WholeWordCollator(tokenizer, 0.2, seed=1)
    ways = {  # ten batches a round, one after the other as a DataLoader asks for them
        "tutorials": lambda i: [loop(theirs.__getitems__(order)) for _ in range(10)],
        "course": lambda i: [vectorised(ours.__getitems__(order)) for _ in range(10)],
        "floor": lambda i: [ours.__getitems__(order) for _ in range(10)],
    }
    seconds = side_by_side(ways, rounds=setup.size(30, 2))
    over = times_faster(seconds["floor"], seconds["course"])
    yield Row(
        "collator", f"whole-word masks, {len(order)} x {SIZE}, rows to tensors", "batches/s",
        rate(10, seconds["tutorials"]), rate(10, seconds["course"]), times_faster(seconds["tutorials"], seconds["course"]),
        rate(10, seconds["floor"]).median, "reading the rows", over.median, {}, seconds,
    )  # fmt: skip
