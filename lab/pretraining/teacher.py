"""A teacher's word vectors in context, as targets for every token of the pretraining text; and its plain ones, to start from.

    python -m lab.pretraining.teacher --data build/pretrain/mini-bert --teacher all-MiniLM-L6-v2

writes ``targets.int8``, one row a token, shard after shard (stop it at any moment: the same command goes on), and
``teacher.npz``: how to turn rows into vectors, and the word vectors. The teacher reads the text as it is, the student a
masked copy. Both tokenizers lower-case and split words alike, so words align exactly; all pieces of a word share its vector.
"""

import argparse
from functools import cache
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm
from transformers import AutoTokenizer, BertModel

from helpers.precision import autocast_dtype, default_device
from lab.pretraining.pairs import Flag

SHARD = 1 << 20  # tokens
WINDOW = 128  # pieces that the teacher reads at once, [CLS] and [SEP] included
LAYERS = range(3, 7)  # whose mean is the target: below is spelling, in the last of six the sentence drowns the word
SIZE = 128


class Teacher:
    """A BERT that turns a running text, given as a list of words, into one vector a word."""

    def __init__(self, folder: Path, layers=LAYERS):
        self.device = default_device()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = BertModel.from_pretrained(folder, dtype=torch.float32, add_pooling_layer=False).eval().to(self.device)
        self.layers = list(layers)
        self.pieces = cache(self.pieces)

    def pieces(self, word: str) -> list[int]:
        """Ids of a word's pieces; of ``##ing`` its own piece or, where the teacher has none, those of ``ing``."""
        known = self.tokenizer.convert_tokens_to_ids(word)
        if known != self.tokenizer.unk_token_id:
            return [known]
        return self.tokenizer.encode(word.removeprefix("##"), add_special_tokens=False) or [self.tokenizer.unk_token_id]

    def windows(self, words: list[str]) -> list[list[list[int]]]:
        """The words' pieces, cut between words so that each window holds as many as it can."""
        windows, room = [[]], WINDOW - 2
        for pieces in map(self.pieces, words):
            if len(pieces) > room:
                windows.append([])
                room = WINDOW - 2
            windows[-1].append(pieces)
            room -= len(pieces)
        return windows

    @torch.inference_mode()
    def vectors(self, windows: list[list[list[int]]], batch: int = 16):
        """Yields the vectors of each batch of windows, ``(words, hidden)``: means over layers and over each word's pieces."""
        for start in range(0, len(windows), batch):
            part = windows[start : start + batch]
            rows = [[self.tokenizer.cls_token_id, *(p for word in row for p in word), self.tokenizer.sep_token_id] for row in part]
            inputs = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(self.device)
            dtype = autocast_dtype(self.device)
            with torch.autocast(self.device.type, dtype=dtype, enabled=dtype != torch.float32):
                states = self.model(**inputs, output_hidden_states=True).hidden_states
            mean = torch.stack([states[i].float() for i in self.layers]).mean(0)
            flat = torch.cat([state[1 : len(row) - 1] for state, row in zip(mean, rows)])
            lengths = torch.tensor([len(word) for row in part for word in row], device=self.device)
            yield torch.segment_reduce(flat, "mean", lengths=lengths)

    @torch.no_grad()
    def embeddings(self, texts: list[str]) -> torch.Tensor:
        """Embeddings of texts, means over the last layer, each of length 1, ``(texts, hidden)``."""
        inputs = self.tokenizer(texts, truncation=True, max_length=WINDOW, padding=True, return_tensors="pt").to(self.device)
        dtype = autocast_dtype(self.device)
        with torch.autocast(self.device.type, dtype=dtype, enabled=dtype != torch.float32):
            states = self.model(**inputs).last_hidden_state.float()
        mask = inputs["attention_mask"][..., None]
        return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1))

    def word_vectors(self, vocabulary: list[str]) -> torch.Tensor:
        """Input embeddings of a student's vocabulary, ``(vocabulary, hidden)``: means over the teacher's pieces."""
        table = self.model.embeddings.word_embeddings.weight.detach()
        return torch.stack([table[self.pieces(word)].mean(0) for word in vocabulary])


