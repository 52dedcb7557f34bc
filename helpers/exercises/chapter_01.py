"""The exercises of chapter 01: F1, pairs, padding, batched maps, another task."""

import torch

from helpers.exercises.engine import Wrong, exercise
from helpers.exercises.fixtures import SENTENCES, mini_bert, mini_roberta


def some_predictions(chance):
    for n in (40, 60):
        labels = [chance.randint(0, 1) for _ in range(n)] + [0, 0, 1, 1]  # each cell of the confusion matrix occurs
        yield [label if chance.random() < 0.6 else 1 - label for label in labels[:n]] + [0, 1, 0, 1], labels
    yield [1, 1, 1, 0], [1, 0, 0, 1]
    yield [1, 1, 1], [0, 1, 1]
    yield [0, 0, 0], [1, 0, 1]
    yield [1, 0], [0, 0]
    yield [0, 0], [0, 0]


@exercise("Count over zip(predictions, labels): TP is how often both are 1, FP how often only the prediction is, FN how often only the label is.",
          cases=some_predictions)  # fmt: skip
def f1_by_hand(predictions, labels):
    pairs = list(zip(predictions, labels))
    tp, fp, fn = pairs.count((1, 1)), pairs.count((1, 0)), pairs.count((0, 1))
    if tp == 0:
        return 0.0
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return 2 * precision * recall / (precision + recall)


@f1_by_hand.mistake("Your formula is right, but where TP is 0 it divides by zero: return 0.0 there.")
def _divides_by_zero(predictions, labels):
    pairs = list(zip(predictions, labels))
    tp, fp, fn = pairs.count((1, 1)), pairs.count((1, 0)), pairs.count((0, 1))
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return 2 * precision * recall / (precision + recall)


@f1_by_hand.mistake("That is accuracy, the share of right answers. F1 leaves the true negatives out.")
def _accuracy(predictions, labels):
    return sum(p == label for p, label in zip(predictions, labels)) / len(labels)


@f1_by_hand.mistake("That is the plain mean of precision and recall. The harmonic mean is 2PR / (P + R).")
def _plain_mean(predictions, labels):
    pairs = list(zip(predictions, labels))
    tp, fp, fn = pairs.count((1, 1)), pairs.count((1, 0)), pairs.count((0, 1))
    return (tp / (tp + fp) + tp / (tp + fn)) / 2 if tp else 0.0


@f1_by_hand.mistake("You count class 0 as the positive one. Here class 1 is, “equivalent”.")
def _other_class(predictions, labels):
    return f1_by_hand.solution([1 - p for p in predictions], [1 - label for label in labels])


def some_sentences(chance):
    for lengths in ((5, 3), (1, 4), (6, 6)):
        cls, sep, *ids = chance.sample(range(200, 999), 2 + sum(lengths))
        yield ids[: lengths[0]], ids[lengths[0] :], cls, sep
    yield [7, 7], [7], 1, 2  # the same words in both


@exercise("+ joins lists, and [0] * n repeats. The first part is [cls] + one + [sep], the second two + [sep]; its segment ids are 1.",
          cases=some_sentences)  # fmt: skip
def join_pair(one, two, cls, sep):
    first, second = [cls] + one + [sep], two + [sep]
    return {
        "input_ids": first + second,
        "token_type_ids": [0] * len(first) + [1] * len(second),
        "attention_mask": [1] * len(first + second),
    }


@join_pair.mistake("The second sentence begins with a [CLS] of its own: a pair has one, at the very beginning.")
def _two_cls(one, two, cls, sep):
    return join_pair.solution(one, [cls, *two], cls, sep)


@join_pair.mistake("The last [SEP] is missing: each of the two sentences ends with one.")
def _no_last_separator(one, two, cls, sep):
    return {name: values[:-1] for name, values in join_pair.solution(one, two, cls, sep).items()}


@join_pair.mistake("input_ids are right. The first [SEP] belongs to the first sentence: its segment id is 0.")
def _separator_in_the_second(one, two, cls, sep):
    return join_pair.solution(one, two, cls, sep) | {"token_type_ids": [0] * (len(one) + 1) + [1] * (len(two) + 2)}


@join_pair.mistake("input_ids are right, but both sentences have the same segment id: 0 in the first, 1 in the second.")
def _one_segment(one, two, cls, sep):
    return join_pair.solution(one, two, cls, sep) | {"token_type_ids": [0] * (len(one) + len(two) + 3)}


@join_pair.mistake("input_ids are right. attention_mask is 1 at every token, special ones too; only padding would have 0.")
def _special_unattended(one, two, cls, sep):
    return join_pair.solution(one, two, cls, sep) | {"attention_mask": [0] + [1] * len(one) + [0] + [1] * len(two) + [0]}


def some_pairs(chance):
    for count in (3, 1, 5):
        ids = chance.sample(range(1000), count)
        yield ({"sentence1": [f"One {i}" for i in ids], "sentence2": [f"Two {i}" for i in ids], "label": [1] * count, "idx": ids},)
    yield ({"sentence1": ["Rain.", "Snow."], "sentence2": ["Rain.", "Rain."], "label": [1, 0], "idx": [9, 4]},)


@exercise("Two list comprehensions with two `for`s each. The number of rows changes, so `map` must drop the old columns: "
          "remove_columns=train_rows.column_names.", cases=some_pairs)  # fmt: skip
