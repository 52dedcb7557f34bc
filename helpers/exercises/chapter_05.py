"""The exercises of chapter 05: means of means, equal weights, accumulation, shares, paired differences."""

import math
from types import SimpleNamespace

import torch
from torch.utils.data import DataLoader

from helpers.exercises.engine import Wrong, exercise


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
    def model(**layers):
        return torch.nn.ModuleDict({name: torch.nn.Linear(3, 2) for name in layers})

    torch.manual_seed(chance.randint(0, 10**6))
    one = model(a=1, b=1)
    near, more = model(a=1, b=1), model(a=1, b=1, c=1)
    for other in (near, more):
        other.load_state_dict(one.state_dict() | {name: tensor for name, tensor in other.state_dict().items() if name.startswith("c")})
    near["b"].weight.data[0, 0] *= 1 + 1e-6
    far = model(a=1, b=1)
    yield from ((one, far), (one, near), (one, more), (more, one), (one, one))


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


class _Tiny(torch.nn.Module):
    """A regression that a hook can watch: whatever batch it gets, its loss has a gradient."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x, labels):
        return SimpleNamespace(loss=((self.layer(x).squeeze(-1) - labels) ** 2).mean())


def judge_accumulating_loop(answer, chance):
    from helpers.train.setup import forget_accelerator

    every, groups = chance.choice([2, 3]), 3
    torch.manual_seed(chance.randint(0, 10**6))
    model, rows = _Tiny(), [{"x": torch.randn(2), "labels": torch.randn(())} for _ in range(4 * every * groups)]
    seen = []
    hook = model.register_forward_pre_hook(lambda module, args: seen.append(module.layer.weight.detach().clone()))
    try:
        losses = answer(model, DataLoader(rows, 4), every, 1e-2)
    finally:
        hook.remove()
        forget_accelerator()  # or the next one of this notebook would accumulate as well
    if not isinstance(losses, list) or len(losses) != len(seen) or not seen:
        raise Wrong("It should return a list with a loss for each of the {count} batches.", count=every * groups)
    if not all(isinstance(loss, float) for loss in losses):
        raise Wrong("The losses should be numbers: .item().")
    seen.append(model.layer.weight.detach().cpu())
    moved = [not torch.equal(old.cpu(), new.cpu()) for old, new in zip(seen, seen[1:])]
    wanted = [(i + 1) % every == 0 for i in range(every * groups)]
    if not any(moved):
        raise Wrong("The weights never change: is optimizer.step() called, and has the optimizer gone through prepare?")
    if all(moved):
        raise Wrong("The weights change after every batch, and should after every {every}: gradient_accumulation_steps, and the optimizer through prepare.",
                    every=every)  # fmt: skip
    if moved != wanted:
        raise Wrong("The weights change after batches {got}, and should after {want}.",
                    got=[i + 1 for i, x in enumerate(moved) if x], want=[i + 1 for i, x in enumerate(wanted) if x])  # fmt: skip


@exercise("Take accelerated_loop, give the Accelerator its argument, and indent the loop's body under the `with`. step() and zero_grad() of prepared "
          "objects know when to do nothing.", judge=judge_accumulating_loop)  # fmt: skip
def accumulating_loop(model, batches, every, learning_rate):
    from accelerate import Accelerator

    accelerator = Accelerator(gradient_accumulation_steps=every)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    model, optimizer, batches = accelerator.prepare(model, optimizer, batches)
    model.train()
    seen = []
    for batch in batches:
        with accelerator.accumulate(model):
            loss = model(**batch).loss
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            seen.append(loss.item())
    return seen


@accumulating_loop.mistake("The weights change after every batch")
def _never_told(model, batches, every, learning_rate):
    return accumulating_loop.solution(model, batches, 1, learning_rate)


@accumulating_loop.mistake("The weights never change")
def _no_step(model, batches, every, learning_rate):
    return [model(**batch).loss.item() for batch in batches]


@accumulating_loop.mistake("The weights change after batches")
def _too_late(model, batches, every, learning_rate):
    return accumulating_loop.solution(model, batches, every + 2, learning_rate)


@accumulating_loop.mistake("The losses should be numbers")
def _tensors(model, batches, every, learning_rate):
    return [torch.tensor(loss) for loss in accumulating_loop.solution(model, batches, every, learning_rate)]


def some_batches(chance):
    rows = [chance.randint(100, 999) for _ in range(6)]
    yield from ((rows, index, 2) for index in (0, 1))
    yield from ((rows, index, 3) for index in (0, 2))
    yield from ((rows[:5], 0, 2), (rows, 0, 4))


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
    base = {"plain": chance.uniform(0.5, 0.6), "adapted": chance.uniform(0.65, 0.8)}

    def classify(arm, seed):
        return base[arm] + 0.01 * ((seed * 7 + len(arm)) % 5)

    yield classify, chance.sample(range(20), 3)
    yield classify, [chance.randint(0, 20)]


@exercise("One list comprehension over the seeds: accuracy_of('adapted', seed) - accuracy_of('plain', seed).", cases=some_trainings)
def gains(accuracy_of, seeds):
    return [accuracy_of("adapted", seed) - accuracy_of("plain", seed) for seed in seeds]


@gains.mistake("The sign: a gain is adapted minus plain.")
def _losses_instead(classify, seeds):
    return [-gain for gain in gains.solution(classify, seeds)]


@gains.mistake("You return their mean. `interval` needs every difference, to see how they scatter.")
def _mean(classify, seeds):
    found = gains.solution(classify, seeds)
    return sum(found) / len(found)


@gains.mistake("Those are points in a hundred; shares were asked for, such as 0.03.")
def _points(classify, seeds):
    return [100 * gain for gain in gains.solution(classify, seeds)]


@gains.mistake(
    "The two of a pair have different seeds: the same seed gives both the same rows, and only then is their difference due to the start."
)
def _unpaired(classify, seeds):
    return [classify("adapted", seed) - classify("plain", seed + 1) for seed in seeds]
