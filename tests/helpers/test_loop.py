"""The loop against brute force, against Trainer, against itself on two processes and after a stop.

Started as a script, this file is one of two processes: see `two`.
"""

import math
import os
import subprocess
import sys

import pytest
import torch
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, Trainer, TrainingArguments

from common import ROOT
from helpers.metrics import mean_masked_loss
from helpers.train import loop, setup
from helpers.train.setup import new_accelerator
from training import BATCH, SEED, SETTINGS, assert_same, frozen_rows, masked_chunks, new_run, tiny_bert, weights_of, without_float64

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("one_thread", "fresh_accelerator")]


def figures(tokenizer):
    """What one process and two must agree on, and what two processes alone can get wrong."""
    run = new_run(tokenizer)
    loop.backward(run.accelerator, run.model, next(loop.remaining_batches(run, 1)))
    gradients = {name: p.grad.clone() for name, p in run.accelerator.unwrap_model(run.model).named_parameters()}
    run.optimizer.zero_grad()
    before = loop.evaluate(run.accelerator, run.model, run.eval_batches)
    loop.train(run, until=20)
    after = loop.evaluate(run.accelerator, run.model, run.eval_batches)
    try:
        new_run(tokenizer, batch_size=5)
        refusal = ""
    except ValueError as error:
        refusal = str(error)
    processes = run.accelerator.num_processes
    return dict(gradients=gradients, losses=run.losses, before=before, after=after, refusal=refusal, processes=processes)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The figures of two processes."""
    out = tmp_path_factory.mktemp("two") / "figures.pt"
    configuration = ROOT / "configs" / "two_cpu_processes.yaml"
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", configuration, __file__, out]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return torch.load(out, weights_only=False)


@pytest.fixture(scope="module")
def one(tokenizer):
    return figures(tokenizer)


# -- One process and two


def test_two_processes_have_the_gradients_of_one(one, two):
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["gradients"].keys() == two["gradients"].keys()
    assert max(g.abs().max() for g in one["gradients"].values()) > 1e-2  # there is something to compare
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(two["gradients"][name], gradient, atol=1e-5, rtol=0)


def test_two_processes_have_the_losses_of_one(one, two):
    assert len(one["losses"]) == len(two["losses"]) == 20
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-4)


def test_no_row_is_counted_twice_or_dropped(one, two, tokenizer):
    masked = sum((row["labels"] != -100).sum().item() for row in frozen_rows(tokenizer))
    for when in ("before", "after"):
        assert one[when].tokens == two[when].tokens == masked
    assert math.exp(two["before"].loss) == pytest.approx(math.exp(one["before"].loss), rel=1e-6)


def test_processes_that_cannot_share_a_batch_are_told_so(one, two):
    assert one["refusal"] == ""
    assert two["refusal"] == "2 processes cannot share batches of 5 rows: take a multiple."


# -- One step and one evaluation


def test_the_step_is_that_of_the_models_own_loss(tokenizer):
    batch = next(loop.remaining_batches(run := new_run(tokenizer), 1))
    model = tiny_bert()
    expected = model(**{name: tensor for name, tensor in batch.items() if name != "positions"}).loss
    expected.backward()
    assert loop.backward(run.accelerator, run.model, batch) == pytest.approx(expected.item(), abs=1e-5)
    for mine, other in zip(run.model.parameters(), model.parameters()):
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-6, rtol=1e-4)


def without_labels(batch):
    nothing = torch.full_like(batch["labels"], -100)
    return batch | {"labels": nothing, "positions": torch.tensor([], dtype=torch.long)}


def test_a_batch_without_masks_moves_nothing(tokenizer):
    batch = next(loop.remaining_batches(run := new_run(tokenizer), 1))
    assert loop.backward(run.accelerator, run.model, without_labels(batch)) == 0.0
    assert all(p.grad is None or not p.grad.any() for p in run.model.parameters())


def test_gradients_of_float16_are_clipped_at_their_own_scale(tokenizer, monkeypatch):
    """Multiplied by 2**14, all are longer than the bound: clipped before they are divided again, they would be far too short."""

    def with_scaler(*arguments, **options):
        accelerator = new_accelerator(*arguments, **options)
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14)
        return accelerator

    plain = new_run(tokenizer)
    loop.train(plain, until=3)
    monkeypatch.setattr("training.new_accelerator", with_scaler)
    scaled = new_run(tokenizer)
    scaled.accelerator.native_amp, scaled.accelerator.state._mixed_precision = True, "fp16"  # all of it but the products in float16
    loop.train(scaled, until=3)
    assert scaled.losses == plain.losses and scaled.accelerator.scaler.get_scale() == 2.0**14
    assert_same(weights_of(scaled), weights_of(plain))


def test_training_and_evaluation_do_without_float64(tokenizer):
    run = new_run(tokenizer, tiny_bert(dropout=0.1))
    with without_float64():
        with pytest.raises(TypeError, match="no float64"):
            torch.ones(2).double()
        assert torch.ones(2).cpu().double().sum() == 2
        loop.record(run)
        loop.train(run, until=12)
        mean_masked_loss(run.model, run.eval_batches)
    assert len(run.losses) == 12 and len(run.history) == 2


def test_each_step_drops_something_else(tokenizer):
    run = new_run(tokenizer, tiny_bert(dropout=0.5), learning_rate=1e-30)  # a step changes nothing but what comes next
    batch = next(loop.remaining_batches(run, 1))
    first, second = loop.train_step(run, batch), loop.train_step(run, batch)
    run.step = 0
    assert loop.train_step(run, batch) == first != second


def test_losses_are_read_now_and_then(tokenizer, monkeypatch):
    whole = new_run(tokenizer)
    loop.train(whole)
    monkeypatch.setattr(loop, "READ_EVERY", 5)
    run = new_run(tokenizer)
    loop.train(run, until=7)
    assert run.losses == whole.losses[:7]
    loop.train(run)
    assert run.losses == whole.losses


def test_evaluation_is_brute_force_weighted_by_masked_tokens_and_repeats_bit_for_bit(tokenizer):
    run = new_run(tokenizer, tiny_bert(dropout=0.1))
    evaluation = loop.evaluate(run.accelerator, run.model, run.eval_batches)
    assert evaluation == loop.evaluate(run.accelerator, run.model, run.eval_batches)
    assert run.model.training
    rows = [{name: tensor[None] for name, tensor in row.items()} for row in frozen_rows(tokenizer)]
    dense = tiny_bert()
    assert evaluation.loss == pytest.approx(mean_masked_loss(dense, rows), abs=1e-6)
    batches = [{name: torch.cat([row[name] for row in rows[i : i + BATCH]]) for name in rows[0]} for i in range(0, 13, BATCH)]
    means = [mean_masked_loss(dense, [batch]) for batch in batches]
    assert evaluation.batch_means == pytest.approx(sum(means) / len(means), abs=1e-6)
    assert abs(evaluation.batch_means - evaluation.loss) > 1e-4  # the mistake would show


def test_nothing_masked_is_an_error(tokenizer):
    run = new_run(tokenizer)
    empty = [without_labels(batch) for batch in run.eval_batches]
    with pytest.raises(ValueError, match="No token of the evaluation is masked: give it more rows"):
        loop.evaluate(run.accelerator, run.model, empty)


# -- Against Trainer


class Recording(Trainer):
    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.seen = [*getattr(self, "seen", []), loss.item()]
        return loss


def test_the_first_20_losses_are_those_of_trainer(tokenizer, tmp_path):
    arguments = TrainingArguments(
        tmp_path, max_steps=24, per_device_train_batch_size=BATCH, learning_rate=SETTINGS.learning_rate, weight_decay=0.01, seed=SEED,
        dataloader_drop_last=True, save_strategy="no", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = Recording(tiny_bert(), arguments, train_dataset=masked_chunks(tokenizer))
    trainer.train()
    run = new_run(tokenizer)
    loop.train(run)
    assert run.losses[0] != pytest.approx(run.losses[1], abs=1e-3)  # another order would show
    assert run.losses[:20] == pytest.approx(trainer.seen[:20], abs=1e-5)


# -- Order, stopping and resuming


def test_each_epoch_has_an_order_of_its_own_and_each_row_at_most_once(tokenizer):
    run, epochs = new_run(tokenizer), []
    for batch in loop.remaining_batches(run, 24):
        run.step += 1
        ids = batch["input_ids"].where(batch["labels"] == -100, batch["labels"])
        epochs.append([tuple(row) for row in ids.tolist()])
    first, second = sum(epochs[:12], []), sum(epochs[12:], [])
    assert len(set(first)) == len(set(second)) == 48 and first != second


@pytest.mark.parametrize("workers", [0, 2])
def test_stopped_in_mid_epoch_and_resumed_it_ends_at_the_same_weights(tokenizer, tmp_path, monkeypatch, workers):
    whole = new_run(tokenizer, tiny_bert(dropout=0.1))
    loop.train(whole)
    monkeypatch.setattr(setup, "DataLoader", lambda *rows, **options: DataLoader(*rows, **options | {"num_workers": workers}))
    first = new_run(tokenizer, tiny_bert(dropout=0.1))
    loop.train(first, tmp_path, save_every=5, until=17)
    torch.manual_seed(99)  # the state of the random numbers is another one by now
    second = new_run(tokenizer, tiny_bert(dropout=0.1))
    loop.resume(second, tmp_path)
    assert second.step == 15
    loop.train(second, tmp_path, save_every=5)
    assert second.losses == whole.losses[15:]
    assert second.history == whole.history
    assert_same(weights_of(second), weights_of(whole))
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["step-0000020", "step-0000024"]


def test_half_an_epoch_is_evaluated_at_its_end(tokenizer):
    run = new_run(tokenizer, num_train_epochs=1.5)
    loop.train(run)
    assert run.step == 18 and [row["step"] for row in run.history] == [12, 18]
    assert run.scheduler.get_last_lr()[0] == 0.0


if __name__ == "__main__":
    result = figures(AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-bert"))
    if result["processes"] != 2 or int(os.environ["RANK"]) == 0:
        torch.save(result, sys.argv[1])
