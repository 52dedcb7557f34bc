"""Answers to the exercises of chapter 05, written from the tasks alone, without reading the checks."""

import math
from functools import partial
from itertools import islice

import numpy as np
import torch
from accelerate import Accelerator

from helpers import metrics

# ---- Exercise 1: perplexities ---------------------------------------------------------------------------------------


def _weighted(sums):
    return metrics.as_perplexity(sum(s for s, _ in sums) / sum(n for _, n in sums))


def _means(sums):
    return [s / n for s, n in sums if n]


def perplexities__swapped_results(sums):
    means = _means(sums)
    return metrics.as_perplexity(sum(means) / len(means)), _weighted(sums)


def perplexities__mean_of_exponentials(sums):
    means = _means(sums)
    return _weighted(sums), sum(map(math.exp, means)) / len(means)


def perplexities__empty_batch_divides_by_zero(sums):
    means = [s / n for s, n in sums]
    return _weighted(sums), math.exp(sum(means) / len(means))


def perplexities__empty_batch_counts_as_zero(sums):
    return _weighted(sums), math.exp(sum(_means(sums)) / len(sums))


def perplexities__empty_batch_has_one_token(sums):
    means = [s / max(n, 1) for s, n in sums]
    return math.exp(sum(s for s, _ in sums) / sum(max(n, 1) for _, n in sums)), math.exp(sum(means) / len(means))


def perplexities__losses(sums):
    means = _means(sums)
    return math.log(_weighted(sums)), sum(means) / len(means)


def perplexities__weighted_alone(sums):
    return _weighted(sums)


def perplexities__same_twice(sums):
    return _weighted(sums), _weighted(sums)


def perplexities__list(sums):
    means = _means(sums)
    return [[_weighted(sums)], [math.exp(sum(means) / len(means))]]


def perplexities__sums_by_batches(sums):
    means = _means(sums)
    return math.exp(sum(s for s, _ in sums) / len(sums)), math.exp(sum(means) / len(means))


def perplexities__power_of_two(sums):
    means = _means(sums)
    return 2 ** (sum(s for s, _ in sums) / sum(n for _, n in sums)), 2 ** (sum(means) / len(means))


def perplexities__first_batch_alone(sums):
    return math.exp(sums[0][0] / sums[0][1]), math.exp(sums[0][0] / sums[0][1])


def perplexities__pairs_exchanged(sums):
    return perplexities__plain([(n, s) for s, n in sums])


def perplexities__forgets_the_last_batch(sums):
    return perplexities__plain(sums[:-1])


def perplexities__median(sums):
    return _weighted(sums), math.exp(float(np.median(_means(sums))))


def perplexities__returns_nothing(sums):
    perplexities__plain(sums)


def perplexities__plain(sums):
    means = _means(sums)
    return _weighted(sums), metrics.as_perplexity(sum(means) / len(means))


def perplexities__numpy(sums):
    losses, counts = np.array([list(map(float, pair)) for pair in sums]).T
    asked = counts > 0
    return float(np.exp(losses.sum() / counts.sum())), float(np.exp(np.mean(losses[asked] / counts[asked])))


def perplexities__numpy_floats(sums):
    return tuple(np.exp(x) for x in (sum(s for s, _ in sums) / sum(n for _, n in sums), np.mean(_means(sums))))


def perplexities__torch(sums):
    losses, counts = torch.tensor([[float(s), float(n)] for s, n in sums], dtype=torch.float64).unbind(dim=1)
    means = (losses / counts)[counts != 0]
    return (losses.sum() / counts.sum()).exp().item(), means.mean().exp().item()


def perplexities__running_sums(sums):
    loss = tokens = means = batches = 0
    for batch_loss, batch_tokens in sums:
        if batch_tokens == 0:
            continue
        loss, tokens = loss + batch_loss, tokens + batch_tokens
        means, batches = means + batch_loss / batch_tokens, batches + 1
    return metrics.as_perplexity(loss / tokens), metrics.as_perplexity(means / batches)


def perplexities__fsum(sums):
    means = _means(sums)
    total = math.fsum(s for s, _ in sums) / sum(n for _, n in sums)
    return metrics.as_perplexity(total), metrics.as_perplexity(math.fsum(means) / len(means))


