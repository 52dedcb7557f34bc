"""The exercises of chapter 01: F1, pairs, padding, batched maps, another task."""

import torch

from helpers.exercises.engine import Chapter, Raised, Wrong
from helpers.exercises.fixtures import SENTENCES, bundled_tokenizers

chapter = Chapter()


def f1_cases(chance):
    for n in (40, 60):
        labels = [chance.randint(0, 1) for _ in range(n)] + [0, 0, 1, 1]  # each cell of the confusion matrix occurs
        yield [label if chance.random() < 0.6 else 1 - label for label in labels[:n]] + [0, 1, 0, 1], labels
    yield [1, 1, 1, 0, 0], [1, 1, 0, 1, 1]  # F1 is 4/7, which rounding changes
    yield from (([1, 1, 1], [0, 1, 1]), ([0, 0, 0], [1, 0, 1]), ([1, 0], [0, 0]), ([0, 0], [0, 0]))


def f1_mistakes(predictions, labels):
    pairs = list(zip(predictions, labels))
    tp = pairs.count((1, 1))
    mean = (tp / sum(predictions) + tp / sum(labels)) / 2 if tp else 0.0
    other_class = f1_by_hand([1 - prediction for prediction in predictions], [1 - label for label in labels])
    unguarded = f1_by_hand(predictions, labels) if tp else Raised(ZeroDivisionError())
    return {
        "Your formula is right, but where TP is 0 it divides by zero: return 0.0 there.": unguarded,
        "That is accuracy, the share of right answers. F1 leaves the true negatives out.": (tp + pairs.count((0, 0))) / len(pairs),
        "That is the plain mean of precision and recall. The harmonic mean is 2PR / (P + R).": mean,
        "You count class 0 as the positive one. Here class 1 is, “equivalent”.": other_class,
    }


@chapter.exercise(cases=f1_cases, mistakes=f1_mistakes)
def f1_by_hand(predictions, labels):
    """Count over zip(predictions, labels): TP is how often both are 1, FP how often only the prediction is, FN how often only the label
    is."""
    pairs = list(zip(predictions, labels))
    tp, fp, fn = pairs.count((1, 1)), pairs.count((1, 0)), pairs.count((0, 1))
    if tp == 0:
        return 0.0
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return 2 * precision * recall / (precision + recall)


def pair_cases(chance):
    for lengths in ((5, 3), (1, 4), (6, 6)):
        cls, sep, *ids = chance.sample(range(200, 999), 2 + sum(lengths))
        yield ids[: lengths[0]], ids[lengths[0] :], cls, sep
    yield [7, 7], [7], 1, 2  # the same words in both


def pair_mistakes(one, two, cls, sep):
    right = join_pair(one, two, cls, sep)
    early = {"token_type_ids": [0] * (len(one) + 1) + [1] * (len(two) + 2)}
    same = {"token_type_ids": [0] * len(right["input_ids"])}
    words = {"attention_mask": [0] + [1] * len(one) + [0] + [1] * len(two) + [0]}
    return {
        "The second sentence begins with a [CLS] of its own: a pair has one, at the very beginning.": join_pair(one, [cls, *two], cls, sep),
        "The last [SEP] is missing: each of the two sentences ends with one.": {name: column[:-1] for name, column in right.items()},
        "input_ids are right. The first [SEP] belongs to the first sentence: its segment id is 0.": right | early,
        "input_ids are right, but both sentences have the same segment id: 0 in the first, 1 in the second.": right | same,
        "input_ids are right. attention_mask is 1 at every token, special ones too; only padding would have 0.": right | words,
    }


@chapter.exercise(cases=pair_cases, mistakes=pair_mistakes)
def join_pair(one, two, cls, sep):
    """+ joins lists, and [0] * n repeats. The first part is [cls] + one + [sep], the second two + [sep]; its segment ids are 1."""
    first, second = [cls] + one + [sep], two + [sep]
    return {
        "input_ids": first + second,
        "token_type_ids": [0] * len(first) + [1] * len(second),
        "attention_mask": [1] * len(first + second),
    }


def sentences_cases(chance):
    for count in (3, 1, 5):
        ids = chance.sample(range(1000), count)
        yield ({"sentence1": [f"One {i}" for i in ids], "sentence2": [f"Two {i}" for i in ids], "label": [1] * count, "idx": ids},)
    yield ({"sentence1": ["Rain.", "Snow."], "sentence2": ["Rain.", "Rain."], "label": [1, 0], "idx": [9, 4]},)


