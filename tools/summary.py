"""Hold the figures of executed chapters against their bands; print, and leave index.html and summary.json."""

import argparse
import html
import json
import sys
import tomllib
from pathlib import Path

BANDS = Path(__file__).resolve().parents[1] / "tests" / "bands.toml"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Summary of the chapters</title>
<style>body{{font:16px system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}
td,th{{padding:.35rem .6rem;border-bottom:1px solid #8886;text-align:left}}
td.n{{text-align:right;font-variant-numeric:tabular-nums}}</style>
<h1>Summary of the chapters</h1><table><tr><th>chapter<th>time<th>figure<th>value<th>band<th>verdict</tr>{rows}</table></html>"""


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


def write(rows: list[dict], out: Path) -> Path:
    """Leaves summary.json and the page, and returns where that is."""
    (out / "summary.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    table = []
    for row in rows:
        cells = [html.escape(text) for text in texts(row)]
        if (out / f"{row['chapter']}.html").exists():
            cells[0] = f'<a href="{cells[0]}.html">{cells[0]}</a>'
        table.append("<tr>" + "".join(f"<td{' class=n' if i in (1, 3) else ''}>{cell}</td>" for i, cell in enumerate(cells)) + "</tr>")
    page = out / "index.html"
    page.write_text(PAGE.format(rows="\n".join(table)), encoding="utf-8")
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
