"""Measure the tutorials' way beside this course's on the CPU, and hold the figures against their lines.

    python -m bench                                             # bundled corpora
    python -m bench --data my/reviews my/pairs                  # real ones
    python -m bench --only chunks collator                      # some cases

prints one table, leaves bench.json in build/bench, and exits 1 if a line is missed.
"""

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # bench.gpu is for these

from bench import report, steps, texts
from bench.data import Setup
from helpers.precision import cpu_multiplies_bf16

CASES = {
    "chunks": texts.chunk_cases,
    "growth": texts.growth_cases,
    "collator": texts.collator_cases,
    "checks": texts.check_cases,
    "mlm": steps.mlm_cases,
    "distilbert": steps.distilbert_cases,
    "pairs": steps.pair_cases,
    "chapters": texts.chapter_cases,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the cases that the arguments name; return 0 if no line is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="folders with texts (column text) or pairs (sentence1)")
    parser.add_argument("--only", nargs="*", choices=CASES, default=list(CASES), help="cases to run")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--lines", type=Path, default=report.LINES)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that the bench works, and nothing else")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.out, ignore_cleanup_errors=True) as scratch:
        setup = Setup(Path(scratch), args.data, args.quick)
        here = {"reviews": bool(setup.folder_with("text")), "pairs": bool(setup.folder_with("sentence1")), "bf16": cpu_multiplies_bf16()}
        about = report.machine()
        rows, absent = report.measure({name: partial(CASES[name], setup) for name in args.only})
    return report.finish(about, rows, absent, here | {"gpu": False, "hopper": False}, args.out / "bench.json", args.lines)


if __name__ == "__main__":
    sys.exit(main())
