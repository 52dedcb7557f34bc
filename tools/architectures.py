"""Every masked language model that the installed transformers knows, tiny, through one training step of chapter 04.

python tools/architectures.py      # writes notebooks/assets/architectures.json anew, which chapter 04 shows
"""

import json
import os
from functools import cache
from pathlib import Path

import nbformat
import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForMaskedLM
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "notebooks" / "assets" / "architectures.json"
CHAPTER = ROOT / "notebooks" / "04_eli5_distilroberta.ipynb"

# The same size for all: two layers of width 32. Most configurations know these names, or translate them into their own.
WIDTH = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
TINY = WIDTH | dict(max_position_embeddings=514, type_vocab_size=1)
SEQ2SEQ = dict(decoder_layers=2, decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64)
VISION = WIDTH | dict(image_size=32, patch_size=16)
PERCEIVER = dict(
    d_model=32,
    d_latents=32,
    num_latents=16,
    num_self_attends_per_block=2,
    num_self_attention_heads=2,
    num_cross_attention_heads=2,
    max_position_embeddings=128,  # it answers at all its positions, so that they must be as many as a block has
)
WITHOUT = {"funnel": ["num_hidden_layers"]}  # set by another name in OWN
OWN = {  # what the common size leaves large, or contradicts
    "albert": dict(embedding_size=32),
    "bart": SEQ2SEQ,
    "big_bird": dict(attention_type="original_full"),  # what it falls back to on texts as short as ours, with a warning
    "convbert": dict(embedding_size=32),
    "distilbert": dict(hidden_dim=64),
    "electra": dict(embedding_size=32),
    "funnel": dict(block_sizes=[1, 1], num_decoder_layers=1, d_head=16, d_inner=64),
    "longformer": dict(attention_window=32),
    "luke": dict(entity_vocab_size=16, entity_emb_size=32),
    "mbart": SEQ2SEQ,
    "mobilebert": dict(hidden_size=64, embedding_size=32, intra_bottleneck_size=32),
    "modernvbert": dict(vision_config=VISION),
    "mvp": SEQ2SEQ,
    "neomme": dict(num_key_value_heads=1, embedding_rank=32, head_dim=16),
    "perceiver": PERCEIVER,
    "reformer": dict(axial_pos_embds=False, attn_layers=["local", "lsh"], attention_head_size=16, feed_forward_size=64, num_buckets=4),
    "rembert": dict(input_embedding_size=32, output_embedding_size=32),
    "roc_bert": dict(pronunciation_embed_dim=32, pronunciation_vocab_size=16, shape_embed_dim=32, shape_vocab_size=16),
    "squeezebert": dict(embedding_size=32, q_groups=1, k_groups=1, v_groups=1, intermediate_groups=1, output_groups=1),
    "ultravbert": dict(vision_config=VISION | {"vision_use_head": False}),
    "xmod": dict(default_language="en_XX"),
}
NOTES = {  # what a learner should know before training one of them for real
    "bart": "encoder and decoder",
    "big_bird": "full attention: the text is short",
    "fnet": "mixes by Fourier transform, no attention",
    "mbart": "encoder and decoder",
    "modernvbert": "reads images too; here text alone",
    "mra": "its attention gives zeros without a CUDA kernel",
    "mvp": "encoder and decoder",
    "neomme": "reads images too; here text alone",
    "perceiver": "length fixed: all its positions are filled",
    "tapas": "made for tables; here plain text",
    "layoutlm": "made for pages; here all boxes are 0",
    "ultravbert": "reads images too; here text alone",
    "xmod": "one adapter a language; here English",
}
TUTORIAL = (  # the list of the guide that chapter 04 follows, and ModernBERT since
    "albert bart bert big_bird camembert convbert data2vec-text deberta deberta-v2 distilbert electra ernie esm flaubert fnet "
    "funnel ibert layoutlm longformer luke mbart mega megatron-bert mobilebert modernbert mpnet mra mvp nezha nystromformer "
    "perceiver qdqbert reformer rembert roberta roberta-prelayernorm roc_bert roformer squeezebert tapas wav2vec2 xlm "
    "xlm-roberta xlm-roberta-xl xmod yoso"
).split()
GONE = {
    "mega": "removed from transformers",
    "nezha": "removed from transformers",
    "qdqbert": "removed from transformers",
    "wav2vec2": "speech: never filled masks in text",
}


def tiny_model(model_type: str, tokenizer):
    """A two-layer model with random weights and the tokenizer's vocabulary."""
    ids = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    sizes = {name: size for name, size in TINY.items() if name not in WITHOUT.get(model_type, ())}
    sizes |= {"vocab_size": len(tokenizer)} | ids
    if "vision_config" in OWN.get(model_type, {}):
        sizes = {"text_config": sizes, "image_token_id": len(tokenizer) - 1}
    return AutoModelForMaskedLM.from_config(AutoConfig.for_model(model_type, **sizes | OWN.get(model_type, {})))


@cache
def chapter() -> dict:
    """The names that chapter 04 has defined once its collator is made: its tokenizer, chunks and collator among them."""
    names, here = {}, os.getcwd()
    os.chdir(CHAPTER.parent)
    try:
        for cell in nbformat.read(CHAPTER, as_version=4).cells:
            if cell.cell_type == "code" and "google.colab" not in cell.source:
                exec(compile(cell.source, CHAPTER.name, "exec"), names)
            if "collator" in names:
                return names
    finally:
        os.chdir(here)
    raise LookupError(f"{CHAPTER.name} defines no collator.")


def one_step(model_type: str) -> dict:
    """Takes a tiny model through one step of AdamW on the chapter's chunks; what was done is what is asserted.

    Returns:
        A row of the table.

    Raises:
        AssertionError: The loss is not that of the labelled tokens alone, or no weight has moved.
    """
    names = chapter()
    torch.manual_seed(0)
    model = tiny_model(model_type, names["tokenizer"]).train()
    names["collator"].generator = None  # its seed's first masks for each, so that a row does not depend on those before
    batch = names["collator"]([names["blocks"]["train"][i] for i in range(2)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    output = model(**batch)
    labelled = batch["labels"] != -100
    oracle = cross_entropy(output.logits[labelled].float(), batch["labels"][labelled])  # no other position has a say
    assert 0 < labelled.sum() < labelled.numel()
    assert output.loss.isfinite() and torch.isclose(output.loss, oracle, rtol=1e-4), (output.loss.item(), oracle.item())
    output.loss.backward()
    optimizer.step()
    moved = [name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])]
    assert moved and all(weight.isfinite().all() for weight in model.parameters())
    return {
        "architecture": model_type,
        "class": type(model).__name__,
        "parameters": model.num_parameters(),
        "step": True,
        "note": NOTES.get(model_type, ""),
    }


def gone(model_type: str) -> dict:
    """The row of a name that the tutorial lists and transformers does not map to a masked language model."""
    return {"architecture": model_type, "class": None, "parameters": None, "step": False, "note": GONE[model_type]}


def rows() -> list[dict]:
    """All rows, by name."""
    missing = [name for name in TUTORIAL if name not in MODEL_FOR_MASKED_LM_MAPPING_NAMES]
    return [gone(name) if name in missing else one_step(name) for name in sorted([*MODEL_FOR_MASKED_LM_MAPPING_NAMES, *missing])]


if __name__ == "__main__":
    table = json.dumps({"transformers": transformers.__version__, "rows": rows()}, indent=1)
    TABLE.write_text(table + "\n", encoding="utf-8")
