"""Nightly: every chapter in the hub profile, from a Hub on this machine, by the libraries' own client, and pushed back to it.

What is served has the ids, layout, sizes and vocabularies of the originals, and random weights: figures are there, but mean nothing.
"""

import html
import json
import math
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent / "hub"))
import originals
from repositories import Repository
from server import Hub

ROOT = Path(__file__).resolve().parents[2]
BANDS = tomllib.loads((ROOT / "tests" / "bands.toml").read_text(encoding="utf-8"))["lab"]
TOKEN = "hf_" + "PlantedToken" * 3  # is looked for where it must not be
SMALL = {"max_train_samples": 32, "max_eval_samples": 32, "num_train_epochs": 1}
MODEL = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
BERT, DISTILBERT, DISTILROBERTA = originals.MODELS
MRPC, IMDB, ELI5 = originals.DATA
CALLS = {  # that the settings show, behind the tokenizer's
    "01_mrpc_classification": ['load_dataset("nyu-mll/glue", "mrpc")', 'evaluate.load("glue", "mrpc")'],
    "02_manual_masking": [],
    "03_imdb_domain_adaptation": ['load_dataset("stanfordnlp/imdb")'],
    "04_eli5_distilroberta": ['load_dataset("dany0407/eli5_category", split="train[:5000]")'],
    "05_accelerate_loop": [
        'load_dataset("stanfordnlp/imdb")',
        f'AutoTokenizer.from_pretrained("{BERT}")',
        'load_dataset("nyu-mll/glue", "mrpc")',
    ],
}
CHAPTERS = {  # checkpoints, data sets, class of the model that is pushed
    "01_mrpc_classification": ([BERT], [MRPC], "BertForSequenceClassification"),
    "02_manual_masking": ([BERT], [], None),
    "03_imdb_domain_adaptation": ([DISTILBERT], [IMDB], "DistilBertForMaskedLM"),
    "04_eli5_distilroberta": ([DISTILROBERTA], [ELI5], "RobertaForMaskedLM"),
    "05_accelerate_loop": ([DISTILBERT, BERT], [IMDB, MRPC], "DistilBertForMaskedLM"),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    hub = Hub(tmp_path_factory.mktemp("hub"), TOKEN)
    originals.place(hub.root)
    yield hub
    hub.close()
    shutil.rmtree(hub.root)


def run(hub, folder, chapter, **given):
    """Runs a chapter as `make run` does, with an empty cache; what it leaves lies in `folder`, and what it asked in `hub.requests`."""
    hub.requests.clear()
    words = [word for name, value in given.items() for word in ("-p", name, str(value))]
    command = [sys.executable, "tools/run.py", f"notebooks/{chapter}.ipynb", "--out", folder / "out", *words]
    environment = hub.environment(folder / "home", TOKEN) | {"LOOPBACK_REFUSED": str(folder / "refused"), "TOKENIZERS_PARALLELISM": "false"}
    with (folder / "log").open("w") as log:
        status = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT).returncode
    assert status == 0, (folder / "log").read_text()[-3000:]


@pytest.fixture(scope="module", params=CHAPTERS)
def ran(request, hub, tmp_path_factory):
    folder, chapter = tmp_path_factory.mktemp(request.param), request.param
    checkpoints, datasets, pushed = CHAPTERS[chapter]
    run(hub, folder, chapter, profile="hub", **SMALL, **({"push_to_hub": True} if pushed else {}))
    yield SimpleNamespace(
        chapter=chapter, folder=folder, checkpoints=checkpoints, datasets=datasets, pushed=pushed,
        notebook=nbformat.read(folder / "out" / f"{chapter}.ipynb", as_version=4), requests=list(hub.requests),
        figures=json.loads((folder / "out" / f"{chapter}.json").read_text(encoding="utf-8"))["figures"],
        repository=hub.root / "models" / hub.user / chapter,
    )  # fmt: skip
    for large in (folder / "home", folder / "out" / "output"):
        shutil.rmtree(large)


def test_the_settings_show_what_is_loaded(ran):
    (cell,) = [cell for cell in ran.notebook.cells if cell.cell_type == "code" and "settings = open_chapter(" in cell.source]
    shown = html.unescape(cell.outputs[-1]["data"]["text/html"])
    assert "<td>profile</td><td><code>hub</code>" in shown
    assert all(f"<code>{name}" in shown for name in ran.checkpoints + ran.datasets)
    calls = re.findall(r"<code>((?:AutoTokenizer|load_dataset|evaluate).*?)</code>", shown)
    assert [call for call in calls if "lab/" not in call] == [f'AutoTokenizer.from_pretrained("{ran.checkpoints[0]}")', *CALLS[ran.chapter]]


