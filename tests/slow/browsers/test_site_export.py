"""What the pages load: packed without loss, held against PyTorch, and left out where npm is missing."""

import hashlib
import sys

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from common import ROOT

sys.path.insert(0, str(ROOT / "site"))
pytest.importorskip("onnxruntime", reason="make site installs it")
import build
import content
import export
import models

CHECKPOINT = ROOT / "lab" / "checkpoints" / "mini-bert"


def test_what_is_packed_comes_out_again():
    every_byte = bytes(range(256)) * 3 + b'\\n\\r"\\\\' + hashlib.sha256(b"").digest()
    assert export.unpack(export.pack("name", every_byte)) == every_byte
    for seed in range(20):  # gzip's own bytes need escapes too
        noise = np.random.default_rng(seed).bytes(1000)
        assert export.unpack(export.pack("name", noise)) == noise


@pytest.mark.parametrize("length", [1, 100, 300])
def test_weights_come_back_from_differences_and_planes(length):
    draw = np.random.default_rng(0)
    weights, base = (draw.integers(0, 2**16, count).astype(np.uint16) for count in (length, 200))
    planes = np.frombuffer(export.shrinkable(export.difference(weights, base)), np.uint8).astype(np.uint16)
    folded = planes[:length] + 256 * planes[length:]
    change = (folded >> 1) ^ (-(folded & 1).astype(np.int32)).astype(np.uint16)
    below = np.zeros(length, np.uint16)
    below[: min(length, 200)] = base[:length]
    assert ((change + below) == weights).all()


def test_a_coarse_export_is_refused(monkeypatch):
    module = export.Guesses(AutoModelForMaskedLM.from_pretrained(CHECKPOINT, dtype=torch.float32))
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
    assert "50 of 50" in models.check("mini-bert", module, *export.export(module), tokenizer)
    monkeypatch.setattr(export, "STEP", 1 / 64)
    with pytest.raises(ValueError, match="of 50 with the same first five"):
        models.check("mini-bert", module, *export.export(module), tokenizer)


def test_a_model_of_another_shape_or_an_older_one_is_no_adapted_model(tmp_path):
    import os

    from transformers import BertConfig, BertForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
    bundled = AutoModelForMaskedLM.from_pretrained(CHECKPOINT, dtype=torch.float32)
    small = BertForMaskedLM(BertConfig(vocab_size=8192, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32))
    for name, model in (("bundled", bundled), ("small", small)):
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    assert models.fits(tmp_path / "bundled", CHECKPOINT, "BertForMaskedLM")
    assert not models.fits(tmp_path / "bundled", CHECKPOINT, "BertForSequenceClassification")
    assert not models.fits(tmp_path / "small", CHECKPOINT, "BertForMaskedLM")
    assert not models.fits(tmp_path / "missing", CHECKPOINT, "BertForMaskedLM")
    os.utime(tmp_path / "bundled" / "model.safetensors", (0, 0))
    assert not models.fits(tmp_path / "bundled", CHECKPOINT, "BertForMaskedLM")


def test_without_npm_the_site_says_so_and_has_no_views(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    assert "npm" in build.packages()
    source = f"notebooks/{content.BOOKS[0]}.ipynb"
    assert "data-view" not in content.book(source, "en", {})
    assert "data-view" in content.book(source, "en", {"01": ["01.js", 1]})


@pytest.mark.parametrize("folder", ["", "zh/"])
def test_every_view_has_a_cell_to_stand_below(folder, capsys):
    for name in content.BOOKS:
        text = content.book(f"notebooks/{folder}{name}.ipynb", "zh" if folder else "en", {"01": ["01.js", 1]})
        assert text.count("data-view=") == len(content.CHAPTERS[name]["view"])
    assert capsys.readouterr().err == ""
