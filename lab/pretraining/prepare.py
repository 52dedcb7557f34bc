"""Train the lab's two tokenizers and turn the pretraining text into 16-bit ids.

    python -m lab.pretraining.prepare --data ../shared/data/general --out build/pretrain

writes, for each tokenizer, ``tokenizer/`` (what `AutoTokenizer` loads), ``tokens.npy`` (uint16 ids),
``flags.npy`` (uint8, one per token, see `pairs.Flag`), ``heldout.npy`` (ids never trained on) and
``wikitext2.npz`` (the yardstick: its ids and how many characters they spell).
"""

import argparse
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tokenizers import AddedToken, BertWordPieceTokenizer, ByteLevelBPETokenizer
from tqdm.auto import tqdm
from transformers import BertTokenizer, RobertaTokenizer

from lab.pretraining.pairs import Flag

VOCAB_SIZE = 8192
ALPHABET = 200  # rarer characters become [UNK]; every one kept costs the English words a slot
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[\"'(]?[A-Z])")
CAPITALISED = re.compile(r"[A-Z][a-z]+")


def documents(data: Path) -> list[str]:
    """Whole articles, and novels in runs of 40 paragraphs."""
    articles = pq.read_table(data / "enwiki_2015.parquet", columns=["text"])["text"].to_pylist()
    paragraphs = pq.read_table(data / "novels.parquet")["text"].to_pylist()
    return articles + ["\n".join(paragraphs[i : i + 40]) for i in range(0, len(paragraphs), 40)]


def wikitext(data: Path, unk_token: str) -> str:
    """WikiText-2 validation with its ` @-@ ` joints undone and `<unk>` as the tokenizer's own."""
    lines = pq.read_table(data / "wikitext2_validation.parquet")["text"].to_pylist()
    text = "".join(line for line in lines if line.strip())
    return re.sub(r" @([-,.])@ ", r"\1", text).replace("<unk>", unk_token)


def train_wordpiece(texts: list[str], folder: Path) -> BertTokenizer:
    """WordPiece with the special ids of bert-base-uncased: 0, 100, 101, 102, 103."""
    trainer = BertWordPieceTokenizer(lowercase=True)
    trainer.train_from_iterator(texts, vocab_size=VOCAB_SIZE - 99, min_frequency=5, limit_alphabet=ALPHABET, special_tokens=[])
    words = [word for word, _ in sorted(trainer.get_vocab().items(), key=lambda item: item[1])]
    special = ["[PAD]", *(f"[unused{i}]" for i in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = special + words[: VOCAB_SIZE - len(special)]
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(words)}, do_lower_case=True, model_max_length=512)
    tokenizer.save_pretrained(folder)
    return tokenizer


def train_byte_level(texts: list[str], folder: Path) -> RobertaTokenizer:
    """Byte-level BPE with RoBERTa's special tokens: 0 to 3 at the front, `<mask>` at the end."""
    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator(texts, vocab_size=VOCAB_SIZE - 1, min_frequency=5, special_tokens=["<s>", "<pad>", "</s>", "<unk>"])
    folder.mkdir(parents=True, exist_ok=True)
    trainer.save_model(str(folder))
    mask = AddedToken("<mask>", lstrip=True, normalized=False, special=True)  # takes the space before it, as any word does
    tokenizer = RobertaTokenizer.from_pretrained(folder, model_max_length=512, mask_token=mask)
    for leftover in ("vocab.json", "merges.txt"):  # tokenizer.json holds both
        (folder / leftover).unlink()
    tokenizer.save_pretrained(folder)
    return tokenizer


def encode(tokenizer, texts: list[str], batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Ids and flags of all texts, one after the other, both of shape (tokens,)."""
    ids, flags = [], []
    for start in tqdm(range(0, len(texts), batch), desc="encoding"):
        part = texts[start : start + batch]
        encoded = tokenizer(part, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        for text, row, offsets, encoding in zip(part, encoded["input_ids"], encoded["offset_mapping"], encoded.encodings):
            if row:
                ids.append(np.array(row, dtype=np.uint16))
                flags.append(flag_tokens(text, np.array(offsets)[:, 0], encoding.word_ids))
    return np.concatenate(ids), np.concatenate(flags)


def flag_tokens(text: str, starts: np.ndarray, word_ids: list[int]) -> np.ndarray:
    """Flags of one document's tokens, shape (tokens,), from the characters that they start at."""
    flags = np.zeros(len(starts), dtype=int)
    words = np.array(word_ids)
    flags[1:][words[1:] == words[:-1]] |= Flag.CONTINUES
    marks = {
        Flag.SENTENCE: [0, *(m.end() for m in SENTENCE_END.finditer(text)), *(m.end() for m in re.finditer("\n", text))],
        Flag.NAME: [m.start() for m in CAPITALISED.finditer(text)],
        Flag.NUMBER: [m.start() for m in re.finditer(r"\d+", text)],
    }
    for flag, characters in marks.items():
        tokens = np.unique(np.searchsorted(starts, characters))
        flags[tokens[tokens < len(starts)]] |= flag
    flags[(flags & Flag.SENTENCE) > 0] &= ~Flag.NAME  # any sentence starts with a capital
    flags[0] |= Flag.DOCUMENT
    return flags.astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with enwiki_2015, novels and wikitext2_validation parquet files")
    parser.add_argument("--out", type=Path, default=Path("build/pretrain"))
    parser.add_argument("--kinds", nargs="+", default=["mini-bert", "mini-roberta"], choices=["mini-bert", "mini-roberta"])
    parser.add_argument("--heldout", type=int, default=100, help="documents kept out of training")
    args = parser.parse_args()

    texts = documents(args.data)
    order = np.random.default_rng(0).permutation(len(texts))
    texts = [texts[i] for i in order]
    for kind in args.kinds:
        out = args.out / kind
        train = train_wordpiece if kind == "mini-bert" else train_byte_level
        tokenizer = train(texts[::3], out / "tokenizer")
        np.save(out / "heldout.npy", encode(tokenizer, texts[: args.heldout])[0])
        yardstick = wikitext(args.data, tokenizer.unk_token)
        np.savez(out / "wikitext2.npz", ids=encode(tokenizer, [yardstick])[0], characters=len(yardstick))
        ids, flags = encode(tokenizer, texts[args.heldout :])
        np.save(out / "tokens.npy", ids)
        np.save(out / "flags.npy", flags)
        print(f"{kind}: {len(tokenizer):,} pieces, {len(ids):,} tokens in {out}")


if __name__ == "__main__":
    main()
