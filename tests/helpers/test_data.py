"""From texts to masked rows: what is dropped, held out, cut and masked."""

import re
from contextlib import redirect_stdout
from io import StringIO

import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DataCollatorForLanguageModeling

from common import forty_reviews
from helpers import masking
from helpers.chunking import chunk, tokenizing
from helpers.masking import WholeWordCollator
from helpers.train import data
from training import SEED, assert_same, masked_chunks, rows_of


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return data.read_texts([str(forty_reviews(tmp_path_factory.mktemp("reviews") / "texts"))], "text", ["train", "unsupervised"])


def dataset_of(*texts):
    return Dataset.from_dict({"text": list(texts)})


# -- Texts


def test_training_and_evaluation_share_no_text(texts):
    assert len(texts["train"]) == 32 and len(texts["test"]) == 8
    assert not set(texts["train"]["text"][:]) & set(texts["test"]["text"][:])


def test_of_a_fivefold_copy_each_text_is_on_one_side_only():
    copies = dataset_of(*[f"Film number {i}." for i in range(20)] * 5)
    parts = data.hold_out(data.drop_repeats(copies))
    train, test = (parts[side]["text"][:] for side in ("train", "test"))
    assert sorted(train + test) == sorted(f"Film number {i}." for i in range(20)) and len(test) == 4


@given(st.lists(st.sampled_from(["a", "b", "c d ", "c\r\nd", "cd", "", " \n", "\u2028", "é", "\ud800"]), min_size=1))
@settings(deadline=None)
def test_the_first_of_equal_texts_stays_in_its_place(rows):
    words = [text.split() for text in rows]  # spaces and line ends tell no texts apart
    expected = [text for i, text in enumerate(rows) if words[i] and words[i] not in words[:i]]
    with redirect_stdout(StringIO()) as said:
        assert data.drop_repeats(FakeRows(rows)) == expected
    dropped = len(rows) - len(expected)
    line = f"{dropped} of {len(rows)} texts are blank or repeat an earlier one; they are left out.\n"
    assert said.getvalue() == (line if dropped else "")


class FakeRows(list):
    """A data set in so far as `drop_repeats` needs it, which may hold what Arrow cannot store."""

    def select_columns(self, column):
        return self

    def iter(self, batch_size):
        for start in range(0, len(self), batch_size):
            yield {"text": self[start : start + batch_size]}

    def select(self, rows):
        return [self[row] for row in rows]


# -- Chunks


def test_chunks_are_those_of_the_two_steps_that_chapter_03_takes(texts, tokenizer):
    chunks = data.to_chunks(texts["train"], tokenizer, 32)
    expected = chunk(tokenizing(tokenizer)(texts["train"][:]), 32)
    assert chunks.column_names == ["input_ids", "attention_mask"]
    assert chunks["input_ids"][:] == expected["input_ids"]
    whole = data.to_chunks(texts["train"], tokenizer, 32, whole_words=True)
    assert whole.column_names == ["input_ids", "word_ids"] and whole["word_ids"][:] == expected["word_ids"]


def test_a_limit_gives_the_first_chunks_of_all(texts, tokenizer):
    every = data.to_chunks(texts["train"], tokenizer, 32)["input_ids"][:]
    for limit in (1, 7, len(every), len(every) + 1):
        assert data.to_chunks(texts["train"], tokenizer, 32, limit)["input_ids"][:] == every[:limit]


def test_no_more_texts_are_tokenized_than_a_limit_needs(tokenizer):
    texts = dataset_of(*["word " * 30] * 1000)  # 32 tokens each
    assert len(data.enough(texts, tokenizer, 32, limit=100)) == 151
    assert len(data.enough(texts, tokenizer, 32, limit=None)) == len(data.enough(texts, tokenizer, 32, limit=900)) == 1000


def test_texts_shorter_than_a_chunk_are_refused(tokenizer):
    with pytest.raises(ValueError, match="The corpus is shorter than one chunk of 128 tokens: add text or lower chunk_size"):
        data.to_chunks(dataset_of("Short."), tokenizer, 128)


def test_text_without_spaces_is_reported_where_whole_words_are_masked(tokenizer, roberta, capsys):
    chinese, said = dataset_of(*["这部电影真好看演员也很棒" * 10] * 3), ""
    for one, whole_words in ((roberta, False), (tokenizer, True), (roberta, True)):
        assert said == ""
        data.to_chunks(chinese, one, 32, whole_words=whole_words)
        said = capsys.readouterr().out
    assert re.match(r"9\d% of the tokens lie in words of more than 20 tokens.* a tokenizer that splits them.*\n$", said)


