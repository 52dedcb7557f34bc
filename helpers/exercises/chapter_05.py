"""The exercises of chapter 05: means of means, equal weights, accumulation, shares, paired differences."""

import copy
import math
from typing import NamedTuple

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader

from helpers.exercises.engine import Wrong, exercise, same, shown
from helpers.exercises.fixtures import tiny_model
from helpers.train.setup import forget_accelerator

TOLERANCE = 5e-4  # of a gradient's or a change's length


def some_sums(chance):
    yield ([(chance.uniform(20, 60), chance.randint(5, 12)) for _ in range(4)] + [(30.0, 30)],)
    yield ([(chance.uniform(20, 60), chance.randint(5, 12)), (0.0, 0), (40.0, 9)],)


@exercise("Weighted: all losses by all tokens, then exp. The other: each batch's mean first (leave out batches without tokens), their mean, then exp.",
          cases=some_sums)  # fmt: skip
def perplexities(sums):
    import math

    weighted = sum(loss for loss, _ in sums) / sum(count for _, count in sums)
    means = [loss / count for loss, count in sums if count]
    return math.exp(weighted), math.exp(sum(means) / len(means))


@perplexities.mistake("exp comes too early: take the mean of the losses first, and its exponential at the end.")
def _exp_first(sums):
    means = [math.exp(loss / count) for loss, count in sums if count]
    return perplexities.solution(sums)[0], sum(means) / len(means)


@perplexities.mistake("Right while every batch has masked tokens. A batch without any has no mean: leave it out.")
def _divides_by_zero(sums):
    means = [loss / count for loss, count in sums]
    return perplexities.solution(sums)[0], math.exp(sum(means) / len(means))


@perplexities.mistake("A batch without masked tokens does not have the loss 0: leave it out of the mean.")
def _zero_counts(sums):
    means = [loss / count if count else 0.0 for loss, count in sums]
    return perplexities.solution(sums)[0], math.exp(sum(means) / len(means))


@perplexities.mistake("Those are losses; a perplexity is the exponential of one.")
def _losses(sums):
    return tuple(math.log(value) for value in perplexities.solution(sums))


@perplexities.mistake("Right numbers in the wrong order: the weighted one comes first.")
def _swapped(sums):
    return perplexities.solution(sums)[::-1]


def some_models(chance):
    def model(extra=False):
        layers = {"a": torch.nn.Linear(3, 2), "b": torch.nn.Linear(3, 2), "n": torch.nn.BatchNorm1d(2)}
        return torch.nn.ModuleDict(layers | ({"c": torch.nn.Linear(3, 2)} if extra else {}))

    def like(one, extra=False):
        other = model(extra)
        other.load_state_dict(one.state_dict(), strict=False)
        return other

    torch.manual_seed(chance.randint(0, 10**6))
    one = model()
    one["a"].weight.data = torch.arange(6.0).view(2, 3)  # whole numbers: their sums are exact
    near, swapped, buffer, more = like(one), like(one), like(one), like(one, extra=True)
    with torch.no_grad():
        near["b"].weight[0, 0] *= 1 + 1e-6
        swapped["a"].weight.copy_(one["a"].weight.flip(0, 1))  # other weights, the same sum
        buffer["n"].running_mean += 1
    yield from ((one, other) for other in (model(), near, swapped, buffer, more, one, like(one)))
    yield more, one


@exercise("state_dict() of both. Names in one but not in both differ; for the others torch.equal tells.", cases=some_models)
def differing(one, two):
    one, two = one.state_dict(), two.state_dict()
    return sorted(name for name in one.keys() | two.keys() if name not in one or name not in two or not torch.equal(one[name], two[name]))


@differing.mistake("torch.allclose forgives small differences. Bit for bit means torch.equal.")
def _close(one, two):
    one, two = one.state_dict(), two.state_dict()
    return sorted(
        name for name in one.keys() | two.keys() if name not in one or name not in two or not torch.allclose(one[name], two[name])
    )


@differing.mistake("Tensors that only the second model has are overlooked: go through the names of both.")
def _first_names(one, two):
    return [name for name in differing.solution(one, two) if name in one.state_dict()]


