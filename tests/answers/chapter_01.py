"""Answers to the exercises of chapter 01, written from the tasks alone, without reading the checks."""

from collections import Counter, OrderedDict, defaultdict
from fractions import Fraction
from functools import cache, reduce
from itertools import chain, zip_longest

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoTokenizer
from transformers.tokenization_utils_base import TruncationStrategy

from helpers.paths import MINI_BERT


@cache
def _mini_bert():
    return AutoTokenizer.from_pretrained(MINI_BERT)


# ---- Exercise 2: join_pair (the task is newer than these files' rule: its answers are by the author of the check) ----


def _joined(first, second, segments=(0, 1), attention=1):
    ids = [*first, *second]
    return {
        "input_ids": ids,
        "token_type_ids": [segments[0]] * len(first) + [segments[1]] * len(second),
        "attention_mask": [attention] * len(ids),
    }


def join_pair__plain(one, two, cls, sep):
    return _joined([cls, *one, sep], [*two, sep])


def join_pair__two_cls(one, two, cls, sep):
    return _joined([cls, *one, sep], [cls, *two, sep])


def join_pair__two_separators_between(one, two, cls, sep):
    return _joined([cls, *one, sep, sep], [*two, sep])


def join_pair__no_end(one, two, cls, sep):
    return _joined([cls, *one, sep], two)


def join_pair__nothing_between(one, two, cls, sep):
    return _joined([cls, *one], [*two, sep])


def join_pair__no_special_tokens(one, two, cls, sep):
    return _joined(one, two)


def join_pair__exchanged(one, two, cls, sep):
    return _joined([cls, *two, sep], [*one, sep])


def join_pair__cls_and_sep_exchanged(one, two, cls, sep):
    return join_pair__plain(one, two, sep, cls)


def join_pair__segments_from_one(one, two, cls, sep):
    return _joined([cls, *one, sep], [*two, sep], segments=(1, 2))


def join_pair__segments_inverted(one, two, cls, sep):
    return _joined([cls, *one, sep], [*two, sep], segments=(1, 0))


def join_pair__one_segment(one, two, cls, sep):
    return _joined([cls, *one, sep], [*two, sep], segments=(0, 0))


def join_pair__separator_in_the_second(one, two, cls, sep):
    return _joined([cls, *one], [sep, *two, sep])


def join_pair__last_separator_in_the_first(one, two, cls, sep):
    joined = join_pair__plain(one, two, cls, sep)
    return joined | {"token_type_ids": [*joined["token_type_ids"][:-1], 0]}


def join_pair__attention_zero(one, two, cls, sep):
    return _joined([cls, *one, sep], [*two, sep], attention=0)


def join_pair__attention_of_floats(one, two, cls, sep):
    return _joined([cls, *one, sep], [*two, sep], attention=1.0)


def join_pair__attention_of_booleans(one, two, cls, sep):
    return _joined([cls, *one, sep], [*two, sep], attention=True)


def join_pair__attention_to_the_first(one, two, cls, sep):
    joined = join_pair__plain(one, two, cls, sep)
    return joined | {"attention_mask": [1 - segment for segment in joined["token_type_ids"]]}


def join_pair__numbers_of_bert(one, two, cls, sep):
    return join_pair__plain(one, two, 101, 102)


def join_pair__ids_alone(one, two, cls, sep):
    return [cls, *one, sep, *two, sep]


def join_pair__without_attention(one, two, cls, sep):
    joined = join_pair__plain(one, two, cls, sep)
    return {name: joined[name] for name in ("input_ids", "token_type_ids")}


def join_pair__segments_by_value(one, two, cls, sep):
    joined = join_pair__plain(one, two, cls, sep)
    return joined | {"token_type_ids": [int(token in two or i == len(one) + len(two) + 2) for i, token in enumerate(joined["input_ids"])]}


def join_pair__a_batch_of_one(one, two, cls, sep):
    return {name: [values] for name, values in join_pair__plain(one, two, cls, sep).items()}


def join_pair__returns_nothing(one, two, cls, sep):
    join_pair__plain(one, two, cls, sep)


def join_pair__tuples(one, two, cls, sep):
    return {name: tuple(values) for name, values in join_pair__plain(one, two, cls, sep).items()}


def join_pair__arrays(one, two, cls, sep):
    return {name: np.array(values, dtype=np.int32) for name, values in join_pair__plain(one, two, cls, sep).items()}


def join_pair__tensors(one, two, cls, sep):
    return {name: torch.tensor(values) for name, values in join_pair__plain(one, two, cls, sep).items()}


def join_pair__running_separator(one, two, cls, sep):
    ids, segments, segment = [], [], 0
    for i, token in enumerate([cls] + one + [sep] + two + [sep]):
        ids.append(token)
        segments.append(segment)
        if i == len(one) + 1:
            segment = 1
    return OrderedDict(attention_mask=[1 for _ in ids], token_type_ids=segments, input_ids=ids)


def join_pair__by_position(one, two, cls, sep):
    ids = sum(([cls], one, [sep], two, [sep]), [])
    return dict(input_ids=ids, token_type_ids=[+(i > len(one) + 1) for i in range(len(ids))], attention_mask=[1] * len(ids))


join_pair__lambda = lambda one, two, cls, sep: _joined([cls] + one + [sep], two + [sep])  # noqa: E731


def join_pair__inserts(one, two, cls, sep):
    one.insert(0, cls)
    one.append(sep)
    two.append(sep)
    return _joined(one, two)


class JoinPair:
    """A callable object with a default argument."""

    def __call__(self, one, two, cls, sep, names=("input_ids", "token_type_ids", "attention_mask")):
        return dict(zip(names, join_pair__plain(one, two, cls, sep).values()))


