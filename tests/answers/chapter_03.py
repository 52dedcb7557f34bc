"""Answers to the exercises of chapter 03, written from the tasks alone, without reading the checks."""

import math
from collections import defaultdict
from itertools import chain, count, groupby, islice, zip_longest

import numpy as np
import torch
from torch.nn import functional as F
from transformers import BertConfig, BigBirdConfig, LongformerConfig, ModernBertConfig

from helpers import chunking, metrics

# ---- Exercise 2: cut ------------------------------------------------------------------------------------------------


def cut__keeps_a_short_chunk(tokens, size, pad=None):
    chunks = [list(tokens[i : i + size]) for i in range(0, len(tokens), size)]
    if chunks and pad is not None:
        chunks[-1] += [pad] * (size - len(chunks[-1]))
    return chunks


def cut__zero_is_no_padding(tokens, size, pad=None):
    chunks = [list(tokens[i : i + size]) for i in range(0, len(tokens), size)]
    if chunks and len(chunks[-1]) < size:
        rest = chunks.pop()
        if pad:
            chunks.append(rest + [pad] * (size - len(rest)))
    return chunks


def cut__chunk_of_padding_alone(tokens, size, pad=None):
    full = len(tokens) // size
    chunks = [list(tokens[i * size : (i + 1) * size]) for i in range(full)]
    if pad is not None:
        rest = list(tokens[full * size :])
        chunks.append(rest + [pad] * (size - len(rest)))
    return chunks