@differing.mistake("Tensors that only one of the models has should be named too.")
def _common_names(one, two):
    return [name for name in differing.solution(one, two) if name in one.state_dict() and name in two.state_dict()]


@differing.mistake("Those are the names that agree.")
def _agreeing(one, two):
    return sorted((one.state_dict().keys() | two.state_dict().keys()) - set(differing.solution(one, two)))


def judge_accumulating_loop(answer, chance):
    torch.manual_seed(chance.randint(0, 10**6))
    for every, rows in ((2, 2), (3, 1)):
        model, rate = tiny_model(), 10 ** chance.uniform(-3, -2)
        ids = torch.randint(5, 300, (3 * every * rows, 12))
        counts = torch.tensor([1, 2, 9, 8, 1, 3, 7, 2, 1, 9, 4, 3])[: len(ids)]  # masked tokens of each row
        labels = ids.masked_fill(torch.rand(ids.shape).argsort(dim=1) >= counts[:, None], -100)
        batches = DataLoader([{"input_ids": row, "labels": label} for row, label in zip(ids, labels)], rows)
        got, right, unweighted = (train(loop, model, batches, every, rate) for loop in (answer, accumulating_loop.solution, _by_batch))
        if not got.steps:
            raise Wrong("The weights never change: is optimizer.step() called, and has the optimizer gone through prepare?")
        if got.steps != right.steps:
            raise Wrong("The weights change after batches {got}, and should after {want}.", got=got.steps, want=right.steps)
        if far(got.gradients, right.gradients):
            if not far(got.gradients[0], unweighted.gradients[0]):
                raise Wrong(
                    "Each batch counts the same, however many masked tokens it has: multiply its loss by its share of the step's masked tokens."
                )
            if not far(got.gradients[0], right.gradients[0]):
                raise Wrong("The first step is right, and the later ones have other gradients: are they cleared after each step?")
            raise Wrong("The gradient of a step should be that of the mean over all its masked tokens; yours has {ratio:.2f} times its length.",
                        ratio=float(got.gradients[0].norm() / right.gradients[0].norm()))  # fmt: skip
        if far(got.moves, right.moves):
            raise Wrong(
                "The gradients are right, but the weights move otherwise: take AdamW with the given learning rate, and no schedule."
            )
        if any(isinstance(loss, torch.Tensor) for loss in got.losses):
            raise Wrong("The losses should be numbers: .item().")
        if not same([float(f"{loss:.3g}") for loss in got.losses], [float(f"{loss:.3g}") for loss in right.losses]):
            raise Wrong("The losses of the steps should be {right}, and are {got}: the mean over all masked tokens of a step.",
                        right=[round(loss, 3) for loss in right.losses], got=shown(got.losses))  # fmt: skip


class Training(NamedTuple):
    """What a loop returns and does: its losses, the batches seen at each step, the gradients there, the change of the weights."""

    losses: object
    steps: list[int]
    gradients: torch.Tensor
    moves: torch.Tensor


def train(loop, model, batches, every, learning_rate):
    """Return a `Training` of a copy of the model."""
    model, before, seen, steps, gradients = copy.deepcopy(model), weights(model), [], [], []

    def remember(optimizer, *_):
        steps.append(len(seen))
        gradients.append(weights(model, lambda parameter: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad))

    hooks = model.register_forward_pre_hook(lambda *_: seen.append(1)), register_optimizer_step_pre_hook(remember)
    try:
        losses = loop(model, batches, every, learning_rate)
    finally:
        for hook in hooks:
            hook.remove()
        forget_accelerator()  # or the next one of this notebook would have the settings of the answer's
    return Training(losses, steps, torch.stack(gradients) if gradients else torch.empty(0), weights(model) - before)


def weights(model, of=lambda parameter: parameter):
    """Return all parameters, or what `of` makes of them, as one vector; keys' biases change nothing, and have noise for gradients."""
    return torch.cat(
        [of(parameter).detach().cpu().flatten() for name, parameter in model.named_parameters() if "key.bias" not in name]
    ).clone()


def far(one, other):
    """Return whether vectors differ by more than the rounding of their sums."""
    return bool((one - other).norm() > TOLERANCE * other.norm())


