"""Answers to the exercises of chapter 02, written from the tasks alone, without reading the checks."""

import bisect
import copy
import functools
import itertools
import math
import random

import numpy as np
import torch
from datasets import Dataset
from torch.distributions import Categorical
from torch.nn import CrossEntropyLoss
from torch.nn import functional as F
from torch.utils.data import DataLoader
from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling

from helpers import metrics
from helpers.paths import MINI_BERT


def pick_positions(special, probability, generator=None):
    """As in the notebook: booleans, (texts, tokens); never a special token."""
    drawn = torch.rand(special.shape, generator=generator)
    return (drawn < probability) & (special == 0)


def masked_loss(logits, labels):
    """As in the notebook: mean of minus log probability over the positions whose label is not -100."""
    log_probabilities = logits.log_softmax(dim=-1)
    asked = labels != -100
    right = log_probabilities[asked].gather(1, labels[asked].unsqueeze(1))
    return -right.mean()


# ---- Exercise 1: pick_exactly ---------------------------------------------------------------------------------------


def _pick(special, count, generator=None, dtype=torch.bool):
    """Picks so many tokens in each row; `count` is a function of the tokens that are not special."""
    picked = torch.zeros(special.shape, dtype=dtype)
    for i, row in enumerate(special):
        free = (row == 0).nonzero().flatten()
        order = torch.randperm(len(free), generator=generator)
        picked[i, free[order[: count(len(free))]]] = True
    return picked


def pick_exactly__on_average(special, probability, generator=None):
    return pick_positions(special, probability, generator)


def pick_exactly__rounds_down(special, probability, generator=None):
    return _pick(special, lambda n: int(probability * n), generator)


def pick_exactly__rounds_up(special, probability, generator=None):
    return _pick(special, lambda n: math.ceil(probability * n), generator)


def pick_exactly__rounds_halves_up(special, probability, generator=None):
    return _pick(special, lambda n: math.floor(probability * n + 0.5), generator)


def pick_exactly__one_at_least(special, probability, generator=None):
    return _pick(special, lambda n: max(1, round(probability * n)), generator)


def pick_exactly__one_too_many(special, probability, generator=None):
    return _pick(special, lambda n: round(probability * n) + 1, generator)


def pick_exactly__counts_special_tokens_too(special, probability, generator=None):
    return _pick(special, lambda n: round(probability * special.shape[1]), generator)


def pick_exactly__first_row_counts_for_all(special, probability, generator=None):
    count = round(probability * int((special[0] == 0).sum()))
    return _pick(special, lambda n: count, generator)


def pick_exactly__of_the_whole_batch(special, probability, generator=None):
    free = (special == 0).flatten().nonzero().flatten()
    order = torch.randperm(len(free), generator=generator)
    picked = torch.zeros(special.numel(), dtype=torch.bool)
    picked[free[order[: round(probability * len(free))]]] = True
    return picked.view(special.shape)


def pick_exactly__the_first_ones(special, probability, generator=None):
    picked = torch.zeros(special.shape, dtype=torch.bool)
    for i, row in enumerate(special):
        free = (row == 0).nonzero().flatten()
        picked[i, free[: round(probability * len(free))]] = True
    return picked


