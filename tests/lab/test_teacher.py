"""A teacher's vectors belong to the words they are for, and training with them can be stopped."""

import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertConfig, BertModel, BertTokenizer

from helpers.paths import ROOT
from lab.pretraining import pretrain, student, teacher
from lab.pretraining.batches import BatchMaker, Text
from lab.pretraining.pairs import Flag
from lab.pretraining.prepare import flag_tokens
from lab.pretraining.student import cut_neurons, first_layers
from lab.pretraining.targets import Targets

SENTENCE = "Marsh-birds overwintered, unbelievably, near the 1200 lighthouses. She did not see Tobin before 7 boats were untied. "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Some running text as `prepare.py` leaves it."""
    out = tmp_path_factory.mktemp("text")
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-bert")
    tokenizer.save_pretrained(out / "tokenizer")
    document = SENTENCE * 40
    encoded = tokenizer(document, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    np.save(out / "tokens.npy", np.array(encoded["input_ids"], dtype=np.uint16))
    np.save(out / "flags.npy", flag_tokens(document, np.array(encoded["offset_mapping"])[:, 0], encoded.word_ids()))
    np.save(out / "heldout.npy", np.array(encoded["input_ids"][:300], dtype=np.uint16))
    return out


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A BERT of six random layers whose pieces are not the student's."""
    out = tmp_path_factory.mktemp("teacher")
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] marsh - birds over ##winter ##ed , un ##believ ##ably near the 1200 light ##houses . "
    words += "she did not see tob ##in before 7 boats were ##tied"
    vocabulary = {word: i for i, word in enumerate(words.split())}
    BertTokenizer(vocab=vocabulary, do_lower_case=True).save_pretrained(out)
    torch.manual_seed(0)
    shape = dict(hidden_size=32, num_hidden_layers=6, num_attention_heads=2, intermediate_size=64, initializer_range=0.5)
    BertModel(BertConfig(vocab_size=len(vocabulary), **shape)).save_pretrained(out)
    return out


def call(monkeypatch, module, *words):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, words)])
    module.main()


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(teacher, "SHARD", 300)
    monkeypatch.setattr(teacher, "autocast_dtype", lambda device: torch.float32)


