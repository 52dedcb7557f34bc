"""Pretrain one of the lab's checkpoints from the ids that `prepare.py` wrote.

    python -m lab.pretraining.pretrain mini-bert --data build/pretrain/mini-bert            # until it is stopped
    python -m lab.pretraining.pretrain mini-bert --data build/pretrain/mini-bert --finish   # then the rate falls to zero

Needs torch, transformers and numpy. Stop it at any moment: the same command goes on from the last saved
step and ends at the same weights. Every batch follows from `--seed` and the step alone.
"""

import argparse
import json
import math
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import AutoConfig, AutoTokenizer, BertConfig, BertForPreTraining, RobertaConfig, RobertaForMaskedLM

from helpers.labelled_logits import skip_unlabelled_logits
from helpers.masking import IGNORE_INDEX
from helpers.precision import autocast_dtype, default_device
from lab.pretraining.batches import BatchMaker, Text
from lab.pretraining.muon import Muon
from lab.pretraining.targets import Targets
from lab.pretraining.teacher import Teacher
from lab.pretraining.vectors import frequencies, word_vectors

SHAPE = dict(hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024)
NO_DROPOUT = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)  # there is more text than time
RECURS_LAYER = -2  # the last is left to gather, at [CLS], what the one before has computed
INIT_STD = 0.03  # of word and position vectors alike: small positions beside large words keep attention from finding neighbours


def build_model(kind: str, tokenizer, text: Text | None, vectors: torch.Tensor | None = None, start: Path | None = None):
    """A BERT (with the pair head) or RoBERTa.

    Given a text, with sinusoidal positions and word vectors, by default from co-occurrences; given the folder of a
    checkpoint with the same tokenizer, in its shape and with its weights.
    """
    if start:
        model = {"mini-bert": BertForPreTraining, "mini-roberta": RobertaForMaskedLM}[kind](AutoConfig.from_pretrained(start))
        if (start / "model.safetensors").exists():
            model.load_state_dict(load_file(start / "model.safetensors"), strict=False)  # what is tied is kept once
        return model
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
    frequency = frequencies(text.ids, len(tokenizer))
    vectors = word_vectors(text.ids, len(tokenizer), SHAPE["hidden_size"]) if vectors is None else vectors
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
    """Muon for the matrices inside the layers, AdamW for everything else, of which the word vectors are the first group."""
    vectors = model.get_input_embeddings().weight
    inside = [p for n, p in model.named_parameters() if p.ndim == 2 and ".layer." in n]
    chosen = {id(p) for p in [*inside, vectors]}
    outside = [p for p in model.parameters() if id(p) not in chosen]
    groups = [
        {"params": [vectors], "weight_decay": 0.01},
        {"params": [p for p in outside if p.ndim == 2], "weight_decay": 0.01},
        {"params": [p for p in outside if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), eps=1e-6), Muon(inside, lr=muon_learning_rate)]


WARM_UP = 200  # steps


def schedule(step: int, decay: float) -> float:
    """Share of the peak learning rate: a warm-up, then the peak for as long as one has patience, and at the end a linear decay to zero.

    `decay` runs from 0 to 1 over the run's last fifth, which can begin at any step (https://arxiv.org/abs/2405.18392).
    """
    return min((step + 1) / WARM_UP, 1.0) * (1 - decay)


