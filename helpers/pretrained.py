"""Checks of a pretrained checkpoint: its configuration and tokenizer before the weights are loaded, the weights after."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedConfig, PreTrainedModel, logging
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.models.auto.tokenization_auto import get_tokenizer_config

from helpers import validation
from helpers.i18n import say
from helpers.paths import is_folder
from helpers.quiet import quiet
from helpers.validation import require

UNFIT: dict[str, list] = {  # values in config.json with which a model computes or returns other things than the chapters expect
    "return_dict": [False],
    "output_hidden_states": [True],
    "output_attentions": [True],
    "problem_type": ["regression", "multi_label_classification"],
}
IN_A_LAYER = re.compile(r"\.\d+\..*\.(weight|bias)$")  # name of a weight
HEADS = {"masked_lm": AutoModelForMaskedLM, "classifier": AutoModelForSequenceClassification}
NO_LIMIT = 10**6  # a tokenizer whose files name no length says 1e30
USUAL_LENGTH = 512  # tokens, where neither model nor tokenizer tells


def check_files(checkpoint: str, head: str) -> Any:
    """Return a checkpoint's tokenizer; raise ValueError unless it is fast, and fits a complete encoder.

    Of a Hub id only configuration and tokenizer are fetched; of a folder the weights' names and shapes are compared too.

    Args:
        checkpoint: Hub id or folder.
        head: ``"masked_lm"`` or ``"classifier"``, as the chapter loads it.
    """
    config = _encoder_config(checkpoint)
    tokenizer = _opened(checkpoint, lambda: AutoTokenizer.from_pretrained(checkpoint))
    _check_tokenizer(tokenizer, config.vocab_size, head)
    if is_folder(checkpoint):
        require(
            any(Path(checkpoint).glob("*.safetensors")),
            "{folder} holds no *.safetensors weights; only this format is loaded, since a pickle can run code.",
            folder=checkpoint,
        )
        _check_keys(checkpoint, HEADS[head], head)
    return tokenizer


def check_masked_lm(tokenizer: Any, model: Any, chunk_size: int) -> None:
    """Raise ValueError unless model and tokenizer can learn to fill masks in chunks; set the tokenizer's limit to the model's.

    Args:
        tokenizer: As loaded; its ``model_max_length`` becomes the number of tokens that the model has positions for.
        model: As loaded.
        chunk_size: Tokens in a chunk.
    """
    _check_loaded(tokenizer, model, "masked_lm")
    require(
        chunk_size <= tokenizer.model_max_length,
        "Chunks of {size} tokens are longer than the {longest} that this model takes: lower chunk_size.",
        size=chunk_size,
        longest=tokenizer.model_max_length,
    )


def check_classifier(tokenizer: Any, model: Any) -> None:
    """Raise ValueError unless a pretrained encoder lies below the new head; set the tokenizer's limit as `check_masked_lm` does."""
    _check_loaded(tokenizer, model, "classifier")


def max_length(tokenizer: Any, model: Any) -> int:
    """Return how many tokens of one row a model reads at most, by its positions and by what the tokenizer says."""
    stated = tokenizer.model_max_length if tokenizer.model_max_length < NO_LIMIT else None
    positions = max(getattr(model.config, "max_position_embeddings", 0), 0)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and (padding := getattr(module, "padding_idx", None)) is not None:
            positions -= padding + 1  # RoBERTa's first position comes after that of padding
    return min(filter(None, [stated, positions]), default=USUAL_LENGTH)


def _check_tokenizer(tokenizer, embeddings: int, head: str) -> None:
    """Raise ValueError unless a tokenizer is fast, complete, and fits the rows of a model's embedding."""
    name, tokens = tokenizer.name_or_path, max(tokenizer.get_vocab().values(), default=-1) + 1
    validation.require_word_ids(tokenizer)
    require(
        len(tokenizer) > len(set(tokenizer.all_special_ids)),
        "The tokenizer of {checkpoint} knows {count} tokens, all of them special: its files are missing. Save it beside the "
        "weights by tokenizer.save_pretrained(…), from the checkpoint that the training began with.",
        checkpoint=name,
        count=len(tokenizer),
    )
    require(
        tokenizer.pad_token and (tokenizer.mask_token or head != "masked_lm"),
        "The tokenizer of {checkpoint} has no {token} token: take the checkpoint of a masked language model "
        "(on the Hub: the Fill-Mask filter).",
        checkpoint=name,
        token="mask" if tokenizer.pad_token else "padding",
    )
    require(
        head != "classifier" or tokenizer.num_special_tokens_to_add(pair=True) > 1,
        "The tokenizer of {checkpoint} puts no special tokens around the texts of a pair, which a classifier reads: give it "
        "a post-processor, as tokenizers.processors.TemplateProcessing does, and save it again.",
        checkpoint=name,
    )
    require(
        tokens <= embeddings <= 2 * tokens,
        "The tokenizer of {checkpoint} has {tokens} tokens and the model embeds {rows}: bring back the model's own tokenizer, "
        "or give the new tokens rows (model.resize_token_embeddings(len(tokenizer))) and save the model again.",
        checkpoint=name,
        tokens=tokens,
        rows=embeddings,
    )