def single_sentences(batch):
    pairs = zip(batch["sentence1"], batch["sentence2"])
    return {"sentence": [sentence for pair in pairs for sentence in pair], "pair": [idx for idx in batch["idx"] for _ in range(2)]}


@single_sentences.mistake("All first sentences come before all second ones. The rows of a pair should stand side by side.")
def _one_after_the_other(batch):
    return {"sentence": [*batch["sentence1"], *batch["sentence2"]], "pair": [*batch["idx"], *batch["idx"]]}


@single_sentences.mistake("The sentences are in order, but `pair` does not follow them: each idx should stand twice in a row.")
def _pairs_in_wrong_order(batch):
    return single_sentences.solution(batch) | {"pair": [*batch["idx"], *batch["idx"]]}


@single_sentences.mistake("`sentence` is right. `pair` has one number a pair, and needs one a sentence: a table's columns have one length.")
def _pair_once(batch):
    return single_sentences.solution(batch) | {"pair": list(batch["idx"])}


def some_rows(chance):
    for lengths, pad_token_id in (([5, 2, 7], 1), ([3], 0), ([1, 4], 0), ([6, 3, 3], chance.randint(100, 200))):
        rows = [{"input_ids": [chance.randint(5, 99) for _ in range(n)]} for n in lengths]
        rows[0]["input_ids"][-1] = pad_token_id  # a token of the text may have this number too
        yield rows, pad_token_id


@exercise("longest = max(len(row['input_ids']) for row in rows); list + list joins, and [x] * n repeats.", cases=some_rows)
def pad(rows, pad_token_id):
    longest = max(len(row["input_ids"]) for row in rows)
    missing = [longest - len(row["input_ids"]) for row in rows]
    return {
        "input_ids": torch.tensor([row["input_ids"] + [pad_token_id] * n for row, n in zip(rows, missing)]),
        "attention_mask": torch.tensor([[1] * (longest - n) + [0] * n for n in missing]),
    }


@pad.mistake("You fill with 0. The padding token has that number in BERT, and another one in other models: use pad_token_id.")
def _always_zero(rows, pad_token_id):
    return pad.solution(rows, 0)


@pad.mistake("input_ids are right, but attention_mask is 1 everywhere: it should be 0 at padding.")
def _sees_padding(rows, pad_token_id):
    padded = pad.solution(rows, pad_token_id)
    return padded | {"attention_mask": torch.ones_like(padded["attention_mask"])}


@pad.mistake(
    "A token of the text may have the number of the padding (chapter 04 shows such a model): count the tokens, do not compare numbers."
)
def _by_number(rows, pad_token_id):
    padded = pad.solution(rows, pad_token_id)
    return padded | {"attention_mask": (padded["input_ids"] != pad_token_id).long()}


@pad.mistake("You pad on the left. That is right for models that write text; here it should be on the right.")
def _on_the_left(rows, pad_token_id):
    backwards = pad.solution([{"input_ids": row["input_ids"][::-1]} for row in rows], pad_token_id)
    return {name: tensor.flip(1) for name, tensor in backwards.items()}


@pad.mistake("The numbers are right. Return tensors, not lists: torch.tensor(…).")
def _lists(rows, pad_token_id):
    return {name: tensor.tolist() for name, tensor in pad.solution(rows, pad_token_id).items()}


def some_reviews(chance):
    for tokenizer in (mini_bert(), mini_roberta()):
        texts = [" ".join(chance.sample(SENTENCES, 2)), chance.choice(SENTENCES), " ".join(SENTENCES) * 40]
        yield {"text": chance.sample(texts, 3), "label": [0, 1, 0]}, tokenizer


def token_ids(answer, batch, tokenizer):
    """Return the ids alone: the tokenizer's other columns follow from them."""
    encoded = answer(batch, tokenizer)
    if encoded is None:
        raise Wrong("It returns nothing: give back what the tokenizer returns.")
    return encoded["input_ids"]


@exercise("tokenize() with one text instead of two. Then load_dataset on the folder, and rows['test'] for the evaluation; "
          "map takes fn_kwargs={'tokenizer': tokenizer}.", cases=some_reviews, run=token_ids,
          otherwise="The tokens are not those of each text alone. Hand batch['text'] and truncation=True to `tokenizer`, and nothing else.")  # fmt: skip
def tokenize_reviews(batch, tokenizer):
    return tokenizer(batch["text"], truncation=True)


@tokenize_reviews.mistake("A long review keeps more tokens than the model can read: truncation=True.")
def _untruncated(batch, tokenizer):
    return tokenizer(batch["text"])


@tokenize_reviews.mistake("A long review is cut at 128 tokens. Only the model's own limit should cut: truncation=True, no max_length.")
def _shorter(batch, tokenizer):
    return tokenizer(batch["text"], truncation=True, max_length=128)


@tokenize_reviews.mistake("All rows have one length: you pad already. The collator does it later, batch by batch.")
def _padded(batch, tokenizer):
    return tokenizer(batch["text"], truncation=True, padding=True)


@tokenize_reviews.mistake("Each text stands there twice, as a pair with itself: hand it to the tokenizer once.")
def _as_pairs(batch, tokenizer):
    return tokenizer(batch["text"], batch["text"], truncation=True)