def test_words_are_spelt_and_counted(folder):
    ids, flags = np.load(folder / "tokens.npy"), np.load(folder / "flags.npy")
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    words, lengths = teacher.words_of(ids, flags, tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    assert words[:9] == ["marsh", "-", "birds", "overwintered", ",", "unbelievably", ",", "near", "the"]
    assert lengths.sum() == len(ids) and max(lengths) > 1
    first_half = lengths.cumsum()[3] - 1  # inside "overwintered": what is left of it counts as a word
    assert teacher.words_of(ids[first_half:], flags[first_half:], tokenizer.convert_ids_to_tokens(range(len(tokenizer))))[1][0] == 1


def test_every_token_has_the_vector_of_its_word(folder, tiny, small_shards, monkeypatch, tmp_path):
    call(monkeypatch, teacher, "--data", folder, "--teacher", tiny, "--out", tmp_path)
    ids, flags, targets = np.load(folder / "tokens.npy"), np.load(folder / "flags.npy"), Targets(tmp_path)
    assert len(targets) == len(ids)
    rows = targets(torch.arange(300))
    goes_on = torch.from_numpy(flags[:300] & Flag.CONTINUES > 0).nonzero().flatten()
    assert len(goes_on) and torch.equal(rows[goes_on], rows[goes_on - 1])

    # the first window again, by the library alone
    tokenizer, model = AutoTokenizer.from_pretrained(tiny), BertModel.from_pretrained(tiny).eval()
    encoded = tokenizer(SENTENCE * 40, truncation=True, max_length=teacher.WINDOW, return_tensors="pt")
    states = torch.stack(model(**encoded, output_hidden_states=True).hidden_states[3:7]).mean(0)[0].detach()
    known = {name: torch.from_numpy(array) for name, array in np.load(tmp_path / "teacher.npz").items()}
    starts = np.flatnonzero((flags & Flag.CONTINUES) == 0)
    for word in range(60):
        place = [i for i, w in enumerate(encoded.word_ids()) if w == word]
        expected = (states[place].mean(0) - known["mean"]) @ known["basis"] / known["variance"].sqrt()
        wrong = (rows[starts[word]] / targets.scale - (expected / targets.scale).clamp(-127, 127)).abs()
        assert wrong[:-1].max() < 0.52  # rounded to a byte; the last direction is empty, since layer normalisation takes one away


def test_a_stopped_teacher_goes_on(folder, tiny, small_shards, monkeypatch, tmp_path):
    once, twice = tmp_path / "once", tmp_path / "twice"
    call(monkeypatch, teacher, "--data", folder, "--teacher", tiny, "--out", once, "--tokens", 900)
    call(monkeypatch, teacher, "--data", folder, "--teacher", tiny, "--out", twice, "--tokens", 600)
    with (twice / "targets.int8").open("ab") as file:
        file.write(b"cut short")
    call(monkeypatch, teacher, "--data", folder, "--teacher", tiny, "--out", twice, "--tokens", 900)
    assert len(Targets(once)) == 900
    assert (once / "targets.int8").read_bytes() == (twice / "targets.int8").read_bytes()


def test_word_vectors_are_the_means_of_the_teachers_pieces(tiny):
    reader = teacher.Teacher(tiny)
    table, ids = reader.model.embeddings.word_embeddings.weight.detach(), reader.tokenizer.convert_tokens_to_ids
    vectors = reader.word_vectors(["birds", "untied", "##tied", "##birds", "[MASK]", "?"])
    expected = torch.stack(
        [table[ids("birds")], table[[ids("un"), ids("##tied")]].mean(0), *table[ids(["##tied", "birds", "[MASK]", "[UNK]"])]]
    )
    assert torch.allclose(vectors, expected)


def test_a_student_with_all_layers_and_words_of_its_teacher_is_the_teacher(tiny):
    reader = teacher.Teacher(tiny)
    student = first_layers(reader, reader.tokenizer, 6).bert.eval()
    encoded = reader.tokenizer("She did not see marsh birds.", return_tensors="pt")
    expected = reader.model(**encoded, output_hidden_states=True).hidden_states
    assert torch.allclose(student(**encoded).last_hidden_state, expected[-1], atol=1e-5)
    assert torch.allclose(first_layers(reader, reader.tokenizer, 4).bert.eval()(**encoded).last_hidden_state, expected[4], atol=1e-5)


def test_neurons_that_say_nothing_of_their_own_are_cut_without_a_change(tiny):
    """Half of the neurons are dead, or copies of others: what reads the rest can make up for them, up to the ridge."""
    reader = teacher.Teacher(tiny)
    model = first_layers(reader, reader.tokenizer, 3).eval()
    rows = torch.randint(5, len(reader.tokenizer), (40, 64), generator=torch.Generator().manual_seed(0))
    for layer in model.bert.encoder.layer:
        inner, outer = layer.intermediate.dense, layer.output.dense
        with torch.no_grad():
            inner.weight[32:48], inner.bias[32:48] = 0.0, 1.0  # each always says the same
            inner.weight[48:], inner.bias[48:] = inner.weight[:16].clone(), inner.bias[:16].clone()
            outer.weight[:, 48:] *= 0.01
    before = model.bert(rows).last_hidden_state
    cut_neurons(model, rows, 32)
    assert model.config.intermediate_size == 32 and model.bert.encoder.layer[2].output.dense.weight.shape == (32, 32)
    assert (model.bert(rows).last_hidden_state - before).abs().max() < 0.1
    cut_neurons(model, rows, 8)
    assert (model.bert(rows).last_hidden_state - before).abs().max() > 0.5  # the test can fail


def test_embeddings_are_those_of_each_text_alone(tiny, small_shards):
    reader = teacher.Teacher(tiny)
    texts = ["She did not see marsh birds.", "birds", "7 lighthouses , 1200 boats"]
    means = [reader.model(**reader.tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0) for text in texts]
    expected = torch.stack([mean / mean.norm() for mean in means])
    assert torch.allclose(reader.embeddings(texts), expected, atol=1e-5)
    assert not torch.allclose(expected[0], expected[2], atol=0.1)


def test_places_say_where_a_row_was_read(folder):
    text, tokenizer = Text.load(folder), AutoTokenizer.from_pretrained(folder / "tokenizer")
    maker = BatchMaker(text, tokenizer, 4, seed=0, pairs=True, read=1200)
    _, batch = next(maker.step(3, 12))
    original = torch.where(batch["labels"] != -100, batch["labels"], batch["input_ids"])
    read = batch["places"] >= 0
    assert torch.equal(original, torch.from_numpy(maker.ids(batch["places"].numpy())))
    assert torch.equal(original[read], torch.from_numpy(text.ids[batch["places"][read]].astype(int)))
    assert set(original[~read].tolist()) == {tokenizer.cls_token_id, tokenizer.sep_token_id}
    assert batch["places"].max() < 1200


def test_training_goes_on_where_it_was_stopped(folder, tiny, small_shards, monkeypatch, tmp_path):
    call(monkeypatch, teacher, "--data", folder, "--teacher", tiny, "--out", tmp_path / "targets", "--tokens", 1200)
    call(monkeypatch, student, "--data", folder, "--teacher", tiny, "--layers", 3, "--out", tmp_path / "start")
    same = ["mini-bert", "--data", folder, "--start", tmp_path / "start", "--teacher", tmp_path / "targets", "--recurs-weight", 1]
    same += ["--rows", 2, "--every", 2, "--sentence-teacher", tiny]
    call(monkeypatch, pretrain, *same, "--out", tmp_path / "once", "--steps", 4)
    call(monkeypatch, pretrain, *same, "--out", tmp_path / "twice", "--steps", 2)
    call(monkeypatch, pretrain, *same, "--out", tmp_path / "twice", "--steps", 4)
    once, twice = (torch.load(tmp_path / run / "state.pt", weights_only=True) for run in ("once", "twice"))
    assert once["step"] == twice["step"] == 4
    assert "mimic.weight" in once["model"] and "bert.encoder.layer.2.output.dense.weight" in once["model"]
    assert all(torch.equal(tensor, twice["model"][name]) for name, tensor in once["model"].items())
    log = (tmp_path / "once" / "log.jsonl").read_text()
    assert '"targets"' in log and '"embeddings"' in log

    call(monkeypatch, pretrain, *same, "--out", tmp_path / "still", "--steps", 2, "--vector-learning-rate", 0)
    still = torch.load(tmp_path / "still" / "state.pt", weights_only=True)["model"]
    start = load_file(tmp_path / "start" / "model.safetensors")
    vectors = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(start[vectors], still[vectors]) and not torch.equal(start[vectors], once["model"][vectors])
    assert not torch.equal(start["cls.predictions.bias"], still["cls.predictions.bias"])

    call(monkeypatch, pretrain, *same, "--out", tmp_path / "once", "--finish")
    assert torch.load(tmp_path / "once" / "finished" / "state.pt", weights_only=True)["step"] == 5
    assert torch.load(tmp_path / "once" / "state.pt", weights_only=True)["step"] == 4  # and the run can still go on
