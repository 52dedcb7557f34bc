"""Masked language modelling with Accelerate: one loop for one process or many, on CPUs or GPUs.

    accelerate launch --config_file configs/one_gpu.yaml -m helpers.train --num-train-epochs 3
    accelerate launch --config_file configs/two_cpu_processes.yaml -m helpers.train --output-dir build/two

Order, masks and dropout of a step follow from the seed and the step alone. So a training that was stopped anywhere
ends, resumed, at the weights that it would have had; and without dropout, so do two processes in place of one.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import Accelerator, skip_first_batches
from accelerate.utils import set_seed
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm

from helpers import metrics
from helpers.i18n import say
from helpers.masking import IGNORE_INDEX
from helpers.train import checkpoints
from helpers.train.data import mix_seeds
from helpers.train.setup import Run

MAX_NORM = 1.0  # of all gradients together, as in Trainer
READ_EVERY = 50  # steps whose losses are read at once: to read one, the CPU waits until the GPU has computed it


def token_losses(model, batch: dict) -> torch.Tensor:
    """Return the cross-entropy in nats at labelled tokens, and 0 elsewhere: ``(batch, sequence)``."""
    labels, positions = batch["labels"], batch["positions"]
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}  # for which the model would compute a loss of its own
    logits = model(**inputs).logits[0].float()  # (labelled, vocabulary), thanks to skip_unlabelled_logits
    losses = F.cross_entropy(logits, labels.flatten()[positions], reduction="none")
    return torch.zeros(labels.numel(), device=losses.device).index_copy(0, positions, losses).view_as(labels)


def backward(accelerator: Accelerator, model, batch: dict) -> torch.Tensor:
    """Compute the gradients of the mean loss over the labelled tokens of all processes.

    Returns:
        This process's share of that loss, a tensor on the device; the shares of all processes add up to it.
    """
    count = (batch["labels"] != IGNORE_INDEX).sum().float()
    count = accelerator.reduce(count).clamp(min=1)  # now, while no process has to wait for another's forward pass
    loss = token_losses(model, batch).sum() / count
    accelerator.backward(loss * accelerator.num_processes)  # gradients are averaged, and we want their sum
    return loss.detach()


def train_step(run: Run, batch: dict) -> torch.Tensor:
    """Take one step of the optimiser, and return this process's share of the loss before it."""
    set_seed(mix_seeds(run.plan["seed"], run.step), device_specific=True)  # dropout: another one in each process
    loss = backward(run.accelerator, run.model, batch)
    run.accelerator.clip_grad_norm_(run.model.parameters(), MAX_NORM)  # brings float16's gradients back to their scale first
    run.optimizer.step()
    run.scheduler.step()
    run.optimizer.zero_grad()
    run.step += 1
    return loss


class _Evaluation(NamedTuple):
    """Result of an evaluation that counts each row once.

    Attributes:
        loss: Mean over the labelled tokens, in nats.
        tokens: Labelled tokens.
        batch_means: Mean of the batches' means, for comparison: it gives tokens in batches with few of them more weight.
    """

    loss: float
    tokens: int
    batch_means: float


@torch.no_grad()
def evaluate(accelerator: Accelerator, model, batches: DataLoader) -> _Evaluation:
    """Evaluate on frozen masks, each process on its share of the rows; all return the same.

    Raises:
        ValueError: No token is labelled.
    """
    model.eval()
    gathered = []  # for each batch (rows, 2): loss and labelled tokens of each row
    for batch in batches:
        rows = torch.stack([token_losses(model, batch).sum(dim=1), (batch["labels"] != IGNORE_INDEX).sum(dim=1)], dim=1)
        gathered.append(accelerator.gather_for_metrics(rows))  # leaves out rows that only filled a batch up
    model.train()
    sums = [rows.cpu().double().sum(dim=0) for rows in gathered]  # not every device has float64
    total, tokens = torch.stack(sums).sum(dim=0).tolist()
    if not tokens:
        raise ValueError(say("No token of the evaluation is masked: give it more rows or a higher masking rate."))
    means = [(loss / count).item() for loss, count in sums if count]
    return _Evaluation(total / tokens, int(tokens), sum(means) / len(means))


def remaining_batches(run: Run, until: int) -> Iterator[dict]:
    """Yield the batches from the run's step to `until`, epoch after epoch, each with an order and masks of its own."""
    while run.step < until:
        epoch, done = divmod(run.step, len(run.train_batches))
        rest = skip_first_batches(run.train_batches, done)
        rest.set_epoch(epoch)  # here and not before: Accelerate 1.14 forgets it when it skips
        rest.dataset.set_epoch(epoch)
        yield from islice(rest, until - run.step)


def train(
    run: Run,
    folder: str | Path | None = None,
    save_every: int = 0,
    until: int | None = None,
    each_epoch: Callable[[], None] | None = None,
) -> None:
    """Train from the run's step to its last, or to the step `until`, and evaluate after each epoch.

    Args:
        run: As `setup.prepare` returns it.
        folder: For a checkpoint after each epoch and every `save_every` steps; none are saved without it.
        save_every: Steps.
        until: Steps.
        each_epoch: Called after each epoch.
    """
    until = run.steps if until is None else until
    quiet = {} if run.accelerator.is_main_process else {"disable": True}  # where it is not given, TQDM_DISABLE decides
    shares = []
    for batch in tqdm(remaining_batches(run, until), total=run.steps, initial=run.step, mininterval=0.5, **quiet):
        shares.append(train_step(run, batch))
        epoch_ends = run.step % len(run.train_batches) == 0 or run.step == run.steps
        if epoch_ends or run.step == until or len(shares) == READ_EVERY:
            run.losses += run.accelerator.reduce(torch.stack(shares)).tolist()
            shares.clear()
        if epoch_ends:
            record(run)
        if folder and (epoch_ends or (save_every and run.step % save_every == 0)):
            checkpoints.save(run.accelerator, folder, run.step, {"plan": run.plan, "history": run.history})
        if epoch_ends and each_epoch:
            each_epoch()


def record(run: Run) -> None:
    """Evaluate the model and add a row to the history."""
    loss, tokens, batch_means = evaluate(run.accelerator, run.model, run.eval_batches)
    row = {"step": run.step, "epoch": run.step / len(run.train_batches), "perplexity": metrics.as_perplexity(loss), "tokens": tokens}
    run.history.append(row | {"batch_means": metrics.as_perplexity(batch_means)})
    run.accelerator.print("epoch {epoch:.3g}: perplexity {perplexity:.2f} on {tokens:,} masked tokens".format(**row))


def resume(run: Run, folder: str | Path) -> None:
    """Load a checkpoint into the run: `folder` itself, or the latest in it."""
    notes = checkpoints.load(run.accelerator, folder, run.plan)
    run.step, run.history = notes["step"], notes["history"]
