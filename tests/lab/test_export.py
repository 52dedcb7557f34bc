"""Exporting: bits per character by hand, and a checkpoint that loads to the run's weights."""

import json
import math
import sys

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from lab.pretraining import export, pretrain


def test_bits_per_character_by_hand():
    assert export.bits_per_character(8.0, 10, 60) == pytest.approx(3 * 10 / 60)  # three bits for each of ten tokens
    assert export.bits_per_character(math.e, 1, 1) == pytest.approx(1 / math.log(2))


@pytest.mark.long
def test_an_exported_checkpoint_loads_to_the_runs_weights_rounded_to_16_bits(text, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setitem(pretrain.SHAPE, "num_hidden_layers", 1)
    data, run, out = (tmp_path / name for name in ("data", "run", "out"))
    tokenizer.save_pretrained(data / "tokenizer")
    np.save(data / "tokens.npy", text.ids)
    np.save(data / "flags.npy", text.flags)
    np.savez(data / "wikitext2.npz", ids=text.ids[:1300], characters=5000)
    model = pretrain.build_model("mini-bert", tokenizer, None)
    run.mkdir()
    torch.save({"model": model.state_dict()}, run / "state.pt")
    (run / "log.jsonl").write_text(json.dumps({"step": 1, "tokens": 100, "seconds": 3600, "perplexity": 50.0}) + "\n")
    model.config.save_pretrained(run)
    words = f"export mini-bert --data {data} --run {run} --out {out} --device CPU".split()
    monkeypatch.setattr(sys, "argv", words)
    export.main()
    loaded = AutoModelForMaskedLM.from_pretrained(out)
    assert loaded.dtype == torch.float32
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name].half().float()), name
    assert len(AutoTokenizer.from_pretrained(out)) == len(tokenizer)
    assert "1.0 hours on CPU" in (out / "README.md").read_text()
