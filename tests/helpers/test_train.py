"""The loop against brute force, against Trainer, against itself on two processes and after a stop.

Started as a script, this file is one of two processes: see `two`.
"""

import ast
import json
import math
import os
import re
import subprocess
import sys
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from datasets import Dataset
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, Trainer, TrainingArguments

from common import ROOT
from helpers.masking import freeze_masks
from helpers.metrics import mean_masked_loss
from helpers.settings import Settings, resolve
from helpers.train import data, hub, loop
from helpers.train.setup import forget_accelerator, new_accelerator, prepare, set_dropout

MINI_BERT = ROOT / "lab" / "checkpoints" / "mini-bert"
SEED, SIZE, BATCH = 3, 32, 4
SETTINGS = Settings("lab", "tiny", ("random",), num_train_epochs=2, batch_size=BATCH, learning_rate=3e-3, output_dir="", seed=SEED)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """On models as tiny as these, threads that wait for each other on a busy machine take most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_state_of_other_tests():
    yield
    forget_accelerator()


def tiny_bert(dropout=0.0, width=32):
    torch.manual_seed(0)
    shape = dict(hidden_size=width, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64)
    return BertForMaskedLM(BertConfig(vocab_size=8192, **shape, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout))


@pytest.fixture(params=["bert", "distilbert", "roberta"])
def tiny_family(request):
    """A random model of each family with the dropout that it has by default."""
    config = AutoConfig.for_model(request.param, vocab_size=200, max_position_embeddings=64)
    names = ("dim", "n_layers", "n_heads", "hidden_dim") if request.param == "distilbert" else (
        "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")  # fmt: skip
    config.update(dict(zip(names, (32, 2, 2, 64))))
    return AutoModelForMaskedLM.from_config(config)


def rows_of(count, seed):
    """Chunks of random tokens."""
    ids = torch.randint(200, 8000, (count, SIZE), generator=torch.Generator().manual_seed(seed))
    return Dataset.from_dict({"input_ids": ids.tolist(), "attention_mask": torch.ones_like(ids).tolist()})


def masked_chunks(tokenizer, count=50):
    return data.MaskedChunks(rows_of(count, 1), data.masking_collator(tokenizer), SEED)


def frozen_rows(tokenizer, count=13):
    return freeze_masks(rows_of(count, 2), data.masking_collator(tokenizer)).with_format("torch")


def new_run(tokenizer, model=None, **changes):
    """A training of 24 steps, 12 an epoch; 13 rows to evaluate on, so that the last batch holds one."""
    accelerator = new_accelerator(SEED, cpu=True, mixed_precision="no")
    settings = replace(SETTINGS, **changes)
    return prepare(accelerator, model or tiny_bert(), masked_chunks(tokenizer), frozen_rows(tokenizer), settings)


def weights_of(run):
    return {name: tensor.clone() for name, tensor in run.accelerator.unwrap_model(run.model).state_dict().items()}


def assert_same(one, two):
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def figures(tokenizer):
    """What one process and two must agree on, and what two processes alone can get wrong."""
    run = new_run(tokenizer)
    loop.backward(run.accelerator, run.model, next(loop.remaining_batches(run, 1)))
    gradients = {name: p.grad.clone() for name, p in run.accelerator.unwrap_model(run.model).named_parameters()}
    run.optimizer.zero_grad()
    before = loop.evaluate(run.accelerator, run.model, run.eval_batches)
    loop.train(run, until=20)
    after = loop.evaluate(run.accelerator, run.model, run.eval_batches)
    try:
        new_run(tokenizer, batch_size=5)
        refusal = ""
    except ValueError as error:
        refusal = str(error)
    processes = run.accelerator.num_processes
    return dict(gradients=gradients, losses=run.losses, before=before, after=after, refusal=refusal, processes=processes)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The figures of two processes."""
    out = tmp_path_factory.mktemp("two") / "figures.pt"
    configuration = ROOT / "configs" / "two_cpu_processes.yaml"
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", configuration, __file__, out]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return torch.load(out, weights_only=False)


@pytest.fixture(scope="module")
def one(tokenizer):
    return figures(tokenizer)


# -- One process and two ---------------------------------------------------------------------------------------------


def test_two_processes_have_the_gradients_of_one(one, two):
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["gradients"].keys() == two["gradients"].keys()
    assert max(g.abs().max() for g in one["gradients"].values()) > 1e-2  # there is something to compare
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(two["gradients"][name], gradient, atol=1e-5, rtol=0)


def test_two_processes_have_the_losses_of_one(one, two):
    assert len(one["losses"]) == len(two["losses"]) == 20
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-4)


