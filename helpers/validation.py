"""Checks of what a user brings: each raises ValueError with one sentence and a way out."""

import re
import reprlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from helpers.i18n import say

LETTER = re.compile(r"[^\W\d_]")
ADDRESS = ("http://", "https://")
MOST_UNKNOWN = 0.25  # share of the tokens


def require(condition: object, sentence: str, /, **values: object) -> None:
    """Raise ValueError unless a condition holds.

    Args:
        condition: What should be true.
        sentence: What is wrong otherwise, and a way out: a template for `say`.
        **values: For the placeholders of the template.
    """
    if not condition:
        raise ValueError(say(sentence, **values))


def check_texts(dataset: Any, text_column: str, splits: Sequence[str] = ("train",), lists: bool = False) -> None:
    """Raise ValueError unless the splits hold texts to learn from and to test on; print a line if some hold no words.

    Args:
        dataset: Splits by name.
        text_column: Name of the column with the texts.
        splits: Those that are needed.
        lists: A row may hold several texts in a list.

    Raises:
        ValueError: A split or the column is missing, a split has fewer than two rows, or a row no text; fewer than two different texts,
            or hardly any words.
    """

    def is_text(value) -> bool:
        return isinstance(value, str) or (lists and isinstance(value, list) and all(isinstance(text, str) for text in value))

    for split in splits:
        _check_size(dataset, split)
        _check_column(dataset, split, text_column, is_text, say("a text"), say("name the column with the texts: text_column=…"))
    rows = [[value] if isinstance(value, str) else value for split in splits for value in _values(dataset[split], text_column)]
    different = {" ".join(" ".join(row).split()) for row in rows} - {""}  # as `train.data.drop_repeats` tells them apart
    require(
        len(different) > 1,
        "The column {column!r} holds {texts} different texts without the blank ones: one to learn from and one to test on are the least.",
        column=text_column,
        texts=len(different),
    )
    texts = [text for row in rows for text in row if text.strip()]
    wordless = [text for text in texts if not LETTER.search(text) or (text.startswith(ADDRESS) and len(text.split()) == 1)]
    require(
        2 * len(wordless) <= len(texts),
        "{wordless:,} of {texts:,} texts in the column {column!r} hold no words, such as {example!r}: "
        "name the column with the texts: text_column=…",
        wordless=len(wordless),
        texts=len(texts),
        column=text_column,
        example=next(iter(wordless), "")[:40],
    )
    if wordless:
        print(say("{wordless:,} of {texts:,} texts hold no words.", wordless=len(wordless), texts=len(texts)))


def check_pairs(dataset: Any, splits: Sequence[str] = ("train", "validation")) -> None:
    """Raise ValueError unless the splits hold labelled pairs of sentences, as MRPC does; print how many the two share.

    Raises:
        ValueError: A split or a column is missing, a split has fewer than two rows, a sentence no words, a label is neither
            0 nor 1, or the classes have no names.
    """
    for split in splits:
        _check_size(dataset, split)
        for column in ("sentence1", "sentence2"):
            way_out = say("rename yours to sentence1, sentence2 and label")
            _check_column(dataset, split, column, lambda value: isinstance(value, str) and value.strip(), say("a sentence"), way_out)
        _check_labels(dataset, split)
    require(
        hasattr(dataset[splits[0]].features["label"], "names"),
        "The column 'label' has no names for its classes: put a card beside the files that gives them, "
        "as lab/corpora/paraphrases/README.md does.",
    )
    _count_shared(dataset, splits, ("sentence1", "sentence2"))


def check_both_labels(rows: Any) -> None:
    """Raise ValueError unless both labels occur in the rows to train on, as many as are taken."""
    require(
        len(set(rows["label"])) > 1,
        "The {rows:,} rows to train on all have the label {label}: raise max_train_samples, or give rows of both classes.",
        rows=len(rows),
        label=rows["label"][0],
    )


def check_labels(dataset: Any, text_column: str) -> None:
    """Raise ValueError unless a classifier can train and be tested on these texts, or they have no labels at all.

    Prints how many texts are on both sides.

    Args:
        dataset: Splits by name.
        text_column: Name of the column with the texts.

    Raises:
        ValueError: As `check_texts`, or a label of ``train`` or ``test`` is neither 0 nor 1.
    """
    splits = ("train", "test")
    if all(split in dataset and "label" in dataset[split].column_names for split in splits):
        check_texts(dataset, text_column, splits)
        for split in splits:
            _check_labels(dataset, split)
        _count_shared(dataset, splits, (text_column,))


