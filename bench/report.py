"""The table of a run, and its figures held against their lines."""

import datetime
import json
import os
import platform
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch

from bench.measure import Case, NotMeasured, quartiles

LINES = Path(__file__).parent / "lines.toml"
HEADS = ("what", "tutorials", "this course", "unit", "ratio", "floor or ceiling", "share of it")
NOT_ASKED = "not asked for"


def measure(cases: Mapping[str, Callable[[], Iterable[Case]]]) -> tuple[list[Case], dict[str, str]]:
    """Return all that was measured, and for the rest why not."""
    rows, absent = [], {}
    for name, make in cases.items():
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            for case in make():
                rows.append(case.measure())
                print("  " + ", ".join(text for text in cells(case) if text != "–"), file=sys.stderr, flush=True)
        except NotMeasured as reason:
            absent[name] = str(reason)
    return rows, absent


def judge(lines: dict, rows: Iterable[Case], absent: dict[str, str], here: dict[str, bool]) -> list[dict]:
    """Return each line with its figure and a verdict: met, MISSED, or not measured and why.

    Args:
        lines: Figure to ``at_least`` or ``at_most``, ``case``, and perhaps ``needs``.
        rows: What was measured.
        absent: Cases that were not measured, and why.
        here: What lines may need, and whether it is at hand.
    """
    figures = {f"{row.name}.{name}": value for row in rows for name, value in row.figures.items()}
    verdicts = []
    for figure, line in lines.items():
        value, why = figures.get(figure), ""
        if value is None:
            verdict, why = "not measured", absent.get(line["case"], NOT_ASKED)
        elif not here.get(line.get("needs"), True):
            verdict, why = "not measured", f"needs {line['needs']}"
        else:
            verdict = "met" if line.get("at_least", value) <= value <= line.get("at_most", value) else "MISSED"
        verdicts.append({"figure": figure, "value": value, "verdict": verdict, "why": why} | line)
    return verdicts


def number(value: float) -> str:
    """Return three figures, without exponents."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cells(row: Case) -> list[str]:
    """Return a row as people read it: medians, with quartiles in brackets."""

    def spread(values: list[float]) -> str:
        return "{1} [{0}, {2}]".format(*map(number, quartiles(values))) if values else "–"

    ratio = spread(row.times_faster("other") if "other" in row.seconds else [])
    limit = f"{number(quartiles(row.rates('limit'))[1])} ({row.limit_name})" if "limit" in row.seconds else "–"
    share = f"{row.figures['share']:.0%}" if "share" in row.figures else "–"
    return [row.what, spread(row.rates("other")), spread(row.rates("ours")), row.unit, ratio, limit, share]


def machine() -> dict:
    """Return what the figures are measured on, and how busy it is with other things."""
    file = Path("/proc/cpuinfo")
    model = re.findall(r"^model name\s*: (.+)$", file.read_text() if file.exists() else "", re.M)
    return {
        "cpu": model[0] if model else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "date": datetime.date.today().isoformat(),
    }


def finish(about: dict, rows: list[Case], absent: dict[str, str], here: dict[str, bool], out: Path, lines: Path = LINES) -> int:
    """Print the table and the verdicts, write both to a JSON file, and return 1 if a line is missed."""
    verdicts = judge(tomllib.loads(lines.read_text(encoding="utf-8")), rows, absent, here)
    kept = [{name: value for name, value in vars(row).items() if not callable(value)} for row in rows]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": about, "rows": kept, "absent": absent, "lines": verdicts}, indent=1), encoding="utf-8")
    table = "\n".join("| " + " | ".join(line) + " |" for line in (HEADS, ["---"] * len(HEADS), *map(cells, rows)))
    print(", ".join(f"{name} {value}" for name, value in about.items() if value is not None), table, sep="\n\n", end="\n\n")
    for line in verdicts:
        bound = " ".join(f"{name.replace('_', ' ')} {line[name]:g}" for name in ("at_least", "at_most") if name in line)
        value = "–" if line["value"] is None else number(line["value"])
        if line["why"] != NOT_ASKED:
            print(f"{line['verdict']:<13} {line['figure']:<27} {value:>7}  {bound:<14}  {line['why']}")
    print(f"Figures: {out}")
    return int(any(line["verdict"] == "MISSED" for line in verdicts))
