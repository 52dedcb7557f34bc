"""Pretrain one of the lab's checkpoints from the ids that `prepare.py` wrote.

    python -m lab.pretraining.pretrain mini-bert --data build/pretrain/mini-bert --tokens 25e6

Needs torch, transformers and numpy. Stop it at any moment: the same command goes on from the last saved
step and ends at the same weights. Every batch follows from `--seed` and the step alone.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import AutoTokenizer, BertConfig, BertForPreTraining, RobertaConfig, RobertaForMaskedLM

from helpers.labelled_logits import skip_unlabelled_logits
from helpers.masking import IGNORE_INDEX
from helpers.precision import autocast_dtype, default_device
from lab.pretraining.batches import BatchMaker, Text
from lab.pretraining.muon import Muon
from lab.pretraining.vectors import word_vectors

SHAPE = dict(hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024)
NO_DROPOUT = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)  # there is more text than time
RECURS_LAYER = 3  # of four: the last is left to gather, at [CLS], what the third has found
INIT_STD = 0.03  # of word and position vectors alike: small positions beside large words keep attention from finding neighbours


def build_model(kind: str, tokenizer, text: Text | None):
    """A BERT (with the pair head) or RoBERTa; given a text, with word vectors from its co-occurrences and sinusoidal positions."""
    shared = dict(vocab_size=len(tokenizer), initializer_range=0.02, pad_token_id=tokenizer.pad_token_id, **SHAPE, **NO_DROPOUT)
    if kind == "mini-bert":
        model = BertForPreTraining(BertConfig(max_position_embeddings=512, **shared))
        embeddings, decoder = model.bert.embeddings, model.cls.predictions.decoder
    else:
        ids = dict(bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
        model = RobertaForMaskedLM(RobertaConfig(max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, **ids, **shared))
        embeddings, decoder = model.roberta.embeddings, model.lm_head.decoder
    if text is None:
        return model
    vectors, frequency = word_vectors(text.ids, len(tokenizer), SHAPE["hidden_size"])
    with torch.no_grad():
        embeddings.word_embeddings.weight.copy_(vectors * INIT_STD / vectors.std())
        embeddings.position_embeddings.weight.copy_(sinusoids(*embeddings.position_embeddings.weight.shape) * INIT_STD * math.sqrt(2))
        decoder.bias.copy_(frequency.log())
    return model


def sinusoids(positions: int, size: int) -> torch.Tensor:
    """Sines and cosines of "Attention Is All You Need", section 3.5, ``(positions, size)``."""
    angles = torch.arange(positions)[:, None] / 10_000 ** (torch.arange(0, size, 2) / size)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)


def renew(model) -> None:
    """New weights for the last layer and the pooler of a BERT.

    Trained on running text alone, the last layer's attention has settled on other things, and [CLS] hardly learns to
    gather what its tokens know (R² of the shares of common words 0.30 after 100 steps; with new weights 0.85).
    """
    for module in [*model.bert.encoder.layer[-1].modules(), model.bert.pooler.dense]:
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=model.config.initializer_range)
            torch.nn.init.zeros_(module.bias)


def optimisers(model, learning_rate: float, muon_learning_rate: float):
    """Muon for the matrices inside the layers, AdamW for everything else."""
    inside = [p for n, p in model.named_parameters() if p.ndim == 2 and ".layer." in n]
    chosen = {id(p) for p in inside}
    outside = [p for p in model.parameters() if id(p) not in chosen]
    groups = [
        {"params": [p for p in outside if p.ndim == 2], "weight_decay": 0.01},
        {"params": [p for p in outside if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), eps=1e-6), Muon(inside, lr=muon_learning_rate)]


def schedule(done: float) -> float:
    """Share of the peak learning rate; `done` runs from 0 to 1.

    Warm-up over 0.5%, the peak for a fifth, which gets attention going; then half of it, falling to zero:
    with so few masked tokens in a step the peak's noise costs more than its speed gains.
    """
    return min(done / 0.005, 1.0) if done < 0.2 else 0.5 * (1 - done) / 0.8


def losses(model, batch: dict) -> dict[str, torch.Tensor]:
    """Mean masked-LM loss of a batch and, where it holds pairs and the model the heads, those of pairs and recurrence."""
    inputs = {name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask", "labels") if name in batch}
    output = model(**inputs, output_hidden_states="recurs" in batch)
    logits = output.prediction_logits if hasattr(output, "prediction_logits") else output.logits
    asked = batch["labels"] != IGNORE_INDEX
    found = {"mlm": F.cross_entropy(logits[0].float(), batch["labels"][asked])}
    pairs = batch["pair_labels"] != IGNORE_INDEX
    if "seq_relationship_logits" in output and pairs.any():
        scores, truth = output.seq_relationship_logits[pairs].float(), batch["pair_labels"][pairs]
        found["pairs"] = F.cross_entropy(scores, truth)
        found["pair_accuracy"] = (scores.argmax(-1) == truth).float().mean().detach()
    if "recurs" in batch and hasattr(model, "recurs"):
        scores = model.recurs(output.hidden_states[RECURS_LAYER].float())
        shares = model.shares(model.bert.pooler(output.hidden_states[-1]).float())
        found["recurs"] = F.cross_entropy(scores.flatten(0, 1), batch["recurs"].flatten(), ignore_index=IGNORE_INDEX)
        found["shares"] = F.binary_cross_entropy_with_logits(shares, batch["shares"])
    return found


@torch.no_grad()
def perplexity(model, batches: list[dict]) -> float:
    """Exponential of the mean loss over all masked tokens of frozen batches."""
    model.eval()
    total = count = 0
    for batch in batches:
        asked = int((batch["labels"] != IGNORE_INDEX).sum())
        total, count = total + losses(model, batch)["mlm"].item() * asked, count + asked
    model.train()
    return math.exp(total / count)


def save_atomically(state: dict, path: Path) -> None:
    """Write beside and rename, so that a kill leaves the last good file."""
    beside = path.with_suffix(".tmp")
    torch.save(state, beside)
    os.replace(beside, path)


def draw_curve(log: Path, picture: Path, title: str) -> None:
    """Held-out perplexity against tokens seen, from the log; skipped, saying so, without matplotlib."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        print(f"no matplotlib here: run again with --plot where there is one to draw {picture}")
        return
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot([r["tokens"] / 1e6 for r in rows], [r["perplexity"] for r in rows], marker=".")
    axes.set(xlabel="million tokens seen", ylabel="perplexity on held-out pieces", yscale="log", title=title)
    axes.grid(alpha=0.3, which="both")
    figure.savefig(picture, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["mini-bert", "mini-roberta"])
    parser.add_argument("--data", type=Path, required=True, help="folder that prepare.py wrote for this kind")
    parser.add_argument("--out", type=Path, help="default: build/pretrain/run-KIND")
    parser.add_argument("--tokens", type=float, default=25e6, help="tokens to train on")
    parser.add_argument("--rows", type=int, default=16, help="rows of text in a step")
    parser.add_argument("--pair-rows", type=int, help="rewritten pairs in a step of mini-bert; half the rows of text by default")
    parser.add_argument("--pair-weight", type=float, default=0.2, help="of the pairs' loss: one noisy bit a pair")
    parser.add_argument("--recurs-weight", type=float, default=0.0, help="of telling which tokens of a pair stand in both sentences")
    parser.add_argument("--start", type=Path, help="checkpoint to go on from; its tokenizer must be the one in --data")
    parser.add_argument("--renew", action="store_true", help="begin with new weights in the last layer and the pooler")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--muon-learning-rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=250, help="steps between evaluations and saves")
    parser.add_argument("--plot", action="store_true", help="only draw the curve of a finished run")
    args = parser.parse_args()
    out = args.out or Path("build/pretrain") / f"run-{args.kind}"
    out.mkdir(parents=True, exist_ok=True)
    log, state_file = out / "log.jsonl", out / "state.pt"
    if args.plot:
        return draw_curve(log, out / "curve.png", args.kind)

    torch.manual_seed(args.seed)
    device = default_device()
    dtype = autocast_dtype(device)
    tokenizer = AutoTokenizer.from_pretrained(args.data / "tokenizer")
    text = Text.load(args.data)
    maker = BatchMaker(text, tokenizer, rows=args.rows, seed=args.seed, pairs=args.kind == "mini-bert", pair_rows=args.pair_rows)
    steps = math.ceil(args.tokens / maker.tokens_per_step)
    model = build_model(args.kind, tokenizer, None if args.start else text)
    if args.start:
        model.load_state_dict(load_file(args.start / "model.safetensors"), strict=False)  # what is tied is kept once
    if args.renew:
        renew(model)
    if args.recurs_weight:  # heads for this training alone
        model.recurs, model.shares = (torch.nn.Linear(SHAPE["hidden_size"], 2) for _ in range(2))
    model.to(device)
    skip_unlabelled_logits(model)
    model.set_attn_implementation("eager" if device.type == "cpu" else "sdpa")  # on CPUs eager's backward pass is faster at this shape
    model.train()
    opts = optimisers(model, args.learning_rate, args.muon_learning_rate)
    start, seconds = 0, 0.0
    if state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        for optimiser, saved in zip(opts, state["optimisers"]):
            optimiser.load_state_dict(saved)
        start, seconds = state["step"], state["seconds"]
        lines = [line for line in log.read_text().splitlines() if json.loads(line)["step"] <= start]
        log.write_text("".join(line + "\n" for line in lines))
    else:
        log.unlink(missing_ok=True)
    frozen = [{k: v.to(device) for k, v in b.items()} for b in maker.frozen(np.load(args.data / "heldout.npy"), 128)]
    work = f"{steps:,} steps of {maker.tokens_per_step:,} tokens"
    print(f"{model.num_parameters():,} parameters, {work} on {device} in {dtype}, from step {start:,}")

    averages, began = {}, time.time() - seconds
    for step in range(start, steps):
        done = step / steps
        for optimiser in opts:
            for group in optimiser.param_groups:
                group.setdefault("peak", group["lr"])
                group["lr"] = group["peak"] * schedule(done)
        for weight, batch in maker.step(step, done):
            batch = {k: v.to(device, non_blocking=True) for k, v in batch.items()}
            with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
                found = losses(model, batch)
                loss = found["mlm"] * weight + found.get("pairs", 0.0) * args.pair_weight
                loss = loss + (found.get("recurs", 0.0) + found.get("shares", 0.0)) * args.recurs_weight
            loss.backward()
            for name, value in found.items():
                averages[name] = 0.99 * averages.get(name, value.item()) + 0.01 * value.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in opts:
            optimiser.step()
            optimiser.zero_grad()
        if (step + 1) % args.every == 0 or step + 1 == steps:
            row = {"step": step + 1, "tokens": (step + 1) * maker.tokens_per_step, "seconds": round(time.time() - began)}
            row |= {"perplexity": perplexity(model, frozen)} | averages
            with log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            state = {"model": model.state_dict(), "optimisers": [o.state_dict() for o in opts], "step": step + 1}
            save_atomically(state | {"seconds": time.time() - began}, state_file)
            print(" ".join(f"{k} {v:,.3f}" if isinstance(v, float) else f"{k} {v:,}" for k, v in row.items()), flush=True)
    draw_curve(log, out / "curve.png", args.kind)


if __name__ == "__main__":
    main()
