import re
from types import SimpleNamespace

import pytest
import torch
from test_memory import random_batch, small_bert

from helpers import budget, memory
from helpers.labelled_logits import skip_unlabelled_logits
from helpers.memory import Memory

pytestmark = pytest.mark.long


@pytest.fixture
def clock(monkeypatch):
    """Each look at the clock costs `tick` seconds; nothing else takes time."""

    class Clock:
        tick, now = 1.0, 0.0

        def __call__(self):
            self.now += self.tick
            return self.now

    clock = Clock()
    monkeypatch.setattr("helpers.budget.time.perf_counter", clock)
    return clock


def test_a_plan_reads_as_one_line(clock):
    model, batch = small_bert(), random_batch(2, 8)
    plan = budget.plan(model, batch, 160, device="cpu", dtype=torch.float32, limit=15 * 2**30)
    assert plan.seconds == 160
    assert plan.memory == memory.estimate(model, 2, 8, device="cpu", dtype=torch.float32)
    assert str(plan) == f"160 steps, about 2 min 40 s; peak {memory.size(plan.memory.peak)} of 15 GiB"
    need = Memory(0, 0, 0, 0, peak=int(3.1 * 2**30))
    assert str(budget.Plan(1377, 3900, need, 15 * 2**30)) == "1,377 steps, about 1 h 5 min; peak 3.1 GiB of 15 GiB"


def test_slow_steps_are_timed_once(clock):
    model, batch = small_bert(), random_batch(2, 8)
    passes = []
    model.register_forward_hook(lambda module, args, output: passes.append(type(output.loss)))
    clock.tick = 20.0
    assert budget.plan(model, batch, 2, accumulation=3, device="cpu", dtype=torch.float32).seconds == 40
    assert passes.count(torch.Tensor) == 3  # one step of three passes


def test_over_an_hour_brings_advice_and_under_it_none(clock):
    model, batch = small_bert(), random_batch(2, 8)
    assert budget.plan(model, batch, 3600, device="cpu").advice == ""
    told = str(budget.plan(model, batch, 7300, device="cpu"))
    assert "about 2 h 2 min" in told
    assert "That is over an hour. What saves time: 1/3 of the samples (max_train_samples)" in told and "a GPU" in told


def test_memory_is_for_the_longest_row_to_come():
    model, batch = small_bert(), random_batch(4, 8)
    options = dict(device="cpu", dtype=torch.float32)
    assert budget.plan(model, batch, 3, length=64, **options).memory == memory.estimate(model, 4, 64, **options)


def test_the_labelled_share_is_that_of_the_batch():
    model, batch = small_bert(vocab_size=5000), random_batch(4, 64, share=0.5)
    skip_unlabelled_logits(model)
    share = (batch["labels"] != -100).float().mean().item()
    options = dict(device="cpu", dtype=torch.float32)
    assert budget.plan(model, batch, 3, **options).memory == memory.estimate(model, 4, 64, labelled=share, **options)


@pytest.mark.parametrize("accumulation, fitting", [(1, 7), (1, 8), (2, 7)])
def test_a_batch_that_cannot_fit_names_one_that_does(accumulation, fitting):
    model, batch = small_bert(num_hidden_layers=1), random_batch(12, 32)
    options = dict(device="cpu", dtype=torch.float32)
    limit = memory.estimate(model, fitting, 32, accumulation=accumulation, **options).peak + 1
    with pytest.raises(MemoryError, match=r"A batch of 12 x 32 tokens needs .* and there are .* A batch size of \d+ would fit") as caught:
        budget.plan(model, batch, 375, accumulation=accumulation, limit=limit, **options)
    told = str(caught.value)
    named = int(re.search(r"A batch size of (\d+) would fit", told)[1])
    assert memory.estimate(model, named, 32, accumulation=accumulation, **options).peak <= limit
    assert memory.estimate(model, named + 1, 32, accumulation=accumulation, **options).peak > limit
    part, passes, rows = map(
        int, re.search(r"of (\d+) with gradient_accumulation_steps=(\d+) would still update on (\d+) rows", told).groups()
    )
    assert part * passes == rows == 12 * accumulation
    assert memory.estimate(model, part, 32, accumulation=passes, **options).peak <= limit
    assert "checkpointing" in told
    budget.plan(model, random_batch(named, 32), 3, accumulation=accumulation, limit=limit, **options)  # the way out is one


