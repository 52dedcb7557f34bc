"""The data of masked language modelling: load texts, hold some out, cut chunks, mask them from a seed."""

import copy
import math
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from datasets import Dataset, DatasetDict, concatenate_datasets, load_dataset
from transformers import DataCollatorForLanguageModeling

from helpers import chunking, validation
from helpers.i18n import say
from helpers.masking import IGNORE_INDEX, LONGEST_WORD, WholeWordCollator, freeze_masks, in_long_words, masking_collator

HELD_OUT = 0.2  # share of the texts
SPARE = 1.5  # times as many texts as a number of chunks needs by the length of the first hundred, which is only an estimate


def read_texts(dataset: Sequence[str], column: str, splits: Sequence[str]) -> DatasetDict:
    """Load texts and hold some of them out; print how many are dropped or hold no words.

    Args:
        dataset: Arguments of `load_dataset`.
        column: Name of the column with the texts.
        splits: Splits to join, where the data set has them.

    Returns:
        Texts to train on as ``train``, and others to evaluate on as ``test``.

    Raises:
        ValueError: As `validation.check_texts`.
    """
    corpus = load_dataset(*dataset)
    chosen = [split for split in splits if split in corpus] or splits
    validation.check_texts(corpus, column, chosen)
    joined = concatenate_datasets([corpus[split].select_columns(column) for split in chosen])
    return hold_out(drop_repeats(joined, column))


def drop_repeats(texts: Dataset, column: str = "text") -> Dataset:
    """Drop blank texts and all but the first of equal ones, so that no text is both trained on and held out; print how many.

    Texts that differ in spaces and line ends alone are equal.

    Args:
        texts: Rows with a string in the column.
        column: Its name.
    """
    first: dict[bytes, int] = {}  # digest of a text: its first row
    for row, text in enumerate(text for batch in texts.select_columns(column).iter(1000) for text in batch[column]):
        if words := text.split():
            first.setdefault(blake2b(" ".join(words).encode(errors="surrogatepass"), digest_size=16).digest(), row)
    dropped, rows = len(texts) - len(first), len(texts)
    if dropped:
        print(say("{dropped:,} of {rows:,} texts are blank or repeat an earlier one; they are left out.", dropped=dropped, rows=rows))
    return texts.select([*first.values()])


def hold_out(texts: Dataset) -> DatasetDict:
    """Split whole texts into ``train`` and ``test``, a fifth of them; the same ones whatever the seed of a training."""
    return texts.train_test_split(test_size=HELD_OUT, seed=0)


def enough(texts: Dataset, tokenizer, chunk_size: int, limit: int | None, column: str = "text") -> Dataset:
    """Return only as many of the first texts as `limit` chunks need, judged by the length of a hundred; all if there is no limit."""
    if limit is None:
        return texts
    lengths = [len(ids) for ids in tokenizer(texts[:100][column], verbose=False)["input_ids"]]
    return texts.select(range(min(len(texts), math.ceil(SPARE * limit * chunk_size / np.mean(lengths)) + 1)))


def to_chunks(
    texts: Dataset, tokenizer, chunk_size: int, limit: int | None = None, column: str = "text", whole_words: bool = False
) -> Dataset:
    """Tokenize texts, join them and cut chunks; print a line if many tokens lie in no word that could be masked whole.

    Args:
        texts, tokenizer, chunk_size, column: As for `chunking.text_to_chunks`.
        limit: Chunks to return at most.
        whole_words: Keep the word ids for `WholeWordCollator`.

    Returns:
        Chunks with the columns that `masking_collator` takes: ``input_ids``, and ``word_ids`` or ``attention_mask``.

    Raises:
        ValueError: The texts are shorter than one chunk, or the tokenizer is slow.
    """
    texts = enough(texts, tokenizer, chunk_size, limit, column)
    chunks = texts.map(chunking.text_to_chunks(tokenizer, chunk_size, column), batched=True, remove_columns=texts.column_names)
    validation.check_chunks(chunks, chunk_size)
    chunks = chunks.select_columns(["input_ids", "word_ids" if whole_words else "attention_mask"])
    chunks = chunks.select(range(min(len(chunks), limit or len(chunks))))
    if whole_words:
        words = (torch.as_tensor(batch["word_ids"]) for batch in chunks.with_format("numpy").iter(1000))
        share = sum(in_long_words(batch).sum().item() for batch in words) / (len(chunks) * chunk_size)
        if share > 0.01:
            print(
                say(
                    "{share:.0%} of the tokens lie in words of more than {longest} tokens, such as text without spaces, and are masked "
                    "one by one; a tokenizer that splits them, as that of google-bert/bert-base-multilingual-cased does, has words there.",
                    share=share,
                    longest=LONGEST_WORD,
                )
            )
    return chunks