def cut__loses_the_last_full_chunk(tokens, size, pad=None):
    chunks = [list(tokens[i : i + size]) for i in range(0, len(tokens) - size, size)]
    rest = list(tokens[len(tokens) // size * size :])
    return chunks + [rest + [pad] * (size - len(rest))] if pad is not None and rest else chunks


def cut__pads_on_the_left(tokens, size, pad=None):
    chunks = [list(tokens[i : i + size]) for i in range(0, len(tokens) - size + 1, size)]
    rest = list(tokens[len(tokens) // size * size :])
    return chunks + [[pad] * (size - len(rest)) + rest] if pad is not None and rest else chunks


def cut__never_pads(tokens, size, pad=None):
    return [list(tokens[i : i + size]) for i in range(0, len(tokens) - size + 1, size)]


def cut__always_pads_with_zero(tokens, size, pad=None):
    chunks = [list(tokens[i : i + size]) for i in range(0, len(tokens), size)]
    return [chunk + [0] * (size - len(chunk)) for chunk in chunks]


def cut__zero_whatever_the_pad(tokens, size, pad=None):
    chunks = [list(tokens[i : i + size]) for i in range(0, len(tokens) - size + 1, size)]
    rest = list(tokens[len(tokens) // size * size :])
    return chunks + [rest + [0] * (size - len(rest))] if pad is not None and rest else chunks


def cut__windows_overlap(tokens, size, pad=None):
    return [list(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]


def cut__one_chunk_alone(tokens, size, pad=None):
    return [list(tokens[:size])] if len(tokens) >= size else []


def cut__pads_by_one_less(tokens, size, pad=None):
    chunks = [list(tokens[i : i + size]) for i in range(0, len(tokens) - size + 1, size)]
    rest = list(tokens[len(tokens) // size * size :])
    return chunks + [rest + [pad] * (size - len(rest) - 1)] if pad is not None and rest else chunks


def cut__drops_a_rest_of_one(tokens, size, pad=None):
    chunks = [list(tokens[i : i + size]) for i in range(0, len(tokens) - size + 1, size)]
    rest = list(tokens[len(tokens) // size * size :])
    return chunks + [rest + [pad] * (size - len(rest))] if pad is not None and len(rest) > 1 else chunks


def cut__a_flat_list(tokens, size, pad=None):
    rest = len(tokens) % size
    if pad is not None and rest:
        return list(tokens) + [pad] * (size - rest)
    return list(tokens[: len(tokens) - rest])


def cut__as_many_parts_as_size(tokens, size, pad=None):
    length = max(1, len(tokens) // size)
    chunks = [list(tokens[i : i + length]) for i in range(0, len(tokens) - length + 1, length)]
    return chunks


def cut__returns_nothing(tokens, size, pad=None):
    [tokens[i : i + size] for i in range(0, len(tokens) - size + 1, size)]


def cut__no_short_text(tokens, size, pad=None):
    if len(tokens) < size:
        return []
    chunks = [list(tokens[i : i + size]) for i in range(0, len(tokens) - size + 1, size)]
    rest = list(tokens[len(tokens) // size * size :])
    return chunks + [rest + [pad] * (size - len(rest))] if pad is not None and rest else chunks


def cut__short_text_raises(tokens, size, pad=None):
    if len(tokens) < size and pad is None:
        raise ValueError("fewer tokens than a chunk")
    chunks = [list(tokens[i : i + size]) for i in range(0, len(tokens) - size + 1, size)]
    rest = list(tokens[len(tokens) // size * size :])
    return chunks + [rest + [pad] * (size - len(rest))] if pad is not None and rest else chunks


def cut__floats(tokens, size, pad=None):
    rest = len(tokens) % size
    tokens = list(tokens) + [pad] * (size - rest) if pad is not None and rest else list(tokens)[: len(tokens) - rest]
    return np.array(tokens, dtype=float).reshape(-1, size).tolist()


def cut__rest_from_the_front(tokens, size, pad=None):
    rest = len(tokens) % size
    chunks = [list(tokens[i : i + size]) for i in range(rest, len(tokens), size)]
    return [list(tokens[:rest]) + [pad] * (size - rest), *chunks] if pad is not None and rest else chunks


def cut__repeats_the_last_token(tokens, size, pad=None):
    chunks = [list(tokens[i : i + size]) for i in range(0, len(tokens) - size + 1, size)]
    rest = list(tokens[len(tokens) // size * size :])
    return chunks + [rest + [rest[-1]] * (size - len(rest))] if pad is not None and rest else chunks


def _list(tokens):
    return list(tokens)


def cut__range(tokens, size, pad=None):
    chunks = [_list(tokens[i : i + size]) for i in range(0, len(tokens), size)]
    if chunks and len(chunks[-1]) < size:
        rest = chunks.pop()
        if pad is not None:
            chunks.append(rest + [pad] * (size - len(rest)))
    return chunks


def cut__pads_first(tokens, size, pad=None):
    tokens = list(tokens)
    if pad is not None:
        tokens = tokens + [pad] * (-len(tokens) % size)
    return [tokens[i * size : (i + 1) * size] for i in range(len(tokens) // size)]


def cut__recursive_halves(tokens, size, pad=None):
    tokens = list(tokens)
    if len(tokens) > size:
        middle = max(1, len(tokens) // size // 2) * size
        return cut__recursive_halves(tokens[:middle], size, pad) + cut__recursive_halves(tokens[middle:], size, pad)
    if len(tokens) == size:
        return [tokens]
    return [tokens + [pad] * (size - len(tokens))] if tokens and pad is not None else []


def cut__same_iterator(tokens, size, pad=None):
    clones = [iter(tokens)] * size
    if pad is None:
        return [list(chunk) for chunk in zip(*clones)]
    return [list(chunk) for chunk in zip_longest(*clones, fillvalue=pad)]


def cut__eats_a_copy(tokens, size, pad=None):
    left, chunks = list(tokens), []
    while len(left) >= size:
        chunks.append(left[:size])
        del left[:size]
    if left and pad is not None:
        chunks.append((left + [pad] * size)[:size])
    return chunks


def cut__numpy(tokens, size, pad=None):
    tokens = np.asarray(list(tokens), dtype=np.int64)
    if pad is None:
        tokens = tokens[: len(tokens) - len(tokens) % size]
    else:
        tokens = np.pad(tokens, (0, -len(tokens) % size), constant_values=pad)
    return tokens.reshape(-1, size).tolist()


def cut__torch(tokens, size, pad=None):
    tokens = torch.tensor(list(tokens), dtype=torch.long)
    if pad is not None:
        tokens = F.pad(tokens, (0, -len(tokens) % size), value=pad)
    return [piece.tolist() for piece in tokens.split(size) if len(piece) == size]


def cut__islice(tokens, size, pad=None):
    source, chunks = iter(tokens), []
    while chunk := list(islice(source, size)):
        missing = size - len(chunk)
        if missing and pad is None:
            break
        chunks.append(chunk + missing * [pad])
    return chunks


cut__lambda = (
    lambda tokens, size, pad=None: [  # noqa: E731
        [*tokens[i : i + size], *[pad] * (i + size - len(tokens))] for i in range(0, len(tokens) - (size - 1 if pad is None else 0), size)
    ]
)


def cut__helper(tokens, size, pad=None):
    chunks = chunking.chunk({"tokens": [list(tokens)]}, size, drop_last=pad is None)["tokens"]
    return [chunk + [pad] * (size - len(chunk)) for chunk in chunks]


def cut__token_by_token(tokens, size, pad=None):
    chunks, chunk = [], []
    for token in tokens:
        chunk.append(token)
        if len(chunk) == size:
            chunks.append(chunk)
            chunk = []
    if chunk and pad is not None:
        while len(chunk) < size:
            chunk.append(pad)
        chunks.append(chunk)
    return chunks


class Cut:
    """A callable object that groups positions by their chunk."""

    def __call__(self, tokens, size, pad=None):
        grouped = groupby(enumerate(tokens), key=lambda pair: pair[0] // size)
        chunks = [[token for _, token in group] for _, group in grouped]
        if pad is not None:
            chunks = [chunk + [pad] * (size - len(chunk)) for chunk in chunks]
        return [chunk for chunk in chunks if len(chunk) == size]


def cut__generator(tokens, size, pad=None, start=0):
    def chunks():
        for i in count(start, size):
            chunk = list(tokens[i : i + size])
            if len(chunk) < size:
                if chunk and pad is not None:
                    yield chunk + [pad] * (size - len(chunk))
                return
            yield chunk

    return list(chunks())


# ---- Exercise 3: partly_masked --------------------------------------------------------------------------------------


def _runs(word_ids):
    """Lists of positions, one for each word."""
    runs = [[i for i, _ in group] for word, group in groupby(enumerate(word_ids), key=lambda pair: pair[1]) if word != chunking.NO_WORD]
    return runs


def partly_masked__same_number_same_word(labels, word_ids):
    words = defaultdict(list)
    for label, word in zip(labels, word_ids):
        if word != -1:
            words[word].append(label == -100)
    return sum(any(hits) and not all(hits) for hits in words.values())


def partly_masked__all_masked_words(labels, word_ids):
    return sum(any(labels[i] != -100 for i in run) for run in _runs(word_ids))


def partly_masked__wholly_masked_words(labels, word_ids):
    return sum(all(labels[i] != -100 for i in run) for run in _runs(word_ids))


def partly_masked__special_tokens_are_words(labels, word_ids):
    runs = [[i for i, _ in group] for _, group in groupby(enumerate(word_ids), key=lambda pair: pair[1])]
    # two special tokens side by side make one "word", and what stands between two reviews joins on to nothing
    joined = [*runs, [i for i, word in enumerate(word_ids) if word == -1] + [i for i in runs[-1]]]
    return sum(0 < sum(labels[i] != -100 for i in run) < len(run) for run in joined)


def partly_masked__share(labels, word_ids):
    runs = _runs(word_ids)
    return sum(0 < sum(labels[i] != -100 for i in run) < len(run) for run in runs) / max(1, len(runs))


def partly_masked__tokens_not_words(labels, word_ids):
    partly = [run for run in _runs(word_ids) if 0 < sum(labels[i] != -100 for i in run) < len(run)]
    return sum(len(run) for run in partly)


def partly_masked__hidden_tokens_of_such_words(labels, word_ids):
    found = 0
    for run in _runs(word_ids):
        hidden = sum(labels[i] != -100 for i in run)
        if hidden < len(run):
            found += hidden
    return found


def partly_masked__changes_within_a_word(labels, word_ids):
    found = 0
    for i in range(1, len(labels)):
        if word_ids[i] == word_ids[i - 1] != -1 and (labels[i] == -100) != (labels[i - 1] == -100):
            found += 1
    return found


def partly_masked__looks_at_first_and_last(labels, word_ids):
    return sum((labels[run[0]] == -100) != (labels[run[-1]] == -100) for run in _runs(word_ids))


def partly_masked__looks_at_two_pieces(labels, word_ids):
    return sum(len(run) > 1 and (labels[run[0]] == -100) != (labels[run[1]] == -100) for run in _runs(word_ids))


def partly_masked__words_of_two_pieces_alone(labels, word_ids):
    return sum(len(run) == 2 and sum(labels[i] != -100 for i in run) == 1 for run in _runs(word_ids))


def partly_masked__first_piece_visible(labels, word_ids):
    return sum(labels[run[0]] == -100 and any(labels[i] != -100 for i in run) for run in _runs(word_ids))


def partly_masked__forgets_the_last_word(labels, word_ids):
    return sum(0 < sum(labels[i] != -100 for i in run) < len(run) for run in _runs(word_ids)[:-1])


def partly_masked__forgets_the_first_word(labels, word_ids):
    return sum(0 < sum(labels[i] != -100 for i in run) < len(run) for run in _runs(word_ids)[1:])


def partly_masked__yes_or_no(labels, word_ids):
    return min(1, sum(0 < sum(labels[i] != -100 for i in run) < len(run) for run in _runs(word_ids)))


def partly_masked__which_ones(labels, word_ids):
    return [word_ids[run[0]] for run in _runs(word_ids) if 0 < sum(labels[i] != -100 for i in run) < len(run)]


def partly_masked__always_zero(labels, word_ids):
    return 0


def partly_masked__returns_nothing(labels, word_ids):
    sum(0 < sum(labels[i] != -100 for i in run) < len(run) for run in _runs(word_ids))


def partly_masked__arguments_exchanged(labels, word_ids):
    return partly_masked__runs(word_ids, labels)


def partly_masked__label_zero_is_visible(labels, word_ids):
    return sum(0 < sum(labels[i] > 0 for i in run) < len(run) for run in _runs(word_ids))


def partly_masked__word_zero_is_no_word(labels, word_ids):
    return sum(0 < sum(labels[i] != -100 for i in run) < len(run) for run in _runs(word_ids) if word_ids[run[0]])


def partly_masked__runs(labels, word_ids):
    return sum(0 < sum(labels[i] != -100 for i in run) < len(run) for run in _runs(word_ids))


def partly_masked__groupby(labels, word_ids):
    pairs = groupby(zip(word_ids, labels), key=lambda pair: pair[0])
    return sum(len({label == -100 for _, label in group}) == 2 for word, group in pairs if word != -1)


def partly_masked__loop(labels, word_ids):
    found, previous, hidden, visible = 0, -1, False, False
    for label, word in [*zip(labels, word_ids), (-100, -1)]:
        if word != previous:
            found += hidden and visible
            previous, hidden, visible = word, False, False
        if word != -1:
            hidden, visible = hidden or label != -100, visible or label == -100
    return found


def partly_masked__numpy(labels, word_ids):
    labels, word_ids = np.asarray(labels), np.asarray(word_ids)
    if not len(labels):
        return 0
    starts = np.flatnonzero(np.r_[True, word_ids[1:] != word_ids[:-1]])
    hidden = np.add.reduceat((labels != -100).astype(int), starts)
    sizes = np.diff(np.r_[starts, len(labels)])
    return int(((hidden > 0) & (hidden < sizes) & (word_ids[starts] != -1)).sum())


def partly_masked__torch(labels, word_ids):
    labels, words = torch.as_tensor(labels), torch.as_tensor(word_ids)
    starts = torch.ones_like(words, dtype=torch.bool)
    starts[1:] = words[1:] != words[:-1]
    number = starts.cumsum(0) - 1
    hidden = torch.bincount(number, weights=(labels != -100).double())
    sizes = torch.bincount(number)
    return int(((hidden > 0) & (hidden < sizes) & (words[starts] != -1)).sum())


def partly_masked__numpy_integer(labels, word_ids):
    return np.int64(partly_masked__numpy(labels, word_ids))


def partly_masked__sets_of_words(labels, word_ids):
    number = hidden = visible = None
    number, hidden, visible, previous = -1, set(), set(), None
    for label, word in zip(labels, word_ids):
        if previous is None or word != previous:
            number, previous = number + 1, word
        if word != -1:
            (visible if label == -100 else hidden).add(number)
    return len(hidden & visible)


def partly_masked__keyed_runs(labels, word_ids):
    words, run = defaultdict(list), 0
    for i, word in enumerate(word_ids):
        run += i > 0 and word_ids[i - 1] != word
        if word >= 0:
            words[run, word].append(labels[i])
    return len([1 for found in words.values() if -100 in found and set(map(int, found)) != {-100}])


def partly_masked__recursive(labels, word_ids):
    def walk(start):
        if start >= len(word_ids):
            return 0, len(word_ids)
        end = start
        while end < len(word_ids) and word_ids[end] == word_ids[start]:
            end += 1
        marks = [label != -100 for label in labels[start:end]]
        return int(word_ids[start] != -1 and any(marks) and not all(marks)), end

    found, at = 0, 0
    while at < len(word_ids):
        one, at = walk(at)
        found += one
    return found


partly_masked__lambda = lambda labels, word_ids: sum(  # noqa: E731
    1 < len(set(hits))
    for hits in (
        [
            labels[i] == -100
            for i in range(start, next((j for j in range(start, len(word_ids)) if word_ids[j] != word_ids[start]), len(word_ids)))
        ]
        for start in range(len(word_ids))
        if word_ids[start] != -1 and (start == 0 or word_ids[start - 1] != word_ids[start])
    )
)


class PartlyMasked:
    """A callable object with an extra default argument."""

    def __call__(self, labels, word_ids, ignored=-100):
        found, i = 0, 0
        while i < len(word_ids):
            j = i
            while j < len(word_ids) and word_ids[j] == word_ids[i]:
                j += 1
            visible = list(labels[i:j]).count(ignored)
            if word_ids[i] != chunking.NO_WORD and 0 < visible < j - i:
                found += 1
            i = j
        return found


def partly_masked__from_changes(labels, word_ids):
    """Words in which hidden and visible pieces meet, each counted at its first meeting."""
    found, counted = 0, False
    for i in range(1, len(word_ids)):
        if word_ids[i] != word_ids[i - 1]:
            counted = False
        elif word_ids[i] != -1 and not counted and (labels[i] == -100) != (labels[i - 1] == -100):
            found, counted = found + 1, True
    return found


def partly_masked__difference_of_counts(labels, word_ids):
    runs = _runs(word_ids)
    touched = sum(any(labels[i] != -100 for i in run) for run in runs)
    return touched - sum(all(labels[i] != -100 for i in run) for run in runs)


# ---- Exercise 4: mask_spans -----------------------------------------------------------------------------------------


def _spans(
    input_ids, word_ids, mask_token_id, generator, words=3, share=0.15, stop_at_special=True, special=False, whole=True, fresh=False
):
    size, hidden = len(input_ids), set()
    while len(hidden) < share * size:
        at = torch.randint(size, (1,), generator=generator).item()
        if word_ids[at] == -1 and not special:
            continue
        start = at
        while whole and start and word_ids[start - 1] == word_ids[at]:
            start -= 1
        if fresh and start in hidden:
            continue
        end, left = start, words
        while end < size and left:
            if word_ids[end] == -1:
                if stop_at_special:
                    break
                end += 1
                continue
            word = word_ids[end]
            while end < size and word_ids[end] == word:
                if special or word != -1:
                    hidden.add(end)
                end += 1
            left -= 1
        if special and end == start:
            hidden.add(start)
    masked = [mask_token_id if i in hidden else token for i, token in enumerate(input_ids)]
    labels = [token if i in hidden else -100 for i, token in enumerate(input_ids)]
    return masked, labels


def mask_spans__results_exchanged(input_ids, word_ids, mask_token_id, generator):
    masked, labels = _spans(input_ids, word_ids, mask_token_id, generator)
    return labels, masked


def mask_spans__one_word(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, generator, words=1)


def mask_spans__two_words(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, generator, words=2)


def mask_spans__four_words(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, generator, words=4)


def mask_spans__half_a_word(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, generator, whole=False)


def mask_spans__jumps_over_special_tokens(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, generator, stop_at_special=False)


def mask_spans__special_tokens_too(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, generator, special=True)


def mask_spans__thirty_percent(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, generator, share=0.3)


def mask_spans__one_span(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, generator, share=1e-9)


def mask_spans__three_tokens_not_words(input_ids, word_ids, mask_token_id, generator):
    masked, labels = list(input_ids), [-100] * len(input_ids)
    while sum(label != -100 for label in labels) < 0.15 * len(input_ids):
        at = torch.randint(len(input_ids), (1,), generator=generator).item()
        for i in range(at, min(at + 3, len(input_ids))):
            if word_ids[i] == -1:
                break
            masked[i], labels[i] = mask_token_id, input_ids[i]
    return masked, labels


def mask_spans__own_generator(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, torch.Generator().manual_seed(0))


def mask_spans__global_generator(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, None)


def mask_spans__labels_everywhere(input_ids, word_ids, mask_token_id, generator):
    masked, _ = _spans(input_ids, word_ids, mask_token_id, generator)
    return masked, list(input_ids)


def mask_spans__labels_of_the_masked(input_ids, word_ids, mask_token_id, generator):
    masked, labels = _spans(input_ids, word_ids, mask_token_id, generator)
    return masked, [-100 if label == -100 else mask_token_id for label in labels]


def mask_spans__zero_for_no_label(input_ids, word_ids, mask_token_id, generator):
    masked, labels = _spans(input_ids, word_ids, mask_token_id, generator)
    return masked, [0 if label == -100 else label for label in labels]


def mask_spans__mask_token_103(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, 103 if mask_token_id != 103 else 104, generator)


def mask_spans__masked_alone(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, generator)[0]


def mask_spans__tensors_in_place_of_lists(input_ids, word_ids, mask_token_id, generator):
    return tuple(torch.tensor(made) for made in _spans(input_ids, word_ids, mask_token_id, generator))


def mask_spans__labels_only_at_the_first_word(input_ids, word_ids, mask_token_id, generator):
    masked, labels = _spans(input_ids, word_ids, mask_token_id, generator)
    firsts = [label if i == 0 or labels[i - 1] == -100 else -100 for i, label in enumerate(labels)]
    return masked, firsts


def mask_spans__returns_nothing(input_ids, word_ids, mask_token_id, generator):
    _spans(input_ids, word_ids, mask_token_id, generator)


def mask_spans__words_before(input_ids, word_ids, mask_token_id, generator):
    """The word at the position and the two before it."""
    masked, labels = _spans(list(input_ids)[::-1], list(word_ids)[::-1], mask_token_id, generator)
    return masked[::-1], labels[::-1]


def mask_spans__trimmed_to_fifteen_percent(input_ids, word_ids, mask_token_id, generator):
    masked, labels = _spans(input_ids, word_ids, mask_token_id, generator)
    allowed = int(0.15 * len(input_ids))
    for i in [i for i, label in enumerate(labels) if label != -100][allowed:]:
        masked[i], labels[i] = input_ids[i], -100
    return masked, labels


def mask_spans__set_of_positions(input_ids, word_ids, mask_token_id, generator):
    return _spans(input_ids, word_ids, mask_token_id, generator)


def mask_spans__runs_of_words(input_ids, word_ids, mask_token_id, generator):
    words = [[i for i, _ in group] for _, group in groupby(enumerate(word_ids), key=lambda pair: pair[1])]
    of = {i: number for number, word in enumerate(words) for i in word}
    masked, labels = list(input_ids), [-100] * len(input_ids)
    while sum(label != -100 for label in labels) < 0.15 * len(input_ids):
        at = torch.randint(len(input_ids), (1,), generator=generator).item()
        for word in words[of[at] : of[at] + 3]:
            if word_ids[word[0]] == -1:
                break
            for i in word:
                masked[i], labels[i] = mask_token_id, input_ids[i]
    return masked, labels


def mask_spans__booleans(input_ids, word_ids, mask_token_id, generator):
    ids, words = np.array(input_ids), np.array(word_ids)
    number = np.cumsum(np.r_[True, words[1:] != words[:-1]]) - 1
    hidden = np.zeros(len(ids), dtype=bool)
    while hidden.sum() < 0.15 * len(ids):
        at = torch.randint(len(ids), (1,), generator=generator).item()
        if words[at] == -1:
            continue
        for k in range(3):
            here = number == number[at] + k
            if not here.any() or (words[here] == -1).any():
                break
            hidden |= here
    return np.where(hidden, mask_token_id, ids).tolist(), np.where(hidden, ids, -100).tolist()


def mask_spans__torch(input_ids, word_ids, mask_token_id, generator):
    ids, words = torch.tensor(input_ids), torch.tensor(word_ids)
    starts = torch.ones_like(words, dtype=torch.bool)
    starts[1:] = words[1:] != words[:-1]
    number, part = starts.cumsum(0), (words == -1).cumsum(0)  # parts of text between special tokens
    hidden = torch.zeros_like(starts)
    while hidden.sum().item() < 0.15 * len(ids):
        at = torch.randint(len(ids), (1,), generator=generator).item()
        if words[at] != -1:
            hidden |= (number >= number[at]) & (number <= number[at] + 2) & (part == part[at]) & (words != -1)
    return ids.masked_fill(hidden, mask_token_id).tolist(), ids.masked_fill(~hidden, -100).tolist()


def mask_spans__recursive(input_ids, word_ids, mask_token_id, generator):
    def word_end(i):
        j = i
        while j < len(word_ids) and word_ids[j] == word_ids[i]:
            j += 1
        return j

    def span(i, words):
        if not words or i >= len(word_ids) or word_ids[i] == -1:
            return []
        end = word_end(i)
        return [*range(i, end), *span(end, words - 1)]

    hidden = []
    while len(set(hidden)) / len(input_ids) < 0.15:
        at = -1
        while at < 0 or word_ids[at] == -1:
            at = torch.randint(len(input_ids), (1,), generator=generator).item()
        while at > 0 and word_ids[at - 1] == word_ids[at]:
            at -= 1
        hidden += span(at, 3)
    masked, labels = list(input_ids), [-100] * len(input_ids)
    for i in set(hidden):
        labels[i], masked[i] = masked[i], mask_token_id
    return masked, labels


class MaskSpans:
    """A callable object that keeps the length of a span and the share."""

    def __init__(self, words=3, share=0.15):
        self.words, self.share = words, share

    def __call__(self, input_ids, word_ids, mask_token_id, generator):
        return _spans(list(input_ids), list(word_ids), mask_token_id, generator, self.words, self.share)


mask_spans__lambda = lambda input_ids, word_ids, mask_token_id, generator: _spans(input_ids, word_ids, mask_token_id, generator)  # noqa: E731


def mask_spans__extra_default(input_ids, word_ids, mask_token_id, generator, share=0.15):
    labels = [-100] * len(input_ids)
    size = len(input_ids)
    while size - labels.count(-100) < share * size:
        at = torch.randint(size, (1,), generator=generator).item()
        if word_ids[at] == -1:
            continue
        left = at
        while left > 0 and word_ids[left - 1] == word_ids[at]:
            left -= 1
        begun = 0
        for i in range(left, size):
            begun += i == left or word_ids[i] != word_ids[i - 1]
            if begun > 3 or word_ids[i] == -1:
                break
            labels[i] = input_ids[i]
    return [token if label == -100 else mask_token_id for token, label in zip(input_ids, labels)], labels


def mask_spans__all_spans_beforehand(input_ids, word_ids, mask_token_id, generator):
    spans, runs = {}, [(w, [i for i, _ in g]) for w, g in groupby(enumerate(word_ids), key=lambda pair: pair[1])]
    for k, (word, positions) in enumerate(runs):
        span = []
        for other, more in runs[k : k + 3]:
            if other == -1:
                break
            span += more
        spans |= {i: frozenset(span) for i in positions}
    hidden = frozenset()
    while 100 * len(hidden) < 15 * len(input_ids):
        hidden |= spans[torch.randint(len(input_ids), (1,), generator=generator).item()]  # empty at special tokens
    return (
        [mask_token_id if i in hidden else token for i, token in enumerate(input_ids)],
        [token if i in hidden else -100 for i, token in enumerate(input_ids)],
    )


def mask_spans__generator_of_draws(input_ids, word_ids, mask_token_id, generator):
    def draws():
        while True:
            at = torch.randint(len(input_ids), (1,), generator=generator).item()
            if word_ids[at] != -1:
                yield at

    masked, labels = list(input_ids), [-100] * len(input_ids)
    for at in draws():
        while at and word_ids[at - 1] == word_ids[at]:
            at -= 1
        for _ in range(3):
            if at == len(input_ids) or word_ids[at] == -1:
                break
            word = word_ids[at]
            while at < len(input_ids) and word_ids[at] == word:
                masked[at], labels[at] = mask_token_id, input_ids[at]
                at += 1
        if sum(label != -100 for label in labels) >= 0.15 * len(input_ids):
            return masked, labels


# ---- Exercise 5: compare --------------------------------------------------------------------------------------------


def compare__kinds_outside(models, sets):
    return {kind: {name: metrics.perplexity(model, batches) for name, model in models.items()} for kind, batches in sets.items()}


def compare__losses(models, sets):
    return {name: {kind: metrics.mean_masked_loss(model, batches) for kind, batches in sets.items()} for name, model in models.items()}


def _first(models):
    return next(iter(models.values()))


def compare__first_model_for_all(models, sets):
    return {name: {kind: metrics.perplexity(_first(models), batches) for kind, batches in sets.items()} for name in models}


def compare__last_model_for_all(models, sets):
    model = list(models.values())[-1]
    return {name: {kind: metrics.perplexity(model, batches) for kind, batches in sets.items()} for name in models}


def compare__first_set_for_all(models, sets):
    batches = _first(sets)
    return {name: {kind: metrics.perplexity(model, batches) for kind in sets} for name, model in models.items()}


def compare__first_batch_alone(models, sets):
    return {name: {kind: metrics.perplexity(model, batches[:1]) for kind, batches in sets.items()} for name, model in models.items()}


def compare__one_set_for_each_model(models, sets):
    return {n: {k: metrics.perplexity(m, b)} for (n, m), (k, b) in zip(models.items(), sets.items())}


def compare__keys_are_pairs(models, sets):
    return {(name, kind): metrics.perplexity(model, batches) for name, model in models.items() for kind, batches in sets.items()}


def compare__list(models, sets):
    return [[metrics.perplexity(model, batches) for batches in sets.values()] for model in models.values()]


@torch.no_grad()
def _batch_losses(model, batches):
    model.eval()
    device = next(model.parameters()).device
    return [model(**{name: tensor.to(device) for name, tensor in batch.items()}).loss.item() for batch in batches]


def compare__mean_of_batch_means(models, sets):
    losses = {name: {kind: _batch_losses(model, batches) for kind, batches in sets.items()} for name, model in models.items()}
    return {name: {kind: math.exp(sum(found) / len(found)) for kind, found in kinds.items()} for name, kinds in losses.items()}


def compare__mean_of_batch_perplexities(models, sets):
    losses = {name: {kind: _batch_losses(model, batches) for kind, batches in sets.items()} for name, model in models.items()}
    return {name: {kind: sum(map(math.exp, found)) / len(found) for kind, found in kinds.items()} for name, kinds in losses.items()}


def compare__last_batch_wins(models, sets):
    losses = {name: {kind: _batch_losses(model, batches) for kind, batches in sets.items()} for name, model in models.items()}
    return {name: {kind: math.exp(found[-1]) for kind, found in kinds.items()} for name, kinds in losses.items()}


def compare__power_of_two(models, sets):
    return {n: {k: 2 ** metrics.mean_masked_loss(m, batches) for k, batches in sets.items()} for n, m in models.items()}


def compare__mean_over_the_sets(models, sets):
    return {n: sum(metrics.perplexity(m, batches) for batches in sets.values()) / len(sets) for n, m in models.items()}


def compare__all_sets_joined(models, sets):
    joined = list(chain.from_iterable(sets.values()))
    return {name: {kind: metrics.perplexity(model, joined) for kind in sets} for name, model in models.items()}


def compare__inner_dictionary_shared(models, sets):
    inner, found = {}, {}
    for name, model in models.items():
        for kind, batches in sets.items():
            inner[kind] = metrics.perplexity(model, batches)
        found[name] = inner
    return found


def compare__returns_too_early(models, sets):
    for name, model in models.items():
        return {name: {kind: metrics.perplexity(model, batches) for kind, batches in sets.items()}}


def compare__returns_nothing(models, sets):
    for model in models.values():
        for batches in sets.values():
            metrics.perplexity(model, batches)


def compare__strings(models, sets):
    return {n: {k: f"{metrics.perplexity(m, batches):.2f}" for k, batches in sets.items()} for n, m in models.items()}


def compare__whole_numbers(models, sets):
    return {n: {k: round(metrics.perplexity(m, batches)) for k, batches in sets.items()} for n, m in models.items()}


def compare__ratio_to_the_first(models, sets):
    base = {kind: metrics.perplexity(_first(models), batches) for kind, batches in sets.items()}
    return {n: {k: metrics.perplexity(m, batches) / base[k] for k, batches in sets.items()} for n, m in models.items()}


def compare__numbers_for_names(models, sets):
    return {i: {k: metrics.perplexity(m, b) for k, b in sets.items()} for i, m in enumerate(models.values())}


def compare__difference_of_the_kinds(models, sets):
    found = compare__comprehensions(models, sets)
    return {name: {kind: value - min(kinds.values()) for kind, value in kinds.items()} for name, kinds in found.items()}


def compare__comprehensions(models, sets):
    return {name: {kind: metrics.perplexity(model, batches) for kind, batches in sets.items()} for name, model in models.items()}


def compare__loops(models, sets):
    found = {}
    for name in models:
        found[name] = {}
        for kind in sets:
            found[name][kind] = metrics.perplexity(models[name], sets[kind])
    return found


def compare__default_dictionary(models, sets):
    found = defaultdict(dict)
    for kind, batches in sets.items():
        for name, model in models.items():
            found[name][kind] = metrics.as_perplexity(metrics.mean_masked_loss(model, batches))
    return found


def compare__exponential_of_the_mean_loss(models, sets):
    return {n: {k: math.exp(metrics.mean_masked_loss(m, b)) for k, b in sets.items()} for n, m in models.items()}


@torch.no_grad()
def compare__by_hand(models, sets):
    found = {}
    for name, model in models.items():
        was_training, found[name] = model.training, {}
        model.eval()
        for kind, batches in sets.items():
            total, count = 0.0, 0
            for batch in batches:
                asked = (batch["labels"] != -100).sum().item()
                if asked:
                    total += model(**{key: tensor.to(model.device) for key, tensor in batch.items()}).loss.item() * asked
                    count += asked
            found[name][kind] = math.exp(total / count)
        model.train(was_training)
    return found


@torch.no_grad()
def compare__from_hidden_logits(models, sets):
    """Asks without labels, so that the model returns all logits, and takes the loss itself."""

    def ask(model, batches):
        was_training = model.training
        model.eval()
        losses = []
        for batch in batches:
            labels = batch["labels"].to(model.device)
            logits = model(**{key: tensor.to(model.device) for key, tensor in batch.items() if key != "labels"}).logits
            losses.append(F.cross_entropy(logits[labels != -100], labels[labels != -100], reduction="none"))
        model.train(was_training)
        return torch.cat(losses).double().mean().exp().item()

    return {name: {kind: ask(model, batches) for kind, batches in sets.items()} for name, model in models.items()}


def compare__numpy_floats(models, sets):
    return {n: {k: np.exp(metrics.mean_masked_loss(m, b)) for k, b in sets.items()} for n, m in models.items()}


def compare__table(models, sets):
    table = np.array([[metrics.perplexity(model, batches) for batches in sets.values()] for model in models.values()])
    return {name: dict(zip(sets, row.tolist())) for name, row in zip(models, table)}


compare__lambda = lambda models, sets: dict(  # noqa: E731
    map(lambda pair: (pair[0], {k: metrics.perplexity(pair[1], b) for k, b in sets.items()}), models.items())
)


def compare__recursive(models, sets):
    if not models:
        return {}
    (name, model), *rest = models.items()
    return {name: {kind: metrics.perplexity(model, batches) for kind, batches in sets.items()}} | compare__recursive(dict(rest), sets)


class Compare:
    """A callable object with an extra default argument."""

    def __call__(self, models, sets, measure=metrics.perplexity):
        return {name: self.one(model, sets, measure) for name, model in models.items()}

    def one(self, model, sets, measure):
        return {kind: measure(model, list(batches)) for kind, batches in sets.items()}


def compare__setdefault(models, sets):
    found = {}
    for (name, model), (kind, batches) in ((m, s) for m in models.items() for s in sets.items()):
        found.setdefault(name, {})[kind] = metrics.perplexity(model, batches)
    return found


def compare__rounded_for_reading(models, sets, digits=9):
    return {n: {k: round(metrics.perplexity(m, b), digits) for k, b in sets.items()} for n, m in models.items()}


# ---- Exercises 1 and 6: values --------------------------------------------------------------------------------------

NAMES = ("BERT", "BigBird", "ModernBERT")


def _longest(bert=512, big_bird=4096, modern=8192):
    return dict(zip(NAMES, (bert, big_bird, modern)))


class Unlabelled(int):
    """A whole number of a class of its own."""


WRONG = {
    "cut": [
        cut__keeps_a_short_chunk,
        cut__zero_is_no_padding,
        cut__chunk_of_padding_alone,
        cut__loses_the_last_full_chunk,
        cut__pads_on_the_left,
        cut__never_pads,
        cut__always_pads_with_zero,
        cut__zero_whatever_the_pad,
        cut__windows_overlap,
        cut__one_chunk_alone,
        cut__pads_by_one_less,
        cut__drops_a_rest_of_one,
        cut__a_flat_list,
        cut__as_many_parts_as_size,
        cut__returns_nothing,
        cut__no_short_text,
        cut__short_text_raises,
        cut__floats,
        cut__rest_from_the_front,
        cut__repeats_the_last_token,
    ],
    "partly_masked": [
        partly_masked__same_number_same_word,
        partly_masked__all_masked_words,
        partly_masked__wholly_masked_words,
        partly_masked__special_tokens_are_words,
        partly_masked__share,
        partly_masked__tokens_not_words,
        partly_masked__hidden_tokens_of_such_words,
        partly_masked__changes_within_a_word,
        partly_masked__looks_at_first_and_last,
        partly_masked__looks_at_two_pieces,
        partly_masked__words_of_two_pieces_alone,
        partly_masked__first_piece_visible,
        partly_masked__forgets_the_last_word,
        partly_masked__forgets_the_first_word,
        partly_masked__yes_or_no,
        partly_masked__which_ones,
        partly_masked__always_zero,
        partly_masked__returns_nothing,
        partly_masked__arguments_exchanged,
        partly_masked__label_zero_is_visible,
        partly_masked__word_zero_is_no_word,
    ],
    "mask_spans": [
        mask_spans__results_exchanged,
        mask_spans__one_word,
        mask_spans__two_words,
        mask_spans__four_words,
        mask_spans__half_a_word,
        mask_spans__jumps_over_special_tokens,
        mask_spans__special_tokens_too,
        mask_spans__thirty_percent,
        mask_spans__one_span,
        mask_spans__three_tokens_not_words,
        mask_spans__own_generator,
        mask_spans__global_generator,
        mask_spans__labels_everywhere,
        mask_spans__labels_of_the_masked,
        mask_spans__zero_for_no_label,
        mask_spans__mask_token_103,
        mask_spans__masked_alone,
        mask_spans__labels_only_at_the_first_word,
        mask_spans__returns_nothing,
        mask_spans__words_before,
        mask_spans__trimmed_to_fifteen_percent,
    ],
    "compare": [
        compare__kinds_outside,
        compare__losses,
        compare__first_model_for_all,
        compare__last_model_for_all,
        compare__first_set_for_all,
        compare__first_batch_alone,
        compare__one_set_for_each_model,
        compare__keys_are_pairs,
        compare__list,
        compare__mean_of_batch_means,
        compare__mean_of_batch_perplexities,
        compare__last_batch_wins,
        compare__power_of_two,
        compare__mean_over_the_sets,
        compare__all_sets_joined,
        compare__inner_dictionary_shared,
        compare__returns_too_early,
        compare__returns_nothing,
        compare__strings,
        compare__whole_numbers,
        compare__ratio_to_the_first,
        compare__numbers_for_names,
        compare__difference_of_the_kinds,
    ],
    "unsupervised_label": [0, 1, 2, -100, None, ..., "neg", 0.5, "none", [], {}, 150, [0, 1], True, False, float("nan")],
    "longest": [
        _longest(modern=512),
        _longest(big_bird=512),
        _longest(big_bird=8192, modern=4096),
        _longest(bert=514),
        _longest(bert=510, big_bird=4094, modern=8190),
        _longest(512, 512, 512),
        _longest(1024, 4096, 8192),
        _longest(modern=...),
        {"BERT": 512, "BigBird": 4096},
        {"bert": 512, "bigbird": 4096, "modernbert": 8192},
        _longest(big_bird=4098),
        _longest(modern=8000),
        _longest(BertConfig, BigBirdConfig, ModernBertConfig),
        [512, 4096, 8192],
        _longest(30522, 50358, 50368),
        None,
    ],
}

RIGHT = {
    "cut": [
        cut__range,
        cut__pads_first,
        cut__recursive_halves,
        cut__same_iterator,
        cut__eats_a_copy,
        cut__numpy,
        cut__torch,
        cut__islice,
        cut__lambda,
        cut__helper,
        cut__token_by_token,
        Cut(),
        cut__generator,
    ],
    "partly_masked": [
        partly_masked__runs,
        partly_masked__groupby,
        partly_masked__loop,
        partly_masked__numpy,
        partly_masked__torch,
        partly_masked__numpy_integer,
        partly_masked__sets_of_words,
        partly_masked__keyed_runs,
        partly_masked__recursive,
        partly_masked__lambda,
        PartlyMasked(),
        partly_masked__from_changes,
        partly_masked__difference_of_counts,
    ],
    "mask_spans": [
        mask_spans__set_of_positions,
        mask_spans__runs_of_words,
        mask_spans__booleans,
        mask_spans__torch,
        mask_spans__recursive,
        MaskSpans(),
        mask_spans__lambda,
        mask_spans__extra_default,
        mask_spans__all_spans_beforehand,
        mask_spans__generator_of_draws,
        mask_spans__tensors_in_place_of_lists,  # was among the wrong ones: a tensor holds the same numbers, and any sequence is as good
    ],
    "compare": [
        compare__comprehensions,
        compare__loops,
        compare__default_dictionary,
        compare__exponential_of_the_mean_loss,
        compare__by_hand,
        compare__from_hidden_logits,
        compare__numpy_floats,
        compare__table,
        compare__lambda,
        compare__recursive,
        Compare(),
        compare__setdefault,
        compare__rounded_for_reading,
    ],
    "unsupervised_label": [-1, np.int64(-1), np.int32(-1), np.int8(-1), ~0, chunking.NO_WORD, Unlabelled(-1), min([-1])],
    "longest": [
        _longest(),
        _longest(BertConfig().max_position_embeddings, BigBirdConfig().max_position_embeddings, ModernBertConfig().max_position_embeddings),
        {"ModernBERT": 2**13, "BigBird": 2**12, "BERT": 2**9},
        _longest(np.int64(512), np.int64(4096), np.int64(8192)),
        _longest(np.int32(512), np.int32(4096), np.int32(8192)),
        defaultdict(int, _longest(LongformerConfig().max_position_embeddings)),
        dict(BERT=1 << 9, BigBird=1 << 12, ModernBERT=1 << 13),
        dict(_longest().items()),
    ],
}
