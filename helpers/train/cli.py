"""The command line of `helpers.train`: options to settings, data and model, then the loop, then the model with its card."""

import argparse
from concurrent import futures
from dataclasses import replace
from pathlib import Path

from transformers import AutoModelForMaskedLM, AutoTokenizer

from helpers import validation
from helpers.access import check_access
from helpers.paths import ROOT
from helpers.settings import Settings, resolve
from helpers.train import checkpoints, data, hub, loop
from helpers.train.setup import Run, new_accelerator, prepare, set_dropout

SETTINGS = {  # parameters of helpers.settings.resolve, each with its type and a line of help
    "checkpoint": (str, "masked language model: Hub id or folder"),
    "dataset": (str, "texts: Hub id or folder"),
    "dataset_config": (str, "configuration of the data set, where it has several"),
    "text_column": (str, "column with the texts"),
    "chunk_size": (int, "tokens in a chunk"),
    "seed": (int, "decides order, masks and dropout"),
    "num_train_epochs": (float, "passes over the training chunks"),
    "batch_size": (int, "chunks in a step, over all processes together"),
    "learning_rate": (float, "peak learning rate"),
    "weight_decay": (float, "of AdamW"),
    "max_train_samples": (int, "chunks to train on"),
    "max_eval_samples": (int, "chunks to evaluate on"),
    "output_dir": (str, "for checkpoints/ and model/; relative paths count from the repository root"),
    "hub_model_id": (str, "repository to push to; the name of output_dir if not given"),
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; what is not given is None and left to the profile."""
    parser = argparse.ArgumentParser("accelerate launch -m helpers.train", description=loop.__doc__.splitlines()[0], allow_abbrev=False)
    for name, (kind, text) in SETTINGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=text)
    parser.add_argument("--profile", default="lab", help="lab (bundled model and reviews) or hub (DistilBERT and IMDb)")
    parser.add_argument("--train-splits", nargs="+", help="splits to take texts from")
    parser.add_argument("--push-to-hub", action="store_true", help="upload the model after each epoch")
    parser.add_argument("--whole-words", action="store_true", help="mask whole words instead of tokens")
    parser.add_argument("--no-dropout", action="store_true", help="train without dropout, for comparisons")
    parser.add_argument("--warmup-steps", type=int, default=0, help="steps in which the learning rate rises")
    parser.add_argument("--save-every", type=int, default=0, metavar="STEPS", help="steps between checkpoints, beside one an epoch")
    parser.add_argument("--resume", nargs="?", const="", metavar="CHECKPOINT", help="go on from a checkpoint; the latest if none is named")
    parser.add_argument("--cpu", action="store_true", default=None, help="stay on the CPU where there is a GPU")
    parser.add_argument("--mixed-precision", choices=["no", "bf16"], help="chosen by the hardware if not given")
    return parser.parse_args(arguments)


def set_up(options: argparse.Namespace) -> tuple[Run, object, Settings]:
    """Everything up to the first step: settings, data, model; returns the run, the tokenizer and the settings."""
    given = {name: getattr(options, name) for name in ("profile", *SETTINGS, "push_to_hub")}
    settings = resolve("05_accelerate_loop", **given, train_splits=options.train_splits and tuple(options.train_splits))
    check_access(settings)
    accelerator = new_accelerator(settings.seed, options.cpu, options.mixed_precision)
    if settings.push_to_hub and accelerator.is_main_process:
        settings = replace(settings, hub_model_id=hub.repository(settings.hub_model_id or Path(settings.output_dir).name))
    tokenizer = AutoTokenizer.from_pretrained(settings.checkpoint)
    model = AutoModelForMaskedLM.from_pretrained(settings.checkpoint)
    validation.masked_lm(tokenizer, model, settings.chunk_size)
    if options.no_dropout:
        set_dropout(model, 0.0)
    with accelerator.main_process_first():  # the others then find its work in the cache
        train_rows, eval_rows = data.masked_rows(tokenizer, settings, options.whole_words)
    return prepare(accelerator, model, train_rows, eval_rows, settings, options.warmup_steps), tokenizer, settings


def begin(run: Run, folder: Path, checkpoint: str | None) -> None:
    """Takes the run to the step of a checkpoint ("" for the latest in the folder), or evaluates it as it is before step 1.

    Raises FileExistsError if the folder holds a training that was stopped, and nobody asked to go on with it.
    """
    if checkpoint is not None:
        return loop.resume(run, ROOT / Path(checkpoint).expanduser() if checkpoint else folder)
    done, steps = checkpoints.progress(folder)
    if done < steps:
        raise FileExistsError(
            f"{folder} holds a training that was stopped at step {done} of {steps}: "
            "add --resume to go on with it, give another --output-dir, or delete the folder."
        )
    loop.record(run)


def share(run: Run, tokenizer, settings: Settings, uploads: list) -> None:
    """Saves the model as it stands and, if wanted, starts to push it; an upload still under way is left in peace."""
    folder, name = Path(settings.output_dir) / "model", settings.hub_model_id or Path(settings.output_dir).name
    card = hub.model_card(name, run.history, run.plan)
    written = hub.save_model(run.accelerator, run.model, tokenizer, folder, card, busy=uploads[-1] if uploads else None)
    if written and settings.push_to_hub:
        uploads.append(hub.push(folder, name, f"Step {run.step} of {run.steps}"))


def main(arguments: list[str] | None = None) -> Run:
    """Trains as the command line says; what the user can mend is told in one sentence before the first step."""
    options = parse(arguments)
    try:
        run, tokenizer, settings = set_up(options)
        folder, uploads = Path(settings.output_dir) / "checkpoints", []
        begin(run, folder, options.resume)
    except (KeyError, OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from None

    def share_so_far():
        if settings.push_to_hub and run.step < run.steps:
            share(run, tokenizer, settings, uploads)

    loop.train(run, folder, options.save_every, each_epoch=share_so_far)
    futures.wait(uploads)  # one that failed is made good by the last, which brings all
    share(run, tokenizer, settings, uploads)
    hub.wait(uploads)
    return run