def sentences_mistakes(batch):
    right, idx = single_sentences(batch), batch["idx"]
    apart = {"sentence": [*batch["sentence1"], *batch["sentence2"]], "pair": idx * 2}
    once = right | {"pair": idx}
    return {
        "All first sentences come before all second ones. The rows of a pair should stand side by side.": apart,
        "The sentences are in order, but `pair` does not follow them: each idx should stand twice in a row.": right | {"pair": idx * 2},
        "`sentence` is right. `pair` has one number a pair, and needs one a sentence: a table's columns have one length.": once,
    }


@chapter.exercise(cases=sentences_cases, mistakes=sentences_mistakes)
def single_sentences(batch):
    """Two list comprehensions with two `for`s each. The number of rows changes, so `map` must drop the old columns:
    remove_columns=train_rows.column_names."""
    pairs = zip(batch["sentence1"], batch["sentence2"])
    return {"sentence": [sentence for pair in pairs for sentence in pair], "pair": [idx for idx in batch["idx"] for _ in range(2)]}


def pad_cases(chance):
    for lengths, pad_token_id in (([5, 2, 7], 1), ([3], 0), ([1, 4], 0), ([6, 3, 3], chance.randint(100, 200))):
        rows = [{"input_ids": [chance.randint(5, 99) for _ in range(n)]} for n in lengths]
        rows[0]["input_ids"][-1] = pad_token_id  # a token of the text may have this number too
        yield rows, pad_token_id


def pad_mistakes(rows, pad_token_id):
    right = pad(rows, pad_token_id)
    ids = right["input_ids"]
    backwards = pad([{"input_ids": row["input_ids"][::-1]} for row in rows], pad_token_id)
    lists = {name: tensor.tolist() for name, tensor in right.items()}
    ones, by_number = ({"attention_mask": mask.long()} for mask in (torch.ones_like(ids), ids != pad_token_id))
    left = {name: tensor.flip(1) for name, tensor in backwards.items()}
    return {
        "You fill with 0. The padding token has that number in BERT, and another one in other models: use pad_token_id.": pad(rows, 0),
        "input_ids are right, but attention_mask is 1 everywhere: it should be 0 at padding.": right | ones,
        "A token of the text may have the number of the padding (chapter 04 shows such a model): "
        "count the tokens, do not compare numbers.": right | by_number,
        "You pad on the left. That is right for models that write text; here it should be on the right.": left,
        "The numbers are right. Return tensors, not lists: torch.tensor(…).": lists,
    }


@chapter.exercise(cases=pad_cases, mistakes=pad_mistakes)
def pad(rows, pad_token_id):
    """longest = max(len(row['input_ids']) for row in rows); list + list joins, and [x] * n repeats."""
    longest = max(len(row["input_ids"]) for row in rows)
    missing = [longest - len(row["input_ids"]) for row in rows]
    return {
        "input_ids": torch.tensor([row["input_ids"] + [pad_token_id] * n for row, n in zip(rows, missing)]),
        "attention_mask": torch.tensor([[1] * (longest - n) + [0] * n for n in missing]),
    }


def reviews_cases(chance):
    for tokenizer in bundled_tokenizers():
        texts = [" ".join(chance.sample(SENTENCES, 2)), chance.choice(SENTENCES), " ".join(SENTENCES) * 40]
        yield {"text": chance.sample(texts, 3), "label": [0, 1, 0]}, tokenizer


def reviews_mistakes(batch, tokenizer):
    texts = batch["text"]
    shorter = tokenizer(texts, truncation=True, max_length=128).input_ids
    padded = tokenizer(texts, truncation=True, padding=True).input_ids
    pairs = tokenizer(texts, texts, truncation=True).input_ids
    return {
        "A long review keeps more tokens than the model can read: truncation=True.": tokenizer(texts).input_ids,
        "A long review is cut at 128 tokens. Only the model's own limit should cut: truncation=True, no max_length.": shorter,
        "All rows have one length: you pad already. The collator does it later, batch by batch.": padded,
        "Each text stands there twice, as a pair with itself: hand it to the tokenizer once.": pairs,
    }


def token_ids(answer, batch, tokenizer):
    """Return the ids alone: the tokenizer's other columns follow from them."""
    encoded = answer(batch, tokenizer)
    if encoded is None:
        raise Wrong("It returns nothing: give back what the tokenizer returns.")
    return encoded["input_ids"]


@chapter.exercise(
    cases=reviews_cases,
    mistakes=reviews_mistakes,
    run=token_ids,
    otherwise="The tokens are not those of each text alone. Hand batch['text'] and truncation=True to `tokenizer`, and nothing else.",
)
def tokenize_reviews(batch, tokenizer):
    """tokenize() with one text instead of two. Then load_dataset on the folder, and rows['test'] for the evaluation; map takes
    fn_kwargs={'tokenizer': tokenizer}."""
    return tokenizer(batch["text"], truncation=True)
