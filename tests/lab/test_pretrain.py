"""Pretraining: stopped and resumed it ends at the same weights."""

import json
import sys

import numpy as np
import pytest
import torch

from lab.pretraining import pretrain


def test_renewing_touches_the_last_layer_and_the_pooler_alone(tokenizer):
    model = pretrain.build_model("mini-bert", tokenizer, None)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pretrain.renew(model)
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved and all(name.startswith(("bert.encoder.layer.3.", "bert.pooler.")) for name in moved)


@pytest.fixture
def pretrain_into(text, tokenizer, tmp_path, monkeypatch, capsys):
    """Calls the program for a tiny model and eight steps, saved every second; stops at the second save if told so. Returns what it said."""
    data = tmp_path / "data"
    tokenizer.save_pretrained(data / "tokenizer")
    np.save(data / "tokens.npy", text.ids)
    np.save(data / "flags.npy", text.flags)
    np.save(data / "heldout.npy", text.ids[:2000])
    tiny = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    monkeypatch.setattr(pretrain, "SHAPE", tiny)
    cheap = torch.randn(len(tokenizer), 32)  # the real ones take seconds; test_vectors.py has them
    monkeypatch.setattr(pretrain, "word_vectors", lambda *_: cheap)
    save = pretrain.save_atomically

    def call(out, *more, stop=False):
        saved = []

        def save_then_stop(state, path):
            save(state, path)
            saved.append(path)
            if stop and len(saved) == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(pretrain, "save_atomically", save_then_stop)
        words = f"pretrain mini-bert --data {data} --out {tmp_path / out} --rows 2 --every 2".split()
        monkeypatch.setattr(sys, "argv", [*words, *more])
        if stop:
            with pytest.raises(KeyboardInterrupt):
                pretrain.main()
        else:
            pretrain.main()
        return capsys.readouterr().out

    return call


def weights(folder):
    return torch.load(folder / "state.pt", weights_only=True)["model"]


def perplexities(folder):
    return [json.loads(line)["perplexity"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_pretraining_that_was_stopped_ends_at_the_same_weights(pretrain_into, tmp_path):
    eight = "--steps=8"
    pretrain_into("whole", eight)
    pretrain_into("stopped", eight, stop=True)
    assert "from step 4" in pretrain_into("stopped", eight)
    whole, stopped = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    assert perplexities(tmp_path / "whole") == perplexities(tmp_path / "stopped") and len(perplexities(tmp_path / "whole")) == 4
    assert (tmp_path / "whole" / "curve.png").stat().st_size > 1000
