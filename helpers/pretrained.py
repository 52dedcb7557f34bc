"""Checks of a pretrained checkpoint: its configuration and tokenizer before the weights are loaded, the weights after."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedConfig, PreTrainedModel, logging
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.models.auto.tokenization_auto import get_tokenizer_config

from helpers.i18n import say
from helpers.paths import is_folder

UNFIT = {  # values in config.json with which a model computes or returns other things than the chapters expect
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

    A Hub id is asked for its configuration and tokenizer alone; of a folder the weights' names and shapes are compared too.

    Args:
        checkpoint: Hub id or folder.
        head: ``"masked_lm"`` or ``"classifier"``, as the chapter loads it.
    """
    config = _encoder_config(checkpoint)
    tokenizer = _opened(checkpoint, lambda: AutoTokenizer.from_pretrained(checkpoint))
    check_tokenizer(tokenizer, config.vocab_size, head)
    if is_folder(checkpoint):
        _check_keys(checkpoint, HEADS[head], head)
    return tokenizer


def check_weights(folder: str) -> None:
    """Open every safetensors file of a folder, without reading the tensors.

    Raises:
        OSError: There is none, or one is damaged.
    """
    from safetensors import SafetensorError, safe_open

    files = sorted(Path(folder).glob("*.safetensors"))
    if not files:
        raise OSError(
            say("{folder} holds no *.safetensors weights; only this format is loaded, since a pickle can run code.", folder=folder)
        )
    for file in files:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise OSError(
                say(
                    "The weights {file} are damaged ({error}); bring back a bundled file by 'git checkout -- lab', or copy your own again.",
                    file=file,
                    error=error,
                )
            ) from None


def check_masked_lm(tokenizer: Any, model: Any, chunk_size: int) -> None:
    """Raise ValueError unless model and tokenizer can learn to fill masks in chunks; set the tokenizer's limit to the model's.

    Args:
        tokenizer: As loaded; its ``model_max_length`` becomes the number of tokens that the model has positions for.
        model: As loaded.
        chunk_size: Tokens in a chunk.
    """
    _check_loaded(tokenizer, model, "masked_lm")
    if chunk_size > tokenizer.model_max_length:
        raise ValueError(
            say(
                "Chunks of {size} tokens are longer than the {longest} that this model takes: lower chunk_size.",
                size=chunk_size,
                longest=tokenizer.model_max_length,
            )
        )


def check_classifier(tokenizer: Any, model: Any) -> None:
    """Raise ValueError unless a pretrained encoder stands below the new head; set the tokenizer's limit to the model's.

    Args:
        tokenizer: As loaded; its ``model_max_length`` becomes the number of tokens that the model has positions for.
        model: As loaded.
    """
    _check_loaded(tokenizer, model, "classifier")


def check_tokenizer(tokenizer: Any, embeddings: int, head: str) -> None:
    """Raise ValueError unless a tokenizer is fast, complete, and fits a model's embedding.

    Args:
        tokenizer: As loaded.
        embeddings: Rows of the model's embedding.
        head: As `check_files`.
    """
    name, rows = tokenizer.name_or_path, max(tokenizer.get_vocab().values(), default=-1) + 1
    if not tokenizer.is_fast:
        raise ValueError(
            say(
                "{checkpoint} has a slow tokenizer ({tokenizer}), which tells no word ids; take a checkpoint with a tokenizer.json.",
                checkpoint=name,
                tokenizer=type(tokenizer).__name__,
            )
        )
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise ValueError(
            say(
                "The tokenizer of {checkpoint} knows {count} tokens, all of them special: its files are missing. Save it beside the "
                "weights by tokenizer.save_pretrained(…), from the checkpoint that the training began with.",
                checkpoint=name,
                count=len(tokenizer),
            )
        )
    if tokenizer.pad_token is None or (head == "masked_lm" and tokenizer.mask_token is None):
        raise ValueError(
            say(
                "The tokenizer of {checkpoint} has no {token} token: take the checkpoint of a masked language model "
                "(on the Hub: the Fill-Mask filter).",
                checkpoint=name,
                token="mask" if tokenizer.pad_token else "padding",
            )
        )
    if head == "classifier" and tokenizer.num_special_tokens_to_add(pair=True) < 2:
        raise ValueError(
            say(
                "The tokenizer of {checkpoint} puts no special tokens around the texts of a pair, which a classifier reads: give it "
                "a post-processor, as tokenizers.processors.TemplateProcessing does, and save it again.",
                checkpoint=name,
            )
        )
    if rows > embeddings:
        raise ValueError(
            say(
                "The tokenizer of {checkpoint} has {tokens} tokens and the model embeds {rows}: bring back the model's own tokenizer, "
                "or give the new tokens rows (model.resize_token_embeddings(len(tokenizer))) and save the model again.",
                checkpoint=name,
                tokens=rows,
                rows=embeddings,
            )
        )
    if 2 * rows < embeddings:
        raise ValueError(
            say(
                "The tokenizer of {checkpoint} has {tokens} tokens and the model embeds {rows}: they belong to different models. "
                "Bring back the model's own tokenizer.",
                checkpoint=name,
                tokens=rows,
                rows=embeddings,
            )
        )


