"""Pretraining batches, each a pure function of the seed and the step."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from helpers.masking import IGNORE_INDEX
from lab.pretraining.pairs import Flag, PairMaker

LENGTH = 128  # tokens a row; in the second half of the decay every second step reads LONG, so that all positions are trained
LONG = 512
PAIR_LENGTH = 96


@dataclass
class Text:
    """The pretraining text: ids and flags, ``(tokens,)``, and where its sentences start."""

    ids: np.ndarray
    flags: np.ndarray
    sentences: np.ndarray

    @classmethod
    def load(cls, folder: Path) -> "Text":
        ids, flags = np.load(folder / "tokens.npy"), np.load(folder / "flags.npy")
        return cls(ids, flags, np.flatnonzero(flags & Flag.SENTENCE))


class BatchMaker:
    """Makes the batches of a step: rows of running text and, for BERT, rewritten sentences.

    Half the rows of text are cut in two segments, and in half of these the second comes from elsewhere
    (next-sentence prediction). Pair label 0: the second belongs to the first; 1: it does not.
    """

    def __init__(self, text: Text, tokenizer, rows: int, seed: int, pairs: bool, pair_rows: int | None = None, read: int | None = None):
        """`read`: how many tokens of the text its rows are taken from, all by default; pairs are taken from everywhere."""
        self.text, self.rows, self.seed = text, rows, seed
        self.pair_rows = rows // 2 if pair_rows is None else pair_rows
        self.vocabulary = len(tokenizer)
        self.cls, self.sep, self.pad, self.mask = (
            tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id, tokenizer.mask_token_id,
        )  # fmt: skip
        self.special = np.zeros(self.vocabulary, dtype=bool)
        self.special[tokenizer.all_special_ids] = True
        self.first_word = 104 if tokenizer.cls_token_id == 101 else 4  # below: special and unused ids
        self.pairs = PairMaker(tokenizer.get_vocab(), "" if tokenizer.cls_token == "[CLS]" else "Ġ") if pairs else None
        last = min(read or len(text.ids), len(text.ids)) - LONG
        self.starts = text.sentences[: np.searchsorted(text.sentences, last)]
        self.slots = np.random.default_rng(seed).permutation(last // LENGTH)
        self.tokens_per_step = rows * LENGTH + (self.pair_rows * PAIR_LENGTH if pairs else 0)

    def step(self, step: int, start: int, decay: float = 0.0):
        """Yields each batch of a step with the weight of its masked-LM loss.

        Args:
            step: Number of the step; with the seed, it decides all random numbers.
            start: Rows of text read in earlier steps.
            decay: How far the learning rate's decay has come, 0 to 1; the masking rate falls with it, from 30% to 15%.
        """
        rng = np.random.default_rng((self.seed, step))
        rate = 0.30 - 0.15 * decay
        length = LONG if decay > 0.5 and step % 2 else LENGTH
        rows = max(1, self.rows * LENGTH // length)
        places = np.empty((rows, length), dtype=np.int64)  # in the text, for each token of a batch
        segments, labels = np.zeros_like(places), np.full(rows, IGNORE_INDEX)
        for row in range(rows):
            slot = self.slots[(start + row) % len(self.slots)] * LENGTH
            if self.pairs is None or row % 2:
                places[row] = [self.CLS, *range(slot, slot + length - 2), self.SEP]
            else:
                places[row], segments[row], labels[row] = self._next_sentence(slot, length, rng)
        weight = 1.0 if self.pairs is None else 0.8
        yield weight, self._masked(self.ids(places), segments, labels, rate, rng) | {"places": torch.from_numpy(places)}
        if self.pairs:
            yield 1 - weight, self._rewritten(rate, 0.35 + 0.2 * decay, rng)

    CLS, SEP = -1, -2  # where a row has no token of the text

    def ids(self, places: np.ndarray) -> np.ndarray:
        """The tokens at places of the text, [CLS] and [SEP] among them, before masking; of the shape of `places`."""
        return np.where(places >= 0, self.text.ids[places], np.where(places == self.CLS, self.cls, self.sep)).astype(np.int64)

    def _next_sentence(self, start: int, length: int, rng) -> tuple[list, np.ndarray, int]:
        size = length - 3
        low, high = np.searchsorted(self.text.sentences, [start + size // 4, start + 3 * size // 4])
        cut = self.text.sentences[rng.integers(low, high)] - start if high > low else size // 2
        label = int(rng.integers(2))
        second = start + cut if label == 0 else rng.choice(self.starts)
        places = [self.CLS, *range(start, start + cut), self.SEP, *range(second, second + size - cut), self.SEP]
        return places, (np.arange(length) > cut + 1).astype(np.int64), label

    def _sentence(self, rng, i: int | None = None) -> tuple[int, list]:
        """The number of a sentence of 8 to 46 pieces and its words, each ``(ids, flags)``: from `i` on, or any."""
        i = rng.integers(len(self.text.sentences) - 1) if i is None else i
        while True:
            i = i % (len(self.text.sentences) - 1)
            start, end = self.text.sentences[i : i + 2]
            if 8 <= end - start <= PAIR_LENGTH // 2 - 2:
                ids, flags = self.text.ids[start:end].tolist(), self.text.flags[start:end].tolist()
                heads = [k for k, f in enumerate(flags) if not f & Flag.CONTINUES]
                return i, [(tuple(ids[a:b]), flags[a]) for a, b in zip(heads, [*heads[1:], len(ids)])]
            i += 1

    def _rewritten(self, rate: float, subtle: float, rng) -> dict:
        """Sentences beside their own rewording (pair label 0) or beside one that says something else (1).

        Besides the pair labels: ``recurs``, for each token whether the other sentence has it, and ``shares``, of each sentence how much.
        """
        sentences = [self._sentence(rng) for _ in range(self.pair_rows)]
        others = [word for _, sentence in sentences for word in sentence]
        ids = np.full((self.pair_rows, PAIR_LENGTH), self.pad)
        segments, recurs = np.zeros_like(ids), np.full_like(ids, IGNORE_INDEX)
        labels, shares = np.zeros(self.pair_rows, dtype=np.int64), np.zeros((self.pair_rows, 2), dtype=np.float32)
        for row, (i, sentence) in enumerate(sentences):
            second = sentence
            if row % 2:
                second = self.pairs.different(sentence, self._sentence(rng, i + 1)[1], others, subtle, rng)
                labels[row] = int(second != sentence)
            first = self.pairs.noised(sentence, rng) if rng.random() < 0.3 else sentence
            sides = [first, self.pairs.noised(second, rng)]
            if rng.random() < 0.5:
                sides.reverse()
            a, b = ([piece for word in side for piece in word[0]][: PAIR_LENGTH // 2 - 2] for side in sides)
            line = [self.cls, *a, self.sep, *b, self.sep]
            ids[row, : len(line)] = line
            segments[row, len(a) + 2 : len(line)] = 1
            in_b, in_a = np.isin(a, b), np.isin(b, a)
            recurs[row, 1 : len(a) + 1], recurs[row, len(a) + 2 : len(line) - 1] = in_b, in_a
            shares[row] = in_b.mean(), in_a.mean()
        width = int((ids != self.pad).any(axis=0).sum())
        batch = self._masked(ids[:, :width], segments[:, :width], labels, rate / 2, rng)
        arrays = {"recurs": recurs[:, :width], "shares": shares}
        return batch | {name: torch.from_numpy(array) for name, array in arrays.items()}

    def _masked(self, ids: np.ndarray, segments: np.ndarray, pair_labels: np.ndarray, rate: float, rng) -> dict:
        """BERT's masking: of the picked tokens 80% become [MASK], 10% another token, 10% stay."""
        picked = (rng.random(ids.shape) < rate) & ~self.special[ids]
        labels = np.where(picked, ids, IGNORE_INDEX)
        fate = rng.random(ids.shape)
        masked = np.where(picked & (fate < 0.8), self.mask, ids)
        noise = rng.integers(self.first_word, self.vocabulary, ids.shape)
        masked = np.where(picked & (fate >= 0.9), noise, masked)
        arrays = {"input_ids": masked, "labels": labels, "pair_labels": pair_labels}
        if self.pairs:
            arrays["token_type_ids"] = segments
        if (ids == self.pad).any():
            arrays["attention_mask"] = (ids != self.pad).astype(np.int64)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def frozen(self, ids: np.ndarray, length: int, rate: float = 0.15, limit: int = 256, rows: int = 32) -> list[dict]:
        """Batches of whole pieces with one mask for good; pieces ``[CLS] … [SEP]`` of `length`."""
        rng = np.random.default_rng(0)
        size = length - 2
        pieces = ids[: len(ids) // size * size].reshape(-1, size)[:limit].astype(np.int64)
        edges = np.ones((len(pieces), 1), dtype=np.int64)
        pieces = np.hstack([edges * self.cls, pieces, edges * self.sep])
        none = np.full(rows, IGNORE_INDEX)
        return [self._masked(p, np.zeros_like(p), none[: len(p)], rate, rng) for p in np.split(pieces, range(rows, len(pieces), rows))]
