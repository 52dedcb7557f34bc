"""From text to chunks, from chunks to masked batches, what the checks of a user's texts cost, and the chapters as a whole."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForMaskedLM

from bench import tutorials
from bench.data import SIZE, Setup
from bench.measure import Case, NotMeasured, quartiles, side_by_side
from helpers import access, chunking, data_files, pretrained, validation
from helpers.masking import WholeWordCollator, masking_collator
from helpers.paths import MINI_BERT, ROOT
from helpers.train import data

CHAPTERS = sorted((ROOT / "notebooks").glob("0*.ipynb"))
COLUMNS = ("input_ids", "attention_mask", "word_ids")


def to_chunks(texts, tokenizer, **options):
    """This course's way: one pass."""
    function = chunking.text_to_chunks(tokenizer, SIZE)
    return texts.map(function, batched=True, remove_columns=texts.column_names, load_from_cache_file=False, **options)


def same_chunks(ours, theirs, special_ids: list[int]) -> bool:
    """Return whether two data sets of chunks hold the same; special tokens that a text spells have word ids in the tutorials' alone."""
    tables = [rows.with_format("arrow")[:].select(COLUMNS) for rows in (ours, theirs)]
    left, right = ([np.asarray(column.combine_chunks().flatten().fill_null(-1)) for column in table.columns] for table in tables)
    right[2] = np.where(np.isin(right[0], special_ids), chunking.NO_WORD, right[2])
    return all(np.array_equal(a, b) for a, b in zip(left, right))


def chunk_cases(setup: Setup) -> Iterator[Case]:
    """Texts to chunks, each round its own texts, in one process and in two."""
    tokenizer, rounds = setup.tokenizer, setup.size(5, 2)
    count = setup.size(25_000, 200) // rounds
    texts = setup.texts(rounds * count)
    pieces = [texts.select(range(i * count, (i + 1) * count)).flatten_indices() for i in range(rounds)]
    plain = [piece["text"][:] for piece in pieces]
    few = pieces[0].select(range(min(100, count)))
    assert same_chunks(to_chunks(few, tokenizer), tutorials.chunks(few, tokenizer, SIZE), tokenizer.all_special_ids)  # and warm both up

    def rust(i):
        for start in range(0, count, 1000):  # the batches of Dataset.map
            tokenizer.backend_tokenizer.encode_batch(plain[i][start : start + 1000])

    what = f"{rounds * count:,} reviews to chunks with word ids"
    yield Case(
        "chunks", what, "reviews/s", count, lambda i: to_chunks(pieces[i], tokenizer),
        lambda i: tutorials.chunks(pieces[i], tokenizer, SIZE), rust, "Rust tokenizer alone", rounds=rounds, warmup=0,
    )  # fmt: skip
    again = texts.flatten_indices()  # the same texts by another fingerprint: with a cache of one process, map does all in one
    yield Case(
        "processes", f"{what}: num_proc=2 beside one process", "reviews/s", len(texts),
        lambda i: to_chunks(texts, tokenizer, num_proc=2), lambda i: to_chunks(again, tokenizer), rounds=setup.size(3, 1),
    )  # fmt: skip


def one_size(count: int, folders: list[str], scratch: str, streamed: bool) -> tuple[float, int]:
    """Return, for a process of its own, the seconds for so many texts, and the most memory that it held at once, in KiB."""
    setup = Setup(Path(scratch), [Path(folder) for folder in folders])
    texts, held, over = setup.texts(count), [0], threading.Event()
    to_chunks(texts.select(range(min(count, 50))), setup.tokenizer)

    def watch():  # on Linux, without pages of mapped files, which the system drops when it needs the room
        while not over.wait(0.01):
            status = Path("/proc/self/status").read_text().splitlines()
            held[0] = max(held[0], *(int(line.split()[1]) for line in status if line.startswith("RssAnon")))

    thread = threading.Thread(target=watch)
    thread.start()
    began = time.perf_counter()
    if streamed:  # the chunks go by and none is kept
        function = chunking.text_to_chunks(setup.tokenizer, SIZE)
        list(map(len, texts.to_iterable_dataset().map(function, batched=True, remove_columns=["text"]).iter(batch_size=1000)))
    else:
        to_chunks(texts, setup.tokenizer)
    took = time.perf_counter() - began
    over.set()
    thread.join()
    return took, held[0]


