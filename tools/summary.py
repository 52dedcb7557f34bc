"""Hold the figures of executed chapters against their bands; print, and leave index.html and summary.json."""

import argparse
import itertools
import json
import math
import sys
import tomllib
from pathlib import Path

from helpers.markup import Markup, join, tag

BANDS = Path(__file__).resolve().parents[1] / "tests" / "bands.toml"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>What the chapters measured</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem }
section { align-items: start; border-top: 1px solid #8886; display: grid; gap: .5rem 2rem; padding: 1rem 0 }
@media (min-width: 60rem) { section { grid-template-columns: minmax(0, 3fr) 4fr } }
h2 { font-size: 1.05rem; grid-column: 1 / -1; margin: 0 } h2 small { font-weight: normal; margin-left: .5rem; opacity: .7 }
.pictures { display: flex; flex-wrap: wrap; gap: .5rem } img { background: #fff; display: block; height: 5.5rem }
table { border-collapse: collapse; display: block; font-variant-numeric: tabular-nums; overflow-x: auto }
td { padding: .1rem .75rem .1rem 0 } td:nth-child(2) { text-align: right } td:nth-child(n + 4) { white-space: nowrap }
svg { display: block; fill: #8885; height: .9rem; width: 9rem }
svg .band { fill: #0072b255 } svg .pass { fill: #0072b2 } svg .FAIL { fill: #d55e00 } svg .shown { fill: currentColor }
.FAIL { color: light-dark(#a84300, #ff9a52); font-weight: bold }
</style>
<h1>What the chapters measured</h1>
<p>Each mark is a figure of this run; the bar is the band that <code>tests/bands.toml</code> gives it.</p>
"""


def verdict(value: float, band: list[float] | None, judged: bool) -> str:
    """Whether a figure lies in its band; runs with other parameters are shown, not judged."""
    if not judged:
        return "shown"
    if band is None:
        return "no band"
    return "pass" if band[0] <= value <= band[1] else "FAIL"


def rows_of(name: str, out: Path, bands: dict) -> list[dict]:
    """One row a figure; one row saying so for a chapter that did not finish."""
    try:
        run = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # there is none, or none that can be read
        return [{"chapter": name, "seconds": None, "figure": None, "value": None, "band": None, "verdict": "FAIL: did not finish"}]
    own = bands.get(run["profile"], {}).get(name, {})
    rows = []
    for figure, value in (run["figures"] or {"(none recorded)": None}).items():
        said = verdict(value, own.get(figure), judged=not run["parameters"]) if value is not None else "FAIL"
        rows.append(
            {"chapter": name, "seconds": run["seconds"], "figure": figure, "value": value, "band": own.get(figure), "verdict": said}
        )
    missing = [] if run["parameters"] else sorted(own.keys() - run["figures"].keys())
    rows += [
        {"chapter": name, "seconds": run["seconds"], "figure": f, "value": None, "band": own[f], "verdict": "FAIL: not recorded"}
        for f in missing
    ]
    return rows


def texts(row: dict) -> list[str]:
    """A row's cells as people read them."""
    band = "" if row["band"] is None else f"{row['band'][0]:,.4g} to {row['band'][1]:,.4g}"
    seconds = "" if row["seconds"] is None else f"{row['seconds']:.0f} s"
    value = "" if row["value"] is None else f"{row['value']:,.4g}"
    return [row["chapter"], seconds, row["figure"] or "", value, band, row["verdict"]]


def mark(row: dict) -> str:
    """Return a drawing of a figure in its band, which fills the middle half; a figure far outside stands at the edge."""
    low, high = row["band"]
    place = 100 * min(max(0.25 + (row["value"] - low) / (2 * (high - low)), 0.01), 0.99)
    bar = tag("rect", y="4", width="100", height="4") + tag("rect", **{"class": "band"}, x="25", y="2", width="50", height="8")
    dot = tag("rect", **{"class": row["verdict"]}, x=f"{place - 1:.1f}", width="2", height="12")
    return tag("svg", Markup(bar + dot), viewBox="0 0 100 12", preserveAspectRatio="none", aria_hidden="true")


def pictures(notebook: Path) -> list[str]:
    """Return the pictures of an executed notebook, none where it cannot be read; the page shows them small."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError):
        return []
    shown = [(cell, output.get("data", {}).get("image/png")) for cell in cells for output in cell.get("outputs", [])]
    address = lambda png: f"data:image/png;base64,{''.join(png).strip()}"  # noqa: E731
    return [tag("img", src=address(png), alt=cell["metadata"].get("alt", "")) for cell, png in shown if png]


def section(name: str, rows: list[dict], out: Path) -> str:
    """Return a chapter as the page shows it: name and time, pictures, and each figure as a mark in its band."""
    table, finished, notebook = [], (out / f"{name}.html").exists(), out / f"{name}.ipynb"
    for row in rows:
        _, seconds, figure, value, band, said = texts(row)
        drawn = mark(row) if row["band"] and row["value"] is not None and math.isfinite(row["value"]) else ""
        table.append(
            tag("tr", *(tag("td", text) for text in (figure, value, drawn, band)), tag("td", said, **{"class": said.split(":")[0]}))
        )
    title = tag("a", name, href=f"{name}.html") if finished else name
    shown = pictures(notebook) if finished else []
    return tag("section", tag("h2", title, tag("small", seconds)), tag("div", *shown, **{"class": "pictures"}), tag("table", *table))


def write(rows: list[dict], out: Path) -> Path:
    """Leaves summary.json and the page, and returns where that is."""
    (out / "summary.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    sections = [section(name, list(own), out) for name, own in itertools.groupby(rows, lambda row: row["chapter"])]
    page = out / "index.html"
    page.write_text(PAGE + join(*sections), encoding="utf-8")
    return page


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="+")
    parser.add_argument("--out", type=Path, default=Path("build"))
    args = parser.parse_args()
    bands = tomllib.loads(BANDS.read_text(encoding="utf-8"))
    rows = [row for name in args.chapters for row in rows_of(name, args.out, bands)]
    lines = [["chapter", "time", "figure", "value", "band", "verdict"], *(texts(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(6)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    try:
        print(f"Summary page: {write(rows, args.out)}")
    except OSError as error:
        print(f"There is no summary page ({error}): free some disk space, or name a folder that you may write to (OUT=…).")
        return 1
    return int(any(row["verdict"].startswith("FAIL") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
