"""Cost against rows and against sequence length, as pictures."""

from pathlib import Path

from bench.measure import Row, Spread

BLUE, ORANGE = "#0072b2", "#d55e00"  # apart for colour-blind eyes too


def draw(rows: list[Row], folder: Path) -> None:
    """Writes rows.png and length.png, each where there is something to draw."""
    import matplotlib

    matplotlib.use("agg")
    by_case = {row.case: row for row in rows}
    curves = {"Dataset.map": by_case.get("growth"), "streamed": by_case.get("streamed")}
    against({name: row for name, row in curves.items() if row}, "reviews", "seconds", folder / "rows.png")
    if "length" in by_case:
        against({"a training step of as many tokens": by_case["length"]}, "tokens in a row", "seconds", folder / "length.png")


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
