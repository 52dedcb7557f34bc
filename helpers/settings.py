"""Profiles: one row of names, sizes and hyper-parameters for each chapter."""

import html
import math
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path

from helpers import validation
from helpers.i18n import say, speak, translated
from helpers.precision import default_device

LAB = validation.ROOT / "lab"
MINI_BERT, MINI_ROBERTA = (str(LAB / "checkpoints" / name) for name in ("mini-bert", "mini-roberta"))
PAIRS, REVIEWS, QUESTIONS, PASSAGES = ((str(LAB / "corpora" / name),) for name in ("paraphrases", "reviews", "questions", "passages"))
MRPC_METRIC = (str(LAB / "metrics" / "mrpc"),)
ROWS = {  # chapter: (what both profiles share, lab, hub)
    "01": (
        {},
        dict(checkpoint=MINI_BERT, dataset=PAIRS, metric=MRPC_METRIC, num_train_epochs=2, batch_size=8, learning_rate=1e-4),
        dict(
            checkpoint="google-bert/bert-base-uncased",
            dataset=("nyu-mll/glue", "mrpc"),
            metric=("glue", "mrpc"),
            num_train_epochs=3,
            batch_size=8,
            learning_rate=5e-5,
        ),
    ),
    "02": (
        dict(text_column="text", dataset=PASSAGES),
        dict(checkpoint=MINI_BERT, num_train_epochs=4, batch_size=4, learning_rate=3e-4),
        dict(checkpoint="google-bert/bert-base-uncased", num_train_epochs=4, batch_size=8, learning_rate=5e-5),
    ),
    "03": (
        dict(text_column="text", train_splits=("train", "unsupervised"), chunk_size=128),
        dict(checkpoint=MINI_BERT, dataset=REVIEWS, num_train_epochs=4, batch_size=16, learning_rate=3e-4),
        dict(
            checkpoint="distilbert/distilbert-base-uncased",
            dataset=("stanfordnlp/imdb",),
            num_train_epochs=3,
            batch_size=64,
            learning_rate=2e-5,
            max_train_samples=10_000,
            max_eval_samples=1_000,
        ),
    ),
    "04": (
        dict(text_column="answers.text", chunk_size=128),
        dict(checkpoint=MINI_ROBERTA, dataset=QUESTIONS, split="train", num_train_epochs=4, batch_size=8, learning_rate=3e-4),
        dict(
            checkpoint="distilbert/distilroberta-base",
            dataset=("dany0407/eli5_category",),
            split="train[:5000]",
            num_train_epochs=3,
            batch_size=8,
            learning_rate=2e-5,
        ),
    ),
    "05": (
        dict(text_column="text", train_splits=("train", "unsupervised"), chunk_size=128),
        dict(
            checkpoint=MINI_BERT,
            dataset=REVIEWS,
            pair_checkpoint=MINI_BERT,
            pair_dataset=PAIRS,
            num_train_epochs=3,
            batch_size=16,
            learning_rate=3e-4,
        ),
        dict(
            checkpoint="distilbert/distilbert-base-uncased",
            dataset=("stanfordnlp/imdb",),
            pair_checkpoint="google-bert/bert-base-uncased",
            pair_dataset=("nyu-mll/glue", "mrpc"),
            num_train_epochs=3,
            batch_size=64,
            learning_rate=5e-5,
            max_train_samples=10_000,
            max_eval_samples=1_000,
        ),
    ),
}
PROFILES = ("lab", "hub")


@dataclass(frozen=True, repr=False)
class Settings:
    """What a chapter runs with; `dataset`, `pair_dataset` and `metric` are the arguments of `load_dataset` and `evaluate.load`."""

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
    language: str = "en"
    push_to_hub: bool = False
    hub_model_id: str | None = None
    stands_for: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {text}" for name, text in self._rows())

    def _repr_html_(self) -> str:
        table = "".join(f"<tr><td>{name}</td><td><code>{html.escape(text)}</code></td></tr>" for name, text in self._rows())
        calls = "<br>".join(f"<code>{html.escape(call)}</code>" for call in self.stands_for)
        same = translated("In the hub profile the same cells load:", self.language)
        text = f"<table>{table}</table><p>{same}<br>{calls}</p>"
        if self.profile == "lab" and default_device().type == "cuda":
            offer = translated(
                "There is a GPU here: <code>profile = 'hub'</code> gives the published tutorials' own setting.", self.language
            )
            text += f"<p>{offer}</p>"
        return text

    def _rows(self) -> list[tuple[str, str]]:
        """What to show: names and values, folders of the repository without the path that leads to it."""
        hidden = ("stands_for", "output_dir", "language")
        rows = [(f.name, getattr(self, f.name)) for f in fields(self) if f.name not in hidden and getattr(self, f.name) not in (None, ())]
        texts = [(name, ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)) for name, value in rows]
        return [(name, text.replace(f"{validation.ROOT}{os.sep}", "")) for name, text in texts]