def perplexities__np_average(sums):
    kept = [(s / n, n) for s, n in sums if n > 0]
    means, counts = zip(*kept)
    return float(np.exp(np.average(means, weights=counts))), float(np.exp(np.average(means)))


def perplexities__geometric_mean(sums):
    means = _means(sums)
    return _weighted(sums), math.prod(math.exp(mean / len(means)) for mean in means)


perplexities__lambda = lambda sums: tuple(  # noqa: E731
    map(metrics.as_perplexity, (sum(s for s, _ in sums) / sum(n for _, n in sums), sum(_means(sums)) / len(_means(sums))))
)


class Perplexities:
    """A callable object with an extra default argument."""

    def __call__(self, sums, exponential=metrics.as_perplexity):
        sums = [pair for pair in sums if pair[1]]
        return exponential(sum(s for s, _ in sums) / sum(n for _, n in sums)), exponential(sum(s / n for s, n in sums) / len(sums))


# ---- Exercise 2: differing ------------------------------------------------------------------------------------------


def _equal(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.cpu().contiguous().numpy().tobytes() == b.cpu().contiguous().numpy().tobytes()


def differing__nearly_equal(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted(n for n in a.keys() | b.keys() if n not in a or n not in b or a[n].shape != b[n].shape or not torch.allclose(a[n], b[n]))


def differing__names_of_the_first_alone(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted(n for n in a if n not in b or not torch.equal(a[n], b[n]))


def differing__names_of_the_second_alone(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted(n for n in b if n not in a or not torch.equal(a[n], b[n]))


def differing__common_names_alone(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted(n for n in a.keys() & b.keys() if not torch.equal(a[n], b[n]))


def differing__missing_ones_alone(one, two):
    return sorted(one.state_dict().keys() ^ two.state_dict().keys())


def differing__same_ones(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted(n for n in a.keys() & b.keys() if torch.equal(a[n], b[n]))


def differing__in_reverse(one, two):
    return differing__bytes(one, two)[::-1]


def differing__count(one, two):
    return len(differing__bytes(one, two))


def differing__yes_or_no(one, two):
    return bool(differing__bytes(one, two))


def differing__set(one, two):
    return set(differing__bytes(one, two))


def differing__parameters_alone(one, two):
    a, b = dict(one.named_parameters()), dict(two.named_parameters())
    return sorted(n for n in a.keys() | b.keys() if n not in a or n not in b or not torch.equal(a[n], b[n]))


def differing__sums(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted(n for n in a.keys() | b.keys() if n not in a or n not in b or a[n].sum() != b[n].sum())


def differing__shapes_alone(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted(n for n in a.keys() | b.keys() if n not in a or n not in b or a[n].shape != b[n].shape)


def differing__first_difference(one, two):
    return differing__bytes(one, two)[:1]


def differing__always_empty(one, two):
    return []


def differing__identity(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted(n for n in a.keys() | b.keys() if a.get(n) is not b.get(n))


def differing__returns_nothing(one, two):
    differing__bytes(one, two)


def differing__bytes(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted(n for n in a.keys() | b.keys() if n not in a or n not in b or not _equal(a[n], b[n]))


def differing__missing_and_unequal(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted([*(a.keys() ^ b.keys()), *(n for n in a.keys() & b.keys() if not _equal(a[n], b[n]))])


def differing__loops(one, two):
    a, b, found = one.state_dict(), two.state_dict(), []
    for name in a:
        if name not in b or not _equal(a[name], b[name]):
            found.append(name)
    found.extend(name for name in b if name not in a)
    found.sort()
    return found


def differing__numpy(one, two):
    a, b = ({n: (str(t.dtype), tuple(t.shape), t.cpu().numpy().tobytes()) for n, t in m.state_dict().items()} for m in (one, two))
    return sorted({name for name, _ in a.items() ^ b.items()})


def differing__dictionary_get(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted(n for n in {*a, *b} if a.get(n) is None or b.get(n) is None or not _equal(a[n], b[n]))


def differing__filter(one, two):
    a, b = one.state_dict(), two.state_dict()
    return sorted(filter(lambda n: not (n in a and n in b and _equal(a[n], b[n])), set(a) | set(b)))


differing__lambda = lambda one, two: differing__bytes(two, one)  # noqa: E731


class Differing:
    """A callable object."""

    def __call__(self, one, two, equal=_equal):
        a, b = one.state_dict(), two.state_dict()
        return [n for n in sorted(set(a).union(b)) if not (n in a and n in b and equal(a[n], b[n]))]


# ---- Exercise 3: accumulating_loop (the task is newer than these files' rule: its answers are by the author of the check) ----


def _accumulate(model, batches, every, learning_rate, weigh=None, zero=True, step=True, optimizer=torch.optim.AdamW, seen=float):
    accelerator = Accelerator()
    model, optimizer, batches = accelerator.prepare(model, optimizer(model.parameters(), lr=learning_rate), batches)
    model.train()
    losses, group = [], []
    for batch in batches:
        group.append(batch)
        if len(group) < every:
            continue
        counts = [(batch["labels"] != -100).sum() for batch in group]
        shares = [weigh(count, counts) if weigh else count / sum(counts) for count in counts]
        total = 0
        for batch, share in zip(group, shares):
            loss = model(**batch).loss * share
            accelerator.backward(loss)
            total = total + loss.detach()
        if step:
            optimizer.step()
        if zero:
            optimizer.zero_grad()
        losses.append(seen(total))
        group = []
    return losses


def accumulating_loop__mean_of_batches(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate, weigh=lambda count, counts: 1 / every)


def accumulating_loop__sum_of_batches(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate, weigh=lambda count, counts: 1)


def accumulating_loop__sum_of_tokens(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate, weigh=lambda count, counts: count)


def accumulating_loop__divided_once_more(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate, weigh=lambda count, counts: count / sum(counts) / every)


def accumulating_loop__share_of_the_largest(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate, weigh=lambda count, counts: count / max(counts))


def accumulating_loop__inverse_shares(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate, weigh=lambda count, counts: (1 / count) / sum(1 / c for c in counts))


def accumulating_loop__climbs(model, batches, every, learning_rate):
    return [-loss for loss in _accumulate(model, batches, every, learning_rate, weigh=lambda count, counts: -count / sum(counts))]


def accumulating_loop__every_batch_a_step(model, batches, every, learning_rate):
    return _accumulate(model, batches, 1, learning_rate)


def accumulating_loop__no_zero_grad(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate, zero=False)


def accumulating_loop__no_step(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate, step=False)


def accumulating_loop__losses_divided(model, batches, every, learning_rate):
    return [loss / every for loss in _accumulate(model, batches, every, learning_rate)]


def accumulating_loop__losses_as_tensors(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate, seen=lambda loss: loss)


def accumulating_loop__mean_loss(model, batches, every, learning_rate):
    losses = _accumulate(model, batches, every, learning_rate)
    return sum(losses) / len(losses)


def accumulating_loop__wrong_learning_rate(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, 5 * learning_rate)


def accumulating_loop__plain_descent(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate, optimizer=torch.optim.SGD)


def accumulating_loop__adam(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate, optimizer=torch.optim.Adam)


def accumulating_loop__first_step_alone(model, batches, every, learning_rate):
    return _accumulate(model, list(islice(batches, every)), every, learning_rate)


def accumulating_loop__returns_nothing(model, batches, every, learning_rate):
    _accumulate(model, batches, every, learning_rate)


def accumulating_loop__twice_as_many(model, batches, every, learning_rate):
    return _accumulate(model, batches, 2 * every, learning_rate)


def accumulating_loop__accelerators_own(model, batches, every, learning_rate):
    accelerator = Accelerator(gradient_accumulation_steps=every)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    model, optimizer, batches = accelerator.prepare(model, optimizer, batches)
    losses = []
    for batch in batches:
        with accelerator.accumulate(model):
            loss = model(**batch).loss
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
    return [sum(losses[i : i + every]) / every for i in range(0, len(losses), every)]


def accumulating_loop__plain(model, batches, every, learning_rate):
    return _accumulate(model, batches, every, learning_rate)


def accumulating_loop__item(model, batches, every, learning_rate):
    return tuple(_accumulate(model, batches, every, learning_rate, seen=lambda loss: loss.item()))


def accumulating_loop__without_accelerate(model, batches, every, learning_rate):
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate)
    rows, losses = iter(batches), []
    while group := list(islice(rows, every)):
        total = sum(int((batch["labels"] != -100).sum()) for batch in group)
        optimizer.zero_grad()
        losses.append(0.0)
        for batch in group:
            loss = (
                torch.nn.functional.cross_entropy(model(**batch).logits.flatten(0, 1), batch["labels"].flatten(), reduction="sum") / total
            )
            loss.backward()
            losses[-1] += loss.item()
        optimizer.step()
    return losses


def accumulating_loop__undoes_the_division(model, batches, every, learning_rate):
    accelerator = Accelerator(gradient_accumulation_steps=every)
    counts = [int((batch["labels"] != -100).sum()) for batch in batches]
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    model, optimizer, batches = accelerator.prepare(model, optimizer, batches)
    parts = []
    for i, batch in enumerate(batches):
        with accelerator.accumulate(model):
            total = sum(counts[i // every * every :][:every])
            loss = model(**batch).loss * counts[i] / total
            accelerator.backward(loss * every)
            optimizer.step()
            optimizer.zero_grad()
            parts.append(loss.item())
    return np.array(parts).reshape(-1, every).sum(axis=1)


def accumulating_loop__gradients_divided_at_the_end(model, batches, every, learning_rate):
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    losses, total, count = [], 0.0, 0
    for i, batch in enumerate(batches, 1):
        masked = int((batch["labels"] != -100).sum())
        loss = model(**batch).loss * masked
        loss.backward()
        total, count = total + loss.item(), count + masked
        if i % every == 0:
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.grad /= count
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
            losses.append(total / count)
            total, count = 0.0, 0
    return losses


accumulating_loop__lambda = lambda model, batches, every, learning_rate: _accumulate(model, batches, every, learning_rate)  # noqa: E731


class AccumulatingLoop:
    """A callable object with extra default arguments."""

    def __call__(self, model, batches, every, learning_rate, decay=0.01):
        return _accumulate(model, batches, every, learning_rate, optimizer=partial(torch.optim.AdamW, weight_decay=decay))


# ---- Exercise 4: share_of -------------------------------------------------------------------------------------------


def _checked(rows, processes):
    if len(rows) % processes:
        raise ValueError(f"{processes} processes cannot share {len(rows)} rows")
    return len(rows) // processes


def share_of__every_nth(rows, index, processes):
    _checked(rows, processes)
    return rows[index::processes]


def share_of__no_error(rows, index, processes):
    size = len(rows) // processes
    return rows[index * size : (index + 1) * size]


def share_of__last_takes_the_rest(rows, index, processes):
    size = len(rows) // processes
    return rows[index * size :] if index == processes - 1 else rows[index * size : (index + 1) * size]


def share_of__counts_from_one(rows, index, processes):
    size = _checked(rows, processes)
    return rows[(index - 1) * size : index * size]


def share_of__arguments_exchanged(rows, index, processes):
    return share_of__slice(rows, processes, index)


def share_of__one_row_too_many(rows, index, processes):
    size = _checked(rows, processes)
    return rows[index * size : (index + 1) * size + 1]


def share_of__one_row_too_few(rows, index, processes):
    size = _checked(rows, processes)
    return rows[index * size : (index + 1) * size - 1]


def share_of__from_behind(rows, index, processes):
    return share_of__slice(rows, processes - 1 - index, processes)


def share_of__type_error(rows, index, processes):
    if len(rows) % processes:
        raise TypeError("does not divide")
    return share_of__slice(rows, index, processes)


def share_of__error_is_returned(rows, index, processes):
    if len(rows) % processes:
        return ValueError("does not divide")
    return share_of__slice(rows, index, processes)


def share_of__none_if_it_does_not_divide(rows, index, processes):
    return None if len(rows) % processes else share_of__slice(rows, index, processes)


def share_of__all_shares(rows, index, processes):
    return [share_of__slice(rows, i, processes) for i in range(processes)]


def share_of__size_of_a_share(rows, index, processes):
    return _checked(rows, processes)


def share_of__positions(rows, index, processes):
    size = _checked(rows, processes)
    return list(range(index * size, (index + 1) * size))


def share_of__first_share_for_all(rows, index, processes):
    return rows[: _checked(rows, processes)]


def share_of__returns_nothing(rows, index, processes):
    share_of__slice(rows, index, processes)


def share_of__slice(rows, index, processes):
    size = _checked(rows, processes)
    return rows[index * size : (index + 1) * size]


def share_of__numpy(rows, index, processes):
    _checked(rows, processes)
    return [rows[i] for i in np.split(np.arange(len(rows)), processes)[index]]


def share_of__numpy_split(rows, index, processes):
    places = np.split(np.arange(len(rows)), processes)[index].tolist()  # raises ValueError itself
    return [rows[i] for i in places]


def share_of__divmod(rows, index, processes):
    size, rest = divmod(len(rows), processes)
    if rest != 0:
        raise ValueError("the rows do not divide")
    return [row for i, row in enumerate(rows) if i // max(size, 1) == index]


def share_of__islice(rows, index, processes):
    size = _checked(rows, processes)
    return list(islice(rows, index * size, (index + 1) * size))


def share_of__recursive(rows, index, processes):
    size = _checked(rows, processes)
    return rows[:size] if index == 0 else share_of__recursive(rows[size:], index - 1, processes - 1)


def share_of__pop(rows, index, processes):
    left, size = list(rows), _checked(rows, processes)
    for _ in range(index):
        del left[:size]
    return left[:size]


def share_of__bounds(rows, index, processes):
    _checked(rows, processes)
    return rows[len(rows) * index // processes : len(rows) * (index + 1) // processes]


def share_of__subclass_of_the_error(rows, index, processes):
    class Uneven(ValueError):
        pass

    if len(rows) % processes != 0:
        raise Uneven(len(rows), processes)
    return share_of__slice(rows, index, processes)


def share_of__zip(rows, index, processes):
    size = _checked(rows, processes)
    return [list(share) for share in zip(*[iter(rows)] * size)][index] if size else []


share_of__lambda = lambda rows, index, processes: [rows[index * _checked(rows, processes) + i] for i in range(_checked(rows, processes))]  # noqa: E731


class ShareOf:
    """A callable object with an extra default argument."""

    def __call__(self, rows, index, processes, message="uneven"):
        if len(rows) / processes != len(rows) // processes:
            raise ValueError(message)
        return rows[slice(index * (len(rows) // processes), (index + 1) * (len(rows) // processes))]


# ---- Exercise 5: gains ----------------------------------------------------------------------------------------------


def gains__plain_minus_adapted(accuracy_of, seeds):
    return [accuracy_of("plain", seed) - accuracy_of("adapted", seed) for seed in seeds]


def gains__mean(accuracy_of, seeds):
    found = [accuracy_of("adapted", seed) - accuracy_of("plain", seed) for seed in seeds]
    return sum(found) / len(found)


def gains__points(accuracy_of, seeds):
    return [100 * (accuracy_of("adapted", seed) - accuracy_of("plain", seed)) for seed in seeds]


def gains__ratio(accuracy_of, seeds):
    return [accuracy_of("adapted", seed) / max(accuracy_of("plain", seed), 1e-9) for seed in seeds]


def gains__size_of_the_difference(accuracy_of, seeds):
    return [abs(accuracy_of("adapted", seed) - accuracy_of("plain", seed)) for seed in seeds]


def gains__positions_for_seeds(accuracy_of, seeds):
    return [accuracy_of("adapted", seed) - accuracy_of("plain", seed) for seed in range(len(list(seeds)))]


def gains__plain_trained_once(accuracy_of, seeds):
    seeds = list(seeds)
    plain = accuracy_of("plain", seeds[0])
    return [accuracy_of("adapted", seed) - plain for seed in seeds]


def gains__another_seed_for_plain(accuracy_of, seeds):
    return [accuracy_of("adapted", seed) - accuracy_of("plain", seed + 1) for seed in seeds]


def gains__forgets_the_last(accuracy_of, seeds):
    return [accuracy_of("adapted", seed) - accuracy_of("plain", seed) for seed in list(seeds)[:-1]]


def gains__minus_the_mean_of_plain(accuracy_of, seeds):
    plain = [accuracy_of("plain", seed) for seed in seeds]
    return [accuracy_of("adapted", seed) - sum(plain) / len(plain) for seed in seeds]


def gains__arguments_exchanged(accuracy_of, seeds):
    return [accuracy_of(seed, "adapted") - accuracy_of(seed, "plain") for seed in seeds]


def gains__pairs(accuracy_of, seeds):
    return [(accuracy_of("plain", seed), accuracy_of("adapted", seed)) for seed in seeds]


def gains__dictionary(accuracy_of, seeds):
    return {seed: accuracy_of("adapted", seed) - accuracy_of("plain", seed) for seed in seeds}


def gains__sorted(accuracy_of, seeds):
    return sorted(accuracy_of("adapted", seed) - accuracy_of("plain", seed) for seed in seeds)


def gains__losses_left_out(accuracy_of, seeds):
    return [max(0, accuracy_of("adapted", seed) - accuracy_of("plain", seed)) for seed in seeds]


def gains__returns_nothing(accuracy_of, seeds):
    for seed in seeds:
        accuracy_of("adapted", seed) - accuracy_of("plain", seed)


def gains__comprehension(accuracy_of, seeds):
    return [accuracy_of("adapted", seed) - accuracy_of("plain", seed) for seed in seeds]


def gains__plain_first(accuracy_of, seeds):
    found = []
    for seed in seeds:
        plain = accuracy_of("plain", seed)
        found.append(accuracy_of("adapted", seed) - plain)
    return found


def gains__arm_after_arm(accuracy_of, seeds):
    seeds = list(seeds)
    plain, adapted = ([accuracy_of(arm, seed) for seed in seeds] for arm in ("plain", "adapted"))
    return [a - p for p, a in zip(plain, adapted)]


def gains__numpy(accuracy_of, seeds):
    table = np.array([[accuracy_of(arm, seed) for arm in ("plain", "adapted")] for seed in seeds])
    return np.diff(table, axis=1)[:, 0].tolist() if len(table) else []


def gains__numpy_floats(accuracy_of, seeds):
    return [np.subtract(accuracy_of("adapted", seed), accuracy_of("plain", seed)) for seed in seeds]


def gains__map(accuracy_of, seeds):
    return list(map(lambda seed: -accuracy_of("plain", seed) + accuracy_of("adapted", seed), seeds))


def gains__generator(accuracy_of, seeds):
    def differences():
        for seed in seeds:
            pair = {arm: accuracy_of(arm, seed) for arm in ("plain", "adapted")}
            yield pair["adapted"] - pair["plain"]

    return [*differences()]


def gains__recursive(accuracy_of, seeds):
    first, *rest = [*seeds] or [None]
    if first is None:
        return []
    return [accuracy_of("adapted", first) - accuracy_of("plain", first), *gains__recursive(accuracy_of, rest)]


def gains__partial(accuracy_of, seeds):
    plain, adapted = partial(accuracy_of, "plain"), partial(accuracy_of, "adapted")
    return [adapted(seed) - plain(seed) for seed in seeds]


def gains__signs(accuracy_of, seeds):
    return [sum(sign * accuracy_of(arm, seed) for arm, sign in (("adapted", 1), ("plain", -1))) for seed in seeds]


gains__lambda = lambda accuracy_of, seeds: [accuracy_of("adapted", s) - accuracy_of("plain", s) for s in seeds]  # noqa: E731


class Gains:
    """A callable object with an extra default argument."""

    def __call__(self, accuracy_of, seeds, arms=("plain", "adapted")):
        return [accuracy_of(arms[1], seed) - accuracy_of(arms[0], seed) for seed in seeds]


_RIGHT = {
    "perplexities": "plain numpy numpy_floats torch running_sums fsum np_average geometric_mean lambda",
    "differing": "bytes missing_and_unequal loops numpy dictionary_get filter lambda",
    "accumulating_loop": "plain item without_accelerate undoes_the_division gradients_divided_at_the_end lambda",
    "share_of": "slice numpy numpy_split divmod islice recursive pop bounds subclass_of_the_error zip lambda",
    "gains": "comprehension plain_first arm_after_arm numpy numpy_floats map generator recursive partial signs lambda",
}
_OBJECTS = {
    "perplexities": Perplexities(),
    "differing": Differing(),
    "accumulating_loop": AccumulatingLoop(),
    "share_of": ShareOf(),
    "gains": Gains(),
}
_ANSWERS = {name: {key.split("__")[1]: value for key, value in list(globals().items()) if key.startswith(f"{name}__")} for name in _RIGHT}
RIGHT = {name: [*(_ANSWERS[name][word] for word in words.split()), _OBJECTS[name]] for name, words in _RIGHT.items()}
WRONG = {name: [value for word, value in _ANSWERS[name].items() if word not in words.split()] for name, words in _RIGHT.items()}
