"""Run chapters with ten seeds and write the bands of their figures: mean ± 5 standard deviations.

    python tools/bands.py 03 --seeds 10 --write

Without --write it only tells which figures fall outside the bands that stand. `--profile hub` measures that profile, for which
published figures stand in until then; it wants a GPU.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BANDS = ROOT / "tests" / "bands.toml"

UNTRAINED = {  # figure that training moves: what it is without, from the other figures of the same run
    "accuracy": lambda run: run["majority_accuracy"],
    "f1": lambda run: 2 * run["majority_accuracy"] / (1 + run["majority_accuracy"]),  # all called equivalent: the recall is 1
    "loss": lambda run: math.log(2),  # two classes, half of the probability each
    "loop_accuracy": lambda run: run["majority_accuracy"],
    "loop_f1": lambda run: 2 * run["majority_accuracy"] / (1 + run["majority_accuracy"]),
    "loss_train_after": lambda run: run["loss_train_before"],
    "loss_train_after_trainer": lambda run: run["loss_train_before"],
    "perplexity_after": lambda run: run["perplexity_before"],
    "perplexity_ratio": lambda run: 1.0,
}


def figures(chapter: Path, profile: str, seeds: int, out: Path) -> dict[str, list[float]]:
    """Every recorded figure of a chapter, one value a seed."""
    measured: dict[str, list[float]] = {}
    for seed in range(seeds):
        folder = out.resolve() / f"seed-{seed}"
        words = ["--out", str(folder), "--profile", profile, "-p", "seed", str(seed)]
        subprocess.run([sys.executable, "tools/run.py", str(chapter), *words], cwd=ROOT, check=True)
        for name, value in json.loads((folder / f"{chapter.stem}.json").read_text())["figures"].items():
            measured.setdefault(name, []).append(value)
    return measured


def band(values: list[float], untrained: float | None = None) -> list[float]:
    """Mean ± 5 standard deviations to four digits, never below 0, and without the figure of an untrained model.

    At least ± 2%: an untrained model's figure is the same for every seed, but not on every processor. Where the seeds scatter so
    widely that the untrained figure lies inside, the band ends a thousandth before it: a run that is no better has not
    learned, and a check that lets it pass checks nothing.
    """
    mean = statistics.mean(values)
    width = max(5 * statistics.stdev(values), 0.02 * mean)
    low, high = max(0.0, mean - width), mean + width
    if untrained is not None and mean > untrained:
        low = max(low, 1.001 * untrained)
    elif untrained is not None:
        high = min(high, 0.999 * untrained)
    return [float(f"{low:.4g}"), float(f"{high:.4g}")]


def rewritten(text: str, section: str, bands: dict[str, list[float]]) -> str:
    """The file of bands with one section anew; all other paragraphs, comments among them, stay as they are."""
    lines = [f"[{section}]", *(f"{name} = [{low}, {high}]" for name, (low, high) in bands.items())]
    paragraphs = text.strip().split("\n\n")
    at = next((i for i, paragraph in enumerate(paragraphs) if paragraph.startswith(lines[0])), len(paragraphs))
    return "\n\n".join([*paragraphs[:at], "\n".join(lines), *paragraphs[at + 1 :]]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", default=[], help="numbers such as 03; all by default")
    parser.add_argument("--profile", default="lab")
    parser.add_argument("--seeds", type=int, default=10, help="at least two")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bands")
    parser.add_argument("--write", action="store_true", help="replace the bands instead of judging by them")
    args = parser.parse_args()
    bands = tomllib.loads(BANDS.read_text(encoding="utf-8")).get(args.profile, {})
    outside = 0
    for chapter in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if args.chapters and chapter.stem[:2] not in args.chapters:
            continue
        measured = figures(chapter, args.profile, args.seeds, args.out)
        for name, values in measured.items():
            print(f"{chapter.stem} {name}: {statistics.mean(values):.4g} ± {statistics.stdev(values):.2g}, {[round(v, 3) for v in values]}")
            if not args.write:
                low, high = bands.get(chapter.stem, {}).get(name, (math.inf, -math.inf))
                beyond = [v for v in values if not low <= v <= high]
                outside += len(beyond)
                print(f"  band {low} to {high}: {'all inside' if not beyond else f'OUTSIDE: {beyond}'}")
        if args.write:
            means = {name: statistics.mean(values) for name, values in measured.items()}
            own = {name: band(values, UNTRAINED[name](means) if name in UNTRAINED else None) for name, values in measured.items()}
            BANDS.write_text(rewritten(BANDS.read_text(encoding="utf-8"), f"{args.profile}.{chapter.stem}", own), encoding="utf-8")
    return int(outside > 0)


if __name__ == "__main__":
    sys.exit(main())
