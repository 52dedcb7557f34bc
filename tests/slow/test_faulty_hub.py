"""A Hub that answers 500, 404 or 429, slowly, half a file or not at all: what a user of the hub profile reads, and what is kept."""

import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import access
from helpers.settings import resolve

sys.path.insert(0, str(Path(__file__).parent / "hub"))
from server import Hub

ROOT = Path(__file__).resolve().parents[2]
CHAPTER, MODEL, DATASET = "03_imdb_domain_adaptation", "distilbert/distilbert-base-uncased", "stanfordnlp/imdb"


@pytest.fixture
def hub(tmp_path):
    """Serves the chapter's checkpoint and data set; `fault`, where it is set, is asked first and says whether it has answered."""
    shutil.copytree(ROOT / "lab" / "checkpoints" / "mini-bert", tmp_path / "hub" / "models" / MODEL)
    shutil.copytree(ROOT / "lab" / "corpora" / "reviews", tmp_path / "hub" / "datasets" / DATASET)
    hub = Hub(tmp_path / "hub")
    hub.fault = lambda request: False
    good = hub.server.RequestHandlerClass

    class Faulty(good):
        def answer(self):
            if not hub.fault(self):
                super().answer()

        do_GET = do_HEAD = do_POST = answer

    hub.server.RequestHandlerClass = Faulty
    yield hub
    hub.close()


def status(code: int, where: str = ""):
    """Answers so wherever the address contains this."""

    def answer(request) -> bool:
        if where in request.path:
            request.send_response(code)
            request.send_header("Content-Length", "0")
            request.end_headers()
        return where in request.path

    return answer


def half(where: str, pause: float = 0):
    """Sends the first half of a file, whatever part of it is asked for, and after a pause nothing more."""

    def answer(request) -> bool:
        if where not in request.path or request.command != "GET":
            return False
        kind, repo_id, name = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)", request.path).groups()
        content = (request.hub.root / (kind or "models") / repo_id / name).read_bytes()
        start = int(re.match(r"bytes=(\d+)|", request.headers.get("Range", ""))[1] or 0)
        request.send_response(206 if start else 200)
        for header in ("Content-Length", str(len(content) - start)), ("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"):
            request.send_header(*header)
        request.end_headers()
        request.wfile.write(content[start : len(content) // 2])
        time.sleep(pause)
        request.close_connection = True
        return True

    return answer


# -- The settings cell, which asks the Hub once

ELSEWHERE = r"take profile='lab', which needs no network, .*give folders as dataset= and checkpoint=, or set HF_HUB_OFFLINE=1"


@pytest.fixture
def refusal(hub, tmp_path, monkeypatch):
    """What the settings cell says, and after how many seconds."""
    monkeypatch.setattr(access, "HUB_PATIENCE", 2)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    def call() -> tuple[str, float]:
        began = time.monotonic()
        with pytest.raises(ConnectionError) as caught:
            access.check_access(resolve(CHAPTER, "hub", output_dir=str(tmp_path / "out")))
        return str(caught.value), time.monotonic() - began

    return call


def test_a_hub_in_order_is_asked_for_the_checkpoint_and_the_data_set(hub, refusal):
    access.check_hub({"model": [MODEL], "dataset": [DATASET]})
    assert hub.requests[-2:] == [f"GET /api/models/{MODEL}", f"GET /api/datasets/{DATASET}"]


def silent(request) -> bool:
    request.close_connection = True
    return True


@pytest.mark.parametrize(
    "fault, told",
    [
        (status(500), rf"{MODEL} should come from the Hub, but http://.* answers 500 Internal Server Error: try again .*{ELSEWHERE}"),
        (status(429), rf"{MODEL} should come from the Hub, but http://.* answers 429 Too Many Requests: .*'hf auth login'.*{ELSEWHERE}"),
        (status(503, DATASET), rf"{DATASET} should come from the Hub, but http://.* answers 503 Service Unavailable: .*{ELSEWHERE}"),
        (status(404), rf"{MODEL} should .*http://.* lets you read no such repository \(404 Not Found\): check the id, .*{ELSEWHERE}"),
        (
            status(401, DATASET),
            rf"{DATASET} should .*http://.* no such repository \(401 Unauthorized\): .*'hf auth login' if it is private",
        ),
        (lambda request: time.sleep(4), rf"{MODEL}, {DATASET} should come .*http://.* cannot be reached \(timed out\); {ELSEWHERE}"),
        (silent, rf"{MODEL}, {DATASET} should come .*http://.* cannot be reached .*{ELSEWHERE}"),
    ],
    ids=["500", "429", "503 for the data set", "404", "401 for the data set", "slow", "no answer"],
)
def test_a_refusal_is_one_sentence_with_ways_out_and_comes_soon(hub, refusal, fault, told):
    hub.fault = fault
    said, seconds = refusal()
    assert re.match(told, said) and "\n" not in said, said
    assert seconds < 4


def test_nobody_there_is_told_too(hub, refusal, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    said, _ = refusal()
    assert re.match(rf"{MODEL}, {DATASET} should come .*http://.* cannot be reached \(.*refused.*\); {ELSEWHERE}", said), said


# -- The cells below it: a Hub that gives out on the way

SETTINGS = f"from helpers.access import open_chapter\nsettings = open_chapter('{CHAPTER}', globals())"
WEIGHTS = "from transformers import AutoModelForMaskedLM\nmodel = AutoModelForMaskedLM.from_pretrained(settings.checkpoint)"
ROWS = "from datasets import load_dataset\nreviews = load_dataset(*settings.dataset)"
WAY_OUT = (
    "The network or the Hub gave out on the way: run the same command again, which fetches only what is missing, "
    "or take the lab profile, which needs no network."
)


@pytest.mark.parametrize(
    "fault, cell, told",
    [
        (half("model.safetensors"), WEIGHTS, rf"OSError: .*{MODEL}.*\nIt began with .*RemoteProtocolError: peer closed connection .*"),
        (half("model.safetensors", pause=3), WEIGHTS, rf"OSError: .*{MODEL}.*\nIt began with .*(ReadTimeout|TimeoutError): timed out"),
        (half("train.jsonl"), ROWS, "RemoteProtocolError: peer closed connection .*"),
        (
            status(500, "train.jsonl"),
            ROWS,
            r".*Error: .*\nIt began with .*Server error '500 Internal Server Error' for url .*/train\.jsonl'",
        ),
    ],
    ids=["half the weights", "weights that stall", "half the rows", "500 for the rows"],
)
def test_what_gives_out_on_the_way_is_named_and_the_next_run_goes_on(hub, small_chapter, tmp_path, fault, cell, told):
    environment = hub.environment(tmp_path / "home") | {"HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}
    notebook = small_chapter(tmp_path / "01_a.ipynb", SETTINGS, cell)
    command = [sys.executable, "tools/run.py", notebook, "--out", tmp_path / "out", "--profile", "hub"]

    hub.fault = fault
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    told = rf"^01_a failed in cell \[4\] \(Training\): {told}\n{re.escape(WAY_OUT)}\n"
    assert re.search(told, done.stderr, re.MULTILINE), done.stderr

    hub.fault, before = (lambda request: False), len(hub.requests)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fetched = [request for request in hub.requests[before:] if request.startswith("GET") and "/resolve/" in request]
    assert not any(request.endswith("config.json") for request in fetched), "what had come was fetched again"
