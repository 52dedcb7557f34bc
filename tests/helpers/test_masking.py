import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DataCollatorForLanguageModeling

from common import ROOT
from helpers.chunking import NO_WORD, tokenizing
from helpers.masking import WholeWordCollator, freeze_masks, in_long_words, pick_words

# rows of one length, as chunks are: each a list of word lengths, 0 standing for a special token
word_lengths = st.lists(st.integers(0, 4) | st.integers(18, 23), min_size=1, max_size=12)


def row_of(lengths):
    """Word ids of one row from the lengths of its words."""
    words = []
    for number, length in enumerate(lengths):
        words += [number] * length if length else [NO_WORD]
    return words


def words_of(word_ids):
    """Oracle: spans (start, end) of the words of one row, one token at a time."""
    spans, start = [], 0
    for i in range(1, len(word_ids) + 1):
        if i == len(word_ids) or word_ids[i] != word_ids[start]:
            if word_ids[start] != NO_WORD:  # in a word of over 20 tokens, each token counts as a word
                spans += [(start, i)] if i - start <= 20 else [(k, k + 1) for k in range(start, i)]
            start = i
    return spans


@given(st.lists(word_lengths, min_size=1, max_size=6), st.floats(0, 1), st.integers(0, 2**31))
@settings(deadline=None)
def test_every_picked_word_is_masked_whole_and_no_special_token_ever(tokenizer, rows, probability, seed):
    word_ids = [row_of(lengths) for lengths in rows]
    features = [{"input_ids": [1000 + i for i in range(len(words))], "word_ids": words} for words in word_ids]
    batch = WholeWordCollator(tokenizer, probability, seed)(features)
    for i, words in enumerate(word_ids):
        labels, ids, n = batch["labels"][i].tolist(), batch["input_ids"][i].tolist(), len(words)
        for start, end in words_of(words):
            assert len({label == -100 for label in labels[start:end]}) == 1
        for k in range(n):
            picked = labels[k] != -100
            assert not (picked and words[k] == NO_WORD)
            assert ids[k] == (tokenizer.mask_token_id if picked else 1000 + k)
            assert labels[k] == (1000 + k if picked else -100)
        assert batch["attention_mask"][i].tolist() == [1] * n + [0] * (len(labels) - n)
        assert set(ids[n:]) <= {tokenizer.pad_token_id} and set(labels[n:]) <= {-100}


@pytest.mark.parametrize("probability", [0.15, 0.2, 0.4])
@pytest.mark.parametrize("seed", range(5))
def test_the_share_of_words_picked_lies_within_five_sigma(probability, seed):
    word_ids = torch.tensor([row_of([0, 1, 3, 1, 2, 1, 1, 4, 1, 0])] * 2500)  # 8 words a row, of unequal length
    picked = pick_words(word_ids, probability, torch.Generator().manual_seed(seed))
    first_pieces = torch.tensor([[start for start, _ in words_of(word_ids[0].tolist())]]).expand(2500, -1)
    count, words = picked.gather(1, first_pieces).sum().item(), first_pieces.numel()
    assert abs(count - words * probability) < 5 * math.sqrt(words * probability * (1 - probability))


def test_words_are_picked_independently_in_every_row():
    word_ids = torch.arange(50).expand(400, -1)
    picked = pick_words(word_ids, 0.5, torch.Generator().manual_seed(0)).double()
    assert picked.mean(0).min() > 0.35 and picked.mean(0).max() < 0.65  # 6 sigma of 400 draws
    assert len({tuple(row) for row in picked.tolist()}) == 400


def test_a_word_cut_by_the_edge_is_two_pieces_each_masked_whole():
    rows = torch.tensor([[0, 1, 5, 5], [5, 5, 6, 7]])  # word 5 goes on in the next chunk
    pairs = set()
    for seed in range(200):
        picked = pick_words(rows, 0.5, torch.Generator().manual_seed(seed))
        assert picked[0, 2] == picked[0, 3] and picked[1, 0] == picked[1, 1]
        pairs.add((picked[0, 2].item(), picked[1, 0].item()))
    assert len(pairs) == 4  # the two pieces are drawn for separately


@given(st.lists(word_lengths, min_size=1, max_size=6), st.integers(0, 2**31))
@settings(deadline=None)
def test_words_are_drawn_one_by_one_in_reading_order(rows, seed):
    """With the same numbers, a loop over the runs of each row picks the same words."""
    rows = [row_of(lengths) for lengths in rows]
    word_ids = torch.tensor([row + [NO_WORD] * (max(map(len, rows)) - len(row)) for row in rows])
    draws = torch.rand(word_ids.numel(), generator=torch.Generator().manual_seed(seed)).tolist()
    expected = []
    for row in word_ids.tolist():
        expected.append([False] * len(row))
        for start, end in runs_of(row):
            expected[-1][start:end] = [draws.pop(0) < 0.3 and row[start] != NO_WORD] * (end - start)
    assert pick_words(word_ids, 0.3, torch.Generator().manual_seed(seed)).tolist() == expected


def runs_of(row):
    """Spans of equal word ids, those of over 20 tokens of a word cut into single tokens."""
    edges = [0, *(i for i in range(1, len(row)) if row[i] != row[i - 1]), len(row)]
    for start, end in zip(edges, edges[1:]):
        yield from [(start, end)] if row[start] == NO_WORD or end - start <= 20 else [(k, k + 1) for k in range(start, end)]


