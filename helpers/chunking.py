"""Text to chunks of equal length, for masked language modelling."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np

from helpers import validation

NO_WORD = -1  # word id of special tokens; Transformers says None, which no array of integers holds
AT_ONCE = 250  # texts that the tokenizer takes while Python makes arrays of those before


def tokenizing(tokenizer: Any, text_column: str = "text") -> Callable[[dict], dict]:
    """Return a function for ``Dataset.map(batched=True)``: texts to ids, attention masks and word ids.

    Nothing is truncated: chunks are cut later, from the joined text. Special tokens have the word id `NO_WORD`,
    and so have those that the text itself spells, such as the ``[SEP]`` of a page about BERT.

    Args:
        tokenizer: A fast tokenizer; a word's tokens share one word id.
        text_column: Name of the column with the texts.

    Raises:
        ValueError: The tokenizer cannot tell which tokens make a word.
    """
    validation.require_word_ids(tokenizer)
    special = set(tokenizer.all_special_ids)

    def tokenize(batch: dict) -> dict:
        encoded = tokenizer(batch[text_column], return_token_type_ids=False, verbose=False)  # longer than the model takes is fine
        words = [
            [NO_WORD if word is None or token in special else word for token, word in zip(encoding.ids, encoding.word_ids)]
            for encoding in encoded.encodings
        ]
        return {**encoded, "word_ids": words}

    return tokenize


def chunk(batch: dict[str, list], chunk_size: int, drop_last: bool = True) -> dict[str, list]:
    """Join the rows of a batch and cut them into chunks; a function for ``Dataset.map(batched=True)``.

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


def text_to_chunks(tokenizer: Any, chunk_size: int, text_column: str = "text") -> Callable[[dict], dict[str, np.ndarray]]:
    """Return `tokenizing` and `chunk` in one: a function for ``map(batched=True, remove_columns=…)`` of data sets on disk or streamed.

    The chunks are those of the two steps, each given batches of the same rows. But tokens go from the tokenizer into
    arrays at once, which Arrow takes as they are, where two steps write a Python object for each token, read it and write it again.

    Args:
        tokenizer: A fast tokenizer.
        chunk_size: Tokens in a chunk; what remains of a batch behind its last full chunk is left out.
        text_column: Name of the column with the texts.

    Returns:
        A function from a batch to ``input_ids``, ``attention_mask`` and ``word_ids``, each ``(chunks, chunk_size)``.

    Raises:
        ValueError: As `tokenizing`.
    """
    validation.require_word_ids(tokenizer)

    def to_chunks(batch: dict) -> dict[str, np.ndarray]:
        texts, ids, words = batch[text_column], [], []
        rust = tokenizer.backend_tokenizer  # itself: `tokenizer(texts)` would write all ids as Python lists first
        rust.no_truncation()  # which an earlier call of the tokenizer may have left on, as padding
        rust.no_padding()
        with ThreadPoolExecutor(1) as pool:  # Rust reads the next texts while Python makes arrays of the last
            for encodings in pool.map(rust.encode_batch, (texts[i : i + AT_ONCE] for i in range(0, len(texts), AT_ONCE))):
                ids.append(_flat(encoding.ids for encoding in encodings))
                words.append(_flat((NO_WORD if word is None else word for word in encoding.word_ids) for encoding in encodings))
        columns = {"input_ids": np.concatenate(ids), "word_ids": np.concatenate(words)}
        columns["word_ids"][np.isin(columns["input_ids"], tokenizer.all_special_ids)] = NO_WORD
        end = len(columns["input_ids"]) // chunk_size * chunk_size
        chunks = {name: tokens[:end].reshape(-1, chunk_size) for name, tokens in columns.items()}
        return chunks | {"attention_mask": np.ones_like(chunks["input_ids"], dtype=np.int8)}

    return to_chunks


def rows_as_arrays(chunks: Any, rows: Sequence[int]) -> dict[str, np.ndarray]:
    """Read some chunks as arrays, without an object for each row, as the formats of `datasets` make it.

    Args:
        chunks: A `datasets.Dataset` of chunks that are all of one length, ``with_format("arrow")``.
        rows: Their numbers.

    Returns:
        The columns, each ``(rows, chunk_size)``, of 64-bit integers.
    """
    table = chunks[rows]
    columns = zip(table.column_names, table.columns, strict=True)
    return {name: column.combine_chunks().flatten().to_numpy().astype(np.int64).reshape(len(rows), -1) for name, column in columns}


def _flat(rows: Iterable[Iterable[int]]) -> np.ndarray:
    return np.fromiter(chain.from_iterable(rows), np.int32)
