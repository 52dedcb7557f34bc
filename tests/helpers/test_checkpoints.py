"""Checkpoints of a training: what is no checkpoint, those of other trainings, a full disk, and what is deleted."""

import pytest

from helpers.train import loop
from training import new_run, tiny_bert

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("one_thread", "fresh_accelerator")]


def saved(tokenizer, folder, steps=2):
    run = new_run(tokenizer)
    loop.train(run, folder, save_every=1, until=steps)
    return run


def test_a_folder_that_is_no_checkpoint(tokenizer, tmp_path):
    run = new_run(tokenizer)
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match="is no checkpoint and holds none: name a folder step-"):
            loop.resume(run, folder)
    (tmp_path / ".writing-7").mkdir()  # a kill while writing leaves this
    with pytest.raises(FileNotFoundError):
        loop.resume(run, tmp_path)


def test_a_checkpoint_of_another_shape(tokenizer, tmp_path):
    saved(tokenizer, tmp_path)
    with pytest.raises(ValueError, match=r"from a model of another shape \(size mismatch for bert.*\): resume with the model"):
        loop.resume(new_run(tokenizer, tiny_bert(width=64)), tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.bin", "scheduler.bin"])
@pytest.mark.parametrize("left", [0, 100])
def test_a_damaged_checkpoint(name, left, tokenizer, tmp_path):
    saved(tokenizer, tmp_path)
    file = max(tmp_path.glob(f"step-*/{name}"))
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"step-.* is damaged \(.*\): resume from the one before it"):
        loop.resume(new_run(tokenizer), tmp_path)


def test_a_checkpoint_of_another_training(tokenizer, tmp_path):
    saved(tokenizer, tmp_path)
    with pytest.raises(ValueError, match="a training with batch_size = 4, and this one has 2: resume with the same settings"):
        loop.resume(new_run(tokenizer, batch_size=2), tmp_path)


def test_a_full_disk_leaves_the_last_good_checkpoint(tokenizer, tmp_path):
    resource = pytest.importorskip("resource")
    first, run = new_run(tokenizer), saved(tokenizer, tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # bytes that a file may have; the weights have ten times as many
    try:
        with pytest.raises(OSError, match="step 3 could not be written .* last good one is .*step-0000002: free some disk and resume"):
            loop.train(run, tmp_path, save_every=1, until=3)
        with pytest.raises(OSError, match=r"step 1 could not be written .*; there is none before it: free some disk and start again\."):
            loop.train(first, tmp_path / "first", save_every=1, until=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    again = new_run(tokenizer)
    loop.resume(again, tmp_path)
    assert again.step == 2


def test_a_new_training_replaces_the_checkpoints_of_an_old_one_and_sweeps_up(tokenizer, tmp_path):
    saved(tokenizer, tmp_path, steps=4)
    (tmp_path / ".writing-9").mkdir()
    (tmp_path / ".discarded-step-0000001").mkdir()
    saved(tokenizer, tmp_path, steps=3)
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["step-0000002", "step-0000003"]