def test_all_came_from_the_hub(ran):
    def fetched(place):
        return any(re.fullmatch(f"GET /{place}", request) for request in ran.requests)

    for name in ran.checkpoints:
        assert fetched(rf"{name}/resolve/\w+/model\.safetensors") and fetched(rf"{name}/resolve/\w+/tokenizer\.json")
    for name in ran.datasets:
        assert fetched(rf"datasets/{name}/resolve/\w+/{originals.DATA[name][0]}/train-00000-of-00001\.parquet")
    assert fetched(r"spaces/evaluate-metric/glue/resolve/main/glue\.py") == any("evaluate" in call for call in CALLS[ran.chapter])


def test_no_other_host_is_asked_for_anything(ran):
    refused = ran.folder / "refused"
    hosts = set(refused.read_text(encoding="utf-8").split()) if refused.exists() else set()
    # where a load is counted, and what the client takes for this Hub's second address; it goes on without
    assert hosts <= ({"s3.amazonaws.com", "datasets-server.127.0.0.1"} if ran.datasets else set())


def test_every_figure_is_there_and_shown_but_not_judged(ran):
    assert ran.figures.keys() == BANDS[ran.chapter].keys()
    assert all(math.isfinite(value) for value in ran.figures.values()), ran.figures
    out = ran.folder / "out"
    subprocess.run([sys.executable, "tools/summary.py", "--out", out, ran.chapter], cwd=ROOT, check=True)
    rows = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert {row["figure"]: row["verdict"] for row in rows} == dict.fromkeys(ran.figures, "shown")


def test_the_trained_model_is_pushed_and_nothing_else(ran, hub):
    if not ran.pushed:
        assert not ran.repository.exists()
        return
    files = Repository(ran.repository).files()
    assert files.keys() - {"training_args.bin"} == MODEL and len(hub.commits[f"models/{hub.user}/{ran.chapter}"]) == 1
    assert json.loads(files["config.json"].read_text())["architectures"] == [ran.pushed]
    served, trained = (load_file(path / "model.safetensors") for path in (hub.root / "models" / ran.checkpoints[0], ran.repository))
    common = trained.keys() & served.keys()
    assert len(common) > 90 and all(trained[name].shape == served[name].shape for name in common)
    assert not any(torch.equal(trained[name], served[name]) for name in common if name.endswith(("query.weight", "q_lin.weight")))
    assert all(tensor.isfinite().all() for tensor in trained.values())


def test_the_card_tells_of_this_training(ran, hub):
    if not ran.pushed:
        pytest.skip("this chapter pushes nothing")
    card = (ran.repository / "README.md").read_text(encoding="utf-8")
    assert f"base_model: {ran.checkpoints[0]}\n" in card
    if ran.chapter == "05_accelerate_loop":
        assert f'model="{hub.user}/{ran.chapter}"' in card and f"| {ran.figures['perplexity_after']:.2f} |" in card
    else:
        assert "num_epochs: 1\n" in card
    if "accuracy" in ran.figures:
        assert f"- Accuracy: {ran.figures['accuracy']:.4g}\n" in card and f"- F1: {ran.figures['f1']:.4g}\n" in card


def test_the_token_is_nowhere(ran):
    places = [ran.folder] + [ran.repository] * bool(ran.pushed)
    files = [path for place in places for path in place.rglob("*") if path.is_file() and path.stat().st_size < 50e6]  # weights apart
    assert {f"{ran.chapter}.{kind}" for kind in ("ipynb", "html", "json")} <= {path.name for path in files}
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []


def test_rows_of_a_folder_are_not_pushed_with_the_model(hub, tmp_path):
    run(hub, tmp_path, "03_imdb_domain_adaptation", **SMALL, push_to_hub=True, hub_model_id="learner/from-a-folder")
    assert Repository(hub.root / "models" / "learner" / "from-a-folder").files().keys() == MODEL | {"training_args.bin"}


def test_vocabularies_are_of_the_same_size_where_the_real_ones_are_not_at_hand(monkeypatch, tmp_path):
    monkeypatch.setattr(originals, "SHARED", tmp_path / "nowhere")
    for made, size, mask in ((originals.word_pieces, 30_522, 103), (originals.byte_level, 50_265, 50_264)):
        tokenizer = made(tmp_path)
        assert (len(tokenizer), tokenizer.mask_token_id) == (size, mask)
        assert tokenizer.decode(tokenizer("the whale sleeps")["input_ids"], skip_special_tokens=True) == "the whale sleeps"
