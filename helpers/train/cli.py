"""The command line of `helpers.train`: read options, prepare data and model, train, save the model with its card."""

import argparse
import contextlib
import io
import os
from dataclasses import replace
from pathlib import Path

import torch
from accelerate.utils import broadcast_object_list
from transformers import AutoModelForMaskedLM, AutoTokenizer

from helpers import pretrained
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
    """Parse the command line; options that are not given are None, which leaves them to the profile."""
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
    parser.add_argument("--mixed-precision", choices=["no", "bf16", "fp16"], help="chosen by the hardware if not given")
    return parser.parse_args(arguments)


def set_up(options: argparse.Namespace) -> tuple[Run, object, Settings]:
    """Prepare settings, data and model, and return the run, the tokenizer and the settings."""
    given = {name: getattr(options, name) for name in ("profile", *SETTINGS, "push_to_hub")}
    for name in ("warmup_steps", "save_every"):
        if (value := getattr(options, name)) < 0:
            raise ValueError(f"{name} must be a whole number above 0, not {value}.")
    settings = resolve("05_accelerate_loop", **given, train_splits=options.train_splits and tuple(options.train_splits))
    check_access(settings)
    accelerator = new_accelerator(settings.seed, options.cpu, options.mixed_precision)
    settings = replace(settings, hub_model_id=settings.hub_model_id or Path(settings.output_dir).name)
    if settings.push_to_hub and accelerator.is_main_process:
        settings = replace(settings, hub_model_id=hub.create_repository(settings.hub_model_id))
    tokenizer = AutoTokenizer.from_pretrained(settings.checkpoint)
    model = AutoModelForMaskedLM.from_pretrained(settings.checkpoint, dtype=torch.float32)
    pretrained.check_masked_lm(tokenizer, model, settings.chunk_size)
    if options.no_dropout:
        set_dropout(model, 0.0)
    column, limits = settings.text_column, (settings.max_train_samples, settings.max_eval_samples)
    with accelerator.local_main_process_first():  # the others of this machine then read its results from the cache
        texts = data.read_texts(settings.dataset, column, settings.train_splits)
        rows = data.masked_rows(texts, tokenizer, settings.chunk_size, limits, column, settings.seed, options.whole_words)
    run = prepare(accelerator, model, *rows, settings, options.warmup_steps)
    if options.warmup_steps >= run.steps:
        raise ValueError(f"A warm-up of {options.warmup_steps} steps fills this training of {run.steps}: lower warmup_steps.")
    return run, tokenizer, settings


def begin_or_resume(run: Run, folder: Path, checkpoint: str | None) -> None:
    """Load a checkpoint ("" for the latest in the folder) into the run, or without one evaluate the model before step 1.

    Raises:
        FileExistsError: There is a stopped training in the folder, and no checkpoint is to be loaded.
    """
    if checkpoint is not None:
        return loop.resume(run, ROOT / Path(checkpoint).expanduser() if checkpoint else folder)
    done, steps = checkpoints.steps_done(folder)
    if done < steps:
        raise FileExistsError(
            f"{folder} holds a training that was stopped at step {done} of {steps}: "
            "add --resume to go on with it, give another --output-dir, or delete the folder."
        )
    loop.record(run)


def main(arguments: list[str] | None = None) -> Run:
    """Train as the command line says; mistakes of the user end the program with one sentence before the first step."""
    options = parse(arguments)
    main_process = os.environ.get("RANK", "0") == "0"  # of several, it alone says what is read
    try:
        with contextlib.nullcontext() if main_process else contextlib.redirect_stdout(io.StringIO()):
            run, tokenizer, settings = set_up(options)
        out = Path(settings.output_dir)
        begin_or_resume(run, out / "checkpoints", options.resume)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from None
    uploads = hub.Uploads(out / "model", settings.hub_model_id)

    def save() -> None:
        card = hub.model_card(settings.hub_model_id, run.history, run.plan)
        hub.save_model(run.accelerator, run.model, tokenizer, uploads.folder, card)
        if settings.push_to_hub and run.accelerator.is_main_process:
            uploads.start(f"Step {run.step} of {run.steps}")

    def save_so_far() -> None:
        [busy] = broadcast_object_list([uploads.busy])  # only the main process uploads, and all must save together
        if settings.push_to_hub and run.step < run.steps and not busy:
            save()

    loop.train(run, out / "checkpoints", options.save_every, each_epoch=save_so_far)
    uploads.finish()  # if it fails, the last one will bring all files
    save()
    uploads.wait()
    return run
