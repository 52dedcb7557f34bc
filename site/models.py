"""The models that the pages compute with: the bundled ones and those that the chapters left, each held against PyTorch's."""

import hashlib
import json
import logging
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import transformers
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from export import Guesses, Verdict, difference, export, pack, shrinkable
from helpers import pretrained

ROOT = Path(__file__).resolve().parent.parent
LAB, OUTPUT = ROOT / "lab", ROOT / "build" / "output"
NPM = ROOT / "build" / "npm" / "node_modules"
PACKAGES = {  # what a page loads of them
    "runtime": "onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
    "wasm": "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
    "tokenizers": "@huggingface/tokenizers/dist/tokenizers.min.mjs",
}
ADAPTED = {  # by the name of its file: the bundled model that it comes from, and the folder that its chapter leaves
    "01": ("mini-bert", "01_mrpc_classification"),
    "03": ("mini-bert", "03_imdb_domain_adaptation"),
    "04": ("mini-roberta", "04_eli5_distilroberta"),
    "05": ("mini-bert", "05_accelerate_loop/adapted"),
}
TIE = 1e-3  # probabilities that a page shows as the same: it rounds to a tenth of a percent
FARTHEST = 0.02  # that a probability in the page may lie from PyTorch's


def sentences(mask: str) -> list[str]:
    """Fifty sentences of the bundled texts, each with the word in its middle masked."""
    texts = [
        json.loads(line)["text"] for name in ("test", "train") for line in (LAB / f"corpora/reviews/{name}.jsonl").open(encoding="utf-8")
    ]
    chosen = []
    for text in texts:
        words = re.split(r"(?<=[.!?])\s", text)[0].split()
        if 5 <= len(words) <= 25:
            middle = len(words) // 2
            words[middle] = re.sub(r"[\w'-]+", mask, words[middle], count=1)
            chosen += [" ".join(words)] if mask in words[middle] else []
    return chosen[:50]


def pairs() -> list[tuple[str, str]]:
    """Fifty pairs to check a classifier on."""
    rows = map(json.loads, (LAB / "corpora/paraphrases/validation.jsonl").open(encoding="utf-8"))
    return [(row["sentence1"], row["sentence2"]) for row, _ in zip(rows, range(50))]


def inputs(module: torch.nn.Module, tokenizer) -> Iterable[dict[str, torch.Tensor]]:
    """What to check an exported model with."""
    if isinstance(module, Verdict):
        for pair in pairs():
            encoded = tokenizer(*pair, return_tensors="pt")
            yield {name: encoded[name] for name in Verdict.examples}
    else:
        for sentence in sentences(tokenizer.mask_token):
            ids = tokenizer(sentence, return_tensors="pt")["input_ids"]
            yield {"input_ids": ids, "blanks": (ids[0] == tokenizer.mask_token_id).nonzero()[:, 0]}


def compare(ours: torch.Tensor, theirs: torch.Tensor) -> tuple[bool, float]:
    """Compare two rows of probabilities: are the five likeliest the same, ties apart, and how far apart are they at most?"""
    k = min(5, ours.shape[-1])
    same = theirs.gather(-1, ours.topk(k).indices).min() > theirs.topk(k).values.min() - TIE
    return bool(same), float((ours - theirs).abs().max())


