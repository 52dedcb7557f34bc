"""Masks: whole words at a time, and frozen ones for an evaluation that does not wobble."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from helpers.chunking import NO_WORD
from helpers.i18n import say

IGNORE_INDEX = -100  # the label that cross-entropy leaves out


def pick_words(word_ids: Tensor, probability: float, generator: torch.Generator | None = None) -> Tensor:
    """Picks words at random; all pieces of a picked word are picked.

    A word is a run of equal word ids, so that a word cut by a chunk's edge counts as one in each chunk.

    Args:
        word_ids: ``(batch, sequence)``, `NO_WORD` (-1) at special tokens and padding.
        probability: Chance of each word.
        generator: Source of the random numbers; PyTorch's global one by default.

    Returns:
        Booleans, ``(batch, sequence)``.
    """
    starts = torch.ones_like(word_ids, dtype=torch.bool)
    starts[:, 1:] = word_ids[:, 1:] != word_ids[:, :-1]
    word = starts.flatten().cumsum(0) - 1  # number of each position's word among all words of the batch
    picked = torch.rand(int(word[-1]) + 1, generator=generator, device=word_ids.device) < probability
    return picked[word].view_as(word_ids) & (word_ids != NO_WORD)


@dataclass
class WholeWordCollator:
    """Data collator that masks whole words, always by the mask token.

    Rows hold ``input_ids``, ``word_ids`` (as `chunking.tokenizing` makes them) and perhaps
    ``attention_mask``; shorter rows are padded on the right. The batch holds ``input_ids``,
    ``attention_mask`` and ``labels``, each ``(batch, sequence)``; labels are -100 but at picked words.

    Args:
        tokenizer: For its mask and padding tokens.
        probability: Share of words to pick. The words picked, not the tokens, number this share.
        seed: For a sequence of masks of the collator's own; without it PyTorch's global generator decides.

    Raises:
        ValueError: The tokenizer has no mask token, or the share is not between 0 and 1.
        KeyError: The rows have no word ids.
    """

    tokenizer: object
    probability: float = 0.2
    seed: int | None = None
    generator: torch.Generator | None = field(init=False, default=None, repr=False)

    def __post_init__(self):
        if self.tokenizer.mask_token is None:
            name = type(self.tokenizer).__name__
            raise ValueError(say("{tokenizer} has no mask token: take the checkpoint of a masked language model.", tokenizer=name))
        if not 0 <= self.probability <= 1:
            raise ValueError(say("probability is a share between 0 and 1, not {value}.", value=self.probability))
        if self.seed is not None:
            self.generator = torch.Generator().manual_seed(self.seed)

    def __call__(self, rows: list[dict]) -> dict[str, Tensor]:
        if "word_ids" not in rows[0]:
            raise KeyError(
                say(
                    "The rows have no word_ids: tokenize with helpers.chunking.tokenizing "
                    "and, in a Trainer, set remove_unused_columns=False."
                )
            )
        input_ids = _padded([row["input_ids"] for row in rows], self.tokenizer.pad_token_id)
        word_ids = _padded([row["word_ids"] for row in rows], NO_WORD)
        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        picked = pick_words(word_ids, self.probability, self.generator)
        return {
            "input_ids": input_ids.masked_fill(picked, self.tokenizer.mask_token_id),
            "attention_mask": (torch.arange(input_ids.shape[1]) < lengths[:, None]).long(),
            "labels": input_ids.masked_fill(~picked, IGNORE_INDEX),
        }


def _padded(rows: list, filler: int) -> Tensor:
    length = max(len(row) for row in rows)
    if all(len(row) == length for row in rows):
        return torch.from_numpy(np.array(rows, dtype=np.int64))
    return torch.tensor([[*row, *[filler] * (length - len(row))] for row in rows])


def freeze_masks(chunks, collator, batch_size: int = 256):
    """Masks a data set once and for all, so that every evaluation asks the same questions.

    Args:
        chunks: A `datasets.Dataset` with the columns that the collator takes, and no others.
        collator: A masking collator with a seed and a ``generator``, which starts again from that seed here: the same
            seed gives the same masks in any process and any run.
        batch_size: Rows masked together.

    Returns:
        A `datasets.Dataset` of what the collator returns, for `default_data_collator`.

    Raises:
        ValueError: The collator has no seed, so that its masks could not be had again.
    """
    if getattr(collator, "seed", None) is None:
        raise ValueError(say("Frozen masks need a seed: {collator}(…, seed=42).", collator=type(collator).__name__))
    seed = collator.seed
    # As long as it has a seed, transformers' collator may make another generator in each process, and in some cannot
    collator.seed, collator.generator = None, torch.Generator().manual_seed(seed)

    def mask(batch: dict) -> dict:
        rows = [dict(zip(batch, tokens)) for tokens in zip(*batch.values(), strict=True)]
        return {name: masked.numpy() for name, masked in collator(rows).items()}

    try:
        return chunks.map(mask, batched=True, batch_size=batch_size, remove_columns=chunks.column_names, load_from_cache_file=False)
    finally:
        collator.seed = seed