def test_the_fingerprint_follows_from_the_content_alone():
    rows, same, other = rows_of(5, seed=1), rows_of(5, seed=1), rows_of(5, seed=1)
    ids = other["input_ids"][:]
    ids[4][31] += 1
    other = other.remove_columns("input_ids").add_column("input_ids", ids).select_columns(rows.column_names)
    assert data.fingerprint(rows, rows) == data.fingerprint(same, same.select(range(5))) != data.fingerprint(rows, other)
    assert data.fingerprint(rows.select([0, 2])) == data.fingerprint(rows.select([0, 2]).flatten_indices()) != data.fingerprint(rows)
    assert re.fullmatch("[0-9a-f]{16}", data.fingerprint(rows))


# -- Masks


def test_masks_follow_from_seed_epoch_and_row_alone(tokenizer):
    one, two = masked_chunks(tokenizer), masked_chunks(tokenizer)
    forward, backward = [one[i] for i in range(50)], [two[i] for i in reversed(range(50))]
    for a, b in zip(forward, reversed(backward)):
        assert_same(a, b)
    two.set_epoch(1)
    assert any(not torch.equal(a["labels"], two[i]["labels"]) for i, a in enumerate(forward))
    other_seed = data.MaskedChunks(one.chunks, masking.masking_collator(tokenizer), SEED + 1)
    assert any(not torch.equal(a["labels"], other_seed[i]["labels"]) for i, a in enumerate(forward))
    assert len({tuple((a["labels"] != -100).tolist()) for a in forward}) == 50  # no two rows share their masks


@pytest.mark.parametrize("whole_words", [False, True])
def test_rows_read_together_have_the_masks_that_the_collator_gives_each_alone(texts, tokenizer, whole_words):
    chunks = data.to_chunks(texts["train"], tokenizer, 64, whole_words=whole_words)
    rows = data.MaskedChunks(chunks, masking.masking_collator(tokenizer, whole_words), SEED)
    rows.set_epoch(2)
    alone = masking.masking_collator(tokenizer, whole_words)
    for number, row in zip([3, 0, 7], rows.__getitems__([3, 0, 7])):
        alone.seed, alone.generator = None, torch.Generator().manual_seed(data.mix_seeds(SEED, 2, number))
        assert_same(row, {name: tensor[0] for name, tensor in alone([chunks[number]]).items()})
        assert_same(row, rows[number])


def test_workers_mask_the_same_and_the_positions_are_those_of_the_labels(tokenizer):
    rows = masked_chunks(tokenizer)
    batches = [list(torch.utils.data.DataLoader(rows, 16, collate_fn=data.stack, num_workers=n)) for n in (0, 2)]
    for here, there in zip(*batches, strict=True):
        assert_same(here, there)
        labels = here["labels"].flatten()
        assert here["positions"].tolist() == [i for i, label in enumerate(labels.tolist()) if label != -100]


def test_only_an_attention_mask_that_hides_padding_goes_into_the_batch(tokenizer):
    rows = masked_chunks(tokenizer).__getitems__([0, 1])
    assert list(data.stack(rows)) == ["input_ids", "labels", "positions"]
    rows[1]["attention_mask"][-1] = 0
    assert torch.equal(data.stack(rows)["attention_mask"], torch.stack([row["attention_mask"] for row in rows]))


@pytest.mark.parametrize("whole_words", [False, True])
def test_the_callers_collator_is_left_as_it_is(tokenizer, whole_words):
    def batch_of(collator):
        return collator([{"input_ids": list(range(200, 300)), "word_ids": list(range(100))}])["labels"]

    expected = batch_of(masking.masking_collator(tokenizer, whole_words, seed=5))
    collator = masking.masking_collator(tokenizer, whole_words, seed=5)
    chunks = rows_of(4, seed=1)
    if whole_words:
        chunks = chunks.remove_columns("attention_mask").add_column("word_ids", [list(range(32))] * 4)
    data.MaskedChunks(chunks, collator, SEED)[0]
    assert collator.seed == 5 and torch.equal(batch_of(collator), expected)


def test_collators_mask_15_percent_of_tokens_and_20_of_words(tokenizer):
    by_token, by_word = masking.masking_collator(tokenizer), masking.masking_collator(tokenizer, whole_words=True)
    assert isinstance(by_token, DataCollatorForLanguageModeling) and by_token.mlm_probability == 0.15
    assert isinstance(by_word, WholeWordCollator) and by_word.probability == 0.2


def test_evaluation_rows_are_masked_once_and_training_rows_anew(texts, tokenizer):
    train, test = data.masked_rows(texts, tokenizer, 32, limits=(5, 3), seed=SEED)
    assert (len(train), len(test)) == (5, 3)
    again = data.masked_rows(texts, tokenizer, 32, limits=(5, 3), seed=SEED + 1)
    assert_same(test[:], again[1][:])
    assert not torch.equal(train[0]["labels"], again[0][0]["labels"])
    assert all(isinstance(tensor, torch.Tensor) for tensor in test[0].values())
