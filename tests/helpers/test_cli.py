"""The command line, from options to a saved model."""

import re
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import pytest
from transformers import AutoModelForMaskedLM, AutoTokenizer

from common import ROOT
from helpers.train import cli, hub, loop
from training import assert_same, weights_of

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("one_thread", "fresh_accelerator")]
train = loop.train


def command(materials, *more):
    return cli.main([str(word) for word in (*materials, *more)])


def refusal(materials, *more):
    with pytest.raises(SystemExit) as caught:
        command(materials, *more)
    return str(caught.value)


@pytest.mark.parametrize("masks", [[], ["--whole-words"]])
def test_the_command_trains_and_leaves_a_model_with_a_card(materials, tmp_path, tokenizer, masks):
    run = command(materials, "--output-dir", tmp_path, "--num-train-epochs", 2, *masks)
    assert [row["epoch"] for row in run.history] == [0, 1, 2]
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "model")
    assert_same(model.state_dict(), weights_of(run))
    assert AutoTokenizer.from_pretrained(tmp_path / "model").get_vocab() == tokenizer.get_vocab()
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"| 2 | {run.step} | {run.history[-1]['perplexity']:.2f} | {run.history[-1]['tokens']} |" in card
    assert str(Path(materials[1]).parent) not in card  # nobody else has our folders


def test_the_command_goes_on_where_it_stopped_when_told_to(materials, tmp_path, monkeypatch):
    def stop(run, folder, save_every, each_epoch):
        train(run, folder, save_every, until=9)
        raise KeyboardInterrupt

    whole = command(materials, "--output-dir", tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train", stop)
        with pytest.raises(KeyboardInterrupt):
            command(materials, "--output-dir", tmp_path / "stopped", "--save-every", 4)
    message = refusal(materials, "--output-dir", tmp_path / "stopped")
    assert re.search(r"stopped at step 8 of 18: add --resume to go on with it, give another --output-dir", message)
    resumed = command(materials, "--output-dir", tmp_path / "stopped", "--resume")
    assert len(resumed.losses) == 10 and resumed.history == whole.history
    assert_same(weights_of(resumed), weights_of(whole))


def test_another_folder_of_the_same_name_is_not_taken_for_the_same_texts(materials, tmp_path):
    command(materials, "--output-dir", tmp_path / "out", "--num-train-epochs", 1)
    lines = (materials[3] / "train.jsonl").read_text(encoding="utf-8").replace("film", "plot").splitlines()
    other = tmp_path / materials[3].name
    other.mkdir()
    (other / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    message = refusal(materials, "--output-dir", tmp_path / "out", "--num-train-epochs", 1, "--dataset", other, "--resume")
    assert re.search(r"belongs to a training with fingerprint = \w+, and this one has \w+: resume with the same settings", message)


def test_repeated_texts_are_left_out_and_counted(materials, tmp_path, capsys):
    lines = (materials[3] / "train.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "train.jsonl").write_text("\n".join(5 * lines), encoding="utf-8")
    small = ("--num-train-epochs", 1, "--max-train-samples", 16)
    run = command(materials, "--output-dir", tmp_path / "five", "--dataset", tmp_path / "texts", *small)
    assert "160 of 200 texts are blank or repeat an earlier one; they are left out.\n" in capsys.readouterr().out
    assert run.plan["fingerprint"] == command(materials, "--output-dir", tmp_path / "one", *small).plan["fingerprint"]


def test_an_upload_that_failed_is_made_good_by_the_last(materials, tmp_path, monkeypatch):
    pushed, fails = [], [True, False]

    def upload_folder(repo_id, folder_path, commit_message, run_as_future):
        upload = Future()
        upload.set_exception(OSError("gone")) if fails.pop(0) else upload.set_result(None)
        pushed.append((commit_message, (folder_path / "model.safetensors").read_bytes()))
        return upload

    monkeypatch.setattr(hub, "create_repository", lambda name: name)
    monkeypatch.setattr(hub, "upload_folder", upload_folder)
    words = ("--num-train-epochs", 2, "--push-to-hub", "--hub-model-id", "me/mine")
    run = command(materials, "--output-dir", tmp_path, *words)
    assert [message for message, _ in pushed] == [f"Step {run.steps // 2} of {run.steps}", f"Step {run.steps} of {run.steps}"]
    assert pushed[0][1] != pushed[1][1] == (tmp_path / "model" / "model.safetensors").read_bytes()
    fails[:] = [False, True]
    with pytest.raises(OSError, match=r"The upload failed \(gone\); the model lies under output_dir: push it later by 'hf upload'"):
        command(materials, "--output-dir", tmp_path / "again", *words)


def test_files_are_not_changed_while_they_are_uploaded(materials, tmp_path, monkeypatch):
    pushed, under_way = [], Future()

    def upload_folder(commit_message, **_):
        pushed.append(commit_message)
        if len(pushed) == 1:
            return under_way
        done = Future()
        done.set_result(None)
        return done

    def last_epoch(run, *arguments, each_epoch, **more):
        train(run, *arguments, each_epoch=each_epoch, **more)
        under_way.set_result(None)

    monkeypatch.setattr(hub, "create_repository", lambda name: name)
    monkeypatch.setattr(hub, "upload_folder", upload_folder)
    monkeypatch.setattr(loop, "train", last_epoch)
    run = command(materials, "--output-dir", tmp_path, "--push-to-hub")
    assert pushed == [f"Step {run.steps // 3} of {run.steps}", f"Step {run.steps} of {run.steps}"]


@pytest.fixture
def stranger(monkeypatch, tmp_path):
    """No token anywhere."""
    from huggingface_hub import constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))


def test_pushing_without_a_token_is_refused_before_training(materials, tmp_path, stranger):
    message = refusal(materials, "--output-dir", tmp_path, "--push-to-hub")
    assert message.startswith("error: push_to_hub is on, but there is no token of the Hub here: log in by 'hf auth login'")
    assert not list(tmp_path.glob("checkpoints/*"))


@pytest.mark.parametrize("words, message", [
    (["--batch-size", "0"], "batch_size must be a whole number above 0"),
    (["--dataset", "no/such/folder"], "There is no folder 'no/such/folder' for dataset"),
    (["--text-column", "texts"], "The data set has no column 'texts', only text"),
    (["--warmup-steps", "-5"], "warmup_steps must be a whole number above 0, not -5"),
    (["--save-every", "-1"], "save_every must be a whole number above 0, not -1"),
    (["--warmup-steps", "18"], "A warm-up of 18 steps fills this training of 18: lower warmup_steps"),
    (["--resume", "lab"], "lab is no checkpoint and holds none"),
])  # fmt: skip
def test_other_mistakes_take_one_sentence_too(materials, tmp_path, words, message):
    assert message in refusal(materials, "--output-dir", tmp_path, *words)


def test_the_module_is_a_program(tmp_path):
    done = subprocess.run([sys.executable, "-m", "helpers.train", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "--save-every STEPS" in done.stdout and done.stderr == ""


def test_a_worker_that_imports_the_program_again_does_not_train_again():
    again = "import runpy; runpy.run_path('helpers/train/__main__.py', run_name='__mp_main__')"  # as a spawned process does
    done = subprocess.run([sys.executable, "-c", again, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
