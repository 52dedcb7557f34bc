"""Pushing, and loading what was pushed, against a Hub on this machine; each client is a process of its own.

The libraries read HF_ENDPOINT when they are imported, so it must be set before Python starts.
"""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from repositories import Repository
from server import Hub

from common import ROOT, tiny_checkpoint

TOKEN = "hf_" + "PlantedToken" * 3  # is looked for where it must not be
EPOCHS = 3


@pytest.fixture
def hub(tmp_path):
    hub = Hub(tmp_path / "hub", TOKEN)
    yield hub
    hub.close()


@pytest.fixture
def client(hub, tmp_path):
    """Runs Python with arguments; the Hub is the local one, and nothing else of the Hub's client is inherited."""

    def run(*words, token=TOKEN):
        environment = hub.environment(tmp_path / "home", token) | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, *map(str, words)]
        return subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return run


@pytest.fixture(scope="module")
def materials(tmp_path_factory):
    """A tiny checkpoint and all training reviews, as arguments; an epoch takes seconds, an upload a fraction of one."""
    model = tiny_checkpoint(tmp_path_factory.mktemp("materials") / "model")
    return ["--checkpoint", model, "--dataset", "lab/corpora/reviews", "--chunk-size", 32, "--batch-size", 4,
            "--num-train-epochs", EPOCHS, "--mixed-precision", "no", "--cpu"]  # fmt: skip


def in_words(text):
    """The lines that a user reads, without progress bars."""
    return [line for line in re.split(r"[\r\n]+", text) if line.strip() and "it/s" not in line and "%|" not in line]


LOGITS = """
import sys, torch
from transformers import AutoModelForMaskedLM, AutoTokenizer
found = {}
for place in sys.argv[2:]:
    inputs = AutoTokenizer.from_pretrained(place)("This is a great [MASK].", return_tensors="pt")
    with torch.no_grad():
        found[place] = AutoModelForMaskedLM.from_pretrained(place)(**inputs).logits
torch.save(found, sys.argv[1])
"""


