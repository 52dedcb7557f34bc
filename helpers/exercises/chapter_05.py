"""The exercises of chapter 05: means of means, equal weights, accumulation, shares, paired differences."""

import copy
import math
from itertools import islice
from typing import NamedTuple

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader

from helpers.exercises.comparison import same, shown
from helpers.exercises.engine import Chapter, Raised, Wrong
from helpers.exercises.fixtures import tiny_model
from helpers.train.setup import forget_accelerator

chapter = Chapter()


def sums_cases(chance):
    yield ([(chance.uniform(20, 60), chance.randint(5, 12)) for _ in range(4)] + [(30.0, 30)],)
    yield ([(chance.uniform(20, 60), chance.randint(5, 12)), (0.0, 0), (40.0, 9)],)


def sums_mistakes(sums):
    weighted, mean = perplexities(sums)
    means = [loss / count for loss, count in sums if count]
    early = sum(map(math.exp, means)) / len(means)
    undefined = (weighted, mean) if len(means) == len(sums) else Raised(ZeroDivisionError())
    zero = math.exp(sum(means) / len(sums))
    return {
        "exp comes too early: take the mean of the losses first, and its exponential at the end.": (weighted, early),
        "Right while every batch has masked tokens. A batch without any has no mean: leave it out.": undefined,
        "A batch without masked tokens does not have the loss 0: leave it out of the mean.": (weighted, zero),
        "Those are losses; a perplexity is the exponential of one.": (math.log(weighted), math.log(mean)),
        "Right numbers in the wrong order: the weighted one comes first.": (mean, weighted),
    }


@chapter.exercise(cases=sums_cases, mistakes=sums_mistakes)
def perplexities(sums):
    """Weighted: all losses by all tokens, then exp. The other: each batch's mean first (leave out batches without tokens), their mean,
    then exp."""
    import math

    weighted = sum(loss for loss, _ in sums) / sum(count for _, count in sums)
    means = [loss / count for loss, count in sums if count]
    return math.exp(weighted), math.exp(sum(means) / len(means))


def weights_cases(chance):
    def model(extra=False):
        layers = {"a": torch.nn.Linear(3, 2), "b": torch.nn.Linear(3, 2), "n": torch.nn.BatchNorm1d(2)}
        return torch.nn.ModuleDict(layers | ({"c": torch.nn.Linear(3, 2)} if extra else {}))

    def like(one, extra=False):
        other = model(extra)
        other.load_state_dict(one.state_dict(), strict=False)
        return other

    one = model()
    one["a"].weight.data = torch.arange(6.0).view(2, 3)  # whole numbers: their sums are exact
    near, swapped, buffer, more = like(one), like(one), like(one), like(one, extra=True)
    with torch.no_grad():
        near["b"].weight[0, 0] *= 1 + 1e-6
        swapped["a"].weight.copy_(one["a"].weight.flip(0, 1))  # other weights, the same sum
        buffer["n"].running_mean += 1
    yield from ((one, other) for other in (model(), near, swapped, buffer, more, one, like(one)))
    yield more, one


def weights_mistakes(one, two):
    right, first, second = differing(one, two), one.state_dict(), two.state_dict()
    names, common = first.keys() | second.keys(), first.keys() & second.keys()
    close = {name for name in common if torch.allclose(first[name], second[name])}
    return {
        "torch.allclose forgives small differences. Bit for bit means torch.equal.": sorted(names - close),
        "Tensors that only the second model has are overlooked: go through the names of both.": [name for name in right if name in first],
        "Tensors that only one of the models has should be named too.": [name for name in right if name in common],
        "Those are the names that agree.": sorted(names - set(right)),
    }


@chapter.exercise(cases=weights_cases, mistakes=weights_mistakes)
def differing(one, two):
    """state_dict() of both. Names in one but not in both differ; for the others torch.equal tells."""
    one, two = one.state_dict(), two.state_dict()
    return sorted(name for name in one.keys() | two.keys() if name not in one or name not in two or not torch.equal(one[name], two[name]))