def resolve(chapter: str, profile: str = "lab", **parameters) -> Settings:
    """The settings of a chapter: its profile's row, overridden by every parameter that is not None. Sets the language of errors.

    Args:
        chapter: File name without its ending, such as ``"03_imdb_domain_adaptation"``.
        profile: ``"lab"`` (bundled corpora and checkpoints, no network) or ``"hub"`` (the tutorials' own).
        **parameters: As in the chapter's parameters cell. `dataset` and `checkpoint` are a Hub id or a folder;
            relative folders count from the repository root.

    Raises:
        ValueError: Unknown language, profile or parameter, or a number that makes no sense.
        FileNotFoundError: A folder that does not exist.
        OSError: Weights that are missing or damaged, or an output folder that cannot be written to.
        ConnectionError: A Hub id is asked for and the Hub does not answer, or has no such thing.
    """
    speak(parameters.get("language") or "en")
    if profile not in PROFILES:
        raise ValueError(say("Unknown profile {profile!r}: choose one of {known}.", profile=profile, known=", ".join(map(repr, PROFILES))))
    if chapter[:2] not in ROWS:
        raise ValueError(say("Unknown chapter {chapter!r}: there are settings for {known}.", chapter=chapter, known=", ".join(ROWS)))
    shared, lab, hub = ROWS[chapter[:2]]
    row = shared | (lab if profile == "lab" else hub) | {"output_dir": f"build/output/{chapter}"}
    given = {name: value for name, value in parameters.items() if value is not None}
    for name in ("checkpoint", "dataset", "text_column", "output_dir"):
        if name in given:
            given[name] = str(given[name])  # a folder named 2024 arrives as a number
    if "dataset" in given:
        given["dataset"] = (given["dataset"],)
    if isinstance(given.get("max_train_samples"), int) and row.get("max_eval_samples") is None:
        given.setdefault("max_eval_samples", max(1, given["max_train_samples"] // 10))  # a small run is small on both sides
    if config := given.pop("dataset_config", None):
        given["dataset"] = ((given.get("dataset") or row["dataset"])[0], config)
    if unknown := sorted(given.keys() - {f.name for f in fields(Settings)}):
        raise ValueError(
            say("Unknown parameter {name!r}: the parameters cell of {chapter} lists those there are.", name=unknown[0], chapter=chapter)
        )
    settings = Settings(profile=profile, stands_for=_hub_calls(shared | hub), **row | given)
    settings = replace(
        settings,
        checkpoint=validation.place(settings.checkpoint, "checkpoint"),
        dataset=(validation.place(settings.dataset[0], "dataset"), *settings.dataset[1:]),
        output_dir=str(validation.ROOT / Path(settings.output_dir).expanduser()),
    )
    _check_values(settings)
    if Path(settings.checkpoint).is_absolute():
        validation.weights(settings.checkpoint)
    models = filter(None, [settings.checkpoint, settings.pair_checkpoint])
    validation.hub({"model": [*models], "dataset": [settings.dataset[0], *settings.pair_dataset[:1]]})
    validation.writable(settings.output_dir)
    if Path(settings.dataset[0]).is_absolute():
        validation.cache_by_content(settings.dataset[0], settings.output_dir)
    return settings


WHOLE = ("batch_size", "chunk_size", "max_train_samples", "max_eval_samples")


def _check_values(settings: Settings) -> None:
    for name in (*WHOLE, "num_train_epochs", "learning_rate"):
        value = getattr(settings, name)
        kind = int if name in WHOLE else int | float
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind) or not 0 < value < math.inf):
            if kind is int:
                raise ValueError(say("{name} must be a whole number above 0, not {value!r}.", name=name, value=value))
            raise ValueError(say("{name} must be a number above 0, not {value!r}.", name=name, value=value))
    if not isinstance(settings.seed, int) or settings.seed < 0:
        raise ValueError(say("seed must be a whole number from 0, not {value!r}.", value=settings.seed))
    if not isinstance(settings.push_to_hub, bool):
        raise ValueError(say("push_to_hub must be True or False, not {value!r}.", value=settings.push_to_hub))


def _hub_calls(row: dict) -> tuple[str, ...]:
    def quoted(names):
        return ", ".join(f'"{name}"' for name in names).replace(f"{validation.ROOT}{os.sep}", "")

    split = f', split="{row["split"]}"' if "split" in row else ""
    calls = [f"AutoTokenizer.from_pretrained({quoted([row['checkpoint']])})", f"load_dataset({quoted(row['dataset'])}{split})"]
    if "pair_dataset" in row:
        calls += [f"AutoTokenizer.from_pretrained({quoted([row['pair_checkpoint']])})", f"load_dataset({quoted(row['pair_dataset'])})"]
    return (*calls, f"evaluate.load({quoted(row['metric'])})") if "metric" in row else tuple(calls)
