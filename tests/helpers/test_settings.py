import json
import re
import shutil
import socket

import pytest
from datasets import Dataset, DatasetDict

from common import ROOT
from helpers import precision, validation
from helpers.settings import PROFILES, ROWS, resolve

CHAPTER = "03_imdb_domain_adaptation"


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "out")


def test_the_lab_profile_points_at_bundled_folders(out):
    settings = resolve(CHAPTER, output_dir=out)
    assert settings.checkpoint == str(ROOT / "lab" / "checkpoints" / "mini-bert")
    assert settings.dataset == (str(ROOT / "lab" / "corpora" / "reviews"),)


def test_the_hub_profile_is_the_tutorials_own_setting(out, monkeypatch):
    monkeypatch.setattr(access, "check_hub", lambda names: None)
    settings = resolve(CHAPTER, "hub", output_dir=out)
    assert (settings.checkpoint, settings.dataset) == ("distilbert/distilbert-base-uncased", ("stanfordnlp/imdb",))
    assert (settings.num_train_epochs, settings.batch_size, settings.learning_rate, settings.weight_decay) == (3, 64, 2e-5, 0.01)
    assert (settings.max_train_samples, settings.max_eval_samples, settings.chunk_size) == (10_000, 1_000, 128)


def test_an_unknown_chapter_is_named(out):
    with pytest.raises(ValueError, match="Unknown chapter '99_x': there are settings for 01, 02, 03"):
        resolve("99_x", output_dir=out)


def test_a_limited_training_brings_a_limited_evaluation(out):
    assert resolve(CHAPTER, max_train_samples=2000, output_dir=out).max_eval_samples == 200
    assert resolve(CHAPTER, max_train_samples=2000, max_eval_samples=50, output_dir=out).max_eval_samples == 50