def check(name: str, module: torch.nn.Module, graph: bytes, weights: np.ndarray, tokenizer) -> str:
    """Holds an exported model against PyTorch's on fifty inputs.

    Raises:
        ValueError: It has another five likeliest, or a probability is farther off than `FARTHEST`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # small models: more threads only wait for each other
    content = weights.tobytes()  # has to last as long as the session is being made
    options.add_external_initializers_from_files_in_memory(["weights"], [content], [len(content)])
    session = onnxruntime.InferenceSession(graph, options)
    farthest, differ, rows = 0.0, 0, 0
    with torch.no_grad():
        for batch in inputs(module, tokenizer):
            ours = torch.from_numpy(session.run(None, {key: value.numpy() for key, value in batch.items()})[0])
            same, far = compare(ours, module(*batch.values()))
            farthest, differ, rows = max(farthest, far), differ + (not same), rows + 1
    said = f"{name}: {rows - differ} of {rows} with the same first five, probabilities at most {farthest:.4f} apart from PyTorch's"
    if differ or farthest > FARTHEST:
        raise ValueError(said)
    return said


def fits(folder: Path, base: Path, kind: str) -> bool:
    """Tell whether a folder holds a model adapted from the bundled one as it is now: a chapter may have run with any other.

    Args:
        folder: What a chapter left.
        base: The bundled checkpoint.
        kind: Class of the model.
    """
    weights = folder / "model.safetensors"
    if not weights.exists() or weights.stat().st_mtime < (base / "model.safetensors").stat().st_mtime:
        return False
    shape = "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings".split()
    ours, theirs = AutoConfig.from_pretrained(base), AutoConfig.from_pretrained(folder)
    return (
        theirs.architectures == [kind]
        and all(getattr(ours, name) == getattr(theirs, name, None) for name in shape)
        and AutoTokenizer.from_pretrained(base).get_vocab() == AutoTokenizer.from_pretrained(folder).get_vocab()
    )


def adapted(key: str) -> Path | None:
    """Return the folder of an adapted model, or None, saying so, where its chapter has left none."""
    base, chapter = ADAPTED[key]
    kind = {"01": "BertForSequenceClassification", "04": "RobertaForMaskedLM"}.get(key, "BertForMaskedLM")
    if fits(OUTPUT / chapter, LAB / "checkpoints" / base, kind):
        return OUTPUT / chapter
    print(f"chapter {key} has left no adapted model, so its page shows less: make run CHAPTERS={key}", flush=True)


def build(folder: Path) -> dict[str, list]:
    """Writes what the pages load; checks every model against PyTorch's.

    Args:
        folder: Where to; made if it does not exist.

    Returns:
        The files: name to address, as counted from the folder, and size in bytes.

    Raises:
        ValueError: A model in the page would not answer as PyTorch's does.
    """
    files, graphs, bases = {}, {}, {}
    folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that no model here needs
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()

    def add(name: str, content: bytes) -> None:
        script = pack(name, content)
        (folder / f"{name}.js").write_bytes(script)
        files[name] = [f"{name}.js?{hashlib.sha256(script).hexdigest()[:8]}", len(script)]

    def add_model(name: str, module: torch.nn.Module, base: str) -> None:
        graph, weights = export(module)
        print(check(name, module, graph, weights, tokenizers[base]), flush=True)
        kind = f"{base}-{type(module).__name__.lower()}"
        if graphs.setdefault(kind, graph) != graph:
            raise ValueError(f"{name} has another graph than {base}")
        add(kind, graph)
        bases.setdefault(base, weights)
        add(name, shrinkable(weights if name == base else difference(weights, bases[base])))

    for name, path in PACKAGES.items():
        add(name, (NPM / path).read_bytes())
    tokenizers, loading = {}, {"dtype": torch.float32, "attn_implementation": "sdpa"}  # one graph for all of a kind
    for base in ("mini-bert", "mini-roberta"):
        checkpoint = LAB / "checkpoints" / base
        tokenizers[base] = tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        parts = {part: json.loads((checkpoint / f"{part}.json").read_text(encoding="utf-8")) for part in ("tokenizer", "tokenizer_config")}
        model = AutoModelForMaskedLM.from_pretrained(checkpoint, **loading)
        own = {"limit": pretrained.max_length(tokenizer, model), "segments": "token_type_ids" in tokenizer("a")}
        add(f"{base}-tokenizer", json.dumps(parts | own).encode())
        add_model(base, Guesses(model), base)
    for key, (base, _) in ADAPTED.items():
        if folder_of := adapted(key):
            kind, module = (AutoModelForSequenceClassification, Verdict) if key == "01" else (AutoModelForMaskedLM, Guesses)
            add_model(key, module(kind.from_pretrained(folder_of, **loading)), base)
    return files
