"""The bundled checkpoint and the scripts that made it."""

import hashlib
import json
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import torch
from safetensors import safe_open

from common import ROOT
from lab.pretraining.batches import BatchMaker, Text
from lab.pretraining.muon import orthogonalise
from lab.pretraining.pairs import Flag
from lab.pretraining.prepare import flag_tokens
from lab.pretraining.pretrain import build_model, renew

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
    assert file.stat().st_size < 12_000_000
    with safe_open(file, framework="pt") as tensors:
        assert {tensors.get_tensor(name).dtype for name in tensors.keys()} == {torch.float16}
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"
    assert AutoModelForMaskedLM.from_pretrained(folder).dtype == torch.float32


def test_mini_berts_special_ids_are_those_of_bert_base_uncased(tokenizer):
    assert len(tokenizer) == 8192
    assert tokenizer.convert_tokens_to_ids(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]) == [0, 100, 101, 102, 103]


def test_the_pair_head_is_reported_as_unused():
    from transformers import AutoModelForMaskedLM

    _, report = AutoModelForMaskedLM.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-bert", output_loading_info=True)
    assert {name.split(".")[1] for name in report["unexpected_keys"]} >= {"seq_relationship"}
    assert not report["missing_keys"]


@pytest.fixture(scope="module")
def text(tokenizer):
    """Invented running text as `prepare.py` would leave it."""
    rng = np.random.default_rng(0)
    names = ["Mara", "Anselm", "Ruth", "Tobin"]
    lines = [
        f"{rng.choice(names)} did not see {rng.choice(names)} before the {rng.integers(2, 99)} boats were ready to sail north."
        for _ in range(400)
    ]
    document = " ".join(lines)
    encoded = tokenizer(document, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    flags = flag_tokens(document, np.array(encoded["offset_mapping"])[:, 0], encoded.word_ids())
    return Text(np.array(encoded["input_ids"], dtype=np.uint16), flags, np.flatnonzero(flags & Flag.SENTENCE))


def test_flags_know_sentences_names_and_numbers(tokenizer):
    words = "We met Anselm. He had 12 boats.\nThey left."
    encoded = tokenizer(words, add_special_tokens=False, return_offsets_mapping=True)
    flags = flag_tokens(words, np.array(encoded["offset_mapping"])[:, 0], encoded.word_ids())
    at = {flag: {encoded.word_ids()[i] for i in np.flatnonzero(flags & flag)} for flag in Flag}
    spelled = words.replace(".", " .").split()
    assert [spelled[i] for i in sorted(at[Flag.SENTENCE])] == ["We", "He", "They"]
    assert [spelled[i] for i in at[Flag.NAME]] == ["Anselm"]
    assert [spelled[i] for i in at[Flag.NUMBER]] == ["12"]
    assert at[Flag.DOCUMENT] == {0}


def equal(one, two):
    return all(wa == wb and a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for (wa, a), (wb, b) in zip(one, two))


def test_a_batch_follows_from_seed_and_step_alone(text, tokenizer):
    one, two = (BatchMaker(text, tokenizer, 4, seed=0, pairs=True) for _ in range(2))
    list(one.step(0, 0))  # what came before leaves no trace
    assert equal(list(one.step(7, 28, 0.5)), list(two.step(7, 28, 0.5)))
    assert not equal(list(one.step(7, 28, 0.5)), list(one.step(8, 32, 0.5)))
    assert not equal(list(one.step(7, 28, 0.5)), list(BatchMaker(text, tokenizer, 4, seed=1, pairs=True).step(7, 28, 0.5)))


@pytest.mark.parametrize("done, rate", [(0.0, 0.30), (0.5, 0.225), (1.0, 0.15)])
def test_batches_mask_at_the_rate_and_never_a_special_token(text, tokenizer, done, rate):
    maker = BatchMaker(text, tokenizer, 16, seed=0, pairs=True)
    asked = total = 0
    for step in range(20):
        _, batch = next(maker.step(2 * step, 32 * step, done))
        original = torch.where(batch["labels"] != -100, batch["labels"], batch["input_ids"])
        special = torch.isin(original, torch.tensor(tokenizer.all_special_ids))
        assert not (special & (batch["labels"] != -100)).any()
        asked, total = asked + int((batch["labels"] != -100).sum()), total + int((~special).sum())
    assert abs(asked - total * rate) < 5 * (total * rate * (1 - rate)) ** 0.5


def test_second_segments_and_pair_labels_belong_together(text, tokenizer):
    _, batch = next(BatchMaker(text, tokenizer, 16, seed=0, pairs=True).step(3, 48))
    split = batch["token_type_ids"].any(dim=1)
    assert torch.equal(split, batch["pair_labels"] != -100)
    assert split.sum() == 8


def test_noise_keeps_names_numbers_and_negation_and_changes_change(text, tokenizer):
    maker = BatchMaker(text, tokenizer, 4, seed=0, pairs=True)
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(200):
        _, words = maker._sentence(rng)
        others = [word for _ in range(4) for word in maker._sentence(rng)[1]]
        kept = maker.pairs.noised(words, rng)
        for word in words:
            if word[1] & (Flag.NAME | Flag.NUMBER) or word[0][0] == maker.pairs.negation:
                assert word in kept
        assert not {w[0] for w in kept} - {w[0] for w in words}
        changed += maker.pairs.changed(words, others, rng) != words
    assert changed > 150  # the rest drew the number or name that stood there, and are labelled as unchanged


def test_what_recurs_is_what_stands_in_both_sentences(text, tokenizer):
    maker = BatchMaker(text, tokenizer, 4, seed=0, pairs=True, pair_rows=12)
    batch = maker._rewritten(0.0, 0.5, np.random.default_rng(0))  # no masks: the ids are the sentences'
    for ids, segments, recurs, shares in zip(*(batch[name].tolist() for name in ("input_ids", "token_type_ids", "recurs", "shares"))):
        end = ids.index(tokenizer.sep_token_id)
        sides = ids[1:end], [token for token, segment in zip(ids, segments) if segment][:-1]
        for own, other, share in zip(sides, sides[::-1], shares):
            assert share == pytest.approx(sum(token in other for token in own) / len(own))
        expected = [int(token in other) for own, other in (sides, sides[::-1]) for token in own]
        assert [value for value in recurs if value != -100] == expected


def test_what_is_different_differs_and_what_is_subtle_keeps_most_words(text, tokenizer):
    maker, rng = BatchMaker(text, tokenizer, 4, seed=0, pairs=True), np.random.default_rng(0)
    kept = {0.0: [], 1.0: []}
    for subtle, shares in kept.items():
        for _ in range(200):
            i, words = maker._sentence(rng)
            other = maker.pairs.different(words, maker._sentence(rng, i + 1)[1], maker._sentence(rng)[1], subtle, rng)
            shares.append(sum(word in other for word in words) / len(words))
    assert np.mean(kept[1.0]) > np.mean(kept[0.0]) + 0.05


def test_renewing_touches_the_last_layer_and_the_pooler_alone(tokenizer):
    model = build_model("mini-bert", tokenizer, None)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    renew(model)
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved and all(name.startswith(("bert.encoder.layer.3.", "bert.pooler.")) for name in moved)


@pytest.mark.parametrize("rows, columns", [(16, 16), (64, 16), (16, 64)])
def test_orthogonalised_matrices_have_singular_values_near_one(rows, columns):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(3, rows, columns), steps=5))
    assert 0.5 < values.min() and values.max() < 1.4