def test_each_epoch_is_pushed_and_the_last_comes_back_the_same(hub, client, materials, tmp_path):
    import torch

    out = tmp_path / "out"
    done = client("-m", "helpers.train", *materials, "--output-dir", out, "--push-to-hub", "--hub-model-id", "learner/mine")
    assert done.returncode == 0, done.stdout
    steps = [int(re.fullmatch(r"Step (\d+) of \d+", title)[1]) for title in hub.commits["models/learner/mine"]]
    assert steps == [steps[-1] * (epoch + 1) // EPOCHS for epoch in range(EPOCHS)]  # one an epoch

    files = Repository.find(hub.root, "models", "learner/mine").files()
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"} <= files.keys()
    card = files["README.md"].read_text(encoding="utf-8")
    assert "# learner/mine" in card and 'model="learner/mine"' in card and "reviews" in card
    assert len(re.findall(r"^\| \d+ \| \d+ \| \d+\.\d\d \| [\d,]+ \|$", card, re.MULTILINE)) == EPOCHS + 1  # and before the first
    assert re.search(r"\{\w*\}", re.sub(r"```.*?```", "", card, flags=re.DOTALL)) is None  # nothing left to fill in

    loaded = client("-c", LOGITS, tmp_path / "logits.pt", "learner/mine", out / "model", token=None)
    assert loaded.returncode == 0, loaded.stdout
    assert any(re.fullmatch(r"GET /learner/mine/resolve/\w+/model\.safetensors", request) for request in hub.requests)
    hubs, local = torch.load(tmp_path / "logits.pt").values()
    assert torch.equal(hubs, local)

    assert TOKEN not in done.stdout + loaded.stdout
    left = {path: path.read_bytes() for path in [*out.rglob("*"), *hub.root.rglob("*")] if path.is_file()}
    assert len(left) > 10 and [path for path, content in left.items() if TOKEN.encode() in content] == []


def test_training_goes_on_while_an_upload_takes_its_time(hub, client, materials, tmp_path):
    out = tmp_path / "out"
    waited = []

    def until_the_last_epoch(repo_id):
        deadline = time.monotonic() + 60
        while not waited and time.monotonic() < deadline:
            newest = max((int(path.name[-7:]) for path in (out / "checkpoints").glob("step-*")), default=0)
            if newest > 0.9 * steps_of(out):
                waited.append(newest)
            time.sleep(0.05)

    hub.before_commit = until_the_last_epoch
    words = ("--output-dir", out, "--push-to-hub", "--hub-model-id", "learner/slow", "--save-every", 50)
    done = client("-m", "helpers.train", *materials, *words)
    assert done.returncode == 0, done.stdout
    assert waited, "the first upload was over only after a minute: training had waited for it"
    first, last = hub.commits["models/learner/slow"]  # what epoch 2 had, the last one brings too
    total = steps_of(out)
    assert (first, last) == (f"Step {total // EPOCHS} of {total}", f"Step {total} of {total}")
    assert (hub.root / "models" / "learner" / "slow" / "model.safetensors").read_bytes() == (
        out / "model" / "model.safetensors"
    ).read_bytes()


def steps_of(out):
    """Steps that the training has in all, from any of its checkpoints."""
    return json.loads(next((out / "checkpoints").glob("step-*/notes.json")).read_text())["plan"]["steps"]


@pytest.mark.parametrize("token, name, sentence", [
    (None, "learner/mine", r"error: push_to_hub is on, but there is no token of the Hub here: log in by 'hf auth login'.*"),
    ("hf_of_somebody_else", "learner/mine", r"error: The Hub does not accept your token: log in again by 'hf auth login'.*"),
    (TOKEN, "learner/not a name", r"error: The Hub refuses the repository 'learner/not a name' \(.*\): give another hub_model_id.*"),
    (TOKEN, "learner/ends_with_", r"error: The Hub refuses the repository 'learner/ends_with_' \(.*\): give another hub_model_id.*"),
    (TOKEN, "somebody/else", r"error: The Hub refuses the repository 'somebody/else' \(You have no right.*\): give another hub_model_id.*"),
])  # fmt: skip
def test_a_push_that_cannot_work_is_refused_in_one_sentence_before_training(hub, client, materials, tmp_path, token, name, sentence):
    words = ("--output-dir", tmp_path / "out", "--push-to-hub", "--hub-model-id", name)
    done = client("-m", "helpers.train", *materials, *words, token=token)
    assert done.returncode == 1
    (line,) = in_words(done.stdout)
    assert re.fullmatch(sentence, line), line
    assert not (tmp_path / "out" / "checkpoints").exists() and not hub.root.exists()
    assert TOKEN not in done.stdout and "hf_of_somebody_else" not in done.stdout


READING = """
import json
import evaluate
from datasets import load_dataset
corpus = load_dataset("course/reviews")
labels = corpus["test"].features["label"].names
metric = evaluate.load("course/mrpc")
figures = metric.compute(predictions=[1, 1, 0, 0], references=[1, 1, 1, 0])
print(json.dumps([{split: len(rows) for split, rows in corpus.items()}, corpus["test"][0]["text"], labels, figures]))
"""


def test_data_sets_and_metrics_load_by_their_ids(hub, client):
    shutil.copytree(ROOT / "lab" / "corpora" / "reviews", hub.root / "datasets" / "course" / "reviews")
    shutil.copytree(ROOT / "lab" / "metrics" / "mrpc", hub.root / "spaces" / "course" / "mrpc")
    done = client("-c", READING, token=None)
    assert done.returncode == 0, done.stdout
    sizes, text, labels, figures = json.loads(done.stdout.splitlines()[-1])
    rows = [json.loads(line) for line in (ROOT / "lab" / "corpora" / "reviews" / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sizes == {"train": 600, "test": 300, "unsupervised": 150} and text == rows[0]["text"] and labels == ["neg", "pos"]
    assert figures == {"accuracy": 0.75, "f1": pytest.approx(0.8)}


ABROAD = """
import socket, sys, urllib.request
udp = socket.socket(type=socket.SOCK_DGRAM)
for call in (
    lambda: urllib.request.urlopen("http://example.org"),
    lambda: socket.create_connection(("192.0.2.1", 80)),
    lambda: udp.sendto(b"", ("192.0.2.2", 80)),
    lambda: urllib.request.urlopen(sys.argv[1] + "/api/models/course/none"),
):
    try:
        call()
    except OSError as error:
        print(error)
"""


def test_a_client_reaches_this_machine_alone_and_what_it_tried_is_noted(hub, tmp_path):
    environment = hub.environment(tmp_path / "home") | {"LOOPBACK_REFUSED": str(tmp_path / "refused")}
    done = subprocess.run([sys.executable, "-c", ABROAD, hub.url], env=environment, stdout=subprocess.PIPE, text=True)
    *abroad, here = done.stdout.splitlines()
    assert len(abroad) == 3 and all("is another machine" in line for line in abroad) and "404" in here
    assert (tmp_path / "refused").read_text().split() == ["example.org", "192.0.2.1", "192.0.2.2"]


# -- The server itself -----------------------------------------------------------------------------------------------


def ask(hub, path, body=None, **headers):
    request = urllib.request.Request(hub.url + path, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


def test_to_write_takes_the_token(hub):
    wish = json.dumps({"name": "mine"}).encode()
    for headers in ({}, {"Authorization": "Bearer hf_another"}):
        assert ask(hub, "/api/repos/create", wish, **headers)[0] == ask(hub, "/api/whoami-v2", **headers)[0] == 401
    assert ask(hub, "/api/repos/create", wish, Authorization=f"Bearer {TOKEN}")[0] == 200
    assert ask(hub, "/api/repos/create", wish, Authorization=f"Bearer {TOKEN}")[0] == 409
    assert ask(hub, "/api/models/learner/mine/commit/main", b"")[0] == 401
    assert ask(hub, f"/large/{'0' * 64}", b"not announced")[0] == 401
    assert [path.relative_to(hub.root).as_posix() for path in hub.root.rglob("*")] == ["models", "models/learner", "models/learner/mine"]


def test_files_come_whole_or_in_part_and_what_is_not_there_is_a_404(hub):
    folder = hub.root / "models" / "course" / "one"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file.txt").write_text("0123456789")
    there = "/course/one/resolve/main/deep/file.txt"
    assert ask(hub, there) == (200, b"0123456789")
    assert ask(hub, there, Range="bytes=2-4") == (206, b"234") and ask(hub, there, Range="bytes=7-") == (206, b"789")
    (listed,) = json.loads(ask(hub, "/api/models/course/one/tree/main?recursive=true")[1])
    assert (listed["type"], listed["path"], listed["size"]) == ("file", "deep/file.txt", 10)
    (listed,) = json.loads(ask(hub, "/api/models/course/one/tree/main")[1])
    assert (listed["type"], listed["path"]) == ("directory", "deep")
    for path in ("/course/one/resolve/main/other", "/course/one/resolve/v2/deep/file.txt", "/course/two/resolve/main/deep/file.txt",
                 "/api/models/course/two", "/api/models/course/..", "/api/nothing"):  # fmt: skip
        assert ask(hub, path)[0] == 404, path
