"""Checks of what a user brings: each raises ValueError with one sentence and a way out."""

import re
import reprlib
from collections.abc import Callable, Sequence
from typing import Any

from helpers.i18n import say

LETTER = re.compile(r"[^\W\d_]")
ADDRESS = ("http://", "https://")


def corpus(
    dataset: Any, text_column: str, splits: Sequence[str] = ("train",), lists: bool = False, report: Callable[[str], object] = print
) -> None:
    """Raise ValueError unless the splits have the text column, a text in each row, and rows enough to hold some out.

    Args:
        dataset: Splits by name.
        text_column: Name of the column with the texts.
        splits: Those that are needed.
        lists: A row may hold several texts in a list.
        report: Called with a line if some texts hold no words.

    Raises:
        ValueError: A split or the column is missing, a split has fewer than two rows, or a row no text; fewer than two different texts,
            or hardly any words.
    """

    def is_text(value) -> bool:
        return isinstance(value, str) or (lists and isinstance(value, list) and all(isinstance(text, str) for text in value))

    for split in splits:
        if split not in dataset:
            raise ValueError(
                say(
                    "The data set has no split {split!r}, only {known}; name its file {split}.parquet (jsonl, csv, txt).",
                    split=split,
                    known=", ".join(dataset),
                )
            )
        if text_column not in dataset[split].column_names:
            raise ValueError(
                say(
                    "The data set has no column {column!r}, only {known}; name the one with the texts: text_column=…",
                    column=text_column,
                    known=", ".join(dataset[split].column_names),
                )
            )
        if len(dataset[split]) < 2:
            raise ValueError(
                say(
                    "The split {split!r} has too few rows ({rows}): one to learn from and one to test on are the least.",
                    split=split,
                    rows=len(dataset[split]),
                )
            )
        if wrong := _first(dataset[split], text_column, lambda value: not is_text(value)):
            raise ValueError(
                say(
                    "Row {row} of the split {split!r} has {value} in the column {column!r}, where a text belongs: "
                    "leave such rows out, or name the column with the texts: text_column=…",
                    row=wrong[0],
                    split=split,
                    value=wrong[1],
                    column=text_column,
                )
            )
    _check_words([dataset[split] for split in splits], text_column, report)


def _check_words(parts: Sequence, column: str, report: Callable[[str], object]) -> None:
    """Raise ValueError unless there are two different texts, and words in most of them."""
    values = (value for rows in parts for batch in rows.select_columns(column).iter(1000) for value in batch[column])
    written = [text for value in values for text in ([value] if isinstance(value, str) else value) if text.strip()]
    if len(set(written)) < 2:
        raise ValueError(
            say(
                "The column {column!r} holds {texts} different texts without the blank ones: one to learn from and one to test on are "
                "the least.",
                column=column,
                texts=len(set(written)),
            )
        )
    wordless = sum(not LETTER.search(text) or (text.startswith(ADDRESS) and len(text.split()) == 1) for text in written)
    if wordless > len(written) / 2:
        raise ValueError(
            say(
                "{wordless:,} of {texts:,} texts in the column {column!r} hold no words, such as {example!r}: "
                "name the column with the texts: text_column=…",
                wordless=wordless,
                texts=len(written),
                column=column,
                example=reprlib.repr(next(text for text in written if not LETTER.search(text) or text.startswith(ADDRESS)))[1:-1],
            )
        )
    if wordless:
        report(say("{wordless:,} of {texts:,} texts hold no words.", wordless=wordless, texts=len(written)))


def _first(rows, column: str, unfit: Callable[[object], bool]) -> tuple[int, str] | None:
    """Return the first row whose value does not fit, with that value shortened for display; None if all fit."""
    batches = (value for batch in rows.select_columns(column).iter(1000) for value in batch[column])
    return next(((i, reprlib.repr(value)) for i, value in enumerate(batches) if unfit(value)), None)


