"""A student that begins with its teacher's first layers, as DistilBERT does with every second one, and a vocabulary of its own.

    python -m lab.pretraining.student --data build/pretrain/mini-bert --teacher all-MiniLM-L6-v2 --layers 4 --out build/pretrain/start

writes a checkpoint for ``pretrain.py --start``. A sentence transformer has no head for masked words: this one is new and
has to be trained, as has the pair head. The first layers rather than every second (https://arxiv.org/abs/1910.01108):
they fit together as they are.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that prepare.py wrote for a WordPiece tokenizer")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of a BERT with a lower-casing tokenizer")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(args.data / "tokenizer")
    model = first_layers(Teacher(args.teacher), tokenizer, args.layers)
    with torch.no_grad():
        model.cls.predictions.bias.copy_(frequencies(np.load(args.data / "tokens.npy"), len(tokenizer)).log())
    model.save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    print(f"{model.num_parameters():,} parameters in {args.out}")


if __name__ == "__main__":
    main()