def check_vocabulary(tokenizer: Any, rows: Any, columns: Sequence[str]) -> None:
    """Raise ValueError if a tokenizer does not know the script of a data set's first hundred texts.

    An unknown token is never masked, and all are alike to a classifier: figures would be those of the punctuation.

    Args:
        tokenizer: A fast tokenizer.
        rows: A `datasets.Dataset`.
        columns: Names of the columns with texts, or lists of texts; those that it lacks are told elsewhere.
    """
    few = rows.select(range(min(100, len(rows)))).flatten()
    values = [value for column in columns if column in few.column_names for value in few[column]]
    texts = [text for value in values for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
    ids = [i for row in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"] for i in row] if texts else []
    share = ids.count(tokenizer.unk_token_id) / max(len(ids), 1)
    require(
        share <= MOST_UNKNOWN,
        "{share:.0%} of the tokens in the column {column!r} are {unknown}: the vocabulary of {checkpoint} lacks their characters; "
        "take a checkpoint of the language of these texts.",
        share=share,
        column=columns[0],
        unknown=tokenizer.unk_token,
        checkpoint=tokenizer.name_or_path,
    )


def check_one_mask(tokenizer: Any, text: str) -> None:
    """Raise ValueError unless a text holds the tokenizer's mask token exactly once: every family of models writes its own."""
    mask, count = tokenizer.mask_token, text.count(tokenizer.mask_token)
    foreign = next((other for other in ("[MASK]", "<mask>") if other in text and other != mask), None)
    if foreign and not count:
        why = say("has the mask token {mask}, not {foreign}", mask=mask, foreign=foreign)
    else:
        why = say("needs {mask} exactly once, and the text has it {found} times", mask=mask, found=count)
    require(
        count == 1,
        "This checkpoint's tokenizer {why}: {text!r}; write {{tokenizer.mask_token}} in an f-string, which always fits.",
        why=why,
        text=text,
    )


def require_word_ids(tokenizer: Any) -> None:
    """Raise ValueError unless a tokenizer tells which tokens make a word."""
    require(
        tokenizer.is_fast,
        "{tokenizer} is a slow tokenizer, which gives no word ids: take a checkpoint whose folder has a tokenizer.json.",
        tokenizer=type(tokenizer).__name__,
    )


def require_mask_token(tokenizer: Any) -> None:
    """Raise ValueError unless a tokenizer has a mask token."""
    name = type(tokenizer).__name__
    require(tokenizer.mask_token, "{tokenizer} has no mask token: take the checkpoint of a masked language model.", tokenizer=name)


def check_chunks(dataset: Any, chunk_size: int) -> None:
    """Raise ValueError if a chunked data set is empty: the corpus is shorter than one chunk."""
    require(len(dataset), "The corpus is shorter than one chunk of {size} tokens: add text or lower chunk_size.", size=chunk_size)


def _check_size(dataset: Any, split: str) -> None:
    """Raise ValueError unless there is such a split, with two rows or more."""
    known = ", ".join(dataset)
    require(
        split in dataset,
        "The data set has no split {split!r}, only {known}; name its file {split}.parquet (jsonl, csv, or txt for texts alone).",
        split=split,
        known=known,
    )
    rows = len(dataset[split])
    require(rows > 1, "The split {split!r} has too few rows ({rows}): give it two at least.", split=split, rows=rows)


def _check_column(dataset: Any, split: str, column: str, fits: Callable[[Any], object], kind: str, way_out: str) -> None:
    """Raise ValueError unless a split has a column, and every value in it fits."""
    known = ", ".join(dataset[split].column_names)
    require(
        column in dataset[split].column_names,
        "The data set has no column {column!r}, only {known}; {way_out}",
        column=column,
        known=known,
        way_out=way_out,
    )
    row, value = next(((i, value) for i, value in enumerate(_values(dataset[split], column)) if not fits(value)), (None, None))
    require(
        row is None,
        "Row {row} of the split {split!r} has {value} in the column {column!r}, where {kind} belongs: leave such rows out, or {way_out}",
        row=row,
        split=split,
        value=reprlib.repr(value),
        column=column,
        kind=kind,
        way_out=way_out,
    )


def _check_labels(dataset: Any, split: str) -> None:
    """Raise ValueError unless all labels are the whole numbers 0 and 1; with 1.0 the library would train a regression."""
    kind = say("one of the whole numbers 0 and 1 (-1 marks rows that nobody has judged)")
    way_out = say("name the column of the classes label, and number them anew")
    _check_column(dataset, split, "label", lambda value: type(value) is int and value in (0, 1), kind, way_out)


def _count_shared(dataset: Any, splits: Sequence[str], columns: Sequence[str]) -> None:
    """Print how many rows of the second split hold the texts of a row of the first, in whatever order and with whatever spaces."""
    first, second = (
        [frozenset(" ".join(text.split()) for text in texts) for texts in zip(*(dataset[split][column] for column in columns))]
        for split in splits
    )
    known = set(first)
    if shared := sum(texts in known for texts in second):
        print(
            say(
                "{shared:,} of {rows:,} rows of the split {split!r} are also in {other!r}: the scores on them show memory.",
                shared=shared,
                rows=len(second),
                split=splits[1],
                other=splits[0],
            )
        )


def _values(rows: Any, column: str) -> Iterator:
    return (value for batch in rows.select_columns(column).iter(1000) for value in batch[column])
