"""A model as a page takes it: an ONNX graph that knows no weights, and the weights in few bytes, both packed as scripts.

Scripts are all that a page opened from a folder (`file://`) may load. Weights are whole multiples of `STEP` in 16 bits, and an adapted
model keeps only how they differ from the bundled model's: small numbers, which shrink well.
"""

import gzip
import re
import warnings

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper

STEP = 1 / 1536  # between neighbouring weights


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
