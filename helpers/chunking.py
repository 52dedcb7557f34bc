"""Text to chunks of equal length, for masked language modelling."""

from collections.abc import Callable
from itertools import chain

NO_WORD = -1  # word id of special tokens; Transformers says None, which no array of integers holds


def tokenizing(tokenizer, text_column: str = "text") -> Callable[[dict], dict]:
    """A function for ``Dataset.map(batched=True)``: texts to ids, attention masks and word ids.

    Nothing is truncated: chunks are cut later, from the joined text.

    Args:
        tokenizer: A fast tokenizer; a word's pieces share one word id.
        text_column: Name of the column with the texts.

    Raises:
        ValueError: The tokenizer cannot tell which pieces make a word, or a row's text is no string.
    """
    if not tokenizer.is_fast:
        raise ValueError(
            f"{type(tokenizer).__name__} gives no word ids, which whole-word masking needs; "
            "take a checkpoint whose folder has a tokenizer.json."
        )

    def tokenize(batch: dict) -> dict:
        wrong = next((i for i, text in enumerate(batch[text_column]) if not isinstance(text, str)), None)
        if wrong is not None:
            raise ValueError(
                f"Row {wrong} of this batch has {batch[text_column][wrong]!r} in the column {text_column!r} where a text belongs; "
                f"drop such rows first: dataset.filter(lambda row: isinstance(row[{text_column!r}], str))."
            )
        encoded = tokenizer(batch[text_column], return_token_type_ids=False, verbose=False)  # longer than the model takes is fine here
        words = [[NO_WORD if w is None else w for w in encoded.word_ids(i)] for i in range(len(encoded["input_ids"]))]
        return {**encoded, "word_ids": words}

    return tokenize


def chunk(batch: dict[str, list], chunk_size: int, drop_last: bool = True) -> dict[str, list]:
    """Joins the rows of a batch and cuts them into chunks; a function for ``Dataset.map(batched=True)``.

    Linear in the number of tokens, where the tutorials' ``sum(rows, [])`` copies all earlier tokens for each row.

    Args:
        batch: Column name to rows, each row a list with one entry a token.
        chunk_size: Tokens in a chunk.
        drop_last: Leave out what remains behind the last full chunk, else keep it as a shorter one.

    Returns:
        The same columns, cut alike. With `drop_last` a batch shorter than one chunk gives no rows.
    """
    joined = {name: list(chain.from_iterable(rows)) for name, rows in batch.items()}
    total = len(next(iter(joined.values()), []))
    end = total // chunk_size * chunk_size if drop_last else total
    return {name: [tokens[i : i + chunk_size] for i in range(0, end, chunk_size)] for name, tokens in joined.items()}
