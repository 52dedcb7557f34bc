import multiprocessing
import platform
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import accumulate

import pytest
import torch

from common import ROOT, TINY
from helpers import memory
from helpers.labelled_logits import skip_unlabelled_logits

pytestmark = pytest.mark.long

MINI_BERT = str(ROOT / "lab" / "checkpoints" / "mini-bert")
OFF = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here"))


def small_bert(head="MaskedLM", **config):
    """Large enough for its activations to outweigh bookkeeping."""
    import transformers

    torch.manual_seed(0)
    shape = TINY | dict(hidden_size=64, intermediate_size=256, vocab_size=1000) | config
    return getattr(transformers, f"BertFor{head}")._from_config(transformers.BertConfig(**shape), attn_implementation="sdpa").train()


def random_batch(batch_size, length, vocabulary=200, per_token=True, share=0.15):
    ids = torch.randint(5, vocabulary, (batch_size, length))
    labels = ids.masked_fill(torch.rand(ids.shape) > share, -100) if per_token else torch.arange(batch_size) % 2
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def profiled_peak(step, resident):
    """An instrument of its own: what the allocator reports to PyTorch's profiler, on top of what is there already."""
    with torch.autograd.profiler.profile(profile_memory=True) as profile:
        step()
    events = [event for event in profile.kineto_results.events() if event.name() == "[memory]"]
    changes = (event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()))
    return resident + max(accumulate(changes, initial=0))


def training(model, batches, dtype=torch.float32):
    """A step as the chapters write it, with the optimiser's state made by a first one and the gradients gone."""
    device = next(model.parameters()).device
    update = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])

    def step():
        for batch in batches:
            with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
                loss = model(**batch).loss / len(batches)
            loss.backward()
        update.step()

    step()
    update.zero_grad()
    return step, update


