"""Measure the tutorials' way beside this course's and hold the figures against their lines.

    python -m bench                                             # bundled corpora
    python -m bench --data my/reviews my/pairs                  # real ones
    python -m bench --only chunks collator                      # some cases

prints one table, leaves bench.json and pictures in build/bench, and exits 1 if a line is missed.
"""

import argparse
import datetime
import json
import os
import platform
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch

from bench import gpu, pictures, starts, steps, texts
from bench.data import Setup
from bench.measure import NotMeasured, Row, Spread

CASES = {
    "chunks": texts.chunk_case,
    "growth": texts.growth_case,
    "collator": texts.collator_case,
    "mlm": steps.mlm_case,
    "distilbert": steps.distilbert_case,
    "length": steps.length_case,
    "pairs": steps.pairs_case,
    "compile": gpu.compile_case,
    "start": starts.start_case,
    "chapters": starts.chapters_case,
    "gpu": gpu.gpu_case,
}
LINES = Path(__file__).parent / "lines.toml"
HEADS = ("what", "tutorials", "this course", "unit", "ratio", "floor or ceiling", "share of it")


def case_of(figure: str) -> str:
    """The case that a figure comes from; ``growth`` makes those of ``streamed`` too."""
    name = figure.split(".")[0]
    return "growth" if name == "streamed" else name


def at_hand(setup: Setup) -> dict[str, bool]:
    """What lines may need, and whether it is here."""
    gpu_here = setup.device == "cuda"
    return {
        "reviews": setup.folder_with("text") is not None,
        "pairs": setup.folder_with("sentence1") is not None,
        "cpu": not gpu_here,
        "gpu": gpu_here,
        "hopper": gpu_here and torch.cuda.get_device_capability() >= (9, 0),
    }


def judge(lines: dict, rows: Iterable[Row], absent: dict[str, str], here: dict[str, bool]) -> list[dict]:
    """Each line with its figure and a verdict: met, MISSED, or not measured and why.

    Args:
        lines: Figure to ``at_least`` or ``at_most`` and perhaps ``needs``.
        rows: What was measured.
        absent: Cases that were not measured, and why.
        here: As `at_hand`.
    """
    figures = {name: value for row in rows for name, value in row.figures.items()}
    verdicts = []
    for figure, line in lines.items():
        value, why = figures.get(figure), ""
        if not here.get(line.get("needs"), True):
            verdict, why = "not measured", f"needs {line['needs']}"
        elif value is None:
            verdict, why = "not measured", absent.get(case_of(figure), "no such figure")
        else:
            verdict = "met" if line.get("at_least", value) <= value <= line.get("at_most", value) else "MISSED"
        verdicts.append({"figure": figure, "value": value, "verdict": verdict, "why": why} | line)
    return verdicts


def number(value: float | None) -> str:
    """Three figures, without exponents."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cells(row: Row) -> list[str]:
    """A row as people read it: medians, with quartiles in brackets."""

    def spread(value: Spread | None) -> str:
        return "–" if value is None else f"{number(value.median)} [{number(value.low)}, {number(value.high)}]"

    limit = "–" if not row.limit_name else row.limit_name if row.limit is None else f"{number(row.limit)} ({row.limit_name})"
    share = "–" if row.share is None else f"{row.share:.0%}"
    return [row.what, spread(row.tutorials), spread(row.course), row.unit, spread(row.ratio), limit, share]


def table(rows: list[Row]) -> str:
    """Markdown, so that it reads in a terminal and in a README."""
    lines = [list(HEADS), *map(cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADS))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |" for line in lines)


def machine(setup: Setup) -> dict:
    """What the figures were measured on, and how busy it was with other things."""
    file = Path("/proc/cpuinfo")
    model = re.findall(r"^model name\s*: (.+)$", file.read_text() if file.exists() else "", re.M)
    return {
        "cpu": model[0] if model else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if setup.device == "cuda" else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "date": datetime.date.today().isoformat(),
    }


def main(arguments: list[str] | None = None) -> int:
    """Runs the cases that the arguments name; 0 if no line is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="folders with texts (column text) or pairs (sentence1)")
    parser.add_argument("--only", nargs="*", choices=CASES, default=list(CASES), help="cases to run")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--lines", type=Path, default=LINES)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that the bench works, and nothing else")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="the best there is, if not given")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    rows, absent = [], {name: "not asked for" for name in CASES if name not in args.only}
    with tempfile.TemporaryDirectory(dir=args.out, ignore_cleanup_errors=True) as scratch:
        setup = Setup(args.data, Path(scratch), args.quick, args.device or "")
        about = machine(setup)
        for name in args.only:
            print(f"{name} …", file=sys.stderr, flush=True)
            try:
                for row in CASES[name](setup):
                    rows.append(row)
                    print("  " + ", ".join(text for text in cells(row) if text != "–"), file=sys.stderr)
            except NotMeasured as reason:
                absent[name] = str(reason)
        verdicts = judge(tomllib.loads(args.lines.read_text(encoding="utf-8")), rows, absent, at_hand(setup))
    record = {"machine": about, "rows": [asdict(row) for row in rows], "absent": absent, "lines": verdicts}
    (args.out / "bench.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    pictures.draw(rows, args.out)
    print(", ".join(f"{name} {value}" for name, value in about.items() if value is not None), table(rows), sep="\n\n", end="\n\n")
    for line in verdicts:
        bound = " ".join(f"{name.replace('_', ' ')} {line[name]:g}" for name in ("at_least", "at_most") if name in line)
        if line["why"] != "not asked for":
            print(f"{line['verdict']:<13} {line['figure']:<24} {number(line['value']):>7}  {bound:<14}  {line['why']}")
    print(f"Figures and pictures: {args.out}")
    return int(any(line["verdict"] == "MISSED" for line in verdicts))


if __name__ == "__main__":
    sys.exit(main())