def max_length(tokenizer: Any, model: Any) -> int:
    """Return how many tokens of one row a model reads at most, by its positions and by what the tokenizer says."""
    stated = tokenizer.model_max_length if tokenizer.model_max_length < NO_LIMIT else None
    positions = max(getattr(model.config, "max_position_embeddings", 0), 0)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and (padding := getattr(module, "padding_idx", None)) is not None:
            positions -= padding + 1  # RoBERTa's first position comes after that of padding
    return min(filter(None, [stated, positions]), default=USUAL_LENGTH)


def _encoder_config(checkpoint: str) -> PreTrainedConfig:
    """Return the configuration of an encoder with a masked-LM head, or raise ValueError."""
    if is_folder(checkpoint) and (Path(checkpoint) / "adapter_config.json").exists():
        raise ValueError(
            say(
                "{checkpoint} holds an adapter, not a whole model: load it on its base model, call merge_and_unload(), "
                "and save the result with its tokenizer.",
                checkpoint=checkpoint,
            )
        )
    written, _ = _opened(checkpoint, lambda: PreTrainedConfig.get_config_dict(checkpoint))
    kind = written.get("model_type")
    own_code = [*written.get("auto_map", {}), *_opened(checkpoint, lambda: get_tokenizer_config(checkpoint)).get("auto_map", {})]
    if any(name.startswith(("AutoModel", "AutoTokenizer")) for name in own_code):
        raise ValueError(
            say(
                "{checkpoint} is a model with code of its own, which is not run here: take one of an architecture that "
                "the library knows, such as BERT, DistilBERT or RoBERTa.",
                checkpoint=checkpoint,
            )
        )
    if kind is None:
        raise ValueError(
            say(
                "{checkpoint} has no config.json that names a model_type: save model and tokenizer there by save_pretrained(…).",
                checkpoint=checkpoint,
            )
        )
    config = _opened(checkpoint, lambda: CONFIG_MAPPING[kind].from_dict(written)) if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES else None
    if config is None or config.is_encoder_decoder or getattr(config, "is_decoder", False):
        raise ValueError(
            say(
                "{checkpoint} is of the architecture {model_type}, and this course trains encoders with a masked-LM head, such as BERT, "
                "DistilBERT or RoBERTa (on the Hub: the Fill-Mask filter).",
                checkpoint=checkpoint,
                model_type=kind,
            )
        )
    if odd := next((name for name, values in UNFIT.items() if getattr(config, name, None) in values), None):
        raise ValueError(
            say(
                "The config.json of {checkpoint} sets {name} to {value!r}, and the model would return something else than the chapters "
                "expect: delete that entry.",
                checkpoint=checkpoint,
                name=odd,
                value=getattr(config, odd),
            )
        )
    return config


