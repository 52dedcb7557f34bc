"""What a run needs before it starts: weights, the Hub, an output folder, a cache of its own."""

import json
import shutil
import socket

import pytest

from common import ROOT
from helpers import i18n
from helpers.access import check_access, check_writable, open_chapter
from helpers.settings import resolve

CHAPTER = "03_imdb_domain_adaptation"


@pytest.fixture(autouse=True)
def cache(monkeypatch):
    """The datasets' cache is put back after each test."""
    from datasets import config

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", config.HF_DATASETS_CACHE)


@pytest.fixture
def look(tmp_path):
    """Looks at what a run of chapter 03 with these parameters needs."""

    def call(profile="lab", **parameters):
        settings = resolve(CHAPTER, profile, output_dir=str(tmp_path / "out"), **parameters)
        check_access(settings)
        return settings

    return call


def test_a_chapter_opens_with_the_variables_of_its_notebook(tmp_path):
    variables = {"language": "zh-CN", "batch_size": 4, "seed": None, "output_dir": str(tmp_path / "out"), "other": object()}
    settings = open_chapter(CHAPTER, variables)
    assert (settings.batch_size, settings.seed) == (4, 42) and (tmp_path / "out").is_dir()
    assert i18n.translated("Right.") != "Right."
    open_chapter(CHAPTER, variables | {"language": None})
    assert i18n.translated("Right.") == "Right."


def test_an_output_folder_that_is_a_file_is_refused():
    with pytest.raises(OSError, match="Nothing can be written to the output folder .*test_access.py .File exists.: give another"):
        check_writable(__file__)


def test_edited_rows_are_read_anew(tmp_path, look):
    from datasets import load_dataset

    folder = shutil.copytree(ROOT / "lab" / "corpora" / "reviews", tmp_path / "mine")
    for text in ("first", "second"):
        (folder / "train.jsonl").write_text(json.dumps({"text": text, "label": 1}) + "\n")
        settings = look(dataset=str(folder))
        assert load_dataset(*settings.dataset)["train"]["text"][:] == [text]


@pytest.fixture
def checkpoint(tmp_path):
    return shutil.copytree(ROOT / "lab" / "checkpoints" / "mini-bert", tmp_path / "mini")


@pytest.mark.parametrize("kept", [1000, -10], ids=["the beginning", "all but the end"])
def test_damaged_weights_are_told_with_a_way_out(checkpoint, look, kept):
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"mini cannot be opened \(.*header.*\): .*'git checkout -- lab'"):
        look(checkpoint=str(checkpoint))


def test_a_pickle_is_no_checkpoint(checkpoint, look):
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    with pytest.raises(ValueError, match="no .*safetensors weights; only this format is loaded, since a pickle can run code"):
        look(checkpoint=str(checkpoint))


@pytest.fixture
def dead_endpoint(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def test_an_unreachable_hub_names_three_ways_out(dead_endpoint, look):
    with pytest.raises(ConnectionError, match="profile='lab'.*HF_ENDPOINT.*folders as dataset= and checkpoint="):
        look("hub")


def test_folders_need_no_hub(dead_endpoint, look):
    look("hub", dataset="lab/corpora/reviews", checkpoint="lab/checkpoints/mini-bert")