def pick_exactly__from_the_first_half(special, probability, generator=None):
    picked = torch.zeros(special.shape, dtype=torch.bool)
    for i, row in enumerate(special):
        free = (row == 0).nonzero().flatten()
        count = round(probability * len(free))
        reach = max(count, len(free) // 2)
        picked[i, free[torch.randperm(reach, generator=generator)[:count]]] = True
    return picked


def pick_exactly__never_the_last(special, probability, generator=None):
    picked = torch.zeros(special.shape, dtype=torch.bool)
    for i, row in enumerate(special):
        free = (row == 0).nonzero().flatten()
        order = torch.randperm(max(0, len(free) - 1), generator=generator)
        picked[i, free[order[: round(probability * len(free))]]] = True
    return picked


def pick_exactly__with_replacement(special, probability, generator=None):
    picked = torch.zeros(special.shape, dtype=torch.bool)
    for i, row in enumerate(special):
        free = (row == 0).nonzero().flatten()
        if len(free):
            picked[i, free[torch.randint(len(free), (round(probability * len(free)),), generator=generator)]] = True
    return picked


def pick_exactly__one_draw_for_all_rows(special, probability, generator=None):
    scores = torch.rand(special.shape[1], generator=generator)
    picked = torch.zeros(special.shape, dtype=torch.bool)
    for i, row in enumerate(special):
        count = round(probability * int((row == 0).sum()))
        picked[i, scores.masked_fill(row != 0, 2.0).argsort()[:count]] = True
    return picked


def pick_exactly__same_state_for_every_row(special, probability, generator=None):
    generator = generator or torch.Generator()
    state = generator.get_state()
    rows = []
    for row in special:
        generator.set_state(state)
        rows.append(_pick(row[None], lambda n: round(probability * n), generator))
    return torch.cat(rows)


def pick_exactly__first_row_alone(special, probability, generator=None):
    picked = torch.zeros(special.shape, dtype=torch.bool)
    picked[:1] = _pick(special[:1], lambda n: round(probability * n), generator)
    return picked


def pick_exactly__special_tokens_too(special, probability, generator=None):
    picked = torch.zeros(special.shape, dtype=torch.bool)
    for i, row in enumerate(special):
        count = round(probability * int((row == 0).sum()))
        picked[i, torch.randperm(len(row), generator=generator)[:count]] = True
    return picked


def pick_exactly__draws_then_drops_the_special_ones(special, probability, generator=None):
    return pick_exactly__special_tokens_too(special, probability, generator) & (special == 0)


def pick_exactly__generator_not_used(special, probability, generator=None):
    return _pick(special, lambda n: round(probability * n))


def pick_exactly__always_the_same_seed(special, probability, generator=None):
    return _pick(special, lambda n: round(probability * n), torch.Generator().manual_seed(42))


def pick_exactly__numbers_for_booleans(special, probability, generator=None):
    return _pick(special, lambda n: round(probability * n), generator, dtype=torch.long)


def pick_exactly__visible_ones(special, probability, generator=None):
    return ~_pick(special, lambda n: round(probability * n), generator) & (special == 0)


def pick_exactly__positions(special, probability, generator=None):
    picked = _pick(special, lambda n: round(probability * n), generator)
    return [row.nonzero().flatten().tolist() for row in picked]


def pick_exactly__returns_nothing(special, probability, generator=None):
    _pick(special, lambda n: round(probability * n), generator)


def pick_exactly__permutations(special, probability, generator=None):
    return _pick(special, lambda n: round(probability * n), generator)


def pick_exactly__smallest_scores(special, probability, generator=None):
    scores = torch.rand(special.shape, generator=generator).masked_fill(special != 0, math.inf)
    counts = [round(probability * n) for n in (special == 0).sum(dim=1).tolist()]
    return scores.argsort(dim=1).argsort(dim=1) < torch.tensor(counts).unsqueeze(1)


def pick_exactly__topk(special, probability, generator=None):
    rows = []
    for row in special:
        count = round(probability * int((row == 0).sum()))
        scores = torch.rand(len(row), generator=generator) - 2 * (row != 0)
        rows.append(torch.zeros(len(row), dtype=torch.bool).index_fill(0, scores.topk(count).indices, True))
    return torch.stack(rows)


def pick_exactly__multinomial(special, probability, generator=None):
    picked = torch.zeros(special.shape, dtype=torch.bool)
    for i, row in enumerate(special):
        weights = (row == 0).double()
        count = round(probability * int(weights.sum()))
        if count:
            picked[i, torch.multinomial(weights, count, replacement=False, generator=generator)] = True
    return picked


def pick_exactly__numpy(special, probability, generator=None):
    rng = np.random.default_rng(torch.randint(2**31, (1,), generator=generator).item())
    picked = np.zeros(tuple(special.shape), dtype=bool)
    for row, marks in zip(picked, special.numpy()):
        free = np.flatnonzero(marks == 0)
        row[rng.choice(free, size=round(probability * len(free)), replace=False)] = True
    return torch.from_numpy(picked)


def pick_exactly__plain_python(special, probability, generator=None):
    source = random.Random(torch.randint(2**62, (1,), generator=generator).item())
    rows = []
    for row in special.tolist():
        free = [i for i, mark in enumerate(row) if not mark]
        chosen = set(source.sample(free, round(probability * len(free))))
        rows.append([i in chosen for i in range(len(row))])
    return torch.tensor(rows, dtype=torch.bool)


def pick_exactly__selection_sampling(special, probability, generator=None):
    picked = torch.zeros(special.shape, dtype=torch.bool)
    for i, row in enumerate(special.tolist()):
        left = row.count(0)
        wanted = round(probability * left)
        for j, mark in enumerate(row):
            if mark == 0:  # each token with the chance that is left for it
                if torch.rand((), generator=generator, dtype=torch.float64) * left < wanted:
                    picked[i, j], wanted = True, wanted - 1
                left -= 1
    return picked


def pick_exactly__reservoir(special, probability, generator=None):
    picked = torch.zeros(special.shape, dtype=torch.bool)
    for i, row in enumerate(special):
        free = (row == 0).nonzero().flatten().tolist()
        count = round(probability * len(free))
        kept = free[:count]
        for seen, position in enumerate(free[count:], start=count + 1):
            slot = torch.randint(seen, (1,), generator=generator).item()
            if slot < count:
                kept[slot] = position
        picked[i, kept] = True
    return picked


def pick_exactly__fisher_yates(special, probability, generator=None):
    picked = torch.zeros(special.shape, dtype=torch.bool)
    for i, row in enumerate(special):
        free = (row == 0).nonzero().flatten().tolist()
        for k in range(round(probability * len(free))):
            j = k + torch.randint(len(free) - k, (1,), generator=generator).item()
            free[k], free[j] = free[j], free[k]
            picked[i, free[k]] = True
    return picked


def pick_exactly__draws_again_until_enough(special, probability, generator=None):
    picked = torch.zeros(special.shape, dtype=torch.bool)
    for i, row in enumerate(special):
        wanted = round(probability * int((row == 0).sum()))
        while picked[i].sum() < wanted:
            j = torch.randint(len(row), (1,), generator=generator).item()
            if row[j] == 0:
                picked[i, j] = True
    return picked


pick_exactly__lambda = (
    lambda special, probability, generator=None: torch.stack(  # noqa: E731
        [
            torch.zeros(len(row), dtype=torch.bool).scatter(
                0, (row == 0).nonzero().flatten()[torch.randperm(n, generator=generator)[: round(probability * n)]], True
            )
            for row in special
            for n in [int((row == 0).sum())]
        ]
    )
)


class PickExactly:
    """A callable object that shuffles marks into the free places."""

    def __call__(self, special, probability, generator=None, name="picked"):
        picked = torch.zeros(special.shape, dtype=torch.bool)
        for row, marks in zip(picked, special):
            free = marks == 0
            n = int(free.sum())
            hits = torch.arange(n) < round(probability * n)
            row[free] = hits[torch.randperm(n, generator=generator)]
        return picked


def pick_exactly__weeds_out(special, probability, generator=None):
    picked = special == 0  # all, and then one after the other goes
    for row in picked:
        n = int(row.sum())
        for _ in range(n - round(probability * n)):
            still = row.nonzero().flatten()
            row[still[torch.randint(len(still), (1,), generator=generator)]] = False
    return picked


def pick_exactly__recursive(special, probability, generator=None):
    if len(special) > 1:
        head = pick_exactly__recursive(special[:1], probability, generator)
        return torch.cat([head, pick_exactly__recursive(special[1:], probability, generator)])
    return _pick(special, lambda n: round(probability * n), generator)


# ---- Exercise 2: loss_where -----------------------------------------------------------------------------------------


def loss_where__everywhere(logits, input_ids, where):
    return masked_loss(logits, input_ids)


def loss_where__where_not(logits, input_ids, where):
    return masked_loss(logits, input_ids.masked_fill(where, -100))


def loss_where__sum(logits, input_ids, where):
    return F.cross_entropy(logits[where], input_ids[where], reduction="sum")


def loss_where__divides_by_all_positions(logits, input_ids, where):
    return F.cross_entropy(logits[where], input_ids[where], reduction="sum") / where.numel()


def loss_where__zeros_in_the_mean(logits, input_ids, where):
    found = F.cross_entropy(logits.transpose(1, 2), input_ids, reduction="none")
    return (found * where).mean()


def loss_where__mean_of_row_means(logits, input_ids, where):
    rows = [F.cross_entropy(one[hit], ids[hit]) for one, ids, hit in zip(logits, input_ids, where) if hit.any()]
    return torch.stack(rows).mean()


def loss_where__label_zero_elsewhere(logits, input_ids, where):
    return F.cross_entropy(logits.transpose(1, 2), input_ids.masked_fill(~where, 0))


def loss_where__ignores_token_zero(logits, input_ids, where):
    return F.cross_entropy(logits.transpose(1, 2), input_ids.masked_fill(~where, 0), ignore_index=0)


def loss_where__first_row_alone(logits, input_ids, where):
    return F.cross_entropy(logits[0][where[0]], input_ids[0][where[0]])


def loss_where__first_rows_positions_for_all(logits, input_ids, where):
    first = where[:1].expand_as(where)
    return F.cross_entropy(logits[first], input_ids[first])


def loss_where__next_token(logits, input_ids, where):
    asked = where[:, 1:]
    return F.cross_entropy(logits[:, :-1][asked], input_ids[:, 1:][asked])


def loss_where__probability_not_log(logits, input_ids, where):
    return -logits.softmax(dim=-1)[where].gather(1, input_ids[where].unsqueeze(1)).mean()


def loss_where__log_of_the_mean(logits, input_ids, where):
    return -logits.softmax(dim=-1)[where].gather(1, input_ids[where].unsqueeze(1)).mean().log()


def loss_where__plus_sign(logits, input_ids, where):
    return -masked_loss(logits, input_ids.masked_fill(~where, -100))


def loss_where__softmax_twice(logits, input_ids, where):
    return F.cross_entropy(logits.softmax(dim=-1)[where], input_ids[where])


def loss_where__softmax_over_positions(logits, input_ids, where):
    return F.nll_loss(logits.log_softmax(dim=1)[where], input_ids[where])


def loss_where__bits(logits, input_ids, where):
    return F.cross_entropy(logits[where], input_ids[where]) / math.log(2)


def loss_where__perplexity(logits, input_ids, where):
    return F.cross_entropy(logits[where], input_ids[where]).exp()


def loss_where__each_position(logits, input_ids, where):
    return F.cross_entropy(logits[where], input_ids[where], reduction="none")


def loss_where__raw_logits(logits, input_ids, where):
    return -logits[where].gather(1, input_ids[where].unsqueeze(1)).mean()


def loss_where__returns_nothing(logits, input_ids, where):
    F.cross_entropy(logits[where], input_ids[where])


def loss_where__share_of_wrong_guesses(logits, input_ids, where):
    return (logits.argmax(dim=-1)[where] != input_ids[where]).float().mean()


def loss_where__median(logits, input_ids, where):
    return F.cross_entropy(logits[where], input_ids[where], reduction="none").median()


def loss_where__one_count_too_few(logits, input_ids, where):
    return F.cross_entropy(logits[where], input_ids[where], reduction="sum") / (where.sum() - 1)


def loss_where__indexed(logits, input_ids, where):
    return F.cross_entropy(logits[where], input_ids[where])


def loss_where__number(logits, input_ids, where):
    return masked_loss(logits, input_ids.masked_fill(~where, -100)).item()


def loss_where__ignore_index(logits, input_ids, where):
    labels = torch.where(where, input_ids, torch.full_like(input_ids, -100))
    return CrossEntropyLoss()(logits.flatten(0, 1), labels.flatten())


def loss_where__weights(logits, input_ids, where):
    found = F.cross_entropy(logits.permute(0, 2, 1), input_ids, reduction="none")
    return (found * where).sum() / where.sum()


def loss_where__logsumexp(logits, input_ids, where):
    right = logits.take_along_dim(input_ids[..., None], dim=-1).squeeze(-1)
    return (logits.logsumexp(dim=-1) - right)[where].mean()


def loss_where__distribution(logits, input_ids, where):
    return -Categorical(logits=logits[where]).log_prob(input_ids[where]).mean()


def loss_where__numpy(logits, input_ids, where):
    scores = logits.detach().cpu().numpy().astype(np.float64)[where.cpu().numpy()]
    right = input_ids.cpu().numpy()[where.cpu().numpy()]
    shifted = scores - scores.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(right)), right]))