SMALL = "import lab.pretraining.pretrain as p; p.SHAPE.update(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)\n"
STOP = """
save, saved = p.save_atomically, []
def save_twice_then_stop(state, path):
    save(state, path)
    saved.append(path)
    if len(saved) == 2:
        raise SystemExit
p.save_atomically = save_twice_then_stop
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, text, tokenizer):
    folder = tmp_path_factory.mktemp("prepared")
    tokenizer.save_pretrained(folder / "tokenizer")
    np.save(folder / "tokens.npy", text.ids)
    np.save(folder / "flags.npy", text.flags)
    np.save(folder / "heldout.npy", text.ids[:2000])
    return folder


def pretrain(prepared, out, program):
    arguments = f"mini-bert --data {prepared} --out {out} --rows 2 --every 2 --steps 8".split()
    return subprocess.run(
        [sys.executable, "-c", program + "p.main()", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def test_a_pretraining_that_was_stopped_ends_at_the_same_weights(prepared, tmp_path):
    pretrain(prepared, tmp_path / "whole", SMALL)
    pretrain(prepared, tmp_path / "stopped", SMALL + STOP)
    assert "from step 4" in pretrain(prepared, tmp_path / "stopped", SMALL)
    whole, stopped = (torch.load(tmp_path / run / "state.pt", weights_only=True)["model"] for run in ("whole", "stopped"))
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    logs = [
        [json.loads(line)["perplexity"] for line in (tmp_path / run / "log.jsonl").read_text().splitlines()] for run in ("whole", "stopped")
    ]
    assert logs[0] == logs[1] and len(logs[0]) == 4
    assert (tmp_path / "whole" / "curve.png").stat().st_size > 1000
