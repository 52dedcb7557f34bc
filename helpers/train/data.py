"""Texts to rows that a masked language model trains on: held out by text, chunked, masked reproducibly."""

import math

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import DataCollatorForLanguageModeling

from helpers import chunking, validation
from helpers.masking import WholeWordCollator, freeze_masks
from helpers.settings import Settings

HELD_OUT = 0.2  # share of the texts


def read_texts(settings: Settings):
    """Texts to train on and others to evaluate on, as a `DatasetDict` with ``train`` and ``test``.

    Raises:
        KeyError: A split or the text column is missing.
        ValueError: A split has fewer than two rows, or a row without a text.
    """
    from datasets import concatenate_datasets, load_dataset

    corpus, column = load_dataset(*settings.dataset), settings.text_column
    chosen = [split for split in settings.train_splits if split in corpus] or settings.train_splits
    validation.corpus(corpus, column, chosen)
    splits = [corpus[split].select_columns(column) for split in chosen]
    written = concatenate_datasets(splits).filter(lambda text: text.strip() != "", input_columns=column)
    return written.train_test_split(test_size=HELD_OUT, seed=0)  # whatever the seed, the test is the same


def to_chunks(texts, tokenizer, settings: Settings, limit: int | None, whole_words: bool = False):
    """Tokenizes texts, joins them and cuts chunks, at most `limit`, with the columns that the masking needs.

    Raises:
        ValueError: The texts are shorter than one chunk, a row has no text, or the tokenizer is slow.
    """
    column, size = settings.text_column, settings.chunk_size
    if limit:  # take only as many texts as so many chunks may need, by the length of the first hundred
        length = np.mean([len(tokenizer.tokenize(text or "")) + 2 for text in texts[:100][column]])
        texts = texts.select(range(min(len(texts), math.ceil(1.5 * limit * size / length) + 1)))
    chunks = texts.map(chunking.text_to_chunks(tokenizer, size, column), batched=True, remove_columns=[column])
    validation.chunks(chunks, size)
    chunks = chunks.select_columns(["input_ids", "word_ids" if whole_words else "attention_mask"])
    return chunks.select(range(min(len(chunks), limit or len(chunks))))


def masking_collator(tokenizer, whole_words: bool = False, seed: int = 0):
    """Masks 20% of the words, or 15% of the tokens as BERT does."""
    if whole_words:
        return WholeWordCollator(tokenizer, probability=0.2, seed=seed)
    return DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=seed)


def mixed(*numbers: int) -> int:
    """One seed from several numbers, so that neighbours (epoch 1 row 2, epoch 2 row 1) share nothing."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) // 2


class MaskedChunks(Dataset):
    """Chunks whose masks follow from seed, epoch and row: whoever asks, in whatever order, gets the same.

    Args:
        chunks: Rows for the collator, all of one length.
        collator: Masks a list of rows, with random numbers from its ``generator``.
        seed: Decides the masks.
    """

    def __init__(self, chunks, collator, seed: int):
        self.chunks, self.collator, self.seed, self.epoch = chunks, collator, seed, 0
        collator.seed = None  # with one, transformers' collator may put a generator of its own in place of ours

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        self.collator.generator = torch.Generator().manual_seed(mixed(self.seed, self.epoch, row))
        return {name: tensor[0] for name, tensor in self.collator([self.chunks[row]]).items()}


def masked_rows(tokenizer, settings: Settings, whole_words: bool = False) -> tuple[MaskedChunks, object]:
    """Chunks to train on, masked anew in each epoch, and chunks to evaluate on, masked once and for all."""
    texts = read_texts(settings)
    train_chunks = to_chunks(texts["train"], tokenizer, settings, settings.max_train_samples, whole_words)
    eval_chunks = to_chunks(texts["test"], tokenizer, settings, settings.max_eval_samples, whole_words)
    frozen = freeze_masks(eval_chunks, masking_collator(tokenizer, whole_words))
    return MaskedChunks(train_chunks, masking_collator(tokenizer, whole_words), settings.seed), frozen.with_format("torch")