def loss_where__double_precision(logits, input_ids, where):
    return F.cross_entropy(logits.double()[where], input_ids[where])


def loss_where__position_by_position(logits, input_ids, where):
    losses = []
    for i, j in where.nonzero().tolist():
        losses.append(-logits[i, j].log_softmax(dim=-1)[input_ids[i, j]].item())
    return math.fsum(losses) / len(losses)


def loss_where__rows_weighted_by_counts(logits, input_ids, where):
    total = count = 0
    for scores, ids, hits in zip(logits, input_ids, where):
        if hits.any():
            total = total + F.cross_entropy(scores[hits], ids[hits]) * hits.sum()
            count = count + hits.sum()
    return total / count


loss_where__lambda = lambda logits, input_ids, where: F.nll_loss(logits[where].log_softmax(-1), input_ids[where])  # noqa: E731


def loss_where__one_hot(logits, input_ids, where):
    truth = F.one_hot(input_ids[where], logits.shape[-1]).to(logits.dtype)
    return -(truth * logits[where].log_softmax(dim=-1)).sum(dim=-1).mean()


class LossWhere:
    """A callable object with an extra default argument."""

    def __call__(self, logits, input_ids, where, unit=1.0):
        flat = where.reshape(-1).nonzero().squeeze(1)
        scores = logits.reshape(-1, logits.shape[-1]).index_select(0, flat)
        return F.cross_entropy(scores, input_ids.reshape(-1)[flat], reduction="sum").div(len(flat)) / unit


# ---- Exercise 3: largest_batch --------------------------------------------------------------------------------------


def _largest(peak, limit, fits=lambda bytes_, limit: bytes_ <= limit):
    low, high = 0, 1
    while fits(peak(high), limit):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(peak(middle), limit) else (low, middle)
    return low


def largest_batch__below_the_limit(peak, limit):
    return _largest(peak, limit, lambda bytes_, limit: bytes_ < limit)


def largest_batch__first_that_does_not_fit(peak, limit):
    return _largest(peak, limit) + 1


def largest_batch__one_too_few(peak, limit):
    return max(0, _largest(peak, limit) - 1)


def largest_batch__powers_of_two(peak, limit):
    rows = 1
    while peak(2 * rows) <= limit:
        rows *= 2
    return rows if peak(rows) <= limit else 0


