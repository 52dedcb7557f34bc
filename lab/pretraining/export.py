"""Measure a finished pretraining run and write it as a checkpoint: 16-bit safetensors, tokenizer, curve, model card.

python -m lab.pretraining.export mini-bert --data build/pretrain/mini-bert --run build/pretrain/run-mini-bert --device "two CPU cores"
"""

import argparse
import json
import math
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

from helpers.labelled_logits import skip_unlabelled_logits
from helpers.paths import ROOT
from lab.pretraining.batches import BatchMaker, Text
from lab.pretraining.pretrain import build_model, draw_curve, perplexity

PAIRS = (
    ", next sentences, sentences beside their own rewording or beside one that says something else (from one changed fact to another"
    " sentence), and which tokens of such a pair stand in both"
)
CARD = """---
language: en
license: apache-2.0
library_name: transformers
pipeline_tag: fill-mask
---
# {kind}

A {family} of {layers} layers x {size}, {parameters:,} parameters, {vocabulary}, made for this course alone by
[`lab/pretraining/prepare.py`, `lab/pretraining/pretrain.py` and `lab/pretraining/export.py`](../../README.md).

| | |
|---|---|
| data | 13,195 English Wikipedia articles of 2015 and 100 novels of 1839 to 1937; none of the text is in the repository |
| tokens read | {tokens:,} (the padding of short pairs included) in {steps:,} steps; {hours:.1f} hours on {device} |
| before that run | {before} |
| objective | masked tokens (30% falling to 15%, in rewritten pairs half of that; 80/10/10){pairs} |
| perplexity, WikiText-2 validation | **{perplexity:.1f}** (pieces of 128 tokens, one fixed 15% mask) |
| bits per character, the same | {bits:.3f} |
| kept as | float16 safetensors; loads as float32 |

![Perplexity on held-out pieces against tokens seen in that run](curve.png)

Perplexities of models with different vocabularies cannot be compared; bits per character can, roughly: the visible pieces
of a masked word help a model whose words have more pieces.

**Limits.** It has seen less than a hundredth of what BERT was trained on: it knows grammar and common word pairs, few facts.
English only. Positions beyond 128 were trained in the last tenth alone. It repeats the prejudices of its texts, old novels among them.
Made for teaching; build nothing on it.
"""


def bits_per_character(ppl: float, tokens: int, characters: int) -> float:
    """Mean loss a token in bits, spread over the characters that a token spells."""
    return math.log2(ppl) * tokens / characters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["mini-bert", "mini-roberta"])
    parser.add_argument("--data", type=Path, required=True, help="folder that prepare.py wrote for this kind")
    parser.add_argument("--run", type=Path, required=True, help="folder that pretrain.py wrote")
    parser.add_argument("--out", type=Path, help="default: lab/checkpoints/KIND")
    parser.add_argument("--before", default="nothing", help="what it had read before this run, for the model card")
    parser.add_argument("--device", required=True, help="what it was trained on, for the model card")
    args = parser.parse_args()
    out = args.out or ROOT / "lab" / "checkpoints" / args.kind
    out.mkdir(parents=True, exist_ok=True)

    tokenizer = AutoTokenizer.from_pretrained(args.data / "tokenizer")
    text = Text.load(args.data)
    model = build_model(args.kind, tokenizer, None, start=args.run)
    state = torch.load(args.run / "state.pt", map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"], strict=False)  # without the heads that served the training alone
    model.half().float()  # measure what is kept
    skip_unlabelled_logits(model)
    yardstick = np.load(args.data / "wikitext2.npz")
    maker = BatchMaker(text, tokenizer, rows=16, seed=0, pairs=args.kind == "mini-bert")
    ppl = perplexity(model, maker.frozen(yardstick["ids"], 128, limit=None))
    bits = bits_per_character(ppl, len(yardstick["ids"]), int(yardstick["characters"]))
    print(f"WikiText-2 validation: perplexity {ppl:.2f}, {bits:.3f} bits per character")

    # eager: in bfloat16 on a CPU the backward pass of PyTorch's fused attention takes twice as long (bench/README.md)
    model.config.update({"dtype": "float32", "architectures": [type(model).__name__], "attn_implementation": "eager"})
    model.config.save_pretrained(out)
    tied = {"cls.predictions.decoder.weight", "lm_head.decoder.weight", "cls.predictions.decoder.bias", "lm_head.decoder.bias"}
    weights = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items() if name not in tied}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(out)
    draw_curve(args.run / "log.jsonl", args.run / "curve.png", args.kind)
    shutil.copy(args.run / "curve.png", out / "curve.png")
    last = json.loads((args.run / "log.jsonl").read_text().splitlines()[-1])
    bert = args.kind == "mini-bert"
    (out / "README.md").write_text(
        CARD.format(
            kind=args.kind, family="BERT" if bert else "RoBERTa", layers=model.config.num_hidden_layers, size=model.config.hidden_size,
            parameters=model.num_parameters(), hours=last["seconds"] / 3600,
            vocabulary=f"{'WordPiece' if bert else 'byte-level BPE'} of {len(tokenizer):,}", tokens=last["tokens"], steps=last["step"],
            device=args.device, before=args.before, perplexity=ppl, bits=bits,
            pairs=PAIRS if bert else "",
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
