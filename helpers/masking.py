"""Masks: whole words at a time, and frozen ones, so that two evaluations have the same masked tokens."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DataCollatorForLanguageModeling

from helpers import validation
from helpers.chunking import NO_WORD
from helpers.validation import require

IGNORE_INDEX = -100  # the label that cross-entropy leaves out
LONGEST_WORD = 20  # tokens; more than that is text without spaces, whose tokens are then masked one by one


def pick_words(
    word_ids: Tensor, probability: float, generator: torch.Generator | None = None, seeds: Sequence[int] | None = None
) -> Tensor:
    """Pick words at random; all tokens of a picked word are picked.

    A word is a run of equal word ids, so that a word cut by a chunk's edge counts as one in each chunk. In a run of more than
    `LONGEST_WORD` tokens each token counts as a word: a tokenizer that splits at spaces alone makes a single word of a
    whole Chinese sentence.

    Args:
        word_ids: ``(batch, sequence)``, `NO_WORD` (-1) at special tokens and padding.
        probability: Chance of each word.
        generator: Source of the random numbers; PyTorch's global one by default.
        seeds: One for each row, so that a row's mask does not depend on its company; in place of a generator.

    Returns:
        Booleans, ``(batch, sequence)``.
    """
    word = _number(_starts(word_ids))
    if torch.bincount(word).max() > LONGEST_WORD:
        word = _number(_starts(word_ids) | in_long_words(word_ids))
    if seeds is None:
        draws = torch.rand(int(word[-1]) + 1, generator=generator, device=word_ids.device)
    else:
        last = word.view_as(word_ids)[:, -1]
        words, seeded = last.diff(prepend=last.new_tensor([-1])).tolist(), torch.Generator()
        draws = torch.cat([torch.rand(n, generator=seeded.manual_seed(seed)) for n, seed in zip(words, seeds, strict=True)])
    return (draws < probability).index_select(0, word).view_as(word_ids) & (word_ids != NO_WORD)


def in_long_words(word_ids: Tensor) -> Tensor:
    """Return where a word has more than `LONGEST_WORD` tokens: booleans, ``(batch, sequence)``."""
    word = _number(_starts(word_ids))
    return (torch.bincount(word) > LONGEST_WORD)[word].view_as(word_ids) & (word_ids != NO_WORD)


def _starts(word_ids: Tensor) -> Tensor:
    """Return where a run of equal word ids begins: booleans, ``(batch, sequence)``."""
    starts = torch.ones_like(word_ids, dtype=torch.bool)
    starts[:, 1:] = word_ids[:, 1:] != word_ids[:, :-1]
    return starts


def _number(starts: Tensor) -> Tensor:
    """Return the number of each position's word among all words of the batch: ``(batch * sequence,)``."""
    return starts.flatten().cumsum(0) - 1


@dataclass
class WholeWordCollator:
    """Data collator that masks whole words, always by the mask token.

    Rows hold ``input_ids``, ``word_ids`` (as `chunking.tokenizing` makes them) and perhaps
    ``attention_mask``; shorter rows are padded on the right. The batch holds ``input_ids``,
    ``attention_mask`` and ``labels``, each ``(batch, sequence)``; labels are -100 except at picked words.

    Args:
        tokenizer: For its mask and padding tokens.
        probability: Share of words to pick. The words picked, not the tokens, number this share.
        seed: For a sequence of masks of the collator's own; without it PyTorch's global generator decides.

    Raises:
        ValueError: The tokenizer has no mask token, the share is not between 0 and 1, or the rows have no word ids.
    """

    tokenizer: Any
    probability: float = 0.2
    seed: int | None = None
    generator: torch.Generator | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        validation.require_mask_token(self.tokenizer)
        require(0 <= self.probability <= 1, "probability is a share between 0 and 1, not {value}.", value=self.probability)
        if self.seed is not None:
            self.generator = torch.Generator().manual_seed(self.seed)

    def __call__(self, rows: list[dict]) -> dict[str, Tensor]:
        require(
            "word_ids" in rows[0],
            "The rows have no word_ids: tokenize with helpers.chunking.tokenizing and, in a Trainer, set remove_unused_columns=False.",
        )
        input_ids = _padded([row["input_ids"] for row in rows], self.tokenizer.pad_token_id)
        word_ids = _padded([row["word_ids"] for row in rows], NO_WORD)
        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        attention_mask = (torch.arange(input_ids.shape[1]) < lengths[:, None]).long()
        masked, labels = self.mask(input_ids, word_ids)
        return {"input_ids": masked, "attention_mask": attention_mask, "labels": labels}

    def mask(self, input_ids: Tensor, word_ids: Tensor, seeds: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Return the ids with words masked, and the labels; all ``(batch, sequence)``. `seeds`, one a row, as for `pick_words`."""
        picked = pick_words(word_ids, self.probability, self.generator, seeds)
        return torch.where(picked, self.tokenizer.mask_token_id, input_ids), torch.where(picked, input_ids, IGNORE_INDEX)


def _padded(rows: Sequence[Sequence[int]], filler: int) -> Tensor:
    length = max(len(row) for row in rows)
    if all(len(row) == length for row in rows):
        return torch.from_numpy(np.array(rows, dtype=np.int64))
    return torch.tensor([[*row, *[filler] * (length - len(row))] for row in rows])


def masking_collator(tokenizer: Any, whole_words: bool = False, seed: int = 0) -> WholeWordCollator | DataCollatorForLanguageModeling:
    """Return a collator that masks 20% of the words, or 15% of the tokens as BERT does."""
    if whole_words:
        return WholeWordCollator(tokenizer, probability=0.2, seed=seed)
    return DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=seed)


def freeze_masks(chunks: Any, collator: Any, batch_size: int = 256) -> Any:
    """Mask a data set once and for all, so that every evaluation has the same masked tokens.

    Args:
        chunks: A `datasets.Dataset` with the columns that the collator takes, and no others.
        collator: A masking collator with a seed, from which a copy of it starts: the same seed gives the same masks
            in any process and any run.
        batch_size: Rows masked together.

    Returns:
        A `datasets.Dataset` of what the collator returns, for `default_data_collator`.

    Raises:
        ValueError: The collator has no seed, so that its masks could not be had again.
    """
    seeded = getattr(collator, "seed", None) is not None
    require(seeded, "Frozen masks need a seed: {collator}(…, seed=42).", collator=type(collator).__name__)
    frozen = copy.copy(collator)
    # As long as it has a seed, the library's collator may make another generator in each process, and in some cannot
    frozen.seed, frozen.generator = None, torch.Generator().manual_seed(collator.seed)

    def mask(batch: dict) -> dict:
        rows = [dict(zip(batch, tokens)) for tokens in zip(*batch.values(), strict=True)]
        return {name: masked.numpy() for name, masked in frozen(rows).items()}

    return chunks.map(mask, batched=True, batch_size=batch_size, remove_columns=chunks.column_names, load_from_cache_file=False)