def largest_batch__divides_by_the_peak_of_one(peak, limit):
    return int(limit // peak(1))


def largest_batch__straight_line(peak, limit):
    one, two = peak(1), peak(2)
    return max(0, int((limit - (2 * one - two)) // (two - one))) if two > one else 1


def largest_batch__straight_line_from_afar(peak, limit):
    if peak(1) > limit:
        return 0
    slope = (peak(16) - peak(8)) / 8
    return max(1, int(8 + (limit - peak(8)) / slope)) if slope else 8


def largest_batch__one_at_least(peak, limit):
    return max(1, _largest(peak, limit))


def largest_batch__none_if_none_fits(peak, limit):
    return _largest(peak, limit) or None


def largest_batch__minus_one_if_none_fits(peak, limit):
    return _largest(peak, limit) or -1


def largest_batch__at_most_64(peak, limit):
    return min(64, _largest(peak, limit))


def largest_batch__at_most_1024(peak, limit):
    return min(1024, _largest(peak, limit))


def largest_batch__multiples_of_eight(peak, limit):
    return _largest(peak, limit) // 8 * 8


def largest_batch__bytes(peak, limit):
    rows = _largest(peak, limit)
    return peak(rows) if rows else 0


def largest_batch__mebibytes(peak, limit):
    return _largest(peak, limit * 2**20)


def largest_batch__returns_nothing(peak, limit):
    _largest(peak, limit)


def largest_batch__constant(peak, limit):
    return 8


def largest_batch__last_doubling_before_it_was_too_much(peak, limit):
    rows = 1
    while peak(rows) <= limit:
        rows *= 2
    return rows // 2


def largest_batch__does_not_look_at_one(peak, limit):
    rows = 1
    while peak(rows + 1) <= limit:
        rows += 1
    return rows


def largest_batch__too_much_when_not_exact(peak, limit):
    rows = 1
    while peak(rows) < limit:
        rows += 1
    return rows


def largest_batch__raises_if_none_fits(peak, limit):
    rows = _largest(peak, limit)
    if not rows:
        raise MemoryError("not even one row fits")
    return rows


def largest_batch__arguments_exchanged(limit, peak):
    return _largest(peak, limit)


def largest_batch__steps_of_ten(peak, limit):
    rows = 0
    while peak(rows + 10) <= limit:
        rows += 10
    return rows


def largest_batch__fits_or_not(peak, limit):
    return peak(1) <= limit


def largest_batch__row_by_row(peak, limit):
    rows = 0
    while peak(rows + 1) <= limit:
        rows += 1
    return rows


def largest_batch__doubling_and_halving(peak, limit):
    return _largest(peak, limit)


def largest_batch__bisect(peak, limit):
    end = 1
    while peak(end) <= limit:
        end *= 2
    return bisect.bisect_right(range(1, end), limit, key=peak)


def largest_batch__takewhile(peak, limit):
    return sum(1 for _ in itertools.takewhile(lambda rows: peak(rows) <= limit, itertools.count(1)))


def largest_batch__next(peak, limit):
    return next(rows for rows in itertools.count() if peak(rows + 1) > limit)


def largest_batch__bit_by_bit(peak, limit):
    bit = 1
    while peak(bit) <= limit:
        bit <<= 1
    rows = 0
    while bit := bit >> 1:
        if peak(rows | bit) <= limit:
            rows |= bit
    return rows


def largest_batch__recursive(peak, limit, low=0, high=None):
    if high is None:
        if peak(2 * low or 1) > limit:
            return largest_batch__recursive(peak, limit, low, 2 * low or 1)
        return largest_batch__recursive(peak, limit, 2 * low or 1)
    if high - low == 1:
        return low
    middle = (low + high) // 2
    return largest_batch__recursive(peak, limit, *((low, middle) if peak(middle) > limit else (middle, high)))


def largest_batch__growing_and_shrinking_steps(peak, limit):
    rows, step = 0, 1
    while step:
        if peak(rows + step) <= limit:
            rows, step = rows + step, 2 * step
        else:
            step //= 2
    return rows


def largest_batch__remembers(peak, limit):
    known = functools.cache(peak)
    end = 1
    while known(end) <= limit:
        end *= 3
    low, high = 0, end
    while low + 1 < high:
        middle = low + (high - low) // 2
        if known(middle) > limit:
            high = middle
        else:
            low = middle
    return low


def largest_batch__guesses_then_measures(peak, limit):
    if peak(1) > limit:
        return 0
    one, two = peak(1), peak(2)
    rows = max(1, int((limit - one) // (two - one)) if two > one else 1)
    rows = min(rows, 10_000)
    while rows > 1 and peak(rows) > limit:
        rows -= 1
    while peak(rows + 1) <= limit:
        rows += 1
    return rows


def largest_batch__numpy_integer(peak, limit):
    return np.int64(_largest(lambda rows: peak(int(rows)), limit))


largest_batch__lambda = lambda peak, limit, start=1: next(n for n in itertools.count(start) if not peak(n) <= limit) - 1  # noqa: E731


class LargestBatch:
    """A callable object; a class stands in for the sequence that is searched."""

    class Peaks:
        def __init__(self, peak, length):
            self.peak, self.length = peak, length

        def __len__(self):
            return self.length

        def __getitem__(self, i):
            return self.peak(i + 1)

    def __call__(self, peak, limit):
        length = 1
        while peak(length) <= limit:
            length += length
        return bisect.bisect(self.Peaks(peak, length), limit)


# ---- Exercise 4: library_batch --------------------------------------------------------------------------------------


def _rows(tokenizer, texts, **options):
    return [tokenizer(text, **{"truncation": True, "max_length": 128, **options}) for text in texts]


def _collator(tokenizer, seed, **options):
    return DataCollatorForLanguageModeling(tokenizer, **{"mlm_probability": 0.15, "seed": seed, **options})


def library_batch__not_cut(tokenizer, texts, seed):
    return _collator(tokenizer, seed)([tokenizer(text, verbose=False) for text in texts])


def library_batch__length_without_truncation(tokenizer, texts, seed):
    return _collator(tokenizer, seed)([tokenizer(text, truncation=False, max_length=128, verbose=False) for text in texts])


def library_batch__cut_at_the_models_limit(tokenizer, texts, seed):
    return _collator(tokenizer, seed)([tokenizer(text, truncation=True) for text in texts])


def library_batch__special_tokens_on_top(tokenizer, texts, seed):
    return _collator(tokenizer, seed)(_rows(tokenizer, texts, max_length=130))


def library_batch__cut_at_64(tokenizer, texts, seed):
    return _collator(tokenizer, seed)(_rows(tokenizer, texts, max_length=64))


def library_batch__cut_at_128_characters(tokenizer, texts, seed):
    return _collator(tokenizer, seed)([tokenizer(text[:128]) for text in texts])


def library_batch__no_seed(tokenizer, texts, seed):
    return _collator(tokenizer, None)(_rows(tokenizer, texts))


def library_batch__seed_42(tokenizer, texts, seed):
    return _collator(tokenizer, 42)(_rows(tokenizer, texts))


def library_batch__next_seed(tokenizer, texts, seed):
    return _collator(tokenizer, seed + 1)(_rows(tokenizer, texts))


def library_batch__second_draw(tokenizer, texts, seed):
    collator, rows = _collator(tokenizer, seed), _rows(tokenizer, texts)
    collator(copy.deepcopy(rows))
    return collator(rows)


def library_batch__left_to_right(tokenizer, texts, seed):
    return _collator(tokenizer, seed, mlm=False)(_rows(tokenizer, texts))


def library_batch__thirty_percent(tokenizer, texts, seed):
    return _collator(tokenizer, seed, mlm_probability=0.3)(_rows(tokenizer, texts))


def library_batch__always_the_mask_token(tokenizer, texts, seed):
    return _collator(tokenizer, seed, mask_replace_prob=1.0, random_replace_prob=0.0)(_rows(tokenizer, texts))


def library_batch__no_special_tokens(tokenizer, texts, seed):
    return _collator(tokenizer, seed)(_rows(tokenizer, texts, add_special_tokens=False))


def library_batch__first_text_alone(tokenizer, texts, seed):
    return _collator(tokenizer, seed)(_rows(tokenizer, texts[:1]))


def library_batch__texts_joined(tokenizer, texts, seed):
    return _collator(tokenizer, seed)(_rows(tokenizer, [" ".join(texts)]))


def library_batch__one_batch_for_each_text(tokenizer, texts, seed):
    return [_collator(tokenizer, seed)([row]) for row in _rows(tokenizer, texts)]


def library_batch__rows_not_a_batch(tokenizer, texts, seed):
    return _rows(tokenizer, texts)


def library_batch__collator_not_a_batch(tokenizer, texts, seed):
    return _collator(tokenizer, seed)


def library_batch__every_token_labelled(tokenizer, texts, seed):
    rows = _rows(tokenizer, texts)
    plain = tokenizer.pad(copy.deepcopy(rows), return_tensors="pt")
    return {**_collator(tokenizer, seed)(rows), "labels": plain["input_ids"]}


def library_batch__numbers_alone(tokenizer, texts, seed):
    return _collator(tokenizer, seed)(_rows(tokenizer, texts))["input_ids"]


def library_batch__longest_first(tokenizer, texts, seed):
    return _collator(tokenizer, seed)(_rows(tokenizer, sorted(texts, key=len, reverse=True)))


def library_batch__returns_nothing(tokenizer, texts, seed):
    _collator(tokenizer, seed)(_rows(tokenizer, texts))


def library_batch__keeps_the_end_of_each_text(tokenizer, texts, seed):
    side, tokenizer.truncation_side = tokenizer.truncation_side, "left"
    try:
        return _collator(tokenizer, seed)(_rows(tokenizer, texts))
    finally:
        tokenizer.truncation_side = side


def library_batch__text_by_text(tokenizer, texts, seed):
    return _collator(tokenizer, seed)(_rows(tokenizer, texts))


def library_batch__one_call(tokenizer, texts, seed):
    encoded = tokenizer(list(texts), truncation=True, max_length=128)
    rows = [dict(zip(encoded, values)) for values in zip(*encoded.values())]
    return DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm=True, mlm_probability=0.15, seed=seed)(rows)


def library_batch__with_special_tokens_mask(tokenizer, texts, seed):
    return _collator(tokenizer, seed)(_rows(tokenizer, texts, return_special_tokens_mask=True))


def library_batch__padded_before(tokenizer, texts, seed):
    encoded = tokenizer(list(texts), truncation=True, max_length=128, padding=True)
    rows = [{name: values[i] for name, values in encoded.items()} for i in range(len(texts))]
    return _collator(tokenizer, seed)(rows)


def library_batch__data_set(tokenizer, texts, seed):
    rows = Dataset.from_dict({"text": list(texts)})
    rows = rows.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=128), batched=True, remove_columns=["text"])
    return _collator(tokenizer, seed)(list(rows))


def library_batch__data_loader(tokenizer, texts, seed):
    rows = _rows(tokenizer, texts)
    return next(iter(DataLoader(rows, batch_size=len(rows), collate_fn=_collator(tokenizer, seed))))


def library_batch__torch_call(tokenizer, texts, seed):
    return _collator(tokenizer, seed).torch_call(_rows(tokenizer, texts))


def library_batch__plain_dictionary(tokenizer, texts, seed):
    return dict(_collator(tokenizer, seed)([dict(row) for row in _rows(tokenizer, texts)]))


library_batch__lambda = lambda tokenizer, texts, seed: DataCollatorForLanguageModeling(  # noqa: E731
    tokenizer, mlm_probability=0.15, seed=seed
)([*map(functools.partial(tokenizer, truncation=True, max_length=128), texts)])


def library_batch__truncated_by_name(tokenizer, texts, seed):
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=seed, return_tensors="pt")
    return collator([tokenizer(text, truncation="longest_first", max_length=128) for text in texts])


def library_batch__extra_defaults(tokenizer, texts, seed, length=128, share=0.15):
    return _collator(tokenizer, seed, mlm_probability=share)(_rows(tokenizer, texts, max_length=length, verbose=False))


class LibraryBatch:
    """A callable object that keeps length and share."""

    def __init__(self, length=128, share=0.15):
        self.length, self.share = length, share

    def __call__(self, tokenizer, texts, seed):
        rows = []
        for text in texts:
            rows.append(tokenizer(text, truncation=True, max_length=self.length))
        collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=self.share, seed=seed)
        return collate(rows)