def test_no_row_is_counted_twice_or_dropped(one, two, tokenizer):
    masked = sum((row["labels"] != -100).sum().item() for row in frozen_rows(tokenizer))
    for when in ("before", "after"):
        assert one[when].tokens == two[when].tokens == masked
    assert math.exp(two["before"].loss) == pytest.approx(math.exp(one["before"].loss), rel=1e-6)


def test_processes_that_cannot_share_a_batch_are_told_so(one, two):
    assert one["refusal"] == ""
    assert two["refusal"] == "2 processes cannot share batches of 5 rows: take a multiple."


def test_more_processes_than_the_machine_has(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4096")
    cores = os.cpu_count()
    with pytest.raises(ValueError, match=f"4096 processes .* {cores} CPU cores: lower --num_processes to {cores}"):
        new_accelerator(SEED, cpu=True)


def test_a_second_accelerator_may_have_another_precision():
    first = new_accelerator(SEED, cpu=True, mixed_precision="no")
    second = new_accelerator(SEED, cpu=True, mixed_precision="bf16")
    assert (first.num_processes, second.num_processes, second.mixed_precision) == (1, 1, "bf16")


# -- One step and one evaluation -------------------------------------------------------------------------------------


def test_the_step_is_that_of_the_models_own_loss(tokenizer):
    batch = next(loop.remaining_batches(run := new_run(tokenizer), 1))
    model = tiny_bert()
    expected = model(**batch).loss
    expected.backward()
    assert loop.backward(run.accelerator, run.model, batch) == pytest.approx(expected.item(), abs=1e-5)
    for mine, other in zip(run.model.parameters(), model.parameters()):
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-6, rtol=1e-4)


def test_a_batch_without_masks_moves_nothing(tokenizer):
    batch = next(loop.remaining_batches(run := new_run(tokenizer), 1))
    batch["labels"][:] = -100
    assert loop.backward(run.accelerator, run.model, batch) == 0.0
    assert all(p.grad is None or not p.grad.any() for p in run.model.parameters())


def test_evaluation_is_brute_force_weighted_by_masked_tokens_and_repeats_bit_for_bit(tokenizer):
    run = new_run(tokenizer, tiny_bert(dropout=0.1))
    found = loop.evaluate(run.accelerator, run.model, run.eval_batches)
    assert found == loop.evaluate(run.accelerator, run.model, run.eval_batches)
    assert run.model.training
    rows = [{name: tensor[None] for name, tensor in row.items()} for row in frozen_rows(tokenizer)]
    dense = tiny_bert()
    assert found.loss == pytest.approx(mean_masked_loss(dense, rows), abs=1e-6)
    batches = [{name: torch.cat([row[name] for row in rows[i : i + BATCH]]) for name in rows[0]} for i in range(0, 13, BATCH)]
    means = [mean_masked_loss(dense, [batch]) for batch in batches]
    assert found.batch_means == pytest.approx(sum(means) / len(means), abs=1e-6)
    assert abs(found.batch_means - found.loss) > 1e-4  # the mistake would show


def test_nothing_masked_is_an_error(tokenizer):
    run = new_run(tokenizer)
    empty = [{**batch, "labels": torch.full_like(batch["labels"], -100)} for batch in run.eval_batches]
    with pytest.raises(ValueError, match="No token of the evaluation is masked: give it more rows"):
        loop.evaluate(run.accelerator, run.model, empty)


def test_without_dropout_the_forward_pass_of_training_is_that_of_evaluation(batch, tiny_family):
    model = set_dropout(tiny_family, 0.0)
    ids = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        torch.testing.assert_close(model.train()(**ids).logits, model.eval()(**ids).logits)


# -- Against Trainer -------------------------------------------------------------------------------------------------


class Recording(Trainer):
    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.seen = [*getattr(self, "seen", []), loss.item()]
        return loss