def test_not_even_one_row(clock):
    model = small_bert()
    model.gradient_checkpointing_enable()
    with pytest.raises(MemoryError, match="Not even one row would fit.*a smaller checkpoint") as caught:
        budget.plan(model, random_batch(2, 8), 1, device="cpu", limit=1000)
    assert "gradient checkpointing" not in str(caught.value)  # it is on already


@pytest.mark.parametrize("bf16, expected", [(True, True), (False, False)])
def test_precision_is_proposed_where_the_machine_has_a_faster_one(bf16, expected, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": bf16}, raising=False)
    model, batch = small_bert(), random_batch(2, 8)
    with pytest.raises(MemoryError) as caught:
        budget.plan(model, batch, 1, device="cpu", dtype=torch.float32, limit=1000)
    assert ("bf16=True" in str(caught.value)) is expected
    with pytest.raises(MemoryError) as caught:
        budget.plan(model, batch, 1, device="cpu", limit=1000)  # takes it by itself
    assert "bf16=True" not in str(caught.value)


@pytest.mark.parametrize("device, capability, flags", [("cuda", (7, 5), ["fp16=True"]), ("cuda", (8, 0), ["bf16=True"]), ("mps", None, [])])
def test_the_flag_for_t4_newer_cards_and_apple(device, capability, flags, monkeypatch):
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: capability)
    assert budget._precision(torch.device(device), torch.float32) == flags
    assert budget._precision(torch.device(device), None) == []


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.2, "1 s"),
        (45.4, "45 s"),
        (59.7, "1 min"),
        (160, "2 min 40 s"),
        (3599.6, "1 h"),
        (3900, "1 h 5 min"),
        (7200, "2 h"),
        (86400 + 60, "24 h 1 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds, text):
    assert budget.duration(seconds) == text


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine that offers 8,000 bytes, in a container whose files say what is given."""
    monkeypatch.setattr(budget, "CGROUP", tmp_path)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=8000))

    def tell(**files):
        for name, text in files.items():
            (tmp_path / f"memory.{name}").write_text(text)
        return budget.available_memory("cpu")

    return tell


@pytest.mark.parametrize(
    "files, expected",
    [
        ({}, 8000),
        (dict(max="max\n", current="5\n", stat="anon 3\ninactive_file 2\n"), 8000),
        (dict(max="1000\n", current="500\n", stat="anon 3\ninactive_file 200\n"), 700),
        (dict(max="1000\n", current="1200\n", stat="inactive_file 0\n"), 0),
    ],
)
def test_a_containers_limit_counts_where_it_is_lower(files, expected, machine):
    assert machine(**files) == expected


def test_this_machine_offers_something():
    assert 2**20 < budget.available_memory("cpu") < 2**50


def test_a_gpu_offers_what_is_free_and_what_is_reserved_unused(monkeypatch):
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (10 * 2**30, 15 * 2**30))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda device: 3 * 2**30)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda device: 2**30)
    assert budget.available_memory("cuda") == 12 * 2**30


def test_apple_offers_its_recommended_maximum_less_what_is_taken(monkeypatch):
    monkeypatch.setattr("torch.mps.recommended_max_memory", lambda: 5 * 2**30)
    monkeypatch.setattr("torch.mps.current_allocated_memory", lambda: 2**30)
    assert budget.available_memory("mps") == 4 * 2**30


def test_what_the_model_holds_already_is_not_counted_twice(machine, monkeypatch):
    model, batch = small_bert(), random_batch(2, 8)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2**30))
    plan = budget.plan(model, batch, 3, device="cpu", dtype=torch.float32)
    assert plan.available == 2**30 + plan.memory.weights


@pytest.mark.parametrize("call", ["memory", "plan"])
def test_nothing_is_touched(call):
    model = small_bert()
    batch = random_batch(2, 8)
    model(**batch).loss.backward()
    model.eval()
    model.bert.embeddings.dropout.train()
    modes = [module.training for module in model.modules()]
    tensors = [t.clone() for p in model.parameters() for t in (p, p.grad)] + [b.clone() for b in model.buffers()]
    identities = [id(p) for p in model.parameters()]
    torch.manual_seed(3)
    state = torch.get_rng_state()
    if call == "memory":
        memory.estimate(model, 2, 8, device="cpu")
    else:
        budget.plan(model, batch, 3, device="cpu", dtype=torch.float32)
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes and [id(p) for p in model.parameters()] == identities
    after = [t for p in model.parameters() for t in (p, p.grad)] + [*model.buffers()]
    assert all(torch.equal(a, b) for a, b in zip(after, tensors, strict=True))