def estimate_and_measure(batch_size, length, device):
    """Runs in a process of its own."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    torch.manual_seed(0)
    model = transformers.AutoModelForMaskedLM.from_pretrained(MINI_BERT)
    estimate = memory.estimate(model, batch_size, length, device=device, dtype=torch.float32)
    batch = {k: v.to(device) for k, v in random_batch(batch_size, length, 8000).items()}
    step, update = training(model.to(device).train(), [batch])
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        step()
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = profiled_peak(step, estimate.weights + estimate.optimizer)
    update.zero_grad()
    return estimate.peak, peak, memory.measured_peak(step, model, update)


@pytest.fixture(scope="module")
def fresh():
    """Runs each call in a new process, forked where the system can from a server that has imported the libraries."""
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":
        context.set_forkserver_preload(["transformers.models.bert.modeling_bert", "helpers.budget"])
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        yield lambda *args: pool.submit(*args).result()


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("batch_size, length", [(8, 32), (8, 96), (32, 32), (32, 96)])
def test_the_estimate_is_near_the_measured_peak_in_a_fresh_process(batch_size, length, device, fresh):
    estimate, peak, measured = fresh(estimate_and_measure, batch_size, length, device)
    assert estimate == pytest.approx(peak, rel=0.25)
    assert measured == pytest.approx(peak, rel=0.02)  # two instruments on the CPU, the allocator on a GPU


CASES = {
    "eager": ({}, {}),
    "sdpa without dropout": (OFF, {}),
    "checkpointing": (dict(num_hidden_layers=4), {}),
    "labelled positions alone": ({}, {}),
    "most positions labelled": ({}, dict(labelled=0.8)),
    "accumulation": ({}, dict(accumulation=3)),
    "bfloat16": ({}, dict(dtype=torch.bfloat16)),
    "frozen body": ({}, {}),
    "classifier": (dict(head="SequenceClassification"), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_remedy_counts_as_it_is(case):
    config, options = CASES[case]
    model = small_bert(**config)
    if case == "eager":
        model.set_attn_implementation("eager")
    if case == "checkpointing":
        model.gradient_checkpointing_enable()
    if "labelled" in case:
        skip_unlabelled_logits(model)
    if case == "frozen body":
        model.base_model.requires_grad_(False)
    options = dict(device="cpu", dtype=torch.float32) | options
    estimate = memory.estimate(model, 8, 64, **options)
    batches = [random_batch(8, 64, 1000, case != "classifier", options.get("labelled", 0.15))] * options.get("accumulation", 1)
    step, _ = training(model, batches, options["dtype"])
    assert estimate.peak == pytest.approx(profiled_peak(step, estimate.weights + estimate.optimizer), rel=0.1)


def test_gradients_of_one_pass_are_alive_in_the_next():
    """In a batch so small that they weigh more than its activations."""
    model, batch = small_bert(), random_batch(2, 16, 1000)
    peaks = []
    for passes in (1, 2):
        need = memory.estimate(model, 2, 16, accumulation=passes, device="cpu", dtype=torch.float32)
        step, update = training(model, [batch] * passes)
        update.zero_grad()
        assert need.peak == pytest.approx(profiled_peak(step, need.weights + need.optimizer), rel=0.05)
        peaks.append(need.peak)
    assert peaks[1] > 1.05 * peaks[0]


def test_weights_gradients_and_moments_by_arithmetic():
    model = small_bert(**OFF)
    n = sum(p.numel() for p in model.parameters())
    tensors = len(list(model.parameters()))
    buffers = sum(b.nbytes for b in model.buffers())
    need = memory.estimate(model, 2, 8, device="cpu")
    assert (need.weights, need.gradients, need.optimizer) == (4 * n + buffers, 4 * n, 2 * 4 * n + 4 * tensors)  # 4: the step count
    assert need.weights + need.optimizer < need.peak < need.weights + need.gradients + need.optimizer + 2 * need.activations


def test_activations_grow_with_the_rows_and_faster_than_the_length_where_attention_is_kept():
    model = small_bert()
    model.set_attn_implementation("eager")

    def activations(rows, length):
        return memory.estimate(model, rows, length, device="cpu", dtype=torch.float32).activations

    one, two, three = (activations(rows, 32) for rows in (1, 2, 3))
    assert three - two == two - one  # each row costs the same
    rows, layers, heads, step = 2, 2, 2, 16
    second_difference = activations(rows, 48) - 2 * activations(rows, 32) + activations(rows, 16)
    # probabilities, kept after the softmax (4 bytes) and after dropout (4), with its mask (4 on the CPU): 12 bytes a pair of tokens
    assert second_difference == 12 * rows * layers * heads * 2 * step**2


def test_checkpointing_and_the_masked_head_keep_less():
    model = small_bert(num_hidden_layers=4)
    plain = memory.estimate(model, 8, 64, device="cpu")
    handle = skip_unlabelled_logits(model)
    masked = memory.estimate(model, 8, 64, device="cpu")
    handle.remove()
    model.gradient_checkpointing_enable()
    checkpointed = memory.estimate(model, 8, 64, device="cpu")
    assert masked.activations < plain.activations and checkpointed.activations < plain.activations
    assert masked.peak < plain.peak and checkpointed.peak < plain.peak


def test_measured_peak_counts_held_and_made_tensors_and_what_is_let_go():
    model = torch.nn.Linear(1000, 1000, bias=False)  # 4 MB
    model.weight.grad = torch.zeros_like(model.weight)  # 4 MB

    def step():
        model.weight.grad = None
        x = torch.zeros(500, 1000)  # 2 MB
        del x
        torch.zeros(750, 1000)  # 3 MB

    assert memory.measured_peak(lambda: None, model) == 8_000_000
    assert memory.measured_peak(step, model) == 8_000_000  # 4 + 3 MB are less
    assert memory.measured_peak(lambda: torch.zeros(500, 1000) + 1, model) == 4_000_000 + 2 * 2_000_000


@pytest.mark.parametrize(
    "n, text", [(310 * 2**20, "310 MiB"), (1.5 * 2**20, "1.5 MiB"), (3.1 * 2**30, "3.1 GiB"), (15 * 2**30, "15 GiB"), (2**30, "1 GiB")]
)
def test_sizes_are_in_powers_of_two(n, text):
    assert memory.size(n) == text


def page_faults(keep: bool) -> int:
    """Pages that the system had to fetch for ten tensors of 40 MB that follow one another."""
    import resource

    if keep:
        memory.keep_freed_memory()
    torch.ones(10_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has the switch")
def test_freed_memory_that_is_kept_needs_no_new_pages(fresh):
    assert 4 * fresh(page_faults, True) < fresh(page_faults, False)
