"""Masked language modelling with Accelerate: one loop for one process or many, on CPUs or GPUs.

    accelerate launch --config_file configs/one_gpu.yaml -m helpers.train --num-train-epochs 3
    accelerate launch --config_file configs/two_cpu_processes.yaml -m helpers.train --output-dir build/two

Order, masks and dropout of a step follow from the seed and the step alone. So a training that was stopped anywhere
ends, resumed, at the weights that it would have had; and without dropout, so do two processes in place of one.
"""

from collections.abc import Callable, Iterator
from itertools import islice
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
from helpers.train.data import mixed
from helpers.train.setup import Run

MAX_NORM = 1.0  # of all gradients together, as in Trainer


def token_losses(model, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy in nats at every masked token, zero elsewhere, and where it was asked: both ``(batch, sequence)``."""
    asked = batch["labels"] != IGNORE_INDEX
    logits = model(**batch).logits[0].float()  # (asked, vocabulary), thanks to skip_unlabelled_logits
    found = F.cross_entropy(logits, batch["labels"][asked], reduction="none")
    return torch.zeros(asked.shape, device=found.device).masked_scatter(asked, found), asked


def backward(accelerator: Accelerator, model, batch: dict) -> float:
    """Gradients of the mean loss over the masked tokens of all processes; returns that loss."""
    found, asked = token_losses(model, batch)
    total, count = accelerator.reduce(torch.stack([found.detach().sum(), asked.sum().float()]))  # sums over the processes
    count = count.clamp(min=1)
    accelerator.backward(found.sum() / count * accelerator.num_processes)  # gradients are averaged, and we want their sum
    return (total / count).item()


def train_step(run: Run, batch: dict) -> float:
    """One step of the optimiser; returns the loss before it."""
    set_seed(mixed(run.plan["seed"], run.step), device_specific=True)  # dropout: another one in each process
    loss = backward(run.accelerator, run.model, batch)
    run.accelerator.clip_grad_norm_(run.model.parameters(), MAX_NORM)
    run.optimizer.step()
    run.scheduler.step()
    run.optimizer.zero_grad()
    run.step += 1
    return loss


class Evaluation(NamedTuple):
    """Of all rows, each counted once.

    Attributes:
        loss: Mean over the masked tokens, in nats.
        tokens: Masked tokens.
        batch_means: Mean of the batches' means, for comparison: it gives batches with few masked tokens too much say.
    """

    loss: float
    tokens: int
    batch_means: float


@torch.no_grad()
def evaluate(accelerator: Accelerator, model, batches: DataLoader) -> Evaluation:
    """Evaluates on frozen masks, each process on its share; all return the same. ValueError if no token is masked."""
    model.eval()
    sums = []
    for batch in batches:
        found, asked = token_losses(model, batch)
        rows = torch.stack([found.sum(dim=1), asked.sum(dim=1)], dim=1)  # (rows, 2): loss and masked tokens of each
        sums.append(accelerator.gather_for_metrics(rows).double().sum(dim=0))  # leaves out rows that only filled a batch up
    model.train()
    total, tokens = torch.stack(sums).sum(dim=0).tolist()
    if not tokens:
        raise ValueError(say("No token of the evaluation is masked: give it more rows or a higher masking rate."))
    means = [(loss / count).item() for loss, count in sums if count]
    return Evaluation(total / tokens, int(tokens), sum(means) / len(means))


def remaining_batches(run: Run, until: int) -> Iterator[dict]:
    """The batches from where the run stands, epoch after epoch: a new order and new masks in each."""
    while run.step < until:
        epoch, done = divmod(run.step, len(run.train_batches))
        rest = skip_first_batches(run.train_batches, done)
        rest.set_epoch(epoch)  # here and not before: Accelerate 1.14 forgets it when it skips
        rest.dataset.set_epoch(epoch)
        yield from islice(rest, until - run.step)


def train(run: Run, folder=None, save_every: int = 0, until: int | None = None, each_epoch: Callable[[], None] | None = None) -> None:
    """Trains from where the run stands to its end, or to the step `until`, and evaluates after each epoch.

    Checkpoints are written into `folder`, if given, after each epoch and every `save_every` steps;
    `each_epoch` is called after each epoch.
    """
    batches = remaining_batches(run, run.steps if until is None else until)
    quiet = {} if run.accelerator.is_main_process else {"disable": True}  # TQDM_DISABLE holds where nothing is said
    for batch in tqdm(batches, total=run.steps, initial=run.step, mininterval=0.5, **quiet):
        run.losses.append(train_step(run, batch))
        epoch_ends = run.step % len(run.train_batches) == 0 or run.step == run.steps
        if epoch_ends:
            record(run)
        if folder and (epoch_ends or (save_every and run.step % save_every == 0)):
            checkpoints.save(run.accelerator, folder, run.step, {"plan": run.plan, "history": run.history})
        if epoch_ends and each_epoch:
            each_epoch()


def record(run: Run) -> None:
    """Evaluates the model as it stands and adds a row to the history."""
    loss, tokens, batch_means = evaluate(run.accelerator, run.model, run.eval_batches)
    row = {"step": run.step, "epoch": run.step / len(run.train_batches), "perplexity": metrics.as_perplexity(loss), "tokens": tokens}
    run.history.append(row | {"batch_means": metrics.as_perplexity(batch_means)})
    run.accelerator.print("epoch {epoch:.3g}: perplexity {perplexity:.2f} on {tokens:,} masked tokens".format(**row))


def resume(run: Run, folder) -> None:
    """Takes a run to where a checkpoint stands; `folder` is one, or holds some, of which the latest is taken."""
    notes = checkpoints.load(run.accelerator, folder, run.plan)
    run.step, run.history = notes["step"], notes["history"]