def _encoder_config(checkpoint: str) -> PreTrainedConfig:
    """Return the configuration of an encoder with a masked-LM head, or raise ValueError."""
    require(
        not (is_folder(checkpoint) and (Path(checkpoint) / "adapter_config.json").exists()),
        "{checkpoint} holds an adapter, not a whole model: load it on its base model, call merge_and_unload(), "
        "and save the result with its tokenizer.",
        checkpoint=checkpoint,
    )
    written, _ = _opened(checkpoint, lambda: PreTrainedConfig.get_config_dict(checkpoint))
    kind = written.get("model_type")
    own_code = [*written.get("auto_map", {}), *_opened(checkpoint, lambda: get_tokenizer_config(checkpoint)).get("auto_map", {})]
    require(
        not any(name.startswith(("AutoModel", "AutoTokenizer")) for name in own_code),
        "{checkpoint} is a model with code of its own, which is not run here: take one of an architecture that "
        "the library knows, such as BERT, DistilBERT or RoBERTa.",
        checkpoint=checkpoint,
    )
    require(
        kind,
        "{checkpoint} has no config.json that names a model_type: save model and tokenizer there by save_pretrained(…).",
        checkpoint=checkpoint,
    )
    config = _opened(checkpoint, lambda: CONFIG_MAPPING[kind].from_dict(written)) if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES else None
    require(
        config and not config.is_encoder_decoder and not getattr(config, "is_decoder", False),
        "{checkpoint} is of the architecture {model_type}, and this course trains encoders with a masked-LM head, such as BERT, "
        "DistilBERT or RoBERTa (on the Hub: the Fill-Mask filter).",
        checkpoint=checkpoint,
        model_type=kind,
    )
    for name, values in UNFIT.items():
        value = getattr(config, name, None)
        require(
            value not in values,
            "The config.json of {checkpoint} sets {name} to {value!r}, and the model would return something else than the chapters "
            "expect: delete that entry.",
            checkpoint=checkpoint,
            name=name,
            value=value,
        )
    return config


def _check_loaded(tokenizer, model, head: str) -> None:
    _check_tokenizer(tokenizer, model.get_input_embeddings().num_embeddings, head)
    require(
        model.dtype == torch.float32,
        "The model was loaded in {dtype}, in which small updates are lost: load it by from_pretrained(…, dtype=torch.float32).",
        dtype=str(model.dtype).removeprefix("torch."),
    )
    weights = ((name, tensor) for name, tensor in model.state_dict().items() if tensor.is_floating_point())
    bad = next((name for name, tensor in weights if not tensor.isfinite().all()), None)
    require(
        bad is None,
        "The weights of {checkpoint} hold numbers that are not finite ({name}): it was saved from a training that failed; "
        "take an earlier checkpoint.",
        checkpoint=model.name_or_path,
        name=bad,
    )
    if model.name_or_path:
        _check_keys(model.name_or_path, type(model), head)
    tokenizer.model_max_length = max_length(tokenizer, model)


def _check_keys(checkpoint: str, model_class: type[PreTrainedModel], head: str) -> None:
    """Raise ValueError if a checkpoint lacks weights that a chapter does not train from scratch, has others, or in other shapes."""
    options = dict(device_map="meta", output_loading_info=True, ignore_mismatched_sizes=True, dtype=torch.float32)
    if head == "classifier":
        options["num_labels"] = 2
    with torch.random.fork_rng(devices=[]), quiet(logging):  # on the meta device, where no weight is read
        model, report = _opened(checkpoint, lambda: model_class.from_pretrained(checkpoint, **options))
    name, stored, expected = min(report["mismatched_keys"], default=("", (), ()))
    require(
        not name,
        "{checkpoint} has {name} of the shape {stored}, where {expected} is needed: its head was trained for other labels, or its "
        "config.json belongs to another model; take the pretrained checkpoint that it was made from.",
        checkpoint=checkpoint,
        name=name,
        stored=tuple(stored),
        expected=tuple(expected),
    )
    missing = sorted(report["missing_keys"])
    if head == "classifier":  # its own layers are new, and so is the pooler where masked language modelling alone came before
        missing = [key for key in missing if key.startswith(f"{model.base_model_prefix}.") and ".pooler." not in key]
    prefix = next((key.split(".")[0] for key in report["unexpected_keys"] if key.startswith(("_orig_mod.", "module."))), None)
    unused = sorted(key for key in report["unexpected_keys"] if IN_A_LAYER.search(key) and "decoder" not in key)
    require(
        not (prefix and (missing or unused)),
        "The weights of {checkpoint} were saved from a wrapped model (their names begin with {prefix}.), so none of them fits: "
        "save the model inside it, model.{prefix}.save_pretrained(…).",
        checkpoint=checkpoint,
        prefix=prefix,
    )
    require(
        not missing,
        "{checkpoint} lacks {count} weights that {model} needs, such as {name}, which would be random: take the checkpoint of a "
        "masked language model (on the Hub: the Fill-Mask filter), complete.",
        checkpoint=checkpoint,
        count=len(missing),
        model=type(model).__name__,
        name=next(iter(missing), ""),
    )
    require(
        not unused,
        "{checkpoint} holds {count} weights that {model} would leave out, such as {name}: its config.json belongs to another model, "
        "or this version of the library no longer knows that kind of layer; take another checkpoint.",
        checkpoint=checkpoint,
        count=len(unused),
        model=type(model).__name__,
        name=next(iter(unused), ""),
    )


def _opened(checkpoint: str, call: Callable):
    """Return what a call of the library returns; say in one sentence what it cannot read in a folder."""
    try:
        return call()
    except (
        OSError,
        ValueError,
        RuntimeError,
        KeyError,
        ImportError,
        TypeError,
        AssertionError,
        SafetensorError,
        StrictDataclassError,
    ) as error:
        if not is_folder(checkpoint) and isinstance(error, OSError):
            raise  # the network or the Hub, which name themselves
        raise ValueError(
            say(
                "{checkpoint} cannot be opened ({error}): save model and tokenizer there again by save_pretrained(…), take another "
                "checkpoint, or bring back a bundled one by 'git checkout -- lab'.",
                checkpoint=checkpoint,
                error=next(iter(str(error).strip().splitlines()), type(error).__name__),
            )
        ) from None