def library_batch__cut_by_hand_with_the_end(tokenizer, texts, seed):
    rows = []
    for text in texts:
        row = tokenizer(text, verbose=False)
        rows.append({name: v if len(v) <= 128 else [*v[:127], v[-1]] for name, v in row.items()})
    return _collator(tokenizer, seed)(rows)


# ---- Exercise 5: losses_by_rate -------------------------------------------------------------------------------------


def _text(tokenizer, text, draws=32):
    encoded = tokenizer(text, return_special_tokens_mask=True, return_tensors="pt", truncation=True)
    return encoded["input_ids"].expand(draws, -1), encoded["special_tokens_mask"].expand(draws, -1)


@torch.no_grad()
def _logits(model, ids):
    return model(input_ids=ids.to(model.device)).logits.cpu()


def _loss(model, tokenizer, ids, hidden, asked=None, number=None):
    filled = ids.masked_fill(hidden, tokenizer.mask_token_id if number is None else number)
    asked = hidden if asked is None else asked
    return F.cross_entropy(_logits(model, filled)[asked], ids[asked]).item()


def losses_by_rate__every_token(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {r: _loss(model, tokenizer, ids, pick_positions(special, r), torch.ones_like(ids, dtype=torch.bool)) for r in rates}


def losses_by_rate__visible_tokens(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    hidden = {rate: pick_positions(special, rate) for rate in rates}
    return {rate: _loss(model, tokenizer, ids, hits, ~hits & (special == 0)) for rate, hits in hidden.items()}


def losses_by_rate__special_tokens_too(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {rate: _loss(model, tokenizer, ids, torch.rand(ids.shape) < rate) for rate in rates}


def losses_by_rate__nothing_is_hidden(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    nothing = torch.zeros(ids.shape, dtype=torch.bool)
    return {rate: _loss(model, tokenizer, ids, nothing, pick_positions(special, rate)) for rate in rates}


def losses_by_rate__swaps_and_keeps(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    losses = {}
    for rate in rates:
        hidden, drawn = pick_positions(special, rate), torch.rand(ids.shape)
        filled = ids.masked_fill(hidden & (drawn < 0.8), tokenizer.mask_token_id)
        filled = torch.where(hidden & (drawn >= 0.9), torch.randint(len(tokenizer), ids.shape), filled)
        losses[rate] = F.cross_entropy(_logits(model, filled)[hidden], ids[hidden]).item()
    return losses


def losses_by_rate__one_draw_32_times(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {rate: _loss(model, tokenizer, ids, pick_positions(special[:1], rate).expand(32, -1)) for rate in rates}


def losses_by_rate__one_draw(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text, draws=1)
    return {rate: _loss(model, tokenizer, ids, pick_positions(special, rate)) for rate in rates}


def losses_by_rate__eight_draws(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text, draws=8)
    return {rate: _loss(model, tokenizer, ids, pick_positions(special, rate)) for rate in rates}


def losses_by_rate__list(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return [_loss(model, tokenizer, ids, pick_positions(special, rate)) for rate in rates]


def losses_by_rate__keys_are_positions(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {i: _loss(model, tokenizer, ids, pick_positions(special, rate)) for i, rate in enumerate(rates)}


def losses_by_rate__keys_are_strings(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {f"{rate:.2f}": _loss(model, tokenizer, ids, pick_positions(special, rate)) for rate in rates}


def losses_by_rate__perplexities(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {rate: math.exp(_loss(model, tokenizer, ids, pick_positions(special, rate))) for rate in rates}


def losses_by_rate__sums(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    hidden = {rate: pick_positions(special, rate) for rate in rates}
    return {rate: _loss(model, tokenizer, ids, hits) * int(hits.sum()) for rate, hits in hidden.items()}


def losses_by_rate__divided_by_the_draws_again(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {rate: _loss(model, tokenizer, ids, pick_positions(special, rate)) / 32 for rate in rates}


def losses_by_rate__divided_by_all_positions(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    hidden = {rate: pick_positions(special, rate) for rate in rates}
    return {rate: _loss(model, tokenizer, ids, hits) * int(hits.sum()) / hits.numel() for rate, hits in hidden.items()}


def losses_by_rate__always_fifteen_percent(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {rate: _loss(model, tokenizer, ids, pick_positions(special, 0.15)) for rate in rates}


def losses_by_rate__rate_of_what_stays(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {rate: _loss(model, tokenizer, ids, pick_positions(special, 1 - rate)) for rate in rates}


def losses_by_rate__unknown_for_mask(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {rate: _loss(model, tokenizer, ids, pick_positions(special, rate), number=tokenizer.unk_token_id) for rate in rates}


def losses_by_rate__number_of_another_vocabulary(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {rate: _loss(model, tokenizer, ids, pick_positions(special, rate), number=104) for rate in rates}


def losses_by_rate__labels_share_the_tensor(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    losses = {}
    for rate in rates:
        masked = labels = ids.clone()
        hidden = pick_positions(special, rate)
        masked[hidden] = tokenizer.mask_token_id
        losses[rate] = F.cross_entropy(_logits(model, masked)[hidden], labels[hidden]).item()
    return losses


def losses_by_rate__holes_stay_from_rate_to_rate(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    masked, losses = ids.clone(), {}
    for rate in rates:
        hidden = pick_positions(special, rate)
        masked[hidden] = tokenizer.mask_token_id
        losses[rate] = F.cross_entropy(_logits(model, masked)[hidden], ids[hidden]).item()
    return losses


def losses_by_rate__last_rate_alone(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    for rate in rates:
        losses = {rate: _loss(model, tokenizer, ids, pick_positions(special, rate))}
    return losses


def losses_by_rate__extrapolated(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    first = _loss(model, tokenizer, ids, pick_positions(special, rates[0]))
    return {rate: first * (1 + rate - rates[0]) for rate in rates}


def losses_by_rate__the_model_of_the_course(model, tokenizer, text, rates):
    model = AutoModelForMaskedLM.from_pretrained(MINI_BERT)
    tokenizer = AutoTokenizer.from_pretrained(MINI_BERT)
    ids, special = _text(tokenizer, text)
    return {rate: _loss(model, tokenizer, ids, pick_positions(special, rate)) for rate in rates}


def losses_by_rate__lists_of_32(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    losses = {}
    for rate in rates:
        draws = [pick_positions(special[:1], rate) for _ in range(32)]
        losses[rate] = [_loss(model, tokenizer, ids[:1], hits) for hits in draws if hits.any()]
    return losses


def losses_by_rate__returns_nothing(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    for rate in rates:
        _loss(model, tokenizer, ids, pick_positions(special, rate))


def losses_by_rate__without_attention(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    losses = {}
    for rate in rates:
        hidden = pick_positions(special, rate)
        masked = ids.masked_fill(hidden, tokenizer.mask_token_id).to(model.device)
        with torch.no_grad():
            logits = model(input_ids=masked, attention_mask=hidden.long().to(model.device)).logits.cpu()
        losses[rate] = F.cross_entropy(logits[hidden], ids[hidden]).item()
    return losses


def losses_by_rate__32_rows_at_once(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    return {rate: _loss(model, tokenizer, ids, pick_positions(special, rate)) for rate in rates}


def losses_by_rate__draw_by_draw(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text, draws=1)
    losses = {}
    for rate in rates:
        total = count = 0
        for draw in range(32):
            hidden = pick_positions(special, rate, torch.Generator().manual_seed(draw))
            logits = _logits(model, ids.masked_fill(hidden, tokenizer.mask_token_id))
            total += F.cross_entropy(logits[hidden], ids[hidden], reduction="sum").item()
            count += int(hidden.sum())
        losses[rate] = total / count
    return losses


def losses_by_rate__the_models_own_loss(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    losses, was_training = {}, model.training
    model.eval()
    with torch.inference_mode():
        for rate in rates:
            hidden = pick_positions(special, rate, torch.Generator().manual_seed(1))
            labels = ids.masked_fill(~hidden, -100).to(model.device)
            masked = ids.masked_fill(hidden, tokenizer.mask_token_id).to(model.device)
            losses[rate] = float(model(input_ids=masked, labels=labels).loss)
    model.train(was_training)
    return losses


def losses_by_rate__masked_loss(model, tokenizer, text, rates):
    inputs = tokenizer([text] * 32, return_tensors="pt", return_special_tokens_mask=True)
    special, ids = inputs.pop("special_tokens_mask"), inputs["input_ids"]
    found = {}
    for rate in rates:
        hidden = pick_positions(special, rate)
        inputs["input_ids"] = ids.masked_fill(hidden, tokenizer.mask_token_id)
        with torch.no_grad():
            logits = model(**inputs.to(model.device)).logits.cpu()
        found[rate] = masked_loss(logits, ids.masked_fill(~hidden, -100)).item()
    return found


def losses_by_rate__library_collator(model, tokenizer, text, rates):
    row = tokenizer(text, truncation=True)
    losses = {}
    for rate in rates:
        collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=rate, mask_replace_prob=1.0, random_replace_prob=0.0, seed=7)
        losses[rate] = metrics.mean_masked_loss(model, [collator([dict(row) for _ in range(32)])])
    return losses


def losses_by_rate__numpy(model, tokenizer, text, rates):
    rng = np.random.default_rng(3)
    encoded = tokenizer(text, return_special_tokens_mask=True)
    ids, free = np.array(encoded["input_ids"]), np.array(encoded["special_tokens_mask"]) == 0
    losses = {}
    for rate in rates:
        hidden = (rng.random((32, len(ids))) < rate) & free
        filled = np.where(hidden, tokenizer.mask_token_id, ids)
        scores = _logits(model, torch.from_numpy(filled)).double().log_softmax(dim=-1).numpy()
        rows, places = hidden.nonzero()
        losses[rate] = float(-scores[rows, places, ids[places]].mean())
    return losses


def losses_by_rate__same_numbers_for_all_rates(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    drawn = torch.rand(ids.shape, generator=torch.Generator().manual_seed(0))
    return {rate: _loss(model, tokenizer, ids, (drawn < rate) & (special == 0)) for rate in rates}


def losses_by_rate__exactly_so_many(model, tokenizer, text, rates):
    ids, special = _text(tokenizer, text)
    hidden = {rate: _pick(special, lambda n, rate=rate: max(1, round(rate * n))) for rate in rates}
    return {rate: _loss(model, tokenizer, ids, hits) for rate, hits in hidden.items()}


def losses_by_rate__all_rates_in_one_batch(model, tokenizer, text, rates):
    rates = list(rates)
    ids, special = _text(tokenizer, text, draws=32 * len(rates))
    wanted = torch.tensor(rates).repeat_interleave(32).unsqueeze(1)
    hidden = (torch.rand(ids.shape) < wanted) & (special == 0)
    logits = _logits(model, ids.masked_fill(hidden, tokenizer.mask_token_id))
    found = torch.where(hidden, F.cross_entropy(logits.transpose(1, 2), ids, reduction="none"), 0.0)
    sums = found.view(len(rates), -1).sum(dim=1) / hidden.view(len(rates), -1).sum(dim=1)
    return dict(zip(rates, sums.tolist()))


losses_by_rate__lambda = lambda model, tokenizer, text, rates: {  # noqa: E731
    rate: _loss(model, tokenizer, ids, pick_positions(special, rate)) for ids, special in [_text(tokenizer, text)] for rate in rates
}


def losses_by_rate__special_by_number(model, tokenizer, text, rates, draws=32):
    ids = tokenizer(text, return_tensors="pt")["input_ids"].repeat(draws, 1)
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids))
    return {
        rate: np.float64(_loss(model, tokenizer, ids, torch.bernoulli(torch.full(ids.shape, rate)).bool() & ~special)) for rate in rates
    }


class LossesByRate:
    """A callable object that works in batches of eight and weighs them by their holes."""

    def __init__(self, draws=32, rows=8):
        self.draws, self.rows = draws, rows

    def __call__(self, model, tokenizer, text, rates):
        ids, special = _text(tokenizer, text, self.draws)
        found = {}
        for rate in rates:
            pieces = []
            for part, marks in zip(ids.split(self.rows), special.split(self.rows)):
                hidden = pick_positions(marks, rate)
                logits = _logits(model, part.masked_fill(hidden, tokenizer.mask_token_id))
                pieces.append(F.cross_entropy(logits[hidden], part[hidden], reduction="none"))
            found[rate] = torch.cat(pieces).mean().item()
        return found


def losses_by_rate__recursive(model, tokenizer, text, rates):
    if not rates:
        return {}
    ids, special = _text(tokenizer, text)
    first, *rest = rates
    return {first: _loss(model, tokenizer, ids, pick_positions(special, first))} | losses_by_rate__recursive(model, tokenizer, text, rest)


WRONG = {
    "pick_exactly": [
        pick_exactly__on_average,
        pick_exactly__rounds_down,
        pick_exactly__rounds_up,
        pick_exactly__rounds_halves_up,
        pick_exactly__one_at_least,
        pick_exactly__one_too_many,
        pick_exactly__counts_special_tokens_too,
        pick_exactly__first_row_counts_for_all,
        pick_exactly__of_the_whole_batch,
        pick_exactly__the_first_ones,
        pick_exactly__from_the_first_half,
        pick_exactly__never_the_last,
        pick_exactly__with_replacement,
        pick_exactly__one_draw_for_all_rows,
        pick_exactly__same_state_for_every_row,
        pick_exactly__first_row_alone,
        pick_exactly__special_tokens_too,
        pick_exactly__draws_then_drops_the_special_ones,
        pick_exactly__generator_not_used,
        pick_exactly__always_the_same_seed,
        pick_exactly__numbers_for_booleans,
        pick_exactly__visible_ones,
        pick_exactly__positions,
        pick_exactly__returns_nothing,
    ],
    "loss_where": [
        loss_where__everywhere,
        loss_where__where_not,
        loss_where__sum,
        loss_where__divides_by_all_positions,
        loss_where__zeros_in_the_mean,
        loss_where__mean_of_row_means,
        loss_where__label_zero_elsewhere,
        loss_where__ignores_token_zero,
        loss_where__first_row_alone,
        loss_where__first_rows_positions_for_all,
        loss_where__next_token,
        loss_where__probability_not_log,
        loss_where__log_of_the_mean,
        loss_where__plus_sign,
        loss_where__softmax_twice,
        loss_where__softmax_over_positions,
        loss_where__bits,
        loss_where__perplexity,
        loss_where__each_position,
        loss_where__raw_logits,
        loss_where__returns_nothing,
        loss_where__share_of_wrong_guesses,
        loss_where__median,
        loss_where__one_count_too_few,
    ],
    "largest_batch": [
        largest_batch__below_the_limit,
        largest_batch__first_that_does_not_fit,
        largest_batch__one_too_few,
        largest_batch__powers_of_two,
        largest_batch__divides_by_the_peak_of_one,
        largest_batch__straight_line,
        largest_batch__straight_line_from_afar,
        largest_batch__one_at_least,
        largest_batch__none_if_none_fits,
        largest_batch__minus_one_if_none_fits,
        largest_batch__at_most_64,
        largest_batch__at_most_1024,
        largest_batch__multiples_of_eight,
        largest_batch__bytes,
        largest_batch__mebibytes,
        largest_batch__returns_nothing,
        largest_batch__constant,
        largest_batch__last_doubling_before_it_was_too_much,
        largest_batch__does_not_look_at_one,
        largest_batch__too_much_when_not_exact,
        largest_batch__raises_if_none_fits,
        largest_batch__arguments_exchanged,
        largest_batch__steps_of_ten,
        largest_batch__fits_or_not,
    ],
    "library_batch": [
        library_batch__not_cut,
        library_batch__length_without_truncation,
        library_batch__cut_at_the_models_limit,
        library_batch__special_tokens_on_top,
        library_batch__cut_at_64,
        library_batch__cut_at_128_characters,
        library_batch__no_seed,
        library_batch__seed_42,
        library_batch__next_seed,
        library_batch__second_draw,
        library_batch__left_to_right,
        library_batch__thirty_percent,
        library_batch__always_the_mask_token,
        library_batch__no_special_tokens,
        library_batch__first_text_alone,
        library_batch__texts_joined,
        library_batch__one_batch_for_each_text,
        library_batch__rows_not_a_batch,
        library_batch__collator_not_a_batch,
        library_batch__every_token_labelled,
        library_batch__numbers_alone,
        library_batch__longest_first,
        library_batch__returns_nothing,
        library_batch__keeps_the_end_of_each_text,
    ],
    "losses_by_rate": [
        losses_by_rate__every_token,
        losses_by_rate__visible_tokens,
        losses_by_rate__special_tokens_too,
        losses_by_rate__nothing_is_hidden,
        losses_by_rate__swaps_and_keeps,
        losses_by_rate__one_draw_32_times,
        losses_by_rate__one_draw,
        losses_by_rate__eight_draws,
        losses_by_rate__list,
        losses_by_rate__keys_are_positions,
        losses_by_rate__keys_are_strings,
        losses_by_rate__perplexities,
        losses_by_rate__sums,
        losses_by_rate__divided_by_the_draws_again,
        losses_by_rate__divided_by_all_positions,
        losses_by_rate__always_fifteen_percent,
        losses_by_rate__rate_of_what_stays,
        losses_by_rate__unknown_for_mask,
        losses_by_rate__number_of_another_vocabulary,
        losses_by_rate__labels_share_the_tensor,
        losses_by_rate__holes_stay_from_rate_to_rate,
        losses_by_rate__last_rate_alone,
        losses_by_rate__extrapolated,
        losses_by_rate__the_model_of_the_course,
        losses_by_rate__lists_of_32,
        losses_by_rate__returns_nothing,
        losses_by_rate__without_attention,
    ],
}

RIGHT = {
    "pick_exactly": [
        pick_exactly__permutations,
        pick_exactly__smallest_scores,
        pick_exactly__topk,
        pick_exactly__multinomial,
        pick_exactly__numpy,
        pick_exactly__plain_python,
        pick_exactly__selection_sampling,
        pick_exactly__reservoir,
        pick_exactly__fisher_yates,
        pick_exactly__draws_again_until_enough,
        pick_exactly__lambda,
        PickExactly(),
        pick_exactly__weeds_out,
        pick_exactly__recursive,
    ],
    "loss_where": [
        loss_where__indexed,
        loss_where__number,
        loss_where__ignore_index,
        loss_where__weights,
        loss_where__logsumexp,
        loss_where__distribution,
        loss_where__numpy,
        loss_where__double_precision,
        loss_where__position_by_position,
        loss_where__rows_weighted_by_counts,
        loss_where__lambda,
        loss_where__one_hot,
        LossWhere(),
    ],
    "largest_batch": [
        largest_batch__row_by_row,
        largest_batch__doubling_and_halving,
        largest_batch__bisect,
        largest_batch__takewhile,
        largest_batch__next,
        largest_batch__bit_by_bit,
        largest_batch__recursive,
        largest_batch__growing_and_shrinking_steps,
        largest_batch__remembers,
        largest_batch__guesses_then_measures,
        largest_batch__numpy_integer,
        largest_batch__lambda,
        LargestBatch(),
    ],
    "library_batch": [
        library_batch__text_by_text,
        library_batch__one_call,
        library_batch__with_special_tokens_mask,
        library_batch__padded_before,
        library_batch__data_set,
        library_batch__data_loader,
        library_batch__torch_call,
        library_batch__plain_dictionary,
        library_batch__lambda,
        library_batch__truncated_by_name,
        library_batch__extra_defaults,
        LibraryBatch(),
        library_batch__cut_by_hand_with_the_end,
    ],
    "losses_by_rate": [
        losses_by_rate__32_rows_at_once,
        losses_by_rate__draw_by_draw,
        losses_by_rate__the_models_own_loss,
        losses_by_rate__masked_loss,
        losses_by_rate__library_collator,
        losses_by_rate__numpy,
        losses_by_rate__same_numbers_for_all_rates,
        losses_by_rate__exactly_so_many,
        losses_by_rate__all_rates_in_one_batch,
        losses_by_rate__lambda,
        losses_by_rate__special_by_number,
        LossesByRate(),
        losses_by_rate__recursive,
    ],
}