def test_the_first_20_losses_are_those_of_trainer(tokenizer, tmp_path):
    arguments = TrainingArguments(
        tmp_path, max_steps=24, per_device_train_batch_size=BATCH, learning_rate=SETTINGS.learning_rate, weight_decay=0.01, seed=SEED,
        dataloader_drop_last=True, save_strategy="no", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = Recording(tiny_bert(), arguments, train_dataset=masked_chunks(tokenizer))
    trainer.train()
    run = new_run(tokenizer)
    loop.train(run)
    assert run.losses[0] != pytest.approx(run.losses[1], abs=1e-3)  # another order would show
    assert run.losses[:20] == pytest.approx(trainer.seen[:20], abs=1e-5)


# -- Order and masks -------------------------------------------------------------------------------------------------


def test_masks_follow_from_seed_epoch_and_row_alone(tokenizer):
    one, two = masked_chunks(tokenizer), masked_chunks(tokenizer)
    forward, backward = [one[i] for i in range(50)], [two[i] for i in reversed(range(50))]
    for a, b in zip(forward, reversed(backward)):
        assert_same(a, b)
    two.set_epoch(1)
    assert any(not torch.equal(a["labels"], two[i]["labels"]) for i, a in enumerate(forward))
    assert len({tuple((a["labels"] != -100).tolist()) for a in forward}) == 50  # no two rows share their masks


def test_each_epoch_has_an_order_of_its_own_and_each_row_at_most_once(tokenizer):
    run, epochs = new_run(tokenizer), []
    for batch in loop.remaining_batches(run, 24):
        run.step += 1
        ids = batch["input_ids"].where(batch["labels"] == -100, batch["labels"])
        epochs.append([tuple(row) for row in ids.tolist()])
    first, second = sum(epochs[:12], []), sum(epochs[12:], [])
    assert len(set(first)) == len(set(second)) == 48 and first != second


# -- Stopping and resuming -------------------------------------------------------------------------------------------


def test_stopped_in_mid_epoch_and_resumed_it_ends_at_the_same_weights(tokenizer, tmp_path):
    whole = new_run(tokenizer, tiny_bert(dropout=0.1))
    loop.train(whole)
    first = new_run(tokenizer, tiny_bert(dropout=0.1))
    loop.train(first, tmp_path, save_every=5, until=17)
    torch.manual_seed(99)  # the state of the random numbers is another one by now
    second = new_run(tokenizer, tiny_bert(dropout=0.1))
    loop.resume(second, tmp_path)
    assert second.step == 15
    loop.train(second, tmp_path, save_every=5)
    assert second.losses == whole.losses[15:]
    assert second.history == whole.history
    assert_same(weights_of(second), weights_of(whole))
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["step-0000020", "step-0000024"]


def test_half_an_epoch_is_a_training_too(tokenizer):
    run = new_run(tokenizer, num_train_epochs=1.5)
    loop.train(run)
    assert run.step == 18 and [row["step"] for row in run.history] == [12, 18]
    assert run.scheduler.get_last_lr()[0] == 0.0


def saved(tokenizer, folder, steps=2):
    run = new_run(tokenizer)
    loop.train(run, folder, save_every=1, until=steps)
    return run


def test_a_folder_that_is_no_checkpoint(tokenizer, tmp_path):
    run = new_run(tokenizer)
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match="is no checkpoint and holds none: name a folder step-"):
            loop.resume(run, folder)
    (tmp_path / ".writing-7").mkdir()  # a kill while writing leaves this
    with pytest.raises(FileNotFoundError):
        loop.resume(run, tmp_path)


def test_a_checkpoint_of_another_shape(tokenizer, tmp_path):
    saved(tokenizer, tmp_path)
    with pytest.raises(ValueError, match=r"from a model of another shape \(size mismatch for bert.*\): resume with the model"):
        loop.resume(new_run(tokenizer, tiny_bert(width=64)), tmp_path)


def test_a_checkpoint_of_another_training(tokenizer, tmp_path):
    saved(tokenizer, tmp_path)
    with pytest.raises(ValueError, match="a training with batch_size = 4, and this one has 2: resume with the same settings"):
        loop.resume(new_run(tokenizer, batch_size=2), tmp_path)


