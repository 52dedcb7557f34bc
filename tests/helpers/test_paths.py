"""Folders and ids of the Hub are told apart, from wherever one is."""

from pathlib import Path

import pytest

from helpers import paths

BUNDLED = "lab/checkpoints/mini-bert"


def test_relative_folders_count_from_the_repository_root_wherever_one_is(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Path(paths.locate(BUNDLED, "checkpoint")) == paths.ROOT / BUNDLED and paths.is_folder(paths.locate(BUNDLED, "checkpoint"))
    assert paths.locate(str(tmp_path / "mine"), "dataset") == str((tmp_path / "mine").resolve())
    with pytest.raises(FileNotFoundError, match="no folder 'mine' for dataset"):
        paths.locate("mine", "dataset")


def test_an_id_of_the_hub_stays_as_it_is():
    assert paths.locate("stanfordnlp/imdb", "dataset") == "stanfordnlp/imdb" and not paths.is_folder("stanfordnlp/imdb")


@pytest.mark.parametrize("name", ["./nowhere", "a/b/c", "/nowhere/at/all", "no such/name", "数据/集", " "])
def test_what_is_neither_is_told(name):
    with pytest.raises(FileNotFoundError, match="give an existing folder or a Hub id such as 'owner/name'"):
        paths.locate(name, "checkpoint")


def test_names_for_people_hold_no_path_of_this_machine():
    assert paths.shorten(f"a {paths.ROOT}/{BUNDLED} b") == f"a {BUNDLED} b"
    assert paths.path_tail(str(paths.ROOT / BUNDLED)) == "mini-bert"
    assert paths.path_tail("owner/name") == "owner/name"