def losses(model, batch: dict) -> dict[str, torch.Tensor]:
    """Mean masked-LM loss of a batch and, where it holds pairs and the model the heads, those of pairs and recurrence."""
    inputs = {name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask", "labels") if name in batch}
    output = model(**inputs, output_hidden_states=bool({"recurs", "targets", "embeddings"} & batch.keys()))
    logits = output.prediction_logits if hasattr(output, "prediction_logits") else output.logits
    labelled = batch["labels"] != IGNORE_INDEX
    terms = {"mlm": F.cross_entropy(logits[0].float(), batch["labels"][labelled])}
    pairs = batch["pair_labels"] != IGNORE_INDEX
    if "seq_relationship_logits" in output and pairs.any():
        scores, truth = output.seq_relationship_logits[pairs].float(), batch["pair_labels"][pairs]
        terms["pairs"] = F.cross_entropy(scores, truth)
        terms["pair_accuracy"] = (scores.argmax(-1) == truth).float().mean().detach()
    if "recurs" in batch and hasattr(model, "recurs"):
        scores = model.recurs(output.hidden_states[RECURS_LAYER].float())
        shares = model.shares(model.bert.pooler(output.hidden_states[-1]).float())
        terms["recurs"] = F.cross_entropy(scores.flatten(0, 1), batch["recurs"].flatten(), ignore_index=IGNORE_INDEX)
        terms["shares"] = F.binary_cross_entropy_with_logits(shares, batch["shares"])
    if "embeddings" in batch:
        told = model.embedding(model.bert.pooler(output.hidden_states[-1][~pairs]).float())
        terms["embeddings"] = 1 - F.cosine_similarity(told, batch["embeddings"]).mean()
    if "targets" in batch:
        states = output.hidden_states[-1][batch["places"] >= 0].float()
        terms["targets"] = (model.mimic(states) - batch["targets"]).square().sum(-1).mean()
    return terms


@torch.no_grad()
def perplexity(model, batches: list[dict]) -> float:
    """Exponential of the mean loss over all masked tokens of frozen batches."""
    model.eval()
    total = count = 0
    for batch in batches:
        labelled = int((batch["labels"] != IGNORE_INDEX).sum())
        total, count = total + losses(model, batch)["mlm"].item() * labelled, count + labelled
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
    parser.add_argument("--steps", type=int, help="stop after this step; without it, train until interrupted")
    parser.add_argument("--finish", action="store_true", help="let the learning rate fall to zero over a quarter of the steps done so far")
    parser.add_argument("--rows", type=int, default=16, help="rows of text in a step; may grow from one start to the next")
    parser.add_argument("--pair-rows", type=int, help="rewritten pairs in a step of mini-bert; half the rows of text by default")
    parser.add_argument("--pair-weight", type=float, default=0.2, help="of the pairs' loss: one noisy bit a pair")
    parser.add_argument("--recurs-weight", type=float, default=0.0, help="of telling which tokens of a pair stand in both sentences")
    parser.add_argument("--teacher", type=Path, help="folder that teacher.py wrote; rows are taken from the tokens it has done")
    parser.add_argument("--target-weight", type=float, default=1.0, help="of the distance from the teacher's vectors")
    parser.add_argument("--sentence-teacher", type=Path, help="a sentence transformer, whose embedding of a row of text [CLS] tells")
    parser.add_argument("--sentence-weight", type=float, default=1.0, help="of the cosine distance from that embedding")
    parser.add_argument("--read", type=float, help="take rows from so many tokens of the text; by default all that can be used")
    parser.add_argument("--vectors", choices=["counts", "teacher"], default="counts", help="what word vectors a model begins with")
    parser.add_argument("--start", type=Path, help="checkpoint to go on from; its tokenizer must be the one in --data")
    parser.add_argument("--renew", action="store_true", help="begin with new weights in the last layer and the pooler")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--muon-learning-rate", type=float, default=0.01)
    parser.add_argument("--vector-learning-rate", type=float, help="of the word vectors; by default that of all else outside the layers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=250, help="steps between evaluations and saves")
    parser.add_argument("--plot", action="store_true", help="only draw the curve of a finished run")
    args = parser.parse_args()
    run = args.out or Path("build/pretrain") / f"run-{args.kind}"
    out = run / "finished" if args.finish else run
    out.mkdir(parents=True, exist_ok=True)
    log, state_file = out / "log.jsonl", out / "state.pt"
    if args.plot:
        return draw_curve(log, out / "curve.png", args.kind)
    if args.finish and not state_file.exists():
        shutil.copy(run / "log.jsonl", log)
        save_atomically(torch.load(run / "state.pt", weights_only=True) | {"decay_from": True}, state_file)

    torch.manual_seed(args.seed)
    device = default_device()
    dtype = autocast_dtype(device)
    tokenizer = AutoTokenizer.from_pretrained(args.data / "tokenizer")
    text = Text.load(args.data)
    targets = Targets(args.teacher) if args.teacher and args.target_weight else None
    read = int(args.read) if args.read else targets and len(targets)
    sentence_teacher = Teacher(args.sentence_teacher) if args.sentence_teacher else None
    maker = BatchMaker(text, tokenizer, args.rows, args.seed, args.kind == "mini-bert", args.pair_rows, read)
    fresh = not args.start and not state_file.exists()
    vectors = torch.from_numpy(np.load(args.teacher / "teacher.npz")["word_vectors"]) if args.vectors == "teacher" else None
    model = build_model(args.kind, tokenizer, text if fresh else None, vectors, args.start)
    model.config.save_pretrained(out)
    if args.renew:
        renew(model)
    if args.recurs_weight:  # heads for this training alone
        model.recurs, model.shares = (torch.nn.Linear(model.config.hidden_size, 2) for _ in range(2))
    if sentence_teacher:
        model.embedding = torch.nn.Linear(model.config.hidden_size, sentence_teacher.model.config.hidden_size)
    if targets:
        model.mimic = torch.nn.Linear(model.config.hidden_size, targets.size)
    model.to(device)
    skip_unlabelled_logits(model)
    model.set_attn_implementation("eager" if device.type == "cpu" else "sdpa")  # on CPUs eager's backward pass is faster at this shape
    model.train()
    opts = optimisers(model, args.learning_rate, args.muon_learning_rate)
    vector_rate = args.learning_rate if args.vector_learning_rate is None else args.vector_learning_rate
    peaks = vector_rate, args.learning_rate, args.learning_rate, args.muon_learning_rate  # of each optimiser's groups
    state = {"step": 0, "rows": 0, "tokens": 0, "seconds": 0.0}
    if state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=True)
        model.load_state_dict(state.pop("model"))
        for optimiser, saved in zip(opts, state.pop("optimisers")):
            optimiser.load_state_dict(saved)
        lines = [line for line in log.read_text().splitlines() if json.loads(line)["step"] <= state["step"]]
        log.write_text("".join(line + "\n" for line in lines))
    else:
        log.unlink(missing_ok=True)
    if state.get("decay_from") is True:
        state["decay_from"] = state["step"]
    decay_from, last = state.get("decay_from"), args.steps or sys.maxsize
    if decay_from is not None:
        last = decay_from + max(1, decay_from // 4)
    frozen = [{k: v.to(device) for k, v in b.items()} for b in maker.frozen(np.load(args.data / "heldout.npy"), 128)]
    each = f"{maker.tokens_per_step:,} tokens a step"
    print(f"{model.num_parameters():,} parameters, {each}, on {device} in {dtype}, from step {state['step']:,}")

    averages, began = {}, time.time() - state["seconds"]
    for step in range(state["step"], last):
        decay = 0.0 if decay_from is None else (step - decay_from) / (last - decay_from)
        for group, peak in zip([group for optimiser in opts for group in optimiser.param_groups], peaks):
            group["lr"] = peak * schedule(step, decay)
        for weight, batch in maker.step(step, state["rows"], decay):
            if targets and "places" in batch:
                batch["targets"] = targets(batch["places"])
            if sentence_teacher and "places" in batch:
                whole = maker.ids(batch["places"].numpy())[batch["pair_labels"] == IGNORE_INDEX]
                batch["embeddings"] = sentence_teacher.embeddings(tokenizer.batch_decode(whole, skip_special_tokens=True))
            batch = {k: v.to(device, non_blocking=True) for k, v in batch.items()}
            with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
                terms = losses(model, batch)
                loss = terms["mlm"] * weight + terms.get("pairs", 0.0) * args.pair_weight
                loss = loss + (terms.get("recurs", 0.0) + terms.get("shares", 0.0)) * args.recurs_weight
                loss = loss + terms.get("embeddings", 0.0) * args.sentence_weight
                if "targets" in terms:
                    loss = loss + terms["targets"] * args.target_weight
            loss.backward()
            for name, value in terms.items():
                averages[name] = 0.99 * averages.get(name, value.item()) + 0.01 * value.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in opts:
            optimiser.step()
            optimiser.zero_grad()
        state |= {"step": step + 1, "rows": state["rows"] + args.rows, "tokens": state["tokens"] + maker.tokens_per_step}
        if (step + 1) % args.every == 0 or step + 1 == last:
            state["seconds"] = time.time() - began
            row = {name: state[name] for name in ("step", "tokens")} | {"seconds": round(state["seconds"])}
            row |= {"perplexity": perplexity(model, frozen)} | averages
            with log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            save_atomically(state | {"model": model.state_dict(), "optimisers": [o.state_dict() for o in opts]}, state_file)
            print(" ".join(f"{k} {v:,.3f}" if isinstance(v, float) else f"{k} {v:,}" for k, v in row.items()), flush=True)
    draw_curve(log, out / "curve.png", args.kind)


if __name__ == "__main__":
    main()
