"""What the pages compute with: the bundled and the adapted models as ONNX graphs, and the packages that run them.

Whatever a page loads is packed as a script that hands over bytes, so that it opens from a folder (`file://`), where a page may
load nothing else. A model is a graph, which knows no weights, and its weights. Those are whole multiples of `STEP` in 16 bits,
and an adapted model keeps only how they differ from the bundled model's: small numbers, which shrink well.
"""

import gzip
import hashlib
import json
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from helpers import validation
from helpers.settings import resolve

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
STEP = 1 / 3072  # between neighbouring weights
TIE = 1e-3  # probabilities that a page shows as the same: it rounds to a tenth of a percent
FARTHEST = 0.02  # that a probability in the page may lie from PyTorch's


class Guesses(torch.nn.Module):
    """Probabilities of the vocabulary at the blanks of one text, ``(blanks, vocabulary)``; the other positions are left out."""

    examples = {"input_ids": torch.ones(1, 9, dtype=torch.long), "blanks": torch.tensor([3, 4])}
    dynamic = {"input_ids": {1: torch.export.Dim.DYNAMIC}, "blanks": {0: torch.export.Dim.DYNAMIC}}

    def __init__(self, model):
        super().__init__()
        self.body, self.head = model.base_model, getattr(model, "cls", None) or model.lm_head

    def forward(self, input_ids, blanks):
        return self.head(self.body(input_ids).last_hidden_state[0][blanks]).softmax(-1)


class Verdict(torch.nn.Module):
    """Probabilities of the classes of one pair, ``(1, classes)``."""

    examples = {"input_ids": torch.ones(1, 9, dtype=torch.long), "token_type_ids": torch.zeros(1, 9, dtype=torch.long)}
    dynamic = {name: {1: torch.export.Dim.DYNAMIC} for name in examples}

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, token_type_ids):
        return self.model(input_ids, token_type_ids=token_type_ids).logits.softmax(-1)


def export(module: torch.nn.Module) -> tuple[bytes, np.ndarray]:
    """An ONNX graph without weights, and the weights as ``uint16``: matrices in steps of `STEP`, the rest as float32 in two pieces each.

    Weights come in the order in which the graph first uses them, so that models with the same body begin alike.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own making
        proto = torch.onnx.export(
            module.eval(), tuple(module.examples.values()), dynamo=True, dynamic_shapes=tuple(module.dynamic.values()), verbose=False
        ).model_proto
    graph = proto.graph
    uses = [name for node in graph.node for name in node.input]
    tensors = sorted(graph.initializer, key=lambda tensor: uses.index(tensor.name))
    step, casts, parts, offset = helper.make_tensor("step", TensorProto.FLOAT, [], [STEP]), [], [], 0
    for tensor in tensors:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 64:
            continue  # shapes and other constants of the graph
        if values.ndim == 2 and values.size > 4096:
            fixed = np.rint(values / STEP)
            if np.abs(fixed).max() > np.iinfo(np.int16).max:
                raise ValueError(f"a weight of {np.abs(values).max():.1f} does not fit into 16 bits: {tensor.name}")
            values, name = fixed.astype(np.int16), tensor.name
            tensor.name += ".fixed"
            casts += [helper.make_node("Cast", [tensor.name], [f"{name}.whole"], to=TensorProto.FLOAT)]
            casts += [helper.make_node("Mul", [f"{name}.whole", "step"], [name])]
        tensor.data_type = helper.np_dtype_to_tensor_dtype(values.dtype)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": "weights", "offset": offset, "length": values.nbytes}.items():
            tensor.external_data.add(key=key, value=str(value))
        parts.append(np.ascontiguousarray(values).view(np.uint16).ravel())
        offset += values.nbytes
    graph.initializer.append(step)
    nodes = [*casts, *graph.node]
    for field in ("node", "value_info"):
        graph.ClearField(field)
    graph.node.extend(nodes)
    for node in graph.node:
        node.ClearField("metadata_props")  # where in PyTorch it comes from
        node.ClearField("doc_string")
    return proto.SerializeToString(deterministic=True), np.concatenate(parts)


def difference(weights: np.ndarray, base: np.ndarray) -> np.ndarray:
    """What to add to the base to get the weights, modulo 2^16; where the base ends, the weights themselves."""
    return weights - np.resize(np.append(base, np.zeros(max(0, len(weights) - len(base)), np.uint16)), len(weights))


def shrinkable(numbers: np.ndarray) -> bytes:
    """Numbers as ``uint16`` in an order that gzip makes much of: 0, -1, 1, -2 … become 0, 1, 2, 3 …; all lower bytes come first."""
    signed = numbers.view(np.int16)
    folded = (signed << 1) ^ (signed >> 15)
    return np.ascontiguousarray(folded.view(np.uint8).reshape(-1, 2).T).tobytes()


def pack(name: str, content: bytes) -> bytes:
    """A script that calls ``packed`` with a name and the content, gzipped, in a string with a character for each byte."""
    text = gzip.compress(content, 9, mtime=0)
    for byte, escape in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n"), (b"\r", b"\\r")):
        text = text.replace(byte, escape)
    return b'packed("%b","%b")' % (name.encode(), text)


def unpack(script: bytes) -> bytes:
    """The content of `pack`'s script, as a page reads it."""
    text = script[script.index(b',"') + 2 : -2]
    return gzip.decompress(re.sub(rb"\\(.)", lambda found: {b"n": b"\n", b"r": b"\r"}.get(found[1], found[1]), text, flags=re.DOTALL))