# ---- Exercise 1: f1_by_hand -----------------------------------------------------------------------------------------


def _cells(predictions, labels):
    tp = sum(int(p == 1 and y == 1) for p, y in zip(predictions, labels))
    fp = sum(int(p == 1 and y == 0) for p, y in zip(predictions, labels))
    fn = sum(int(p == 0 and y == 1) for p, y in zip(predictions, labels))
    return tp, fp, fn


def f1_by_hand__accuracy(predictions, labels):
    return sum(int(p == y) for p, y in zip(predictions, labels)) / len(labels)


def f1_by_hand__class_zero(predictions, labels):
    tp, fp, fn = _cells([1 - p for p in predictions], [1 - y for y in labels])
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def f1_by_hand__macro(predictions, labels):
    one, zero = _cells(predictions, labels), _cells([1 - p for p in predictions], [1 - y for y in labels])
    return sum(2 * tp / (2 * tp + fp + fn) if tp else 0.0 for tp, fp, fn in (one, zero)) / 2


def f1_by_hand__arithmetic_mean(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return (tp / (tp + fp) + tp / (tp + fn)) / 2 if tp else 0.0


def f1_by_hand__geometric_mean(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return (tp / (tp + fp) * tp / (tp + fn)) ** 0.5 if tp else 0.0


def f1_by_hand__without_the_two(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return tp / (2 * tp + fp + fn) if tp else 0.0


def f1_by_hand__jaccard(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return tp / (tp + fp + fn) if tp else 0.0


def f1_by_hand__divides_by_zero(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return 2 * precision * recall / (precision + recall)


def f1_by_hand__nan_without_hits(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return 2 * tp / (2 * tp + fp + fn) if tp else float("nan")


def f1_by_hand__none_without_hits(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    if tp:
        return 2 * tp / (2 * tp + fp + fn)


def f1_by_hand__one_where_nothing_was_to_be_found(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0


def f1_by_hand__percent(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return 200 * tp / (2 * tp + fp + fn) if tp else 0.0


def f1_by_hand__three_numbers(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    if not tp:
        return 0.0, 0.0, 0.0
    return tp / (tp + fp), tp / (tp + fn), 2 * tp / (2 * tp + fp + fn)


def f1_by_hand__true_negatives_are_hits(predictions, labels):
    _, fp, fn = _cells(predictions, labels)
    hits = sum(int(p == y) for p, y in zip(predictions, labels))
    return 2 * hits / (2 * hits + fp + fn) if hits else 0.0


def f1_by_hand__forgets_the_last(predictions, labels):
    tp, fp, fn = _cells(predictions[:-1], labels[:-1])
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def f1_by_hand__forgets_the_first(predictions, labels):
    tp, fp, fn = _cells(predictions[1:], labels[1:])
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def f1_by_hand__returns_nothing(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    if tp:
        2 * tp / (2 * tp + fp + fn)


def f1_by_hand__precision_alone(predictions, labels):
    tp, fp, _ = _cells(predictions, labels)
    return tp / (tp + fp) if tp else 0.0


def f1_by_hand__recall_alone(predictions, labels):
    tp, _, fn = _cells(predictions, labels)
    return tp / (tp + fn) if tp else 0.0


def f1_by_hand__false_negatives_twice(predictions, labels):
    tp, _, fn = _cells(predictions, labels)
    return 2 * tp / (2 * tp + fn + fn) if tp else 0.0


def f1_by_hand__divides_by_all(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return 2 * tp / len(labels) if tp else 0.0


def f1_by_hand__two_digits(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return round(2 * tp / (2 * tp + fp + fn), 2) if tp else 0.0


def f1_by_hand__f2(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return 5 * tp / (5 * tp + fp + 4 * fn) if tp else 0.0


def f1_by_hand__micro_of_both_classes(predictions, labels):
    one, zero = _cells(predictions, labels), _cells([1 - p for p in predictions], [1 - y for y in labels])
    tp, fp, fn = (a + b for a, b in zip(one, zero))
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def f1_by_hand__closed_form(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def f1_by_hand__precision_and_recall_exchanged(predictions, labels):
    tp, fp, fn = _cells(labels, predictions)  # F1 does not mind
    precision, recall = tp / (tp + fp) if tp else 0.0, tp / (tp + fn) if tp else 0.0
    return 2 * precision * recall / (precision + recall) if tp else 0.0


def f1_by_hand__counter_of_pairs(predictions, labels):
    cells = Counter((int(p), int(y)) for p, y in zip(predictions, labels))
    tp, fp, fn = cells[1, 1], cells[1, 0], cells[0, 1]
    if tp == 0:
        return 0.0
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return 2 / (1 / precision + 1 / recall)


def f1_by_hand__sets_of_positions(predictions, labels):
    said = {i for i, p in enumerate(predictions) if p == 1}
    true = {i for i, y in enumerate(labels) if y == 1}
    return 2 * len(said & true) / (len(said) + len(true)) if said & true else 0.0


def f1_by_hand__table(predictions, labels):
    table = [[0, 0], [0, 0]]  # true classes in rows, answers in columns
    for answer, truth in zip(predictions, labels):
        table[int(truth)][int(answer)] += 1
    (_, fp), (fn, tp) = table
    try:
        precision, recall = tp / (tp + fp), tp / (tp + fn)
        return 2 * precision * recall / (precision + recall)
    except ZeroDivisionError:
        return 0.0


def f1_by_hand__two_bits(predictions, labels):
    codes = [2 * int(y) + int(p) for p, y in zip(predictions, labels)]
    fp, fn, tp = (codes.count(code) for code in (1, 2, 3))
    return float(tp and tp / (tp + (fp + fn) / 2))


f1_by_hand__lambda = lambda predictions, labels: (  # noqa: E731
    2.0 * sum(int(p) * int(y) for p, y in zip(predictions, labels)) / max(1, sum(map(int, predictions)) + sum(map(int, labels)))
)


def f1_by_hand__reduce(predictions, labels):
    def add(cells, pair):
        (tp, fp, fn), (p, y) = cells, (int(pair[0]), int(pair[1]))
        return tp + p * y, fp + p * (1 - y), fn + (1 - p) * y

    tp, fp, fn = reduce(add, zip(predictions, labels), (0, 0, 0))
    return 0.0 if tp == 0 else 2 * tp / (2 * tp + fp + fn)


def f1_by_hand__halves(predictions, labels):
    def count(start, end):  # recursion by halves, which long lists survive
        if end - start == 0:
            return 0, 0, 0
        if end - start == 1:
            p, y = int(predictions[start]), int(labels[start])
            return p * y, p * (1 - y), (1 - p) * y
        middle = (start + end) // 2
        return tuple(a + b for a, b in zip(count(start, middle), count(middle, end)))

    tp, fp, fn = count(0, len(labels))
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


class F1ByHand:
    """A callable object with an extra default argument."""

    def __call__(self, predictions, labels, beta=1):
        tp = fp = fn = 0
        for answer, truth in zip(predictions, labels):
            if answer == 1:
                if truth == 1:
                    tp += 1
                else:
                    fp += 1
            elif truth == 1:
                fn += 1
        if not tp:
            return 0.0
        precision, recall = tp / (tp + fp), tp / (tp + fn)
        return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def f1_by_hand__match(predictions, labels):
    cells = defaultdict(int)
    for pair in zip(map(int, predictions), map(int, labels)):
        match pair:
            case (1, 1):
                cells["tp"] += 1
            case (1, 0) | (0, 1):
                cells["wrong"] += 1
    return cells["tp"] / (cells["tp"] + cells["wrong"] / 2) if cells["tp"] else 0.0


def f1_by_hand__exact_then_float(predictions, labels):
    tp, fp, fn = _cells(predictions, labels)
    return float(Fraction(2 * tp, 2 * tp + fp + fn)) if tp else 0.0


def f1_by_hand__while_loop(predictions, labels):
    i = tp = misses = 0
    while i < len(labels):
        tp += bool(predictions[i] == labels[i] == 1)
        misses += bool(predictions[i] != labels[i])
        i += 1
    return 2 * tp / (2 * tp + misses) if tp > 0 else 0.0


# ---- Exercise 3: single_sentences -----------------------------------------------------------------------------------


def single_sentences__all_firsts_then_all_seconds(batch):
    return {"sentence": [*batch["sentence1"], *batch["sentence2"]], "pair": [*batch["idx"], *batch["idx"]]}


def single_sentences__pair_once(batch):
    rows = zip(batch["sentence1"], batch["sentence2"])
    return {"sentence": [text for pair in rows for text in pair], "pair": list(batch["idx"])}


def single_sentences__position_for_idx(batch):
    rows = list(zip(batch["sentence1"], batch["sentence2"]))
    return {"sentence": [text for pair in rows for text in pair], "pair": [i for i in range(len(rows)) for _ in range(2)]}


def single_sentences__idx_goes_on_from_the_first(batch):
    rows, first = list(zip(batch["sentence1"], batch["sentence2"])), batch["idx"][0]
    return {"sentence": [text for pair in rows for text in pair], "pair": [first + i // 2 for i in range(2 * len(rows))]}


def single_sentences__second_sentence_first(batch):
    rows = zip(batch["sentence2"], batch["sentence1"])
    return {"sentence": [text for pair in rows for text in pair], "pair": [i for i in batch["idx"] for _ in range(2)]}


def single_sentences__wrong_names(batch):
    rows = zip(batch["sentence1"], batch["sentence2"])
    return {"sentences": [text for pair in rows for text in pair], "pairs": [i for i in batch["idx"] for _ in range(2)]}


def single_sentences__idx_tiled(batch):
    rows = zip(batch["sentence1"], batch["sentence2"])
    return {"sentence": [text for pair in rows for text in pair], "pair": list(batch["idx"]) * 2}


def single_sentences__first_pair_alone(batch):
    return {"sentence": [batch["sentence1"][0], batch["sentence2"][0]], "pair": [batch["idx"][0]] * 2}


def single_sentences__one_row_not_a_batch(batch):
    return {"sentence": [batch["sentence1"], batch["sentence2"]], "pair": [batch["idx"], batch["idx"]]}


def single_sentences__list_of_rows(batch):
    rows = zip(batch["sentence1"], batch["sentence2"], batch["idx"])
    return [{"sentence": text, "pair": i} for one, two, i in rows for text in (one, two)]


def single_sentences__keeps_the_old_columns(batch):
    rows = zip(batch["sentence1"], batch["sentence2"])
    made = {"sentence": [text for pair in rows for text in pair], "pair": [i for i in batch["idx"] for _ in range(2)]}
    return {**batch, **made}


def single_sentences__tuples_of_sentences(batch):
    return {"sentence": list(zip(batch["sentence1"], batch["sentence2"])), "pair": list(batch["idx"])}


def single_sentences__returns_nothing(batch):
    batch["sentence"] = [text for pair in zip(batch["sentence1"], batch["sentence2"]) for text in pair]
    batch["pair"] = [i for i in batch["idx"] for _ in range(2)]


def single_sentences__leaves_repetitions_out(batch):
    sentences, pairs = [], []
    for one, two, i in zip(batch["sentence1"], batch["sentence2"], batch["idx"]):
        for text in dict.fromkeys((one, two)):
            sentences.append(text)
            pairs.append(i)
    return {"sentence": sentences, "pair": pairs}


def single_sentences__numbers_the_sentences(batch):
    rows = list(zip(batch["sentence1"], batch["sentence2"]))
    return {"sentence": [text for pair in rows for text in pair], "pair": list(range(2 * len(rows)))}


def single_sentences__idx_as_strings(batch):
    rows = zip(batch["sentence1"], batch["sentence2"])
    return {"sentence": [text for pair in rows for text in pair], "pair": [str(i) for i in batch["idx"] for _ in range(2)]}


def single_sentences__lower_case(batch):
    rows = zip(batch["sentence1"], batch["sentence2"])
    return {"sentence": [text.lower() for pair in rows for text in pair], "pair": [i for i in batch["idx"] for _ in range(2)]}


def single_sentences__goes_on_where_the_last_batch_ended(batch, made={"sentence": [], "pair": []}):  # noqa: B006
    for one, two, i in zip(batch["sentence1"], batch["sentence2"], batch["idx"]):
        made["sentence"] += [one, two]
        made["pair"] += [i, i]
    return made


def single_sentences__joined_to_one_text(batch):
    rows = zip(batch["sentence1"], batch["sentence2"])
    return {"sentence": [" ".join(pair) for pair in rows], "pair": list(batch["idx"])}


def single_sentences__forgets_the_last_pair(batch):
    sentences, pairs = [], []
    for i in range(len(batch["idx"]) - 1):
        sentences += [batch["sentence1"][i], batch["sentence2"][i]]
        pairs += [batch["idx"][i]] * 2
    return {"sentence": sentences, "pair": pairs}


def single_sentences__label_for_pair(batch):
    rows = zip(batch["sentence1"], batch["sentence2"])
    labels = batch["label"] if "label" in batch else [1] * len(batch["idx"])
    return {"sentence": [text for pair in rows for text in pair], "pair": [y for y in labels for _ in range(2)]}


def single_sentences__sentence1_twice(batch):
    rows = zip(batch["sentence1"], batch["sentence1"])
    return {"sentence": [text for pair in rows for text in pair], "pair": [i for i in batch["idx"] for _ in range(2)]}


def single_sentences__comprehensions(batch):
    rows = zip(batch["sentence1"], batch["sentence2"])
    return {"sentence": [text for pair in rows for text in pair], "pair": [i for i in batch["idx"] for _ in range(2)]}


def single_sentences__chain(batch):
    return {
        "sentence": list(chain.from_iterable(zip(batch["sentence1"], batch["sentence2"]))),
        "pair": list(chain.from_iterable(zip(batch["idx"], batch["idx"]))),
    }


def single_sentences__slices(batch):
    sentences = [None] * (2 * len(batch["idx"]))
    sentences[::2], sentences[1::2] = batch["sentence1"], batch["sentence2"]
    pairs = sentences.copy()
    pairs[::2] = pairs[1::2] = batch["idx"]
    return {"sentence": sentences, "pair": pairs}


def single_sentences__numpy(batch):
    texts = np.array([batch["sentence1"], batch["sentence2"]], dtype=object)
    return {"sentence": texts.T.ravel().tolist(), "pair": np.repeat(batch["idx"], 2).tolist()}


def single_sentences__other_integers(batch):
    texts = [batch[f"sentence{1 + k % 2}"][k // 2] for k in range(2 * len(batch["idx"]))]
    return {"pair": list(np.repeat(np.array(batch["idx"], dtype=np.int32), 2)), "sentence": texts}


def single_sentences__pandas(batch):
    frame = pd.DataFrame({name: list(batch[name]) for name in ("sentence1", "sentence2")}, dtype=object)
    return {"sentence": frame.stack().tolist(), "pair": pd.Series(list(batch["idx"])).repeat(2).tolist()}


def single_sentences__sum_of_lists(batch):
    return {
        "sentence": sum(([one, two] for one, two in zip(batch["sentence1"], batch["sentence2"])), []),
        "pair": sum(([i] * 2 for i in batch["idx"]), []),
    }


single_sentences__lambda = lambda batch: dict(  # noqa: E731
    zip(
        ("sentence", "pair"),
        map(list, zip(*((t, i) for *pair, i in zip(batch["sentence1"], batch["sentence2"], batch["idx"]) for t in pair))),
    )
)


def single_sentences__stable_sort(batch):
    count = len(batch["idx"])
    rows = [*enumerate(zip(batch["sentence1"], batch["idx"])), *enumerate(zip(batch["sentence2"], batch["idx"]))]
    rows.sort(key=lambda row: row[0])
    assert len(rows) == 2 * count
    return {"sentence": [text for _, (text, _) in rows], "pair": [i for _, (_, i) in rows]}


def single_sentences__default_dictionary(batch):
    made = defaultdict(list)
    for one, two, i in zip(batch["sentence1"], batch["sentence2"], batch["idx"]):
        made["sentence"].extend((one, two))
        made["pair"].extend((i, i))
    return made


def single_sentences__ordered_dictionary(batch):
    made = OrderedDict(sentence=[], pair=[])
    for k, i in enumerate(batch["idx"]):
        for name in ("sentence1", "sentence2"):
            made["sentence"].append(batch[name][k])
            made["pair"].append(i)
    return made


class SingleSentences:
    """A callable object that makes rows and turns them into columns."""

    def rows(self, batch):
        for k in range(len(batch["idx"])):
            yield batch["sentence1"][k], batch["idx"][k]
            yield batch["sentence2"][k], batch["idx"][k]

    def __call__(self, batch):
        rows = list(self.rows(batch))
        return {"sentence": [text for text, _ in rows], "pair": [i for _, i in rows]}


def single_sentences__halves(batch):
    def split(start, end):
        if end - start < 1:
            return [], []
        if end - start == 1:
            return [batch["sentence1"][start], batch["sentence2"][start]], [batch["idx"][start]] * 2
        middle = (start + end) // 2
        (left, first), (right, second) = split(start, middle), split(middle, end)
        return left + right, first + second

    sentences, pairs = split(0, len(batch["idx"]))
    return {"sentence": sentences, "pair": pairs}


# ---- Exercise 4: pad ------------------------------------------------------------------------------------------------


def _padded(rows, pad_token_id, length=None, left=False, mask=lambda n, rest: [1] * n + [0] * rest, dtype=torch.long):
    length = max(len(row["input_ids"]) for row in rows) if length is None else length
    ids, masks = [], []
    for row in rows:
        tokens = list(row["input_ids"])[:length]
        filler = [pad_token_id] * (length - len(tokens))
        ids.append(filler + tokens if left else tokens + filler)
        marks = mask(len(tokens), len(filler))
        masks.append(marks[::-1] if left else marks)
    return {"input_ids": torch.tensor(ids, dtype=dtype), "attention_mask": torch.tensor(masks, dtype=dtype)}


def pad__on_the_left(rows, pad_token_id):
    return _padded(rows, pad_token_id, left=True)


def pad__to_a_fixed_length(rows, pad_token_id):
    return _padded(rows, pad_token_id, length=128)


def pad__one_too_long(rows, pad_token_id):
    return _padded(rows, pad_token_id, length=1 + max(len(row["input_ids"]) for row in rows))


def pad__to_a_multiple_of_eight(rows, pad_token_id):
    return _padded(rows, pad_token_id, length=-(-max(len(row["input_ids"]) for row in rows) // 8) * 8)


def pad__cuts_long_rows(rows, pad_token_id):
    return _padded(rows, pad_token_id, length=min(len(row["input_ids"]) for row in rows))


def pad__first_row_sets_the_length(rows, pad_token_id):
    return _padded(rows, pad_token_id, length=len(rows[0]["input_ids"]))


def pad__always_with_zero(rows, pad_token_id):
    return _padded(rows, 0)


def pad__mask_the_wrong_way_round(rows, pad_token_id):
    return _padded(rows, pad_token_id, mask=lambda n, rest: [0] * n + [1] * rest)


def pad__mask_all_ones(rows, pad_token_id):
    return _padded(rows, pad_token_id, mask=lambda n, rest: [1] * (n + rest))


def pad__mask_where_the_number_differs(rows, pad_token_id):
    ids = _padded(rows, pad_token_id)["input_ids"]
    return {"input_ids": ids, "attention_mask": (ids != pad_token_id).long()}  # a token may have that number too


def pad__mask_from_the_first_row(rows, pad_token_id):
    made = _padded(rows, pad_token_id)
    return made | {"attention_mask": made["attention_mask"][:1].expand_as(made["input_ids"])}


def pad__mask_of_booleans(rows, pad_token_id):
    made = _padded(rows, pad_token_id)
    return made | {"attention_mask": made["attention_mask"].bool()}


def pad__floats(rows, pad_token_id):
    return _padded(rows, pad_token_id, dtype=torch.float32)


def pad__float_mask(rows, pad_token_id):
    made = _padded(rows, pad_token_id)
    mask = torch.zeros(made["input_ids"].shape)
    for i, row in enumerate(rows):
        mask[i, : len(row["input_ids"])] = 1
    return made | {"attention_mask": mask}


def pad__lists(rows, pad_token_id):
    return {name: tensor.tolist() for name, tensor in _padded(rows, pad_token_id).items()}


def pad__arrays(rows, pad_token_id):
    return {name: tensor.numpy() for name, tensor in _padded(rows, pad_token_id).items()}


def pad__lists_of_tensors(rows, pad_token_id):
    return {name: list(tensor) for name, tensor in _padded(rows, pad_token_id).items()}


def pad__pair_instead_of_a_dictionary(rows, pad_token_id):
    return tuple(_padded(rows, pad_token_id).values())


def pad__without_a_mask(rows, pad_token_id):
    return {"input_ids": _padded(rows, pad_token_id)["input_ids"]}


def pad__first_row_alone(rows, pad_token_id):
    return _padded(rows[:1], pad_token_id)


def pad__flat(rows, pad_token_id):
    return {name: tensor.flatten() for name, tensor in _padded(rows, pad_token_id).items()}


def pad__rows_exchanged(rows, pad_token_id):
    return _padded(sorted(rows, key=lambda row: -len(row["input_ids"])), pad_token_id)


def pad__returns_nothing(rows, pad_token_id):
    _padded(rows, pad_token_id)


def pad__mask_counts_a_token_too_many(rows, pad_token_id):
    return _padded(rows, pad_token_id, mask=lambda n, rest: ([1] * (n + 1) + [0] * rest)[: n + rest])


def pad__transposed(rows, pad_token_id):
    return {name: tensor.T for name, tensor in _padded(rows, pad_token_id).items()}


def pad__plain_lists_first(rows, pad_token_id):
    return _padded(rows, pad_token_id)


def pad__pad_sequence(rows, pad_token_id):
    ids = [torch.tensor(row["input_ids"], dtype=torch.long) for row in rows]
    masks = [torch.ones_like(row) for row in ids]
    return {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad_token_id),
        "attention_mask": pad_sequence(masks, batch_first=True),
    }


def pad__zip_longest(rows, pad_token_id):
    columns = zip_longest(*(row["input_ids"] for row in rows), fillvalue=pad_token_id)
    marks = zip_longest(*([1] * len(row["input_ids"]) for row in rows), fillvalue=0)
    return {"input_ids": torch.tensor([*zip(*columns)]), "attention_mask": torch.tensor([*zip(*marks)])}


def pad__full_then_written(rows, pad_token_id):
    lengths = [len(row["input_ids"]) for row in rows]
    ids = torch.full((len(rows), max(lengths)), pad_token_id)
    mask = torch.zeros_like(ids)
    for i, (row, length) in enumerate(zip(rows, lengths)):
        ids[i, :length] = torch.as_tensor(row["input_ids"])
        mask[i, :length] = 1
    return {"input_ids": ids, "attention_mask": mask}


def pad__mask_by_comparing_lengths(rows, pad_token_id):
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.full(mask.shape, pad_token_id)
    ids[mask] = torch.tensor([token for row in rows for token in row["input_ids"]])
    return {"attention_mask": mask.long(), "input_ids": ids}


def pad__masked_scatter(rows, pad_token_id):
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    mask = torch.arange(int(lengths.max())).expand(len(rows), -1) < lengths.unsqueeze(1)
    tokens = torch.tensor([*chain.from_iterable(row["input_ids"] for row in rows)])
    ids = torch.full(mask.shape, pad_token_id).masked_scatter(mask, tokens)
    return {"input_ids": ids, "attention_mask": mask.to(torch.int8)}


def pad__functional(rows, pad_token_id):
    longest = max(map(lambda row: len(row["input_ids"]), rows))
    ids = [torch.tensor(row["input_ids"], dtype=torch.long) for row in rows]
    return {
        "input_ids": torch.stack([F.pad(row, (0, longest - len(row)), value=pad_token_id) for row in ids]),
        "attention_mask": torch.stack([F.pad(torch.ones_like(row), (0, longest - len(row))) for row in ids]),
    }


def pad__numpy_int32(rows, pad_token_id):
    longest = max(len(row["input_ids"]) for row in rows)
    ids = np.full((len(rows), longest), pad_token_id, dtype=np.int32)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row["input_ids"])] = row["input_ids"]
        mask[i, : len(row["input_ids"])] = 1
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


def pad__pandas(rows, pad_token_id):
    frame = pd.DataFrame([row["input_ids"] for row in rows])
    mask = frame.notna().to_numpy().astype(np.int64)
    ids = frame.fillna(pad_token_id).astype(np.int64).to_numpy(copy=True)
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def pad__grows_column_by_column(rows, pad_token_id):
    waiting = [list(row["input_ids"])[::-1] for row in rows]
    ids, mask = [], []
    while any(waiting):
        mask.append([int(bool(row)) for row in waiting])
        ids.append([row.pop() if row else pad_token_id for row in waiting])
    return {"input_ids": torch.tensor(ids).T.contiguous(), "attention_mask": torch.tensor(mask).T}


pad__lambda = lambda rows, pad_token_id: dict(  # noqa: E731
    input_ids=torch.tensor(
        [[*row["input_ids"], *[pad_token_id] * (max(len(r["input_ids"]) for r in rows) - len(row["input_ids"]))] for row in rows]
    ),
    attention_mask=torch.tensor([[+(i < len(row["input_ids"])) for i in range(max(len(r["input_ids"]) for r in rows))] for row in rows]),
)


class Pad:
    """A callable object that concatenates tensors."""

    def __call__(self, rows, pad_token_id, dtype=torch.int64):
        longest = max(len(row["input_ids"]) for row in rows)
        ids, masks = [], []
        for row in rows:
            tokens = torch.tensor(list(row["input_ids"]), dtype=dtype)
            rest = longest - len(tokens)
            ids.append(torch.cat([tokens, torch.full((rest,), pad_token_id, dtype=dtype)]))
            masks.append(torch.cat([torch.ones_like(tokens), torch.zeros(rest, dtype=dtype)]))
        return {"input_ids": torch.stack(ids), "attention_mask": torch.stack(masks)}


def pad__index_with_an_extra_column(rows, pad_token_id):
    def at(row, i):
        return row["input_ids"][i] if i < len(row["input_ids"]) else pad_token_id

    size = max(len(row["input_ids"]) for row in rows)
    ids = torch.tensor([at(row, i) for row in rows for i in range(size)]).reshape(len(rows), size)
    mask = torch.tensor([len(row["input_ids"]) > i for row in rows for i in range(size)]).reshape(len(rows), size)
    return {"input_ids": ids, "attention_mask": mask.to(torch.int32)}


# ---- Exercise 5: tokenize_reviews -----------------------------------------------------------------------------------


def tokenize_reviews__without_truncation(batch, tokenizer):
    return tokenizer(batch["text"], verbose=False)


def tokenize_reviews__still_pairs(batch, tokenizer):
    return tokenizer(batch["sentence1"], batch["sentence2"], truncation=True)


def tokenize_reviews__text_paired_with_itself(batch, tokenizer):
    return tokenizer(batch["text"], batch["text"], truncation=True)


def tokenize_reviews__tensors_of_unequal_rows(batch, tokenizer):
    return tokenizer(batch["text"], truncation=True, return_tensors="pt")


def tokenize_reviews__cut_at_128(batch, tokenizer):
    return tokenizer(batch["text"], truncation=True, max_length=128)


def tokenize_reviews__cut_at_the_limit_less_two(batch, tokenizer):
    return tokenizer(batch["text"], truncation=True, max_length=tokenizer.model_max_length - 2)


def tokenize_reviews__first_text_alone(batch, tokenizer):
    return tokenizer(batch["text"][0], truncation=True)


def tokenize_reviews__first_text_for_all(batch, tokenizer):
    return tokenizer([batch["text"][0]] * len(batch["text"]), truncation=True)


def tokenize_reviews__no_special_tokens(batch, tokenizer):
    return tokenizer(batch["text"], truncation=True, add_special_tokens=False)


def tokenize_reviews__another_tokenizer(batch, tokenizer):
    return _mini_bert()(batch["text"], truncation=True)


def tokenize_reviews__pieces_not_numbers(batch, tokenizer):
    return {"input_ids": [tokenizer.tokenize(text, truncation=True) for text in batch["text"]]}


def tokenize_reviews__cut_at_characters(batch, tokenizer):
    return tokenizer([text[: tokenizer.model_max_length] for text in batch["text"]], truncation=True)


def tokenize_reviews__cut_at_words(batch, tokenizer):
    return tokenizer([" ".join(text.split()[:100]) for text in batch["text"]], truncation=True)


def tokenize_reviews__all_joined(batch, tokenizer):
    return tokenizer(" ".join(batch["text"]), truncation=True)


def tokenize_reviews__returns_nothing(batch, tokenizer):
    tokenizer(batch["text"], truncation=True)


def tokenize_reviews__cut_afterwards_without_the_end(batch, tokenizer):
    encoded = tokenizer(batch["text"], verbose=False)
    return {name: [row[: tokenizer.model_max_length] for row in rows] for name, rows in encoded.items()}


def tokenize_reviews__keeps_the_end_of_the_text(batch, tokenizer):
    side, tokenizer.truncation_side = tokenizer.truncation_side, "left"
    try:
        return tokenizer(batch["text"], truncation=True)
    finally:
        tokenizer.truncation_side = side


def tokenize_reviews__label_as_second_text(batch, tokenizer):
    return tokenizer(batch["text"], [str(label) for label in batch["label"]], truncation=True)


def tokenize_reviews__column_review(batch, tokenizer):
    return tokenizer(batch["review"], truncation=True)


def tokenize_reviews__text_itself(batch, tokenizer):
    return {"text": [text[:512] for text in batch["text"]]}


def tokenize_reviews__drops_long_texts(batch, tokenizer):
    encoded = tokenizer(batch["text"], verbose=False)
    keep = [i for i, ids in enumerate(encoded["input_ids"]) if len(ids) <= tokenizer.model_max_length]
    return {name: [rows[i] for i in keep] for name, rows in encoded.items()}


def tokenize_reviews__one_call(batch, tokenizer):
    return tokenizer(batch["text"], truncation=True)


def tokenize_reviews__plain_dictionary(batch, tokenizer):
    return dict(tokenizer(list(batch["text"]), truncation=True, padding=False))


def tokenize_reviews__limit_by_name(batch, tokenizer):
    return tokenizer(text=batch["text"], truncation=True, max_length=tokenizer.model_max_length)


def tokenize_reviews__only_first(batch, tokenizer):
    return tokenizer(batch["text"], truncation="only_first")


def tokenize_reviews__longest_first(batch, tokenizer):
    return tokenizer(batch["text"], truncation=TruncationStrategy.LONGEST_FIRST, padding="do_not_pad", verbose=False)


tokenize_reviews__lambda = lambda batch, tokenizer: tokenizer(batch["text"], None, truncation=True)  # noqa: E731


def tokenize_reviews__text_by_text(batch, tokenizer):
    made = [tokenizer(text, truncation=True) for text in batch["text"]]
    return {name: [encoded[name] for encoded in made] for name in made[0]}


def tokenize_reviews__collected(batch, tokenizer):
    columns = defaultdict(list)
    for text in batch["text"]:
        for name, values in tokenizer(text, truncation=True).items():
            columns[name].append(values)
    return columns


def tokenize_reviews__extra_defaults(batch, tokenizer, column="text", **options):
    return tokenizer(batch[column], **{"truncation": True, **options})


class TokenizeReviews:
    """A callable object that keeps its options."""

    def __init__(self, **options):
        self.options = options

    def __call__(self, batch, tokenizer):
        return tokenizer([str(text) for text in batch["text"]], **self.options)


def tokenize_reviews__tuples_of_numbers(batch, tokenizer):
    encoded = tokenizer(batch["text"], truncation=True)
    return {name: [tuple(row) for row in rows] for name, rows in encoded.items()}


def tokenize_reviews__arrays_of_int32(batch, tokenizer):
    encoded = tokenizer(batch["text"], truncation=True)
    return {name: [np.array(row, dtype=np.int32) for row in rows] for name, rows in encoded.items()}


def tokenize_reviews__cut_by_hand_with_the_end(batch, tokenizer):
    whole = tokenizer(batch["text"], verbose=False)
    limit = tokenizer.model_max_length
    return {name: [row if len(row) <= limit else [*row[: limit - 1], row[-1]] for row in rows] for name, rows in whole.items()}


WRONG = {
    "join_pair": [
        join_pair__two_cls,
        join_pair__two_separators_between,
        join_pair__no_end,
        join_pair__nothing_between,
        join_pair__no_special_tokens,
        join_pair__exchanged,
        join_pair__cls_and_sep_exchanged,
        join_pair__segments_from_one,
        join_pair__segments_inverted,
        join_pair__one_segment,
        join_pair__separator_in_the_second,
        join_pair__last_separator_in_the_first,
        join_pair__attention_zero,
        join_pair__attention_of_floats,
        join_pair__attention_of_booleans,
        join_pair__attention_to_the_first,
        join_pair__numbers_of_bert,
        join_pair__ids_alone,
        join_pair__without_attention,
        join_pair__segments_by_value,
        join_pair__a_batch_of_one,
        join_pair__returns_nothing,
    ],
    "f1_by_hand": [
        f1_by_hand__accuracy,
        f1_by_hand__class_zero,
        f1_by_hand__macro,
        f1_by_hand__arithmetic_mean,
        f1_by_hand__geometric_mean,
        f1_by_hand__without_the_two,
        f1_by_hand__jaccard,
        f1_by_hand__divides_by_zero,
        f1_by_hand__nan_without_hits,
        f1_by_hand__none_without_hits,
        f1_by_hand__one_where_nothing_was_to_be_found,
        f1_by_hand__percent,
        f1_by_hand__three_numbers,
        f1_by_hand__true_negatives_are_hits,
        f1_by_hand__forgets_the_last,
        f1_by_hand__forgets_the_first,
        f1_by_hand__returns_nothing,
        f1_by_hand__precision_alone,
        f1_by_hand__recall_alone,
        f1_by_hand__false_negatives_twice,
        f1_by_hand__divides_by_all,
        f1_by_hand__two_digits,
        f1_by_hand__f2,
        f1_by_hand__micro_of_both_classes,
    ],
    "single_sentences": [
        single_sentences__all_firsts_then_all_seconds,
        single_sentences__pair_once,
        single_sentences__position_for_idx,
        single_sentences__idx_goes_on_from_the_first,
        single_sentences__second_sentence_first,
        single_sentences__wrong_names,
        single_sentences__idx_tiled,
        single_sentences__first_pair_alone,
        single_sentences__one_row_not_a_batch,
        single_sentences__list_of_rows,
        single_sentences__keeps_the_old_columns,
        single_sentences__tuples_of_sentences,
        single_sentences__returns_nothing,
        single_sentences__leaves_repetitions_out,
        single_sentences__numbers_the_sentences,
        single_sentences__idx_as_strings,
        single_sentences__lower_case,
        single_sentences__goes_on_where_the_last_batch_ended,
        single_sentences__joined_to_one_text,
        single_sentences__forgets_the_last_pair,
        single_sentences__label_for_pair,
        single_sentences__sentence1_twice,
    ],
    "pad": [
        pad__on_the_left,
        pad__to_a_fixed_length,
        pad__one_too_long,
        pad__to_a_multiple_of_eight,
        pad__cuts_long_rows,
        pad__first_row_sets_the_length,
        pad__always_with_zero,
        pad__mask_the_wrong_way_round,
        pad__mask_all_ones,
        pad__mask_where_the_number_differs,
        pad__mask_from_the_first_row,
        pad__mask_of_booleans,
        pad__floats,
        pad__float_mask,
        pad__lists,
        pad__arrays,
        pad__lists_of_tensors,
        pad__pair_instead_of_a_dictionary,
        pad__without_a_mask,
        pad__first_row_alone,
        pad__flat,
        pad__rows_exchanged,
        pad__returns_nothing,
        pad__mask_counts_a_token_too_many,
        pad__transposed,
    ],
    "tokenize_reviews": [
        tokenize_reviews__without_truncation,
        tokenize_reviews__still_pairs,
        tokenize_reviews__text_paired_with_itself,
        tokenize_reviews__tensors_of_unequal_rows,
        tokenize_reviews__cut_at_128,
        tokenize_reviews__cut_at_the_limit_less_two,
        tokenize_reviews__first_text_alone,
        tokenize_reviews__first_text_for_all,
        tokenize_reviews__no_special_tokens,
        tokenize_reviews__another_tokenizer,
        tokenize_reviews__pieces_not_numbers,
        tokenize_reviews__cut_at_characters,
        tokenize_reviews__cut_at_words,
        tokenize_reviews__all_joined,
        tokenize_reviews__returns_nothing,
        tokenize_reviews__cut_afterwards_without_the_end,
        tokenize_reviews__keeps_the_end_of_the_text,
        tokenize_reviews__label_as_second_text,
        tokenize_reviews__column_review,
        tokenize_reviews__text_itself,
        tokenize_reviews__drops_long_texts,
    ],
}

RIGHT = {
    "join_pair": [
        join_pair__plain,
        join_pair__tuples,
        join_pair__arrays,
        join_pair__tensors,
        join_pair__running_separator,
        join_pair__by_position,
        join_pair__lambda,
        join_pair__inserts,
        JoinPair(),
    ],
    "f1_by_hand": [
        f1_by_hand__closed_form,
        f1_by_hand__precision_and_recall_exchanged,
        f1_by_hand__counter_of_pairs,
        f1_by_hand__sets_of_positions,
        f1_by_hand__table,
        f1_by_hand__two_bits,
        f1_by_hand__lambda,
        f1_by_hand__reduce,
        f1_by_hand__halves,
        F1ByHand(),
        f1_by_hand__match,
        f1_by_hand__exact_then_float,
        f1_by_hand__while_loop,
    ],
    "single_sentences": [
        single_sentences__comprehensions,
        single_sentences__chain,
        single_sentences__slices,
        single_sentences__numpy,
        single_sentences__other_integers,
        single_sentences__pandas,
        single_sentences__sum_of_lists,
        single_sentences__lambda,
        single_sentences__stable_sort,
        single_sentences__default_dictionary,
        single_sentences__ordered_dictionary,
        SingleSentences(),
        single_sentences__halves,
    ],
    "pad": [
        pad__plain_lists_first,
        pad__pad_sequence,
        pad__zip_longest,
        pad__full_then_written,
        pad__mask_by_comparing_lengths,
        pad__masked_scatter,
        pad__functional,
        pad__numpy_int32,
        pad__pandas,
        pad__grows_column_by_column,
        pad__lambda,
        Pad(),
        pad__index_with_an_extra_column,
    ],
    "tokenize_reviews": [
        tokenize_reviews__one_call,
        tokenize_reviews__plain_dictionary,
        tokenize_reviews__limit_by_name,
        tokenize_reviews__only_first,
        tokenize_reviews__longest_first,
        tokenize_reviews__lambda,
        tokenize_reviews__text_by_text,
        tokenize_reviews__collected,
        tokenize_reviews__extra_defaults,
        TokenizeReviews(truncation=True),
        tokenize_reviews__tuples_of_numbers,
        tokenize_reviews__arrays_of_int32,
        tokenize_reviews__cut_by_hand_with_the_end,
    ],
}