def pairs(dataset: Any, splits: Sequence[str] = ("train", "validation")) -> None:
    """Raise ValueError unless the splits hold labelled pairs of sentences, as MRPC does.

    Raises:
        ValueError: A split or a column is missing, a split has fewer than two rows, a sentence no words, a label is neither
            0 nor 1, or the classes have no names.
    """
    for split in splits:
        if split not in dataset:
            raise ValueError(
                say(
                    "The data set has no split {split!r}, only {known}; name its file {split}.parquet (jsonl, csv).",
                    split=split,
                    known=", ".join(dataset),
                )
            )
        if missing := {"sentence1", "sentence2", "label"} - set(dataset[split].column_names):
            raise ValueError(
                say(
                    "The data set has no column {column!r}, only {known}; rename yours to sentence1, sentence2 and label.",
                    column=min(missing),
                    known=", ".join(dataset[split].column_names),
                )
            )
        if len(dataset[split]) < 2:
            raise ValueError(
                say("The split {split!r} has too few pairs ({pairs}): give it two at least.", split=split, pairs=len(dataset[split]))
            )
        for column in ("sentence1", "sentence2"):
            if wrong := _first(dataset[split], column, lambda value: not isinstance(value, str) or not value.strip()):
                raise ValueError(
                    say(
                        "Row {row} of the split {split!r} has {value} as its {column}, where words belong: leave such rows out.",
                        row=wrong[0],
                        split=split,
                        value=wrong[1],
                        column=column,
                    )
                )
        _check_labels(dataset[split], split)
    if not hasattr(dataset[splits[0]].features["label"], "names"):
        raise ValueError(
            say(
                "The column 'label' has no names for its classes: put a card beside the files that gives them, "
                "as lab/corpora/paraphrases/README.md does."
            )
        )


def labels(dataset: Any, text_column: str, splits: Sequence[str] = ("train", "test")) -> None:
    """Raise ValueError unless texts with labels have the labels 0 and 1; texts without a column of labels pass.

    Args:
        dataset: Splits by name.
        text_column: Name of the column with the texts.
        splits: Those on which a classifier trains and is tested.

    Raises:
        ValueError: A label that is neither 0 nor 1, or a row without a text.
    """
    if not all(split in dataset and "label" in dataset[split].column_names for split in splits):
        return
    for split in splits:
        corpus({split: dataset[split]}, text_column, (split,), report=lambda line: None)
        _check_labels(dataset[split], split)


def _check_labels(rows, split: str) -> None:
    """Raise ValueError unless all labels are the whole numbers 0 and 1; with 1.0 the library would train a regression."""
    if wrong := _first(rows, "label", lambda value: type(value) is not int or value not in (0, 1)):
        raise ValueError(
            say(
                "Row {row} of the split {split!r} has the label {label}, and the classes are the whole numbers 0 and 1 (-1 marks rows "
                "that nobody has judged): leave such rows out, or number the classes anew.",
                row=wrong[0],
                split=split,
                label=wrong[1],
            )
        )


def one_mask(tokenizer: Any, text: str) -> None:
    """Raise ValueError unless a text holds the tokenizer's mask token exactly once: every family of models writes its own.

    Raises:
        ValueError: No mask token, another family's, or several.
    """
    mask = tokenizer.mask_token
    found = text.count(mask)
    if found == 1:
        return
    foreign = next((other for other in ("[MASK]", "<mask>") if other in text and other != mask), None)
    if foreign and not found:
        why = say("has the mask token {mask}, not {foreign}", mask=mask, foreign=foreign)
    else:
        why = say("needs {mask} exactly once, and the text has it {found} times", mask=mask, found=found)
    raise ValueError(
        say(
            "This checkpoint's tokenizer {why}: {text!r}; write {{tokenizer.mask_token}} in an f-string, which always fits.",
            why=why,
            text=text,
        )
    )


def chunks(dataset: Any, chunk_size: int) -> None:
    """Raise ValueError unless a chunked data set has rows.

    Raises:
        ValueError: The corpus is shorter than one chunk.
    """
    if len(dataset) == 0:
        raise ValueError(say("The corpus is shorter than one chunk of {size} tokens: add text or lower chunk_size.", size=chunk_size))
