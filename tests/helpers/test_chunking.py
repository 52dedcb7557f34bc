import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.chunking import NO_WORD, chunk, rows_as_arrays, text_to_chunks, tokenizing

corpora = st.lists(st.lists(st.integers(0, 9999), max_size=40), max_size=30)


def quadratic(batch, chunk_size):
    """The tutorials' way, written afresh: joined by sum(), the remainder dropped."""
    joined = {name: sum(rows, []) for name, rows in batch.items()}
    total = len(next(iter(joined.values()))) // chunk_size * chunk_size
    return {name: [tokens[i : i + chunk_size] for i in range(0, total, chunk_size)] for name, tokens in joined.items()}


@given(corpora, st.integers(1, 50))
def test_chunks_equal_the_quadratic_original(rows, size):
    batch = {"input_ids": rows, "word_ids": [[token % 7 for token in row] for row in rows]}
    assert chunk(batch, size) == quadratic(batch, size)


@given(corpora, st.integers(1, 50))
def test_nothing_is_lost_when_the_remainder_is_kept(rows, size):
    chunks = chunk({"input_ids": rows}, size, drop_last=False)["input_ids"]
    assert sum(chunks, []) == sum(rows, [])
    assert all(len(piece) == size for piece in chunks[:-1])
    assert not chunks or 0 < len(chunks[-1]) <= size


def test_a_batch_shorter_than_one_chunk_gives_none():
    assert chunk({"input_ids": [[1, 2], [3]]}, 4) == {"input_ids": []}
    assert chunk({}, 4) == {}


def test_tokenizing_keeps_whole_texts_and_their_word_ids(tokenizer):
    texts = ["A spellbinding remake.", "<br />", "", "word " * 700]
    rows = tokenizing(tokenizer, "review")({"review": texts})
    for text, ids, words in zip(texts, rows["input_ids"], rows["word_ids"]):
        encoded = tokenizer(text, verbose=False)
        assert ids == encoded["input_ids"]
        assert words == [NO_WORD if w is None else w for w in encoded.word_ids()]
    assert len(rows["input_ids"][3]) == 702  # beyond the model's limit, and not cut


@pytest.mark.parametrize("earlier", [dict(truncation=True, max_length=8), dict(padding="max_length", max_length=64), dict(padding=True)])
def test_what_an_earlier_call_cut_or_padded_leaves_no_trace(tokenizer, earlier):
    texts = {"text": ["word " * 700, "A spellbinding remake."]}
    expected = [
        [tokenizer.cls_token_id, *tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)), tokenizer.sep_token_id]
        for text in texts["text"]
    ]
    tokenizer(["one", "two of them"], **earlier)
    once = text_to_chunks(tokenizer, 16)(texts)
    assert once["input_ids"].tolist() == chunk({"input_ids": expected}, 16)["input_ids"]
    tokenizer(["one", "two of them"], **earlier)
    assert tokenizing(tokenizer)(texts)["input_ids"] == expected


@given(
    st.lists(st.sampled_from(["film", " ", "[SEP]", "[MASK]", "<s>", "</s>", "<mask>", "[UNK]", "🐳", "x" * 120, "影", "!"])).map("".join)
)
@settings(deadline=None)
def test_special_tokens_have_no_word_id_even_where_a_text_spells_them(tokenizer, roberta, text):
    for one in (tokenizer, roberta):
        row = tokenizing(one)({"text": [text]})
        for token, word in zip(row["input_ids"][0], row["word_ids"][0]):
            assert (word == NO_WORD) == (token in one.all_special_ids)
        assert chunk(row, 4) == {name: rows.tolist() for name, rows in text_to_chunks(one, 4)({"text": [text]}).items()}


def test_a_tokenizer_without_word_ids_is_refused():
    class Slow:
        is_fast = False

    with pytest.raises(ValueError, match="Slow is a slow tokenizer, which gives no word ids: take a checkpoint"):
        tokenizing(Slow())


@pytest.mark.parametrize("rows", [[0], [7, 2, 2, 9], list(range(10))])
def test_rows_as_arrays_are_those_of_the_data_set(rows):
    columns = {name: np.arange(first, first + 60).reshape(12, 5) for name, first in (("input_ids", 0), ("word_ids", -1))}
    chunks = Dataset.from_dict(columns).select(range(1, 12)).with_format("arrow")  # the first row is not among them
    arrays = rows_as_arrays(chunks, rows)
    assert arrays.keys() == columns.keys()
    for name, array in arrays.items():
        assert array.dtype == np.int64 and array.tolist() == [columns[name][row + 1].tolist() for row in rows]
