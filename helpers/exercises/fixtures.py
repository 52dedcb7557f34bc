"""What checks share: texts, the bundled tokenizers, tiny models, what a model was called with, what chance explains."""

import re
from collections.abc import Callable
from functools import cache

import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertTokenizer, PreTrainedConfig, PreTrainedModel

from helpers.paths import ROOT

SENTENCES = (
    "The ferry left at noon.", "It was late, and the harbour was empty.", "Nobody waited.", "A gull cried over the unbelievably grey water!"
)  # fmt: skip
PARAGRAPHS = (
    "My aunt keeps bees behind the station. In May she moves the hives to the orchard, where the apple trees are in flower, and in "
    "August she sells the honey from a table at the gate. Most people leave more money in the tin than the price on the label.",
    "When the mill closed, the town did not know what to do with so many empty rooms. A dentist took the first floor, then a school of "
    "music moved in above him. Now you can hear trumpets while your teeth are repaired, and nobody seems to mind.",
    "The map was wrong about the bridge. We stood on the bank with our bicycles and looked at three stone pillars in the water. An old "
    "man told us that the flood had taken the rest before the war, and that the road to the north was longer but dry.",
    "Every clock in the shop showed another time. The owner said that she set none of them, because customers liked to hear them strike "
    "all day long. She knew the hour by the smell of bread from the bakery next door.",
)
SIGMAS = 6  # standard deviations that chance may explain


def bundled_tokenizers():
    """Return the bundled tokenizers of BERT's and of RoBERTa's kind."""
    return tuple(_reset(_loaded(name)) for name in ("mini-bert", "mini-roberta"))


def tiny_tokenizer():
    """Return a tokenizer of BERT's kind that knows the words of the texts above, so that a model's logits are few."""
    return _reset(_made())


@cache
def _loaded(name):
    return AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / name)


@cache
def _made():
    words = sorted(set(re.findall(r"\w+|[^\w\s]", " ".join(SENTENCES + PARAGRAPHS).lower())))
    return BertTokenizer(vocab={token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])})


def _reset(tokenizer):
    """Return a shared tokenizer without the padding and truncation that an earlier answer's call left on."""
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    return tokenizer


def tiny_model(vocab_size: int = 300, kind: type[PreTrainedConfig] = BertConfig):
    """Return a masked language model with one small layer, random weights and no dropout, in evaluation mode."""
    sizes = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, max_position_embeddings=514)
    model = AutoModelForMaskedLM.from_config(
        kind(vocab_size=vocab_size, **sizes, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 3  # random models of the usual size all guess alike
    return model.eval()


def recorded_calls(answer: Callable, *arguments: object) -> tuple[object, list[tuple]]:
    """Return what an answer returns, and of every call of a masked language model that it makes: the model, ids, labels, logits."""
    calls = []

    def record(module, args, kwargs, output):
        if isinstance(module, PreTrainedModel) and "logits" in output:
            inputs = dict(zip(("input_ids", "attention_mask"), args)) | kwargs
            labels = inputs["labels"].cpu() if inputs.get("labels") is not None else None
            calls.append((module, inputs["input_ids"].cpu(), labels, output.logits.detach().cpu().float()))

    with torch.nn.modules.module.register_module_forward_hook(record, with_kwargs=True):
        return answer(*arguments), calls


def strays(sample: torch.Tensor, mean: float) -> bool:
    """Return whether independent numbers are further from the mean that they should have than chance explains."""
    sample = sample.float()
    return bool(abs(sample.mean() - mean) > SIGMAS * sample.std() / sample.numel() ** 0.5)