@exercise("A batch's loss is the mean over its masked tokens. Multiplied by their number and divided by the number in all `every` batches, it is "
          "that batch's part of the step's loss: call accelerator.backward on the parts, then step once.", judge=judge_accumulating_loop)  # fmt: skip
def accumulating_loop(model, batches, every, learning_rate):
    from accelerate import Accelerator

    accelerator = Accelerator()
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    model, optimizer, batches = accelerator.prepare(model, optimizer, batches)
    model.train()
    losses, batches = [], list(batches)
    for start in range(0, len(batches), every):
        group = batches[start : start + every]
        counts = [(batch["labels"] != -100).sum() for batch in group]
        parts = []
        for batch, count in zip(group, counts):
            part = model(**batch).loss * count / sum(counts)
            accelerator.backward(part)
            parts.append(part.item())
        optimizer.step()
        optimizer.zero_grad()
        losses.append(sum(parts))
    return losses


def _by_batch(model, batches, every, learning_rate):
    """A typical mistake: the mean of the batches' means."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    for i, batch in enumerate(batches):
        (model(**batch).loss / every).backward()
        if (i + 1) % every == 0:
            optimizer.step()
            optimizer.zero_grad()
    return []


def some_batches(chance):
    rows = [chance.randint(100, 999) for _ in range(6)]
    yield from ((rows, index, processes) for processes in (1, 2, 3, 6) for index in range(processes))
    yield from ((rows[:5], 0, 2), (rows, 0, 4), (rows, 3, 4), (rows[:2], 1, 4), (rows, 4, 5))
    yield [7, 7, 7, 8], 1, 2


@exercise("size = len(rows) // processes, and a slice. divmod tells what is left over.", cases=some_batches)
def share_of(rows, index, processes):
    size, rest = divmod(len(rows), processes)
    if rest:
        raise ValueError(f"{len(rows)} rows cannot be shared by {processes} processes")
    return rows[index * size : (index + 1) * size]


@share_of.mistake("Right where it divides. Where it does not, rows would get lost: raise a ValueError.")
def _loses_rows(rows, index, processes):
    size = len(rows) // processes
    return rows[index * size : (index + 1) * size]


@share_of.mistake("The shares are equal, but their rows lie apart (every so-manieth). Here a share is one consecutive piece.")
def _interleaved(rows, index, processes):
    share_of.solution(rows, index, processes)
    return rows[index::processes]


@share_of.mistake("index counts from 0: that is the share of the process after.")
def _from_one(rows, index, processes):
    share_of.solution(rows, index, processes)
    size = len(rows) // processes
    return rows[(index + 1) * size : (index + 2) * size]


def some_trainings(chance):
    accuracies = {(arm, seed): chance.uniform(0.5, 0.8) for arm in ("plain", "adapted") for seed in range(-1, 31)}

    def accuracy_of(arm, seed):
        return accuracies[arm, seed]

    yield accuracy_of, chance.sample(range(30), 3)
    yield accuracy_of, [chance.randint(0, 29)]
    yield accuracy_of, [5, 2, 2, 9]


@exercise("One list comprehension over the seeds: accuracy_of('adapted', seed) - accuracy_of('plain', seed).", cases=some_trainings)
def gains(accuracy_of, seeds):
    return [accuracy_of("adapted", seed) - accuracy_of("plain", seed) for seed in seeds]


@gains.mistake("The sign: a gain is adapted minus plain.")
def _losses_instead(classify, seeds):
    return [-gain for gain in gains.solution(classify, seeds)]


@gains.mistake("You return their mean. `interval` needs every difference, to see how they scatter.")
def _mean(classify, seeds):
    differences = gains.solution(classify, seeds)
    return sum(differences) / len(differences)


@gains.mistake("Those are points in a hundred; return shares, such as 0.03.")
def _points(classify, seeds):
    return [100 * gain for gain in gains.solution(classify, seeds)]


@gains.mistake(
    "The two of a pair have different seeds: the same seed gives both the same rows, and only then is their difference due to the start."
)
def _unpaired(classify, seeds):
    return [classify("adapted", seed) - classify("plain", seed + 1) for seed in seeds]
