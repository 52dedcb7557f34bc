"""Checkpoints of a training: each is written beside and renamed, so that a kill at any moment leaves the last good one."""

import json
import logging
import shutil
from pathlib import Path

from accelerate import Accelerator
from safetensors import SafetensorError

from helpers.i18n import say

NOTES = "notes.json"
logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)  # says at each save that tied weights are saved once


def save(accelerator: Accelerator, folder: str | Path, step: int, notes: dict) -> None:
    """Saves model, optimiser, schedule and random states as ``folder/step-…``; every process calls it.

    This checkpoint and the one before it are kept, others deleted. Several machines need a `folder` that all of them see.

    Args:
        accelerator: Has prepared all that is to be saved.
        folder: Where the checkpoints of this training lie.
        step: Optimiser steps done.
        notes: What else to remember, as JSON; `load` compares its ``"plan"``.

    Raises:
        OSError: It could not be written; the checkpoints before it are as they were.
    """
    folder = Path(folder)
    beside = folder / f".writing-{step}"
    if accelerator.is_main_process:
        _sweep(folder)
    accelerator.wait_for_everyone()
    try:
        accelerator.save_state(beside)
        if accelerator.is_main_process:
            (beside / NOTES).write_text(json.dumps({"step": step, **notes}))
    except (OSError, RuntimeError, SafetensorError) as error:  # a full disk is one of the three, by who was writing
        shutil.rmtree(beside, ignore_errors=True)
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
        _put_in_place(beside, folder / f"step-{step:07}")


def load(accelerator: Accelerator, folder: str | Path, plan: dict) -> dict:
    """Brings back what `save` saved into what the accelerator has prepared; every process calls it.

    Args:
        accelerator: Has prepared the same things.
        folder: A checkpoint, or a folder of checkpoints, of which the latest is taken.
        plan: What decides the outcome of this training: numbers and names.

    Returns:
        The notes of the checkpoint.

    Raises:
        FileNotFoundError: There is no checkpoint.
        ValueError: It belongs to a training with another plan, or to a model of another shape.
    """
    found = find(folder)
    notes = json.loads((found / NOTES).read_text())
    for name, value in plan.items():
        if (then := notes["plan"].get(name)) != value:
            raise ValueError(
                say(
                    "The checkpoint {found} belongs to a training with {name} = {then}, and this one has {value}: "
                    "resume with the same settings, or start anew with another output_dir.",
                    found=found,
                    name=name,
                    then=then,
                    value=value,
                )
            )
    try:
        accelerator.load_state(str(found))
    except RuntimeError as error:
        mismatch = next((line.strip() for line in str(error).splitlines() if "mismatch" in line or "key" in line), str(error))
        raise ValueError(
            say(
                "The checkpoint {found} was saved from a model of another shape ({mismatch}): "
                "resume with the model that the training began with, or start anew with another output_dir.",
                found=found,
                mismatch=mismatch,
            )
        ) from None
    return notes


def find(folder: str | Path) -> Path:
    """The checkpoint that a folder is, or else the latest that lies in it.

    Raises:
        FileNotFoundError: It is none and holds none.
    """
    folder = Path(folder)
    found = folder if (folder / NOTES).exists() else latest(folder)
    if found is None:
        raise FileNotFoundError(
            say(
                "{folder} is no checkpoint and holds none: name a folder step-… that a training has saved, "
                "or the folder checkpoints in which such folders lie.",
                folder=folder,
            )
        )
    return found


def latest(folder: str | Path) -> Path | None:
    """The checkpoint with the most steps in a folder, if it holds one."""
    return max(_checkpoints(Path(folder)), default=None)


def progress(folder: str | Path) -> tuple[int, int]:
    """Steps done at the latest checkpoint of a folder and steps in all; ``(0, 0)`` if it holds none."""
    found = latest(folder)
    if found is None:
        return 0, 0
    notes = json.loads((found / NOTES).read_text())
    return notes["step"], notes["plan"]["steps"]


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(notes.parent for notes in folder.glob(f"step-*/{NOTES}"))


def _put_in_place(beside: Path, name: Path) -> None:
    """Renames, and then deletes what this makes superfluous: at no moment is there no good checkpoint."""
    if name.exists():
        _discard(name)  # of an earlier training in the same folder
    beside.rename(name)
    older = [other for other in _checkpoints(name.parent) if other < name]
    ahead = [other for other in _checkpoints(name.parent) if other > name]  # of an earlier training too
    for other in [*older[:-1], *ahead]:
        _discard(other)


def _discard(checkpoint: Path) -> None:
    hidden = checkpoint.rename(checkpoint.with_name(f".discarded-{checkpoint.name}"))  # at once, while deleting takes time
    shutil.rmtree(hidden)


def _sweep(folder: Path) -> None:
    """Deletes what a killed training left half written or half deleted."""
    for rest in [*folder.glob(".writing-*"), *folder.glob(".discarded-*")]:
        shutil.rmtree(rest)
