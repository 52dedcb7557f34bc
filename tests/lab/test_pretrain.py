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
    for name, size in tiny.items():
        monkeypatch.setitem(pretrain.SHAPE, name, size)
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
    pretrain_into("whole", "--steps=8")
    pretrain_into("stopped", "--steps=8", stop=True)
    assert "from step 4" in pretrain_into("stopped", "--steps=8")
    whole, stopped = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    assert perplexities(tmp_path / "whole") == perplexities(tmp_path / "stopped") and len(perplexities(tmp_path / "whole")) == 4
    assert (tmp_path / "whole" / "curve.png").stat().st_size > 1000


def test_the_rate_warms_up_stays_and_decays_to_zero_from_wherever_the_decay_begins():
    warm = [pretrain.schedule(step, 0.0) for step in range(pretrain.WARM_UP)]
    assert warm == pytest.approx([(step + 1) / pretrain.WARM_UP for step in range(pretrain.WARM_UP)])
    assert {pretrain.schedule(step, 0.0) for step in (pretrain.WARM_UP, 10**4, 10**6)} == {1.0}
    assert [pretrain.schedule(10**4, decay) for decay in (0.25, 0.5, 1.0)] == pytest.approx([0.75, 0.5, 0.0])


def test_a_run_that_is_finished_decays_to_zero_in_a_folder_of_its_own_and_leaves_the_constant_run_to_go_on(
    pretrain_into, tmp_path, monkeypatch
):
    pretrain_into("run", "--steps=8")
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    decays, real = [], pretrain.schedule
    monkeypatch.setattr(pretrain, "schedule", lambda step, decay: decays.append((step, decay)) or real(step, decay))
    pretrain_into("run", "--finish")
    assert sorted(set(decays)) == [(8, 0.0), (9, 0.5)]  # a quarter of the eight steps, the last of which would be followed by zero
    finished = tmp_path / "run" / "finished"
    assert torch.load(finished / "state.pt", weights_only=True)["step"] == 10
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.is_file()} == before
    assert "from step 8" in pretrain_into("run", "--steps=10")
    constant, decayed = weights(tmp_path / "run"), weights(finished)
    assert any(not torch.equal(constant[name], decayed[name]) for name in constant)
    assert all(decay == 0.0 for step, decay in decays[-4:])


def test_a_finish_that_was_stopped_ends_at_the_same_weights(pretrain_into, tmp_path):
    for run in ("whole", "stopped"):
        pretrain_into(run, "--steps=16")
    pretrain_into("whole", "--finish")
    pretrain_into("stopped", "--finish", stop=True)
    pretrain_into("stopped", "--finish")
    whole, stopped = (weights(tmp_path / run / "finished") for run in ("whole", "stopped"))
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
