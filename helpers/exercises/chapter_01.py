"""The exercises of chapter 01: baselines, scores, batched maps, padding, another task."""

import torch

from helpers.exercises.engine import Wrong, exercise
from helpers.exercises.fixtures import SENTENCES, mini_bert


def some_labels(chance):
    ones, zeros = chance.randint(60, 80), chance.randint(20, 40)
    yield from (([1] * many + [0] * few,) for many, few in ((ones, zeros), (zeros, ones), (1, 0), (0, 3)))


@exercise(
    "Count both labels. If 1 is more frequent, every pair is called equivalent: precision is the share of ones, recall is 1. "
    "If 0 is, no pair is, and nothing is found.",
    cases=some_labels,
)
def majority_scores(labels):
    ones = sum(labels)
    accuracy = max(ones, len(labels) - ones) / len(labels)
    f1 = 2 * ones / (len(labels) + ones) if 2 * ones >= len(labels) else 0.0
    return accuracy, f1


@majority_scores.mistake("Where 1 is more frequent you are right. Where 0 is, nobody is called equivalent, so F1 is 0.")
def _always_one(labels):
    ones = sum(labels)
    return max(ones, len(labels) - ones) / len(labels), 2 * ones / (len(labels) + ones)


@majority_scores.mistake("That is the share of ones. Where 0 is the more frequent label, the baseline answers 0.")
def _share_of_ones(labels):
    ones = sum(labels)
    return ones / len(labels), 2 * ones / (len(labels) + ones)


@majority_scores.mistake("The accuracy is right. F1 is another number: the harmonic mean of precision (the share of ones) and recall (1).")
def _accuracy_twice(labels):
    accuracy = max(sum(labels), len(labels) - sum(labels)) / len(labels)
    return accuracy, accuracy


def some_answers(chance):
    for n in (40, 60):
        labels = [chance.randint(0, 1) for _ in range(n)] + [0, 0, 1, 1]  # each of the four cells occurs
        yield [label if chance.random() < 0.6 else 1 - label for label in labels[:n]] + [0, 1, 0, 1], labels
    yield [1, 1, 1, 0], [1, 0, 0, 1]
    yield [0, 0, 0], [1, 0, 1]
    yield [0, 0], [0, 0]


@exercise("Count over zip(predictions, labels): TP is how often both are 1, FP how often only the prediction is, FN how often only the label is.",
          cases=some_answers)  # fmt: skip
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


def some_pairs(chance):
    for count in (3, 1, 5):
        ids = chance.sample(range(1000), count)
        yield ({"sentence1": [f"one {i}" for i in ids], "sentence2": [f"two {i}" for i in ids], "label": [1] * count, "idx": ids},)


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
    for lengths, pad_token_id in (([5, 2, 7], 1), ([3], 0), ([1, 4], 0)):
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
    longest = max(len(row["input_ids"]) for row in rows)
    missing = [longest - len(row["input_ids"]) for row in rows]
    return {
        "input_ids": torch.tensor([[pad_token_id] * n + row["input_ids"] for row, n in zip(rows, missing)]),
        "attention_mask": torch.tensor([[0] * n + [1] * (longest - n) for n in missing]),
    }


@pad.mistake("The numbers are right. Return tensors, not lists: torch.tensor(…).")
def _lists(rows, pad_token_id):
    return {name: tensor.tolist() for name, tensor in pad.solution(rows, pad_token_id).items()}


def judge_tokenize_reviews(answer, chance):
    tokenizer = mini_bert()
    texts = [" ".join(chance.sample(SENTENCES, 2)), SENTENCES[0], " ".join(SENTENCES) * 40]
    got = answer({"text": texts, "label": [0, 1, 0]}, tokenizer)
    if got is None:
        raise Wrong("It returns nothing: give back what the tokenizer returns.")
    rows = [list(row) for row in got["input_ids"]]
    if len(rows) != 3:
        raise Wrong("Three texts went in, and {count} rows came out.", count=len(rows))
    if max(map(len, rows)) > tokenizer.model_max_length:
        raise Wrong("A long review keeps {count} tokens, more than the model reads: truncation=True.", count=max(map(len, rows)))
    if max(map(len, rows)) < tokenizer.model_max_length:
        raise Wrong("A long review is cut at {count} tokens. Only the model's own limit should cut: truncation=True, no max_length.",
                    count=max(map(len, rows)))  # fmt: skip
    if len(rows[0]) == len(rows[1]):
        raise Wrong("All rows have one length: you pad already. The collator does it later, batch by batch.")
    if rows != tokenizer(texts, truncation=True)["input_ids"]:
        raise Wrong("The tokens are not those of the texts alone. Hand batch['text'] to the tokenizer, and nothing else.")


@exercise("tokenize() with one text instead of two. Then load_dataset on the folder, and rows['test'] for the evaluation; "
          "map takes fn_kwargs={'tokenizer': tokenizer}.", judge=judge_tokenize_reviews)  # fmt: skip
def tokenize_reviews(batch, tokenizer):
    return tokenizer(batch["text"], truncation=True)


@tokenize_reviews.mistake("A long review keeps")
def _untruncated(batch, tokenizer):
    return tokenizer(batch["text"])


@tokenize_reviews.mistake("A long review is cut at 128 tokens")
def _shorter(batch, tokenizer):
    return tokenizer(batch["text"], truncation=True, max_length=128)


@tokenize_reviews.mistake("All rows have one length")
def _padded(batch, tokenizer):
    return tokenizer(batch["text"], truncation=True, padding=True)


@tokenize_reviews.mistake("The tokens are not those of the texts alone")
def _as_pairs(batch, tokenizer):
    return tokenizer(batch["text"], batch["text"], truncation=True)


@tokenize_reviews.mistake("It returns nothing")
def _forgets_return(batch, tokenizer):
    tokenizer(batch["text"], truncation=True)
