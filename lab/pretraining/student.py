"""A student that begins with its teacher's first layers, as DistilBERT does with every second one, and a vocabulary of its own.

    python -m lab.pretraining.student --data build/pretrain/mini-bert --teacher all-MiniLM-L6-v2 --layers 3 --neurons 768 --out START

writes a checkpoint for ``pretrain.py --start``. A sentence transformer has no head for masked words: this one is new and
has to be trained, as has the pair head. The first layers rather than every second (https://arxiv.org/abs/1910.01108):
they fit together as they are. With ``--neurons`` each layer keeps the strongest neurons of its feed-forward half.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import pad
from transformers import AutoTokenizer, BertConfig, BertForPreTraining

from lab.pretraining.pretrain import NO_DROPOUT
from lab.pretraining.teacher import Teacher
from lab.pretraining.vectors import frequencies


def first_layers(teacher: Teacher, tokenizer, layers: int) -> BertForPreTraining:
    """A BERT with the teacher's first layers; its word vectors are means over the teacher's pieces."""
    shape = {name: getattr(teacher.model.config, name) for name in ("hidden_size", "num_attention_heads", "intermediate_size")}
    model = BertForPreTraining(BertConfig(vocab_size=len(tokenizer), num_hidden_layers=layers, **shape, **NO_DROPOUT))
    weights = teacher.model.state_dict()
    weights["embeddings.word_embeddings.weight"] = teacher.word_vectors(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    report = model.bert.load_state_dict(weights, strict=False)
    assert {name.split(".")[0] for name in report.missing_keys} == {"pooler"}, report.missing_keys
    return model


@torch.no_grad()
def cut_neurons(model: BertForPreTraining, rows: torch.Tensor, neurons: int) -> None:
    """Leave each layer the neurons that move its output most, and refit the matrix that reads them.

    The new matrix gives the old output as nearly as it can (least squares, with a slight ridge). Layer after layer, so that each
    is fitted to what the cut ones below it give.

    Args:
        model: With all its neurons.
        rows: Ids of running text to fit on, ``(rows, tokens)``; together many times as many tokens as a layer has neurons.
        neurons: How many each layer keeps.
    """
    model.eval()
    for layer in model.bert.encoder.layer:
        inner, outer = layer.intermediate, layer.output.dense
        read: list[torch.Tensor] = []
        hook = outer.register_forward_pre_hook(lambda module, inputs, read=read: read.append(inputs[0].flatten(0, 1)))
        for batch in rows.split(50):
            model.bert(batch)
        hook.remove()
        activations = torch.cat(read).double()
        mean, gram, weight = activations.mean(0), activations.T.cov(correction=0), outer.weight.double()
        kept = (gram.diagonal() * weight.square().sum(0)).topk(neurons).indices.sort().values
        ridge = 1e-4 * gram.diagonal().mean() * torch.eye(neurons, dtype=torch.double)
        fitted = torch.linalg.solve(gram[kept][:, kept] + ridge, gram[kept] @ weight.T).T
        bias = outer.bias + weight @ mean - fitted @ mean[kept]
        for linear, values in ((inner.dense, (inner.dense.weight[kept], inner.dense.bias[kept])), (outer, (fitted, bias))):
            linear.weight, linear.bias = (torch.nn.Parameter(value.float().contiguous()) for value in values)
            linear.out_features, linear.in_features = linear.weight.shape
    model.config.intermediate_size = neurons


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that prepare.py wrote for a WordPiece tokenizer")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of a BERT with a lower-casing tokenizer")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--neurons", type=int, help="that each layer keeps; all by default")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(args.data / "tokenizer")
    model = first_layers(Teacher(args.teacher), tokenizer, args.layers)
    ids = np.load(args.data / "tokens.npy")
    if args.neurons:
        starts = np.linspace(0, len(ids) - 126, min(600, len(ids) // 126)).astype(int)[:, None]
        rows = torch.from_numpy(ids[starts + np.arange(126)].astype(np.int64))
        rows = pad(pad(rows, (1, 0), value=tokenizer.cls_token_id), (0, 1), value=tokenizer.sep_token_id)
        cut_neurons(model, rows, args.neurons)
    with torch.no_grad():
        model.cls.predictions.bias.copy_(frequencies(ids, len(tokenizer)).log())
    model.save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    print(f"{model.num_parameters():,} parameters in {args.out}")


if __name__ == "__main__":
    main()
