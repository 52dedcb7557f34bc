"""The table as a picture, and cost against rows and against sequence length."""

from pathlib import Path

from bench.measure import Row, Spread

GREY, BLUE, ORANGE = "#999999", "#0072b2", "#d55e00"  # apart for colour-blind eyes too


def draw(rows: list[Row], folder: Path) -> None:
    """Writes ratios.png, rows.png and length.png, each where there is something to draw."""
    import matplotlib

    matplotlib.use("agg")
    ratios(rows, folder / "ratios.png")
    by_case = {row.case: row for row in rows}
    curves = {"Dataset.map": by_case.get("growth"), "streamed": by_case.get("streamed")}
    against({name: row for name, row in curves.items() if row}, "reviews", "seconds", folder / "rows.png")
    if "length" in by_case:
        against({"a training step of as many tokens": by_case["length"]}, "tokens in a row", "seconds", folder / "length.png")


def ratios(rows: list[Row], file: Path) -> None:
    """One bar a ratio, with its quartiles; the tutorials' way is the line at 1."""
    import matplotlib.pyplot as plt

    rows = [row for row in rows if row.ratio][::-1]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(9, 0.5 * len(rows) + 1), layout="constrained")
    middle = [row.ratio.median for row in rows]
    ends = [[row.ratio.median - row.ratio.low for row in rows], [row.ratio.high - row.ratio.median for row in rows]]
    bars = axes.barh([row.what.split(":")[0] for row in rows], middle, xerr=ends, color=BLUE, ecolor="black")
    axes.bar_label(bars, fmt="%.1f", padding=6)
    axes.axvline(1, color=GREY)
    axes.set(xlabel="times faster than the tutorials' way (grey line: the same)")
    axes.margins(x=0.1)
    figure.savefig(file, dpi=80)
    plt.close(figure)


def against(curves: dict[str, Row], x: str, y: str, file: Path) -> None:
    """Seconds against the number that each row's `seconds` are filed under, both on log axes."""
    import matplotlib.pyplot as plt

    if not curves:
        return
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for (name, row), color, marker in zip(curves.items(), (BLUE, ORANGE), "os"):
        points = sorted((int(number), Spread.of(seconds).median) for number, seconds in row.seconds.items())
        axes.plot(*zip(*points), marker=marker, color=color, label=f"{name}: exponent {row.figures[f'{row.case}.exponent']:.2f}")
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    figure.savefig(file, dpi=80)
    plt.close(figure)