def test_a_full_disk_leaves_the_last_good_checkpoint(tokenizer, tmp_path):
    resource = pytest.importorskip("resource")
    first, run = new_run(tokenizer), saved(tokenizer, tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # bytes that a file may have; the weights have ten times as many
    try:
        with pytest.raises(OSError, match="step 3 could not be written .* last good one is .*step-0000002: free some disk and resume"):
            loop.train(run, tmp_path, save_every=1, until=3)
        with pytest.raises(OSError, match=r"step 1 could not be written .*; there is none before it: free some disk and start again\."):
            loop.train(first, tmp_path / "first", save_every=1, until=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    again = new_run(tokenizer)
    loop.resume(again, tmp_path)
    assert again.step == 2


def test_a_new_training_replaces_the_checkpoints_of_an_old_one_and_sweeps_up(tokenizer, tmp_path):
    saved(tokenizer, tmp_path, steps=4)
    (tmp_path / ".writing-9").mkdir()
    saved(tokenizer, tmp_path, steps=3)
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["step-0000002", "step-0000003"]


# -- The whole, from the command line --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def materials(tmp_path_factory, tokenizer):
    """A tiny checkpoint and forty reviews, as arguments."""
    folder = tmp_path_factory.mktemp("materials")
    tiny_bert(dropout=0.1).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    lines = (ROOT / "lab" / "corpora" / "reviews" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:40]
    (folder / "texts").mkdir()
    (folder / "texts" / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return ["--checkpoint", folder / "model", "--dataset", folder / "texts", "--chunk-size", SIZE, "--batch-size", 16,
            "--num-train-epochs", 3, "--max-train-samples", 100, "--mixed-precision", "no", "--cpu"]  # fmt: skip


def command(materials, *more):
    return loop.main([str(word) for word in (*materials, *more)])


def test_an_upload_that_failed_is_made_good_by_the_last(materials, tmp_path, monkeypatch):
    pushed = []

    def push(folder, repo_id, message):
        upload = Future()
        upload.set_exception(OSError("gone")) if not pushed else upload.set_result(None)
        pushed.append((message, (folder / "model.safetensors").read_bytes()))
        return upload

    monkeypatch.setattr(hub, "repository", lambda name: name)
    monkeypatch.setattr(hub, "push", push)
    words = ("--num-train-epochs", 2, "--push-to-hub", "--hub-model-id", "me/mine")
    run = command(materials, "--output-dir", tmp_path, *words)
    assert [message for message, _ in pushed] == [f"Step {run.steps // 2} of {run.steps}", f"Step {run.steps} of {run.steps}"]
    assert pushed[0][1] != pushed[1][1] == (tmp_path / "model" / "model.safetensors").read_bytes()
    monkeypatch.setattr(hub, "push", lambda *_: pushed.clear() or push(*_))  # now the last one fails as well
    with pytest.raises(OSError, match=r"The upload failed \(gone\); the model lies under output_dir: push it later by 'hf upload'"):
        command(materials, "--output-dir", tmp_path / "again", *words)


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


def test_the_command_goes_on_where_it_stopped_when_asked_to(materials, tmp_path, monkeypatch):
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


def stop(run, folder, save_every, each_epoch):
    original(run, folder, save_every, until=9)
    raise KeyboardInterrupt


original = loop.train


def test_evaluation_and_training_share_no_text(materials, tokenizer):
    settings = resolve("05_accelerate_loop", dataset=str(materials[3]), chunk_size=SIZE)
    texts = data.read_texts(settings)
    assert len(texts["train"]) == 32 and len(texts["test"]) == 8
    assert not set(texts["train"]["text"][:]) & set(texts["test"]["text"][:])


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


def test_a_repository_name_that_the_hub_refuses(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    with pytest.raises(ValueError, match=r"^The Hub refuses the repository 'me/not a name' \(.*\): give another hub_model_id"):
        hub.repository("me/not a name")


@pytest.mark.parametrize("words, message", [
    (["--batch-size", "0"], "batch_size must be a whole number above 0"),
    (["--dataset", "no/such/folder"], "There is no folder 'no/such/folder' for dataset"),
    (["--resume", "lab"], "lab is no checkpoint and holds none"),
])  # fmt: skip
def test_other_mistakes_take_one_sentence_too(materials, tmp_path, words, message):
    assert message in refusal(materials, "--output-dir", tmp_path, *words)


# -- Accelerate's configurations -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, kind, processes", [
    ("one_gpu", "NO", 1), ("several_gpus", "MULTI_GPU", 2), ("several_machines", "MULTI_GPU", 4), ("fsdp", "FSDP", 2),
    ("two_cpu_processes", "MULTI_GPU", 2),
])  # fmt: skip
def test_configurations_load(name, kind, processes):
    config = load_config_from_file(str(ROOT / "configs" / f"{name}.yaml"))
    assert (config.distributed_type.value, config.num_processes) == (kind, processes)


@pytest.mark.parametrize("module", ["train", "run", "command"])
def test_functions_fit_on_a_page(module):
    for node in ast.walk(ast.parse((ROOT / "helpers" / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 20, node.name


def test_every_configuration_is_tested():
    assert len(list((ROOT / "configs").iterdir())) == 5


def test_the_card_names_what_the_hub_knows_and_nothing_else():
    plan = dict(checkpoint="owner/model", dataset="reviews", chunks=1200, chunk_size=128)
    row = dict(epoch=1.0, step=75, perplexity=12.345, tokens=1000)
    card = hub.model_card("me/mine", [row], plan)
    assert "\nbase_model: owner/model\n" in card and "datasets:" not in card
    assert "| 1 | 75 | 12.35 | 1,000 |" in card or "| 1 | 75 | 12.34 | 1,000 |" in card
    assert json.dumps("me/mine") in card


if __name__ == "__main__":
    found = figures(AutoTokenizer.from_pretrained(MINI_BERT))
    if found["processes"] != 2 or int(os.environ["RANK"]) == 0:
        torch.save(found, sys.argv[1])