def fingerprint(*parts: Dataset) -> str:
    """Return 16 digits that tell data sets of token ids from others of the same name."""
    digest = blake2b(digest_size=8)
    for rows in parts:
        for table in rows.with_format("arrow").iter(1000):
            for column in table.columns:
                digest.update(column.combine_chunks().flatten().to_numpy().astype(np.int64))
    return digest.hexdigest()


def mix_seeds(*numbers: int) -> int:
    """Return one seed for several numbers, so that neighbours (epoch 1 row 2, epoch 2 row 1) share nothing."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) // 2


class MaskedChunks(torch.utils.data.Dataset):
    """Chunks whose masks follow from seed, epoch and row alone, in whatever order, company and process they are read.

    Args:
        chunks: Rows for the collator, all of one length.
        collator: That of `masking_collator`; a copy of it is used.
        seed: Decides the masks.
    """

    def __init__(self, chunks: Dataset, collator: WholeWordCollator | DataCollatorForLanguageModeling, seed: int):
        self.chunks, self.collator, self.seed, self.epoch = chunks.with_format("arrow"), copy.copy(collator), seed, 0
        self.special_ids = torch.tensor(collator.tokenizer.all_special_ids)

    def set_epoch(self, epoch: int) -> None:
        """Choose the masks of an epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: list[int]) -> list[dict[str, torch.Tensor]]:
        """Return several rows, which are read at once, and masked at once by words: what a DataLoader calls for a batch."""
        batch = {name: torch.from_numpy(array) for name, array in chunking.rows_as_arrays(self.chunks, rows).items()}
        ids, seeds = batch["input_ids"], [mix_seeds(self.seed, self.epoch, row) for row in rows]
        if isinstance(self.collator, WholeWordCollator):
            inputs, labels = self.collator.mask(ids, batch["word_ids"], seeds)
        else:
            inputs, labels = self._mask_tokens(ids, seeds)
        masks = torch.ones_like(ids)
        return [{"input_ids": inputs[i], "attention_mask": masks[i], "labels": labels[i]} for i in range(len(rows))]

    def _mask_tokens(self, ids: torch.Tensor, seeds: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids with masks, and labels, from the library's collator row by row: it has one generator for all."""
        special, masked = torch.isin(ids, self.special_ids), []
        self.collator.generator = torch.Generator()
        for i, seed in enumerate(seeds):
            self.collator.generator.manual_seed(seed)
            masked.append(self.collator.torch_mask_tokens(ids[i : i + 1].clone(), special[i : i + 1]))
        inputs, labels = zip(*masked, strict=True)
        return torch.cat(inputs), torch.cat(labels)


def stack(rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Stack masked rows to a batch, and find out here what the CPU would otherwise have to wait for a GPU to tell.

    Returns:
        Their tensors, ``(batch, sequence)``, and the ``positions`` of the labels in the flattened batch. An attention mask of
        ones is left out: it says nothing, and in each step the model would look whether there is a zero in it.
    """
    batch = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
    if batch["attention_mask"].all():
        del batch["attention_mask"]
    return batch | {"positions": (batch["labels"].flatten() != IGNORE_INDEX).nonzero()[:, 0]}


def masked_rows(
    texts: DatasetDict,
    tokenizer,
    chunk_size: int,
    limits: tuple[int | None, int | None] = (None, None),
    column: str = "text",
    seed: int = 42,
    whole_words: bool = False,
) -> tuple[MaskedChunks, Dataset]:
    """Return chunks to train on, masked anew in each epoch, and chunks to evaluate on, masked once and for all.

    Args:
        texts: ``train`` and ``test``, as `read_texts` returns them.
        tokenizer, chunk_size, column, whole_words: As for `to_chunks`.
        limits: Chunks to train and to evaluate on at most.
        seed: Decides the masks of the training; those of the evaluation are always the same.
    """
    train, test = (
        to_chunks(texts[split], tokenizer, chunk_size, limit, column, whole_words) for split, limit in zip(("train", "test"), limits)
    )
    frozen = freeze_masks(test, masking_collator(tokenizer, whole_words)).with_format("torch")
    return MaskedChunks(train, masking_collator(tokenizer, whole_words), seed), frozen