def principal(vectors: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean ``(hidden,)``, the first principal directions ``(hidden, size)`` and all variances ``(hidden,)``, largest first."""
    mean = vectors.mean(0)
    variances, directions = torch.linalg.eigh((vectors - mean).double().T.cov(correction=0))
    return mean, directions.flip(1)[:, :size].float(), variances.flip(0)


def words_of(ids: np.ndarray, flags: np.ndarray, pieces: list[str]) -> tuple[list[str], np.ndarray]:
    """Spells the words of a text; of each also how many of the student's tokens it has.

    Args:
        ids: Ids, ``(tokens,)``; the first token counts as a word's first.
        flags: Their `Flag`s.
        pieces: The student's vocabulary, in the order of its ids.
    """
    starts = np.flatnonzero((flags & Flag.CONTINUES) == 0)
    starts = starts if len(starts) and starts[0] == 0 else np.insert(starts, 0, 0)
    bounds = [*starts, len(ids)]
    spelt = [pieces[i] for i in ids]
    words = [spelt[a] + "".join(p.removeprefix("##") for p in spelt[a + 1 : b]) for a, b in zip(bounds, bounds[1:])]
    return words, np.diff(bounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that prepare.py wrote for a WordPiece tokenizer")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of a BERT with a lower-casing tokenizer")
    parser.add_argument("--out", type=Path, help="default: the folder of --data")
    parser.add_argument("--tokens", type=float, help="stop after about so many tokens of the text")
    args = parser.parse_args()
    out = args.out or args.data
    out.mkdir(parents=True, exist_ok=True)
    rows, facts = out / "targets.int8", out / "teacher.npz"

    student = AutoTokenizer.from_pretrained(args.data / "tokenizer")
    vocabulary = student.convert_ids_to_tokens(range(len(student)))
    ids, flags = np.load(args.data / "tokens.npy", mmap_mode="r"), np.load(args.data / "flags.npy", mmap_mode="r")
    teacher = Teacher(args.teacher)
    if not facts.exists():
        places = np.linspace(0, max(0, len(ids) - 140), min(1500, len(ids))).astype(int)
        sample = [teacher.windows(words_of(ids[p : p + 140], flags[p : p + 140], vocabulary)[0])[0] for p in places]
        sample = torch.cat(list(teacher.vectors(sample)))
        mean, basis, variances = principal(sample, SIZE)
        reduced = (sample - mean) @ basis
        kept = (variances[:SIZE].sum() / variances.sum()).item()
        scale = reduced.abs().quantile(0.9999, dim=0) / 127
        print(f"{SIZE} dimensions keep {kept:.1%} of the variance of {len(sample):,} words")
        vectors = teacher.word_vectors(vocabulary)
        middle, directions, _ = principal(vectors, 256)
        vectors = (vectors - middle) @ directions
        arrays = dict(mean=mean, basis=basis, scale=scale, variance=variances[:SIZE].sum(), kept=kept, word_vectors=vectors)
        np.savez(facts, **{name: np.float32(array) for name, array in arrays.items()})
    known = np.load(facts)
    mean, basis, scale = (torch.from_numpy(known[name]).to(teacher.device) for name in ("mean", "basis", "scale"))

    rows.touch()
    size = SHARD * len(scale)
    done = rows.stat().st_size // size
    last = len(ids) if args.tokens is None else min(len(ids), int(args.tokens))
    with rows.open("r+b") as file:
        file.truncate(done * size)  # a shard that was cut short is made again
        file.seek(0, 2)
        for start in range(done * SHARD, last, SHARD):
            part = slice(start, min(start + SHARD, len(ids)))
            words, lengths = words_of(ids[part], flags[part], vocabulary)
            windows = teacher.windows(words)
            progress = tqdm(teacher.vectors(windows), desc=f"tokens from {start:,}", total=-(-len(windows) // 16), mininterval=30)
            quantised = torch.cat([((v - mean) @ basis / scale).round().clamp(-127, 127).to(torch.int8).cpu() for v in progress])
            file.write(np.repeat(quantised.numpy(), lengths, axis=0).tobytes())
            file.flush()


if __name__ == "__main__":
    main()