def growth_cases(setup: Setup) -> Iterator[Case]:
    """Cost against rows: a straight line through log time over log rows, and the peak memory of the largest over the smallest."""
    setup.texts(1)  # into Arrow files, which all sizes then read
    counts = (100, 300) if setup.quick else (1_000, 10_000, 100_000)
    code = "import json, sys; from bench.texts import one_size; print('\\n' + json.dumps(one_size(*json.loads(sys.argv[1]))))"
    for name, streamed, how in (("growth", False, "Dataset.map"), ("streamed", True, "streamed")):
        seconds, peaks = {}, []
        for count in counts:
            arguments = [count, [str(folder.resolve()) for folder in setup.folders], str(setup.scratch.resolve()), streamed]
            done = subprocess.run([sys.executable, "-c", code, json.dumps(arguments)], cwd=ROOT, check=True, capture_output=True, text=True)
            seconds[count], peak = json.loads(done.stdout.splitlines()[-1])
            peaks.append(peak)
        slope, growth = float(np.polyfit(np.log(counts), np.log([*seconds.values()]), 1)[0]), peaks[-1] / peaks[0] - 1
        what = f"{counts[0]:,} to {counts[-1]:,} reviews, {how}: time ~ rows^{slope:.2f}, peak memory {growth:+.1%}"
        per_review = [took / count for count, took in seconds.items()]
        yield Case(name, what, "reviews/s", figures={"exponent": slope, "memory_growth": growth}, seconds={"ours": per_review})


def collator_cases(setup: Setup) -> Iterator[Case]:
    """Masks for 64 chunks of 128 tokens, from rows of the data set to tensors."""
    tokenizer, rounds, texts = setup.tokenizer, setup.size(30, 2), setup.texts(setup.size(300, 100))
    chunks, theirs = to_chunks(texts, tokenizer), tutorials.chunks(texts, tokenizer, SIZE)
    ours = chunks.select_columns(["input_ids", "word_ids"]).with_format("arrow")
    order = np.random.default_rng(0).permutation(len(ours))[:64].tolist()
    loop, collator = tutorials.whole_word_collator(tokenizer.mask_token_id, tutorials.draw_words(0.2)), WholeWordCollator(tokenizer, 0.2)

    def read():
        return {name: torch.from_numpy(array) for name, array in chunking.rows_as_arrays(ours, order).items()}

    def masked():
        rows = read()
        return collator.mask(rows["input_ids"], rows["word_ids"])

    yield Case(  # ten batches a round, one after the other as a DataLoader asks for them
        "collator", f"whole-word masks, {len(order)} x {SIZE}, rows to tensors", "batches/s", 10,
        lambda i: [masked() for _ in range(10)], lambda i: [loop(theirs.__getitems__(order)) for _ in range(10)],
        lambda i: [read() for _ in range(10)], "reading the rows", rounds=rounds,
    )  # fmt: skip
    for name, column in (("words", "word_ids"), ("tokens", "attention_mask")):
        rows = data.MaskedChunks(chunks.select_columns(["input_ids", column]), masking_collator(tokenizer, name == "words"), seed=0)
        yield Case(
            name, f"the loop's masks of {name}, each row's from its own seed: a batch at once beside one by one", "rows/s", len(order),
            lambda i, rows=rows: data.stack(rows.__getitems__(order)),
            lambda i, rows=rows: data.stack([rows[row] for row in order]), rounds=rounds,
        )  # fmt: skip


def check_cases(setup: Setup) -> Iterator[Case]:
    """What each check of a user's texts and checkpoint costs, on 25,000 reviews in a CSV file that has been read before."""
    folder, texts = setup.scratch / "csv", setup.texts(setup.size(25_000, 200))
    (folder / "data").mkdir(parents=True)
    texts.to_csv(folder / "data" / "train.csv")
    access.cache_by_content(str(folder / "data"), str(folder))
    splits = setup.splits(folder / "data")
    chunks = to_chunks(splits["train"], setup.tokenizer)
    model = AutoModelForMaskedLM.from_pretrained(MINI_BERT, dtype=torch.float32)
    checks = {
        "files of the data set": lambda i: data_files.check_folder([str(folder / "data")]),
        "texts": lambda i: validation.check_texts(splits, "text"),
        "repeats": lambda i: data.drop_repeats(splits["train"]),
        "fingerprint": lambda i: data.fingerprint(chunks),
        "files of the checkpoint": lambda i: pretrained.check_files(MINI_BERT, "masked_lm"),
        "model and tokenizer": lambda i: pretrained.check_masked_lm(setup.tokenizer, model, SIZE),
    }
    seconds = side_by_side(checks, rounds=setup.size(3, 1))
    slowest = max(seconds, key=lambda name: quartiles(seconds[name])[1])
    what = f"the slowest of {len(checks)} checks of {len(texts):,} reviews and a checkpoint: {slowest}"
    figures = {name: quartiles(times)[1] for name, times in seconds.items()}
    yield Case("checks", what, "s", figures=figures | {"slowest": figures[slowest]}, seconds={"ours": seconds[slowest]})


def chapter_cases(setup: Setup) -> Iterator[Case]:
    """Seconds of the last `make run`, read from what it left."""
    files = [ROOT / "build" / f"{notebook.stem}.json" for notebook in CHAPTERS]
    if missing := [file.stem[:2] for file in files if not file.exists()]:
        raise NotMeasured(f"`make run` has not finished chapter {', '.join(missing)}")
    runs = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    if any(run["profile"] != "lab" or run["parameters"] for run in runs):
        raise NotMeasured("the last `make run` had parameters of its own")
    total = sum(run["seconds"] for run in runs)
    yield Case("chapters", "all five chapters, last `make run`", "s", figures={"seconds": total}, seconds={"ours": [total]})
