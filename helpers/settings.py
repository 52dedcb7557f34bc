"""Profiles: one row of names, sizes and hyper-parameters for each chapter, and what a user puts in their place."""

import math
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from helpers.i18n import say, translated
from helpers.markup import Markup, join, tag
from helpers.paths import ROOT, locate, shorten
from helpers.precision import default_device
from helpers.validation import require

PROFILES = ("lab", "hub")
ROWS = tomllib.loads(Path(__file__).with_name("profiles.toml").read_text(encoding="utf-8"))  # chapter: rows both, lab and hub
PARAMETERS = tuple(
    "profile language checkpoint dataset dataset_config text_column seed num_train_epochs batch_size learning_rate "
    "max_train_samples max_eval_samples push_to_hub hub_model_id output_dir".split()
)  # what a notebook's parameters cell may hold
COUNTS = ("batch_size", "chunk_size", "max_train_samples", "max_eval_samples")
MAX_SEED = 2**32  # NumPy takes no larger one


@dataclass(frozen=True, repr=False)
class Settings:
    """What a chapter runs with; `dataset`, `pair_dataset` and `metric` are the arguments of `load_dataset` and `evaluate.load`."""

    chapter: str
    profile: str
    checkpoint: str
    dataset: tuple[str, ...]
    num_train_epochs: float
    batch_size: int
    learning_rate: float
    output_dir: str
    metric: tuple[str, ...] = ()
    pair_checkpoint: str | None = None
    pair_dataset: tuple[str, ...] = ()
    split: str | None = None
    text_column: str | None = None
    seed: int = 42
    weight_decay: float = 0.01
    train_splits: tuple[str, ...] = ("train",)
    chunk_size: int | None = None
    max_train_samples: int | None = None
    max_eval_samples: int | None = None
    push_to_hub: bool = False
    hub_model_id: str | None = None

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {text}" for name, text in self._rows())

    def _repr_html_(self) -> Markup:
        table = tag("table", *(tag("tr", tag("td", name), tag("td", tag("code", text))) for name, text in self._rows()))
        calls = [join(Markup("<br>"), tag("code", call)) for call in hub_calls(self.chapter)]
        parts = [table, tag("p", translated("In the hub profile the same cells load:"), *calls)]
        if self.profile == "lab" and default_device().type == "cuda":
            parts.append(tag("p", translated("There is a GPU here: profile = 'hub' gives the published tutorials' own setting.")))
        return join(*parts)

    def _rows(self) -> list[tuple[str, str]]:
        """Names and values to show."""
        rows = [(f.name, getattr(self, f.name)) for f in fields(self) if f.name not in ("chapter", "output_dir")]
        texts = [(name, ", ".join(value) if isinstance(value, tuple) else str(value)) for name, value in rows if value not in (None, ())]
        return [(name, shorten(text)) for name, text in texts]


