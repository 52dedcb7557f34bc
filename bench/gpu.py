"""What only a GPU can show, in one run of at most five minutes: `python -m bench.gpu --out gpu.json`, or `make gpu`.

The tutorials' recipe beside this course's at DistilBERT's shape, and how much of it waits for data; `helpers.train` in float32, bfloat16,
float16 and under FSDP on one process; all chapters in the hub profile, from a Hub on this machine that needs no network. All weights are
random ones of the originals' shapes, written here. With --small, and where there is no GPU, shapes are tiny: that shows that the command
works, and nothing else.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice, repeat
from pathlib import Path

os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from torch.utils.data import DataLoader

from bench import report, tutorials
from bench.data import SIZE, Setup
from bench.measure import Case, NotMeasured, best_products, quartiles, side_by_side
from bench.steps import distilbert, first_batch, matrix_flops, new_run
from bench.texts import CHAPTERS, to_chunks
from helpers.paths import ROOT
from helpers.train import loop

sys.path.insert(0, str(ROOT / "tests" / "slow" / "hub"))  # stand-ins for what the hub profile names, and a Hub that serves them
import originals
from server import Hub

SECONDS = 300
NARROW = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
GPU = torch.cuda.is_available()


class Bench:
    """One run of all parts.

    Args:
        scratch: Folder for data sets, stand-ins and what the commands leave.
        small: Tiny shapes and few rows, and no limit of time.
    """

    def __init__(self, scratch: Path, small: bool):
        self.setup, self.scratch, self.small, self.began = Setup(scratch, quick=small), scratch, small, time.monotonic()
        if small:
            for _, config in originals.MODELS.values():
                config.update(NARROW)
        originals.place(scratch / "hub")

    def seconds(self, *command: object, **environment: str) -> float:
        """Run a Python command within the time that is left, and return its seconds."""
        began = time.monotonic()
        limit = None if self.small else max(1, self.began + SECONDS - began)
        words, options = [sys.executable, *map(str, command)], dict(cwd=ROOT, env=environment, capture_output=True, text=True)
        try:
            done = subprocess.run(words, timeout=limit, **options)
        except subprocess.TimeoutExpired:
            raise NotMeasured(f"{SECONDS} seconds were over") from None
        if done.returncode:
            raise NotMeasured(f"{' '.join(words[1:4])} failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}")
        return time.monotonic() - began

    def recipes(self) -> Iterator[Case]:
        """Whole recipes with their collators and loaders: the tutorials' batch of 64 beside the best batch of the course's loop."""
        setup, device = self.setup, "cuda" if GPU else "cpu"
        shape = dict(dim=32, n_layers=2, n_heads=2, hidden_dim=64) if self.small else {}
        corpus, steps, first = setup.texts(setup.size(5_000, 50)), setup.size(48, 16), setup.size(64, 4)
        chunks = to_chunks(corpus, setup.tokenizer).select_columns(["input_ids", "attention_mask"])
        collate = tutorials.whole_word_collator(setup.tokenizer.mask_token_id, tutorials.draw_words(0.2))
        rows = tutorials.chunks(corpus, setup.tokenizer, SIZE)
        old = chain.from_iterable(repeat(DataLoader(rows, first, shuffle=True, drop_last=True, collate_fn=collate)))  # epoch after epoch
        model, half = distilbert(**shape).to(device), torch.float16 if GPU else torch.float32
        step = tutorials.step(model, torch.optim.AdamW(model.parameters(), lr=2e-5), half)

        def theirs(i):
            for batch in islice(old, steps):
                step({name: tensor.to(device) for name, tensor in batch.items()})

        for dtype in (torch.bfloat16, *([torch.float16] if GPU else [])):
            runs, pure = {}, {}  # by size of the batch: the seconds of a step with data at hand
            for size in (first, 4 * first, 8 * first, 16 * first):
                runs[size] = run = new_run(distilbert(**shape), setup.tokenizer, size, dtype, not GPU, chunks)
                batch = first_batch(run)
                try:
                    times = side_by_side({"": lambda i, run=run, batch=batch: loop.train_step(run, batch)}, rounds=5)[""]
                except torch.OutOfMemoryError:
                    break
                pure[size] = quartiles(times)[1]
            best = max(pure, key=lambda size: size / pure[size])
            run, name, count = runs[best], str(dtype)[6:], steps * first // best
            batch, new = first_batch(run), loop.remaining_batches(run, until=10**9)
            products, flops, product_shape = best_products(dtype, device, 4096, 768)
            case = Case(
                "recipe" if dtype == torch.bfloat16 else f"recipe_{name}",
                f"MLM recipe, batch {first} in {str(half)[6:]} beside {best} in {name}", "tokens/s", count * best * SIZE,
                lambda i, run=run, new=new, count=count: [loop.train_step(run, batch) for batch in islice(new, count)], theirs,
                products, product_shape, best * SIZE * flops / matrix_flops(run, batch), setup.size(5, 1),
            ).measure()  # fmt: skip
            case.figures["wait"] = wait = max(0.0, 1 - count * pure[best] / quartiles(case.seconds["ours"])[1])
            case.what += f", {wait:.1%} of it waiting for data"
            yield case

    def trainings(self) -> Iterator[Case]:
        """`helpers.train` as a user starts it, in each number format and under FSDP: seconds, and the perplexity beside float32's."""
        ways = {"float32": ("one_gpu", "no"), "bfloat16": ("one_gpu", "bf16"), "float16": ("one_gpu", "fp16"), "fsdp": ("fsdp", "no")}
        if not GPU:
            del ways["float16"]  # whose gradients Accelerate scales on GPUs alone; and there alone does it shard
        plain = 0.0
        for name, (configuration, precision) in ways.items():
            program = ["tests/slow/fsdp_on_cpus.py"] if name == "fsdp" and not GPU else ["-m", "helpers.train"]
            seconds = self.seconds(
                "-m", "accelerate.commands.launch", f"--config_file=configs/{configuration}.yaml", "--num_processes=1", *program,
                f"--checkpoint={self.scratch}/hub/models/distilbert/distilbert-base-uncased", f"--mixed-precision={precision}",
                f"--output-dir={self.scratch / name}", "--no-dropout", "--learning-rate=3e-4", *([] if GPU else ["--cpu"]),
                f"--max-train-samples={self.setup.size(1024, 32)}", f"--max-eval-samples={self.setup.size(256, 16)}",
                f"--batch-size={self.setup.size(32, 8)}", "--num-train-epochs=1", **os.environ | {"PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            notes = max((self.scratch / name).glob("checkpoints/step-*/notes.json"))
            perplexity = json.loads(notes.read_text(encoding="utf-8"))["history"][-1]["perplexity"]
            plain = plain or perplexity
            what = f"`helpers.train`, {name}, from start to saved model: perplexity {report.number(perplexity)}"
            figures = {"perplexity": perplexity, "difference": abs(perplexity / plain - 1)}
            yield Case(f"train_{name}", what, "s", figures=figures, seconds={"ours": [seconds]})

    def chapters(self) -> Iterator[Case]:
        """Every chapter in the hub profile, by the libraries' own client from a Hub on this machine, several side by side."""
        hub, few = Hub(self.scratch / "hub"), self.setup.size(256, 32)
        given = {"max_train_samples": few, "max_eval_samples": few // 4, "num_train_epochs": 1}
        words = [str(word) for name, value in given.items() for word in ("-p", name, value)]
        environment = hub.environment(self.scratch / "home") | {"LOOPBACK_REFUSED": str(self.scratch / "refused")}

        def run(notebook: Path) -> str:
            command = ["tools/run.py", notebook, "--out", self.scratch / "chapters", "--profile", "hub", *words]
            try:
                return f"{notebook.stem[:2]} {self.seconds(*command, **environment):.0f} s"
            except NotMeasured as reason:
                return f"{notebook.stem[:2]} {reason}"

        began = time.monotonic()
        with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 3)) as pool:
            results = [*pool.map(run, CHAPTERS)]
        hub.close()
        finished, took = len([*(self.scratch / "chapters").glob("*.json")]), time.monotonic() - began
        what = f"chapters in the hub profile, at most {few} rows each: {', '.join(results)}"
        yield Case("hub", what, "s", figures={"finished": finished}, seconds={"ours": [took]})

    def total(self) -> Iterator[Case]:
        """All of it."""
        took = time.monotonic() - self.began
        yield Case("gpu", "all of `python -m bench.gpu`", "s", figures={"seconds": took}, seconds={"ours": [took]})


def main(arguments: list[str] | None = None) -> int:
    """Run all parts; return 0 if no line is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/bench/gpu.json"))
    parser.add_argument("--small", action="store_true", help="tiny shapes; always where there is no GPU")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        about, bench = report.machine(), Bench(Path(scratch), args.small or not GPU)
        parts = {"recipe": bench.recipes, "train": bench.trainings, "hub": bench.chapters, "gpu": bench.total}
        rows, absent = report.measure(parts)
    real = GPU and not bench.small
    here = {"gpu": real, "hopper": real and torch.cuda.get_device_capability() >= (9, 0)}
    return report.finish(about, rows, absent, dict.fromkeys(("reviews", "pairs", "bf16"), False) | here, args.out)


if __name__ == "__main__":
    sys.exit(main())