def sentences(mask: str) -> list[str]:
    """Fifty sentences of the bundled texts, each with the word in its middle masked."""
    texts = [json.loads(line)["text"] for name in ("test", "train") for line in (LAB / f"corpora/reviews/{name}.jsonl").open(encoding="utf-8")]
    found = []
    for text in texts:
        words = re.split(r"(?<=[.!?])\s", text)[0].split()
        if 5 <= len(words) <= 25:
            middle = len(words) // 2
            words[middle] = re.sub(r"[\w'-]+", mask, words[middle], count=1)
            found += [" ".join(words)] if mask in words[middle] else []
    return found[:50]


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
    """Two rows of probabilities: are the five likeliest tokens the same, ties apart, and how far are the probabilities apart at most?"""
    k = min(5, ours.shape[-1])
    ranked = theirs.gather(-1, ours.topk(k).indices) - theirs.topk(k).values  # what theirs gives to our nth, less what it gives to its own
    return bool((ranked.abs() < TIE).all()), float((ours - theirs).abs().max())


def check(name: str, module: torch.nn.Module, graph: bytes, weights: np.ndarray, tokenizer) -> str:
    """Holds an exported model against PyTorch's on fifty inputs.

    Raises:
        ValueError: It has another five likeliest, or a probability is farther off than `FARTHEST`.
    """
    options = onnxruntime.SessionOptions()
    options.add_external_initializers_from_files_in_memory(["weights"], [weights.tobytes()], [weights.nbytes])
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


def classifier(settings) -> torch.nn.Module:
    """Chapter 01's classifier, trained by its settings: what to do where `make run` left none."""
    from datasets import load_dataset
    from transformers import Trainer, TrainingArguments, set_seed

    set_seed(settings.seed)
    model = AutoModelForSequenceClassification.from_pretrained(settings.checkpoint, num_labels=2, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(settings.checkpoint)
    rows = load_dataset(*settings.dataset)["train"].shuffle(seed=0)
    rows = rows.map(lambda batch: tokenizer(batch["sentence1"], batch["sentence2"], truncation=True), batched=True)
    arguments = TrainingArguments(
        output_dir=settings.output_dir, seed=settings.seed, num_train_epochs=settings.num_train_epochs,
        learning_rate=settings.learning_rate, weight_decay=settings.weight_decay, per_device_train_batch_size=settings.batch_size,
        save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True, logging_strategy="no",
    )  # fmt: skip
    Trainer(model, arguments, train_dataset=rows, processing_class=tokenizer).train()
    return model.eval()


def fits(folder: Path, base: Path, kind: str) -> bool:
    """Whether a folder holds a model of the bundled one's shape and vocabulary: a chapter may have run with any other."""
    if not (folder / "model.safetensors").exists():
        return False
    shape = "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings".split()
    ours, theirs = AutoConfig.from_pretrained(base), AutoConfig.from_pretrained(folder)
    return (
        theirs.architectures == [kind]
        and all(getattr(ours, name) == getattr(theirs, name, None) for name in shape)
        and AutoTokenizer.from_pretrained(base).get_vocab() == AutoTokenizer.from_pretrained(folder).get_vocab()
    )


def load(key: str) -> torch.nn.Module | None:
    """An adapted model, or None where its chapter left none that fits; chapter 01's is trained then."""
    base, chapter = ADAPTED[key]
    folder = OUTPUT / chapter
    if key == "01":
        if fits(folder, LAB / "checkpoints" / base, "BertForSequenceClassification"):
            return Verdict(AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32))
        print("chapter 01 left no classifier: training it by its settings …", flush=True)
        return Verdict(classifier(resolve("01_mrpc_classification")))
    kind = {"mini-bert": "BertForMaskedLM", "mini-roberta": "RobertaForMaskedLM"}[base]
    if fits(folder, LAB / "checkpoints" / base, kind):
        return Guesses(AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32))
    print(f"chapter {key} left no adapted model of the bundled one's shape: make run CHAPTERS={key}", flush=True)


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
    tokenizers = {}
    for base in ("mini-bert", "mini-roberta"):
        checkpoint = LAB / "checkpoints" / base
        tokenizers[base] = tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        parts = {part: json.loads((checkpoint / f"{part}.json").read_text(encoding="utf-8")) for part in ("tokenizer", "tokenizer_config")}
        model = AutoModelForMaskedLM.from_pretrained(checkpoint, dtype=torch.float32)
        own = {"limit": validation.longest(tokenizer, model), "segments": "token_type_ids" in tokenizer("a")}
        add(f"{base}-tokenizer", json.dumps(parts | own).encode())
        add_model(base, Guesses(model), base)
    for key, (base, _) in ADAPTED.items():
        if (module := load(key)) is not None:
            add_model(key, module, base)
    return files