@pytest.mark.parametrize("chapter", ROWS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_chapter_has_both_profiles(chapter, profile, out, monkeypatch):
    monkeypatch.setattr(access, "check_hub", lambda names: None)
    assert resolve(f"{chapter}_x", profile, output_dir=out).profile == profile


def test_parameters_override_the_row_and_none_does_not(out):
    settings = resolve(CHAPTER, batch_size=4, learning_rate=None, seed=None, output_dir=out)
    assert (settings.batch_size, settings.learning_rate, settings.seed) == (4, 3e-4, 42)


def test_relative_folders_count_from_the_repository_root(tmp_path, out, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve(CHAPTER, dataset="lab/corpora/questions", output_dir=out).dataset == (str(ROOT / "lab" / "corpora" / "questions"),)


def test_a_configuration_follows_its_data_set(out):
    settings = resolve(CHAPTER, dataset="lab/corpora/reviews", dataset_config="default", output_dir=out)
    assert settings.dataset[1] == "default"


def test_edited_rows_are_read_anew(tmp_path, out, monkeypatch):
    from datasets import config, load_dataset

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", config.HF_DATASETS_CACHE)
    folder = shutil.copytree(ROOT / "lab" / "corpora" / "reviews", tmp_path / "mine")
    for text in ("first", "second"):
        (folder / "train.jsonl").write_text(json.dumps({"text": text, "label": 1}) + "\n")
        settings = resolve(CHAPTER, dataset=str(folder), output_dir=out)
        assert load_dataset(*settings.dataset)["train"]["text"][:] == [text]


def test_no_path_of_this_machine_is_shown(out):
    settings = resolve(CHAPTER, output_dir=out)
    for text in (repr(settings), settings._repr_html_()):
        assert str(ROOT) not in text and out not in text
        assert "mini-bert" in text
    assert 'load_dataset("stanfordnlp/imdb")' in settings._repr_html_().replace("&quot;", '"')


def test_the_panel_shows_all_that_the_hub_profile_loads(out):
    questions, loop = (resolve(name, output_dir=out).stands_for for name in ("04_eli5_distilroberta", "05_accelerate_loop"))
    assert questions[1] == 'load_dataset("dany0407/eli5_category", split="train[:5000]")'
    assert loop[2:] == ('AutoTokenizer.from_pretrained("google-bert/bert-base-uncased")', 'load_dataset("nyu-mll/glue", "mrpc")')


def test_text_in_settings_is_escaped(tmp_path, out):
    folder = tmp_path / "<b>"
    folder.mkdir()
    assert "<b>" not in resolve(CHAPTER, dataset=str(folder), output_dir=out)._repr_html_()


@pytest.mark.parametrize("device, offered", [("cuda", True), ("cpu", False)])
def test_a_gpu_in_the_lab_profile_brings_one_sentence(device, offered, out, monkeypatch):
    import torch

    monkeypatch.setattr("helpers.settings.default_device", lambda: torch.device(device))
    assert ("There is a GPU here" in resolve(CHAPTER, output_dir=out)._repr_html_()) is offered


@pytest.mark.parametrize(
    "parameters, error, message",
    [
        (dict(profile="lap"), ValueError, "Unknown profile 'lap': choose one of 'lab', 'hub'"),
        (dict(batchsize=3), ValueError, "Unknown parameter 'batchsize': the parameters cell of 03_imdb"),
        (dict(batch_size=0), ValueError, "batch_size must be a whole number above 0, not 0"),
        (dict(max_train_samples=1e3), ValueError, "max_train_samples must be a whole number above 0, not 1000.0"),
        (dict(max_train_samples="many"), ValueError, "max_train_samples must be a whole number above 0, not 'many'"),
        (dict(num_train_epochs=float("inf")), ValueError, "num_train_epochs must be a number above 0, not inf"),
        (dict(seed=-1), ValueError, "seed must be a whole number from 0, not -1"),
        (dict(push_to_hub="false"), ValueError, "push_to_hub must be True or False, not 'false'"),
        (dict(dataset=2024), FileNotFoundError, "There is no folder '2024'"),
        (dict(learning_rate="fast"), ValueError, "learning_rate must be a number above 0, not 'fast'"),
        (dict(dataset="./nowhere"), FileNotFoundError, "There is no folder './nowhere' for dataset .* give an existing folder or a Hub id"),
        (dict(dataset="my texts/train"), FileNotFoundError, "There is no folder 'my texts/train' for dataset"),
        (dict(checkpoint="/no/such/model"), FileNotFoundError, "There is no folder '/no/such/model' for checkpoint"),
        (dict(dataset="imdb"), FileNotFoundError, "a Hub id such as 'owner/name'"),
        (dict(output_dir=__file__), OSError, "Nothing can be written to the output folder .*test_settings.py .File exists.: give another"),
    ],
)
def test_wrong_parameters_are_told_in_one_sentence(parameters, error, message, out):
    with pytest.raises(error, match=message):
        resolve(CHAPTER, **{"output_dir": out} | parameters)


@pytest.fixture
def checkpoint(tmp_path):
    return shutil.copytree(ROOT / "lab" / "checkpoints" / "mini-bert", tmp_path / "checkpoint")


def test_damaged_weights_are_named_with_a_way_out(checkpoint, out):
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(OSError, match=r"The weights .*model.safetensors are damaged .*'git checkout -- lab'"):
        resolve(CHAPTER, checkpoint=str(checkpoint), output_dir=out)


def test_weights_cut_off_in_the_middle_are_damaged_too(checkpoint, out):
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(OSError, match="are damaged"):
        resolve(CHAPTER, checkpoint=str(checkpoint), output_dir=out)


def test_a_pickle_is_no_checkpoint(checkpoint, out):
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    with pytest.raises(OSError, match="no .*safetensors weights; only this format is loaded, since a pickle can run code"):
        resolve(CHAPTER, checkpoint=str(checkpoint), output_dir=out)


@pytest.fixture
def dead_endpoint(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def test_an_unreachable_hub_names_three_ways_out(dead_endpoint, out):
    with pytest.raises(ConnectionError, match="profile='lab'.*HF_ENDPOINT.*folders as dataset= and checkpoint="):
        resolve(CHAPTER, "hub", output_dir=out)


def test_folders_need_no_hub(dead_endpoint, out):
    resolve(CHAPTER, "hub", dataset="lab/corpora/reviews", checkpoint="lab/checkpoints/mini-bert", output_dir=out)


rows = Dataset.from_dict({"text": ["a", "b"]})


@pytest.mark.parametrize(
    "data, column, error, message",
    [
        (DatasetDict(test=rows), "text", KeyError, "The data set has no split 'train', only test; name its file train.parquet"),
        (
            DatasetDict(train=rows),
            "review",
            KeyError,
            "The data set has no column 'review', only text; name the one with the texts: text_column",
        ),
        (DatasetDict(train=rows.select([])), "text", ValueError, "The split 'train' has too few rows .0."),
        (DatasetDict(train=rows.select([0])), "text", ValueError, "The split 'train' has too few rows .1."),
    ],
)
def test_a_corpus_that_does_not_fit_is_told_why(data, column, error, message):
    with pytest.raises(error) as caught:
        validation.corpus(data, column)
    assert re.search(message, str(caught.value))


def test_a_fitting_corpus_passes():
    validation.corpus(DatasetDict(train=rows), "text")


def test_chunks_beyond_the_models_positions_are_refused(tokenizer, tiny_model):
    with pytest.raises(ValueError, match="Chunks of 65 tokens are longer than the 6[24] that this model takes: lower chunk_size"):
        validation.masked_lm(tokenizer, tiny_model, 65)
    validation.masked_lm(tokenizer, tiny_model, 62)


def test_a_tokenizer_without_a_mask_token_is_refused(tokenizer, tiny_model):
    class Causal:
        mask_token, name_or_path = None, "gpt"

    with pytest.raises(ValueError, match="The tokenizer of gpt has no mask token: take the checkpoint of a masked language model"):
        validation.masked_lm(Causal(), tiny_model, 8)


def test_a_corpus_shorter_than_one_chunk_is_told_so():
    with pytest.raises(ValueError, match="The corpus is shorter than one chunk of 128 tokens: add text or lower chunk_size"):
        validation.chunks(rows.select([]), 128)


@pytest.mark.parametrize(
    "capabilities, expected",
    [
        ({"avx512_bf16": True}, "torch.bfloat16"),
        ({"amx_bf16": True}, "torch.bfloat16"),
        ({"avx512_f": True}, "torch.float32"),
        ({}, "torch.float32"),
    ],
)
def test_bf16_on_a_cpu_only_with_the_instructions(capabilities, expected, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities, raising=False)
    assert str(precision.best_dtype("cpu")) == expected
    assert precision.training_flags("cpu") == {"bf16": expected == "torch.bfloat16", "fp16": False, "use_cpu": True}


@pytest.mark.parametrize(
    "capability, expected", [((7, 0), "torch.float16"), ((7, 5), "torch.float16"), ((8, 0), "torch.bfloat16"), ((9, 0), "torch.bfloat16")]
)
def test_old_cards_take_fp16_and_newer_ones_bf16(capability, expected, monkeypatch):
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: capability)
    assert str(precision.best_dtype("cuda")) == expected


def test_apples_gpu_stays_at_float32():
    assert precision.training_flags("mps") == {"bf16": False, "fp16": False, "use_cpu": False}


def test_figures_are_left_as_json_and_read_back(monkeypatch):
    from helpers.results import record, recorded

    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, metadata, raw: shown.append(data))
    record(perplexity_before=21.75, accuracy=1)
    (data,) = shown
    assert data["application/json"] == {"course_metrics": {"perplexity_before": 21.75, "accuracy": 1.0}}
    json.dumps(data)
    cell = {"outputs": [{"data": data}, {"output_type": "stream"}]}
    later = {"outputs": [{"data": {"application/json": {"course_metrics": {"accuracy": 0.5}}}}]}
    overflown = {"outputs": [{"data": {"application/json": {"course_metrics": {"perplexity": "inf", "loss": None}}}}]}
    assert str(recorded({"cells": [overflown]})) == "{'perplexity': inf, 'loss': nan}"
    assert recorded({"cells": [cell, {"cell_type": "markdown"}, later]}) == {"perplexity_before": 21.75, "accuracy": 0.5}


@pytest.mark.parametrize("value", ["3", None, True, [1]])
def test_a_figure_must_be_a_number(value):
    from helpers.results import record

    with pytest.raises(TypeError, match=r"record\(f1=…\) takes a number"):
        record(f1=value)


def test_without_controls_the_pictures_of_a_view_stay():
    from helpers.results import without_controls

    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/html": "<p>picture</p>"}
    notebook = {"metadata": {"widgets": {}, "kernelspec": {}}, "cells": [{"outputs": [{"data": widget}, {"name": "stdout"}]}, {}]}
    without_controls(notebook)
    assert notebook == {
        "metadata": {"kernelspec": {}},
        "cells": [{"outputs": [{"data": {"text/html": "<p>picture</p>"}}, {"name": "stdout"}]}, {}],
    }