def resolve(chapter: str, profile: str = "lab", **parameters: Any) -> Settings:
    """Return the settings of a chapter: its profile's row, overridden by every parameter that is not None.

    Only looks whether the folders that are named exist; `access.check_access` looks at what is in them.

    Args:
        chapter: File name without its ending, such as ``"03_imdb_domain_adaptation"``.
        profile: ``"lab"`` (bundled corpora and checkpoints, no network) or ``"hub"`` (the tutorials' own).
        **parameters: As in the chapter's parameters cell, or a field of `Settings`. `dataset` and `checkpoint` are a Hub id
            or a folder; relative folders count from the repository root.

    Raises:
        ValueError: Unknown profile or parameter, or a value that makes no sense.
        FileNotFoundError: A folder that does not exist.
    """
    known = ", ".join(map(repr, PROFILES))
    require(profile in PROFILES, "Unknown profile {profile!r}: choose one of {known}.", profile=profile, known=known)
    known = ", ".join(ROWS)
    require(chapter[:2] in ROWS, "Unknown chapter {chapter!r}: there are settings for {known}.", chapter=chapter, known=known)
    row = _profile_row(chapter, profile) | {"output_dir": f"build/output/{chapter}"}
    given = {name: value for name, value in parameters.items() if value is not None and name != "language"}
    for name in ("checkpoint", "dataset", "text_column", "output_dir"):
        if name in given:
            given[name] = str(given[name])  # papermill makes a number of a folder named 2024
            require(given[name].strip(), "{name} is empty: leave it out, or give a value.", name=name)
    if "dataset" in given:
        given["dataset"] = (given["dataset"],)
    if isinstance(given.get("max_train_samples"), int) and "max_eval_samples" not in row:
        given.setdefault("max_eval_samples", max(1, given["max_train_samples"] // 10))  # a small run is small on both sides
    if "dataset" in given and "split" in row:
        row["split"] = row["split"].partition("[")[0]  # the profile's first 5,000 rows are of its own data set
    if config := given.pop("dataset_config", None):
        given["dataset"] = (given.get("dataset", row["dataset"])[0], config)
    names = {field.name for field in fields(Settings)}
    for name in given:
        require(name in names, "Unknown parameter {name!r}: the parameters cell of {chapter} lists all.", name=name, chapter=chapter)
    settings = Settings(chapter=chapter, profile=profile, **row | given)
    _check_values(settings)
    return replace(
        settings,
        checkpoint=locate(settings.checkpoint, "checkpoint"),
        dataset=(locate(settings.dataset[0], "dataset"), *settings.dataset[1:]),
        output_dir=str(ROOT / Path(settings.output_dir).expanduser()),
    )


def _profile_row(chapter: str, profile: str) -> dict:
    """Return the row of a chapter in a profile: sequences as tuples, bundled files as absolute paths."""

    def read(value):
        if isinstance(value, list):
            return tuple(map(read, value))
        return str(ROOT / value) if isinstance(value, str) and value.startswith("lab/") else value

    rows = ROWS[chapter[:2]]
    return {name: read(value) for name, value in (rows.get("both", {}) | rows[profile]).items()}


def hub_calls(chapter: str) -> list[str]:
    """Return the calls by which a chapter loads its things in the hub profile."""
    row = _profile_row(chapter, "hub")

    def call(function: str, arguments: tuple[str, ...], **options: str) -> str:
        written = [f'"{argument}"' for argument in arguments] + [f'{name}="{value}"' for name, value in options.items()]
        return shorten(f"{function}({', '.join(written)})")

    options = {"split": row["split"]} if "split" in row else {}
    calls = [call("AutoTokenizer.from_pretrained", (row["checkpoint"],)), call("load_dataset", row["dataset"], **options)]
    if "pair_dataset" in row:
        calls += [call("AutoTokenizer.from_pretrained", (row["pair_checkpoint"],)), call("load_dataset", row["pair_dataset"])]
    return [*calls, call("evaluate.load", row["metric"])] if "metric" in row else calls


def _check_values(settings: Settings) -> None:
    for name in (*COUNTS, "num_train_epochs", "learning_rate"):
        value, whole = getattr(settings, name), name in COUNTS
        fits = value is None or ((type(value) is int or (isinstance(value, float) and not whole)) and 0 < value < math.inf)
        kind = say("a whole number") if whole else say("a number")
        require(fits, "{name} must be {kind} above 0, not {value!r}.", name=name, kind=kind, value=value)
    fits = 0 <= settings.weight_decay < math.inf
    require(fits, "weight_decay must be a number of 0 or above, not {value!r}.", value=settings.weight_decay)
    fits = type(settings.seed) is int and 0 <= settings.seed < MAX_SEED  # not True or False, which are numbers too
    require(fits, "seed must be a whole number from 0 to 4294967295, not {value!r}.", value=settings.seed)
    fits = isinstance(settings.push_to_hub, bool)
    require(fits, "push_to_hub must be True or False, not {value!r}.", value=settings.push_to_hub)