@given(st.lists(word_lengths, min_size=1, max_size=6), st.integers(0, 2**31))
@settings(deadline=None)
def test_with_seeds_a_rows_mask_does_not_depend_on_its_company(rows, seed):
    words = [row_of(lengths) for lengths in rows]
    word_ids = torch.tensor([row + [NO_WORD] * (max(map(len, words)) - len(row)) for row in words])
    seeds = range(seed, seed + len(rows))
    alone = [pick_words(row[None], 0.3, torch.Generator().manual_seed(number)) for row, number in zip(word_ids, seeds)]
    assert torch.equal(pick_words(word_ids, 0.3, seeds=seeds), torch.cat(alone))


def test_text_without_spaces_is_masked_token_by_token(roberta):
    row = tokenizing(roberta)({"text": ["这部电影真好看演员也很棒" * 10]})
    words = torch.tensor(row["word_ids"])
    assert len(set(row["word_ids"][0])) == 2 and words.shape[1] > 100  # one word and the special tokens
    assert in_long_words(words)[0].tolist() == [False] + [True] * (words.shape[1] - 2) + [False]
    shares = [pick_words(words, 0.2, torch.Generator().manual_seed(seed)).double().mean().item() for seed in range(50)]
    assert 0.15 < sum(shares) / 50 < 0.25 and max(shares) < 0.4


def test_equal_word_ids_apart_are_different_words():
    picked = [pick_words(torch.tensor([[3, NO_WORD, 3]]), 0.5, torch.Generator().manual_seed(s))[0].tolist() for s in range(100)]
    assert any(p[0] != p[2] for p in picked)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_the_ends_of_the_scale(tokenizer, probability):
    batch = WholeWordCollator(tokenizer, probability)([{"input_ids": [101, 7, 8, 102], "word_ids": [-1, 0, 1, -1]}])
    assert (batch["labels"] != -100).tolist() == [[False, bool(probability), bool(probability), False]]


def test_a_seed_makes_the_collator_repeat_itself(tokenizer):
    rows = [{"input_ids": list(range(200, 300)), "word_ids": list(range(100))}]
    one, two, other = (WholeWordCollator(tokenizer, seed=s) for s in (1, 1, 2))
    first = one(rows)["labels"]
    assert torch.equal(first, two(rows)["labels"])
    assert not torch.equal(first, other(rows)["labels"])
    assert not torch.equal(first, one(rows)["labels"])  # a sequence of masks, not one for ever


FREEZE = """
import sys, hashlib
from datasets import Dataset
from transformers import AutoTokenizer, DataCollatorForLanguageModeling
from helpers.masking import WholeWordCollator, freeze_masks
tokenizer = AutoTokenizer.from_pretrained("lab/checkpoints/mini-bert")
rows = Dataset.from_dict({"input_ids": [[101, *range(200 + i, 262 + i), 102] for i in range(50)], "word_ids": [[-1, *range(62), -1]] * 50})
whole = freeze_masks(rows, WholeWordCollator(tokenizer, seed=42))
token = freeze_masks(rows.remove_columns("word_ids"), DataCollatorForLanguageModeling(tokenizer, seed=42))
print(hashlib.sha256(repr((whole[:], token[:])).encode()).hexdigest())
"""


def test_frozen_masks_are_identical_across_processes_and_runs():
    runs = [subprocess.run([sys.executable, "-c", FREEZE], cwd=ROOT, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert runs[0] == runs[1] and len(runs[0].strip()) == 64


def token_rows():
    from datasets import Dataset

    return Dataset.from_dict({"input_ids": [[101, *range(200 + i, 262 + i), 102] for i in range(20)]})


def test_frozen_masks_follow_from_the_seed(tokenizer):
    frozen = [freeze_masks(token_rows(), DataCollatorForLanguageModeling(tokenizer, seed=seed))["labels"][:] for seed in (1, 1, 2)]
    assert frozen[0] == frozen[1] != frozen[2]


def test_freezing_leaves_the_callers_collator_as_it_is(tokenizer):
    one, other = (DataCollatorForLanguageModeling(tokenizer, seed=5) for _ in range(2))
    freeze_masks(token_rows(), one)
    rows = [{"input_ids": list(range(200, 300))}]
    assert one.seed == 5 and torch.equal(one(rows)["labels"], other(rows)["labels"])


def test_frozen_rows_keep_their_order_and_their_tokens(tokenizer):
    from datasets import Dataset

    texts = ["A good film.", "It was not a good film at all.", "Why?"] * 20
    tokenized = tokenizing(tokenizer)({"text": texts})
    rows = Dataset.from_dict({name: tokenized[name] for name in ("input_ids", "word_ids")})
    frozen = freeze_masks(rows, WholeWordCollator(tokenizer, 0.5, seed=1), batch_size=1)
    for original, row in zip(rows["input_ids"][:], frozen):
        restored = [label if label != -100 else token for token, label in zip(row["input_ids"], row["labels"])]
        assert restored == original
    assert np.mean([label != -100 for row in frozen["labels"][:] for label in row]) > 0.2


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda t: WholeWordCollator(t, 1.5), ValueError, "probability is a share between 0 and 1, not 1.5"),
        (lambda t: WholeWordCollator(t)([{"input_ids": [1]}]), ValueError, "remove_unused_columns=False"),
        (lambda t: freeze_masks(None, WholeWordCollator(t)), ValueError, r"Frozen masks need a seed: WholeWordCollator\(…, seed=42\)"),
    ],
)
def test_errors_name_the_way_out(tokenizer, make, error, message):
    with pytest.raises(error, match=message):
        make(tokenizer)


def test_a_tokenizer_without_a_mask_token_is_refused():
    class Causal:
        mask_token = None

    with pytest.raises(ValueError, match="Causal has no mask token: take the checkpoint of a masked language model"):
        WholeWordCollator(Causal())
