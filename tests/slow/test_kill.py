"""A training that is killed again and again ends at the weights of one that was left in peace, bit for bit.

Each life of the training is the command of `helpers.train`, in a process forked from a server that has imported the
libraries: a life then costs tenths of a second, where a new Python would spend most of its time on imports. The
server has computed nothing when it forks, so no thread or lock of PyTorch is torn in two.
"""

import json
import multiprocessing
import random
import signal
import time
from pathlib import Path

import pytest

from common import forty_reviews, tiny_checkpoint

KILLS, SAVE_EVERY, EPOCHS = 20, 3, 20


@pytest.fixture(scope="module")
def processes():
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("there is no fork on this system")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["helpers.train.cli", "datasets", "transformers.models.bert.modeling_bert"])
    return context


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    """A tiny model and forty reviews: 24 steps an epoch."""
    folder = tmp_path_factory.mktemp("materials")
    model, texts = tiny_checkpoint(folder / "model"), forty_reviews(folder / "texts")
    given = dict(checkpoint=model, dataset=texts, chunk_size=32, batch_size=4, num_train_epochs=EPOCHS)
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return [*words, "--mixed-precision", "no", "--cpu", "--save-every", str(SAVE_EVERY)]


def live(arguments: list[str], diary: Path) -> None:
    """One life: trains as the command line says; each step that is done leaves a line, which outlives a kill."""
    import torch

    from helpers.train import cli, loop

    torch.set_num_threads(1)
    step = loop.train_step

    def written_down(run, batch):
        loss = step(run, batch)
        with diary.open("a") as lines:
            lines.write(f"{run.step} {loss.item().hex()}\n")
        return loss

    loop.train_step = written_down
    cli.main(arguments)


def entries(diary: Path) -> list[tuple[int, str]]:
    lines = diary.read_text().splitlines() if diary.exists() else []
    return [(int(step), loss) for step, loss in map(str.split, lines)]


def saved(out: Path) -> int:
    """Steps at the latest checkpoint; 0 without one."""
    return max((json.loads(notes.read_text())["step"] for notes in out.glob("checkpoints/step-*/notes.json")), default=0)


def kill(process, diary: Path, steps: int, pause: float) -> None:
    """Kills it `pause` seconds after it has done so many steps."""
    while len(entries(diary)) < steps:
        assert process.is_alive(), "it ended of itself"
        time.sleep(0.001)
    time.sleep(pause)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "it ended of itself"


def test_killed_at_twenty_moments_it_ends_at_the_same_weights(processes, arguments, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "killed"

    def start(folder, diary, *more):
        process = processes.Process(target=live, args=([*arguments, "--output-dir", str(folder), *more], diary))
        process.start()
        return process

    undisturbed = start(whole, tmp_path / "whole.txt")
    undisturbed.join()
    assert undisturbed.exitcode == 0
    losses = dict(entries(tmp_path / "whole.txt"))
    total = len(losses)

    chance, while_saving, hidden, done = random.Random(0), 0, set(), 0
    for life in range(KILLS + 1):
        diary = tmp_path / f"{life}.txt"
        process = start(out, diary, *(["--resume"] if done else []))
        if life < KILLS:
            kill(process, diary, steps=chance.randint(1, 2 * total // (KILLS + 10)), pause=chance.uniform(0, 0.03))
        process.join()
        lived = entries(diary)
        assert lived[0][0] == done + 1, "it did not go on from the checkpoint"
        assert lived == [(step, losses[step]) for step in range(done + 1, done + 1 + len(lived))]
        last, done = lived[-1][0], saved(out)
        assert (last - 1) // SAVE_EVERY * SAVE_EVERY <= done <= last, "more is lost than the steps since the last checkpoint"
        found = set(out.glob("checkpoints/.*"))  # half written or half deleted
        while_saving, hidden = while_saving + bool(found - hidden), found
    assert process.exitcode == 0 and done == total
    assert 0 < while_saving < KILLS  # some came between the checkpoints and some in the middle of one

    for file in ("model/model.safetensors", f"checkpoints/step-{total:07}/model.safetensors", f"checkpoints/step-{total:07}/notes.json"):
        assert (out / file).read_bytes() == (whole / file).read_bytes()
    print(f"{KILLS} kills, {while_saving} of them while a checkpoint was being written")
