"""Checkpoints of a training, each written under another name and then renamed: a kill at any moment leaves the last good one."""

import json
import logging
import shutil
from pathlib import Path
from pickle import UnpicklingError

from accelerate import Accelerator
from safetensors import SafetensorError

from helpers.i18n import say
from helpers.validation import require

NOTES = "notes.json"
logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)  # it would say at each save that tied weights are saved once


def save(accelerator: Accelerator, folder: str | Path, step: int, notes: dict) -> None:
    """Save model, optimiser, schedule and random states as ``folder/step-…``; every process calls it.

    This checkpoint and the one before it are kept, others deleted. Several machines need a `folder` that all of them see.

    Args:
        accelerator: Has prepared all that is to be saved.
        folder: For the checkpoints of this training.
        step: Optimiser steps done.
        notes: For JSON in the checkpoint; `load` compares the ``"plan"`` among them.

    Raises:
        OSError: It could not be written; earlier checkpoints are as they were.
    """
    folder = Path(folder)
    unfinished = folder / f".writing-{step}"
    if accelerator.is_main_process:
        for leftover in [*folder.glob(".writing-*"), *folder.glob(".discarded-*")]:  # of a training that was killed
            shutil.rmtree(leftover)
    accelerator.wait_for_everyone()
    try:
        accelerator.save_state(unfinished)
        if accelerator.is_main_process:
            (unfinished / NOTES).write_text(json.dumps({"step": step, **notes}))
    except (OSError, RuntimeError, SafetensorError) as error:  # a full disk raises one of the three, depending on who was writing
        shutil.rmtree(unfinished, ignore_errors=True)
        last = latest(folder)
        way_out = (
            say("the last good one is {latest}: free some disk and resume", latest=last)
            if last
            else say("there is none before it: free some disk and start again")
        )
        raise OSError(
            say("The checkpoint of step {step} could not be written ({error}); {way_out}.", step=step, error=error, way_out=way_out)
        ) from error
    accelerator.wait_for_everyone()  # all have written
    if accelerator.is_main_process:
        name = folder / f"step-{step:07}"
        if name.exists():
            _discard(name)  # of an earlier training in the same folder
        unfinished.rename(name)
        older = [other for other in _checkpoints(folder) if other < name]
        ahead = [other for other in _checkpoints(folder) if other > name]  # of an earlier training too
        for other in [*older[:-1], *ahead]:  # now that this one exists: a good one exists at every moment
            _discard(other)


def load(accelerator: Accelerator, folder: str | Path, plan: dict) -> dict:
    """Load a checkpoint into what the accelerator has prepared; every process calls it.

    Args:
        accelerator: Has prepared the same objects as the one that saved it.
        folder: A checkpoint, or a folder of checkpoints, of which the latest is taken.
        plan: Numbers and names that decide the outcome of this training.

    Returns:
        The notes of the checkpoint.

    Raises:
        FileNotFoundError: `folder` is no checkpoint and holds none.
        ValueError: It belongs to a training with another plan, or to a model of another shape, or is damaged.
    """
    folder = Path(folder)
    checkpoint = folder if (folder / NOTES).exists() else latest(folder)
    if checkpoint is None:
        raise FileNotFoundError(
            say(
                "{folder} is no checkpoint and holds none: name a folder step-… that a training has saved, "
                "or the folder checkpoints in which such folders lie.",
                folder=folder,
            )
        )
    notes = json.loads((checkpoint / NOTES).read_text())
    for name, value in plan.items():
        saved = notes["plan"].get(name)
        require(
            saved == value,
            "The checkpoint {checkpoint} belongs to a training with {name} = {saved}, and this one has {value}: "
            "resume with the same settings, or start anew with another output_dir.",
            checkpoint=checkpoint,
            name=name,
            saved=saved,
            value=value,
        )
    try:
        accelerator.load_state(str(checkpoint))
    except (RuntimeError, SafetensorError, EOFError, UnpicklingError) as error:
        mismatch = next((line.strip() for line in str(error).splitlines() if "mismatch" in line or "key" in line), None)
        require(
            mismatch is None,
            "The checkpoint {checkpoint} was saved from a model of another shape ({mismatch}): "
            "resume with the model that the training began with, or start anew with another output_dir.",
            checkpoint=checkpoint,
            mismatch=mismatch,
        )
        raise ValueError(
            say(
                "The checkpoint {checkpoint} is damaged ({error}): resume from the one before it, or start anew with another output_dir.",
                checkpoint=checkpoint,
                error=next(iter(str(error).splitlines()), type(error).__name__),
            )
        ) from None
    return notes


def latest(folder: str | Path) -> Path | None:
    """Return the checkpoint with the most steps in a folder, or None if it holds none."""
    return max(_checkpoints(Path(folder)), default=None)


def steps_done(folder: str | Path) -> tuple[int, int]:
    """Return the steps done at the latest checkpoint of a folder and the steps in all; ``(0, 0)`` if it holds none."""
    checkpoint = latest(folder)
    if checkpoint is None:
        return 0, 0
    notes = json.loads((checkpoint / NOTES).read_text())
    return notes["step"], notes["plan"]["steps"]


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(notes.parent for notes in folder.glob(f"step-*/{NOTES}"))


def _discard(checkpoint: Path) -> None:
    hidden = checkpoint.rename(checkpoint.with_name(f".discarded-{checkpoint.name}"))  # takes no time, while deleting does
    shutil.rmtree(hidden)
