"""The bundled checkpoints are those that were measured, small and safe to load."""

import hashlib
import json
import tomllib

import pytest
import torch
from safetensors import safe_open

from common import ROOT

CHECKPOINTS = sorted(path for path in (ROOT / "lab" / "checkpoints").iterdir() if path.is_dir())
CHECKSUMS = tomllib.loads((ROOT / "lab" / "checksums.toml").read_text())


@pytest.mark.parametrize("name", CHECKSUMS)
def test_bundled_files_are_those_that_were_measured(name):
    assert hashlib.sha256((ROOT / "lab" / name).read_bytes()).hexdigest() == CHECKSUMS[name]


def test_every_bundled_data_file_has_a_checksum():
    files = [*(ROOT / "lab" / "corpora").glob("*/*.jsonl"), *(ROOT / "lab" / "checkpoints").glob("*/*.safetensors")]
    files += (ROOT / "lab" / "checkpoints").glob("*/tokenizer.json")
    assert {str(file.relative_to(ROOT / "lab")) for file in files} == set(CHECKSUMS)


@pytest.mark.parametrize("folder", CHECKPOINTS, ids=lambda path: path.name)
def test_checkpoints_are_small_16_bit_safetensors_that_load_as_float32(folder):
    from transformers import AutoModelForMaskedLM

    file = folder / "model.safetensors"
    assert file.stat().st_size < 15_000_000
    with safe_open(file, framework="pt") as tensors:
        assert {tensors.get_tensor(name).dtype for name in tensors.keys()} == {torch.float16}
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"
    assert AutoModelForMaskedLM.from_pretrained(folder).dtype == torch.float32


def test_mini_bert_computes_attention_in_the_way_that_is_fast_on_a_cpu():
    from transformers import AutoModelForMaskedLM

    assert AutoModelForMaskedLM.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-bert").config._attn_implementation == "eager"


def test_mini_berts_special_ids_are_those_of_bert_base_uncased(tokenizer):
    assert len(tokenizer) == 8192
    assert tokenizer.convert_tokens_to_ids(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]) == [0, 100, 101, 102, 103]


def test_the_pair_head_is_reported_as_unused():
    from transformers import AutoModelForMaskedLM

    _, report = AutoModelForMaskedLM.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-bert", output_loading_info=True)
    assert {name.split(".")[1] for name in report["unexpected_keys"]} >= {"seq_relationship"}
    assert not report["missing_keys"]
