"""Repositories, uploads and cards, without a Hub."""

import json
from concurrent.futures import Future

import pytest

from helpers.train import hub


def test_a_repository_name_that_the_hub_refuses(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    with pytest.raises(ValueError, match=r"^The Hub refuses the repository 'me/not a name' \(.*\): give another hub_model_id"):
        hub.create_repository("me/not a name")


def test_the_card_names_what_the_hub_knows_and_nothing_else():
    plan = dict(checkpoint="owner/model", dataset="reviews", chunks=1200, chunk_size=128)
    row = dict(epoch=1.0, step=75, perplexity=12.34, tokens=1000)
    card = hub.model_card("me/mine", [row], plan)
    assert "\nbase_model: owner/model\n" in card and "datasets:" not in card
    assert "| 1 | 75 | 12.34 | 1,000 |" in card
    assert json.dumps("me/mine") in card


def test_uploads_are_busy_until_the_last_is_done(monkeypatch, tmp_path):
    started = []

    def upload_folder(**arguments):
        started.append((arguments, Future()))
        return started[-1][1]

    monkeypatch.setattr(hub, "upload_folder", upload_folder)
    uploads = hub.Uploads(tmp_path, "me/mine")
    assert not uploads.busy
    uploads.wait()  # for nothing
    uploads.start("first")
    assert uploads.busy
    started[0][1].set_exception(OSError("gone"))
    assert not uploads.busy
    uploads.finish()  # a failure is no error here
    with pytest.raises(OSError, match=r"The upload failed \(gone\); the model lies under output_dir: push it later by 'hf upload'"):
        uploads.wait()
    uploads.start("second")
    started[1][1].set_result(None)
    uploads.wait()
    expected = dict(repo_id="me/mine", folder_path=tmp_path, run_as_future=True)
    assert [arguments for arguments, _ in started] == [expected | {"commit_message": message} for message in ("first", "second")]