def _check_loaded(tokenizer, model, head: str) -> None:
    check_tokenizer(tokenizer, model.get_input_embeddings().num_embeddings, head)
    if model.dtype != torch.float32:
        raise ValueError(
            say(
                "The model was loaded in {dtype}, in which small updates are lost: load it by from_pretrained(…, dtype=torch.float32).",
                dtype=str(model.dtype).removeprefix("torch."),
            )
        )
    if bad := next(
        (name for name, tensor in model.state_dict().items() if tensor.is_floating_point() and not tensor.isfinite().all()), None
    ):
        raise ValueError(
            say(
                "The weights of {checkpoint} hold numbers that are not finite ({name}): it was saved from a training that failed; "
                "take an earlier checkpoint.",
                checkpoint=model.name_or_path,
                name=bad,
            )
        )
    if model.name_or_path:
        _check_keys(model.name_or_path, type(model), head)
    tokenizer.model_max_length = max_length(tokenizer, model)


def _check_keys(checkpoint: str, model_class: type[PreTrainedModel], head: str) -> None:
    """Raise ValueError if a checkpoint lacks weights that a chapter does not train from scratch, has others, or in other shapes."""
    options = dict(device_map="meta", output_loading_info=True, ignore_mismatched_sizes=True, dtype=torch.float32)
    if head == "classifier":
        options["num_labels"] = 2

    def load():  # on the meta device, where no weight is read
        with torch.random.fork_rng(devices=[]), _quiet():
            return model_class.from_pretrained(checkpoint, **options)

    model, report = _opened(checkpoint, load)
    if report["mismatched_keys"]:
        name, stored, wanted = min(report["mismatched_keys"])
        raise ValueError(
            say(
                "{checkpoint} has {name} of the shape {stored}, where {wanted} is wanted: its head was trained for other labels, or its "
                "config.json belongs to another model; take the pretrained checkpoint that it was made from.",
                checkpoint=checkpoint,
                name=name,
                stored=tuple(stored),
                wanted=tuple(wanted),
            )
        )
    unused = sorted(key for key in report["unexpected_keys"] if IN_A_LAYER.search(key) and "decoder" not in key)
    missing = sorted(report["missing_keys"])
    if head == "classifier":  # its own layers are new, and so is the pooler where masked language modelling alone came before
        missing = [key for key in missing if key.startswith(f"{model.base_model_prefix}.") and ".pooler." not in key]
    if not missing and not unused:
        return
    prefix = next((key.split(".")[0] for key in report["unexpected_keys"] if key.startswith(("_orig_mod.", "module."))), None)
    if prefix:
        raise ValueError(
            say(
                "The weights of {checkpoint} were saved from a wrapped model (their names begin with {prefix}.), so none of them fits: "
                "save the model inside it, model.{prefix}.save_pretrained(…).",
                checkpoint=checkpoint,
                prefix=prefix,
            )
        )
    if missing:
        raise ValueError(
            say(
                "{checkpoint} lacks {count} weights that {model} needs, such as {name}, which would be random: take the checkpoint of a "
                "masked language model (on the Hub: the Fill-Mask filter), complete.",
                checkpoint=checkpoint,
                count=len(missing),
                model=type(model).__name__,
                name=missing[0],
            )
        )
    raise ValueError(
        say(
            "{checkpoint} holds {count} weights that {model} would leave out, such as {name}: its config.json belongs to another model, "
            "or this version of the library no longer knows that kind of layer; take another checkpoint.",
            checkpoint=checkpoint,
            count=len(unused),
            model=type(model).__name__,
            name=unused[0],
        )
    )


def _opened(checkpoint: str, call: Callable):
    """Return what a call of the library returns; what it cannot read in a folder is told in one sentence."""
    try:
        return call()
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, TypeError, AssertionError, StrictDataclassError) as error:
        if not is_folder(checkpoint) and isinstance(error, OSError):
            raise  # the network or the Hub, which name themselves
        raise ValueError(
            say(
                "{checkpoint} cannot be opened ({error}): save model and tokenizer there again by save_pretrained(…), or take another "
                "checkpoint.",
                checkpoint=checkpoint,
                error=str(error).strip().splitlines()[0],
            )
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's report and bar of a loading from being shown."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