def judge_loop(answer, chance, every, rows):
    model, rate = tiny_model(), 10 ** chance.uniform(-3, -2)
    ids = torch.randint(5, 300, (3 * every * rows, 12))
    counts = torch.tensor([1, 2, 9, 8, 1, 3, 7, 2, 1, 9, 4, 3])[: len(ids)]  # masked tokens of each row
    labels = ids.masked_fill(torch.rand(ids.shape).argsort(dim=1) >= counts[:, None], -100)
    batches = DataLoader([{"input_ids": row, "labels": label} for row, label in zip(ids, labels)], rows)
    got, right = (train(loop, model, batches, every, rate) for loop in (answer, accumulating_loop))
    if not got.steps:
        raise Wrong("The weights never change: is optimizer.step() called, and has the optimizer gone through prepare?")
    if got.steps != right.steps:
        raise Wrong("The weights change after batches {got}, and should after {want}.", got=got.steps, want=right.steps)
    if far(got.gradients, right.gradients):
        mean_of_means = sum(model(**batch).loss for batch in islice(batches, every)) / every
        mean_of_means.backward()
        if not far(got.gradients[0], weights(model, gradients=True)):
            message = (
                "Each batch counts the same, however many masked tokens it has: multiply its loss by its share of the step's masked tokens."
            )
            raise Wrong(message)
        if not far(got.gradients[0], right.gradients[0]):
            raise Wrong("The first step is right, and the later ones have other gradients: are they cleared after each step?")
        message = "The gradient of a step should be that of the mean over all its masked tokens; yours has {ratio:.2f} times its length."
        raise Wrong(message, ratio=float(got.gradients[0].norm() / right.gradients[0].norm()))
    if far(got.moves, right.moves):
        message = "The gradients are right, but the weights move otherwise: take AdamW with the given learning rate, and no schedule."
        raise Wrong(message)
    if any(isinstance(loss, torch.Tensor) for loss in got.losses):
        raise Wrong("A loss is a tensor, with the graph of its step behind it; .item() makes a number of it.")
    if not same(got.losses, right.losses, tolerance=2e-3):
        message = "The losses of the steps should be {right}, and are {got}: the mean over all masked tokens of a step."
        raise Wrong(message, right=[round(loss, 3) for loss in right.losses], got=shown(got.losses))


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
        gradients.append(weights(model, gradients=True))

    hooks = model.register_forward_pre_hook(lambda *_: seen.append(1)), register_optimizer_step_pre_hook(remember)
    try:
        losses = loop(model, batches, every, learning_rate)
    finally:
        for hook in hooks:
            hook.remove()
        forget_accelerator()  # or the next one of this notebook would have the settings of the answer's
    return Training(losses, steps, torch.stack(gradients) if gradients else torch.empty(0), weights(model) - before)


def weights(model, gradients=False):
    """Return all parameters, or their gradients, as one vector, but for keys' biases, which change nothing, and have noise for gradients."""
    values = [parameter for name, parameter in model.named_parameters() if "key.bias" not in name]
    if gradients:
        values = [torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in values]
    return torch.cat([value.detach().cpu().flatten() for value in values])


def far(one, other, tolerance=5e-4):
    """Return whether vectors differ by more than the rounding of their sums, a share of their length."""
    return bool((one - other).norm() > tolerance * other.norm())


@chapter.exercise(cases=lambda chance: [(2, 2), (3, 1)], judge=judge_loop)
def accumulating_loop(model, batches, every, learning_rate):
    """A batch's loss is the mean over its masked tokens. Multiplied by their number and divided by the number in all `every` batches, it is
    that batch's part of the step's loss: call accelerator.backward on the parts, then step once."""
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


def share_cases(chance):
    rows = [chance.randint(100, 999) for _ in range(6)]
    yield from ((rows, index, processes) for processes in (1, 2, 3, 6) for index in range(processes))
    yield from ((rows[:5], 0, 2), (rows, 0, 4), (rows, 3, 4), (rows[:2], 1, 4), (rows, 4, 5))
    yield [7, 7, 7, 8], 1, 2


def share_mistakes(rows, index, processes):
    size, rest = divmod(len(rows), processes)
    own, next_one = (rows[i * size : (i + 1) * size] for i in (index, index + 1))
    if rest:
        return {"Right where it divides. Where it does not, rows would get lost: raise a ValueError.": own}
    return {
        "The shares are equal, but their rows lie apart (every so-manieth). Here a share is one consecutive piece.": rows[index::processes],
        "index counts from 0: that is the share of the process after.": next_one,
    }


@chapter.exercise(cases=share_cases, mistakes=share_mistakes)
def share_of(rows, index, processes):
    """size = len(rows) // processes, and a slice. divmod tells what is left over."""
    size, rest = divmod(len(rows), processes)
    if rest:
        raise ValueError(f"{len(rows)} rows cannot be shared by {processes} processes")
    return rows[index * size : (index + 1) * size]


def gains_cases(chance):
    accuracies = {(arm, seed): chance.uniform(0.5, 0.8) for arm in ("plain", "adapted") for seed in range(-1, 31)}
    accuracies |= {("adapted", 5): accuracies["plain", 5] + 0.1, ("adapted", 2): accuracies["plain", 2] - 0.1}  # a gain, then a loss

    def accuracy_of(arm, seed):
        return accuracies[arm, seed]

    yield accuracy_of, chance.sample(range(30), 3)
    yield accuracy_of, [chance.randint(0, 29)]
    yield accuracy_of, [5, 2, 2, 9]


def gains_mistakes(accuracy_of, seeds):
    right = gains(accuracy_of, seeds)
    unpaired = [accuracy_of("adapted", seed) - accuracy_of("plain", seed + 1) for seed in seeds]
    message = "The two of a pair have different seeds: the same seed gives both the same rows, and only then is their difference due to the start."
    return {
        "The sign: a gain is adapted minus plain.": [-gain for gain in right],
        "You return their mean. `interval` needs every difference, to see how they scatter.": sum(right) / len(right),
        "Those are points in a hundred; return shares, such as 0.03.": [100 * gain for gain in right],
        message: unpaired,
    }


@chapter.exercise(cases=gains_cases, mistakes=gains_mistakes)
def gains(accuracy_of, seeds):
    """One list comprehension over the seeds: accuracy_of('adapted', seed) - accuracy_of('plain', seed)."""
    return [accuracy_of("adapted", seed) - accuracy_of("plain", seed) for seed in seeds]
