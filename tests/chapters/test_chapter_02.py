"""The functions of chapter 02, taken from the notebook as its readers run them."""

import ast
import copy

import nbformat
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset

from common import ROOT, run_cells
from helpers.metrics import mean_masked_loss

BOOK = nbformat.read(ROOT / "notebooks" / "02_manual_masking.ipynb", as_version=4)
TEXTS = ["The gulls sat on the roofs, and the dog ran up and down the quay.", "Nobody had seen it.", "It rained twice."]


@pytest.fixture(scope="module")
def chapter(tokenizer):
    """Every function and class that the notebook defines, by name."""
    names = dict(torch=torch, Dataset=Dataset, tokenizer=tokenizer, device=torch.device("cpu"))
    for cell in BOOK.cells:
        if cell.cell_type == "code" and "google.colab" not in cell.source:
            definitions = [node for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
            exec(compile(ast.Module(definitions, []), "notebook", "exec"), names)
    return names


@pytest.fixture
def rows(tokenizer):
    return tokenizer(TEXTS, padding=True, return_tensors="pt", return_special_tokens_mask=True)


def test_over_10_000_draws_the_rate_lies_within_five_sigma_and_no_special_token_is_picked(chapter, rows):
    special = rows["special_tokens_mask"]
    for seed, rate in enumerate((0.15, 0.4)):
        picked = chapter["pick_positions"](special.expand(10_000, -1, -1), rate, torch.Generator().manual_seed(seed))
        assert not (picked & (special == 1)).any()
        per_token = picked.sum(dim=0)[special == 0]  # each token, in every row, is a toss of its own
        n, tokens = 10_000, len(per_token)
        assert abs(int(per_token.sum()) - n * tokens * rate) < 5 * (n * tokens * rate * (1 - rate)) ** 0.5
        assert ((per_token - n * rate).abs() < 5 * (n * rate * (1 - rate)) ** 0.5).all()


def test_a_seed_decides_the_picks_and_rows_differ(chapter):
    special = torch.zeros(2, 200, dtype=torch.long)
    one, two, other = (chapter["pick_positions"](special, 0.15, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other) and not torch.equal(one[0], one[1])


def test_masked_only_loss_equals_brute_force_and_the_librarys(chapter):
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 7, 50), torch.randint(50, (3, 7))
    labels[torch.rand(labels.shape) < 0.7] = -100
    terms = [
        logits[i, j].double().exp().sum().log() - logits[i, j, labels[i, j]].double()
        for i in range(3)
        for j in range(7)
        if labels[i, j] != -100
    ]
    loss = chapter["masked_loss"](logits, labels)
    assert loss.item() == pytest.approx((sum(terms) / len(terms)).item(), abs=1e-6)
    assert loss.item() == pytest.approx(cross_entropy(logits.flatten(0, 1), labels.flatten()).item(), abs=1e-6)


def test_the_evaluation_counts_every_hidden_token_once_and_passes_over_batches_without_one(chapter, tiny_model, batch):
    batch["labels"][0, 3:] = -100  # rows of unequal counts,
    batch["labels"][2] = -100  # one without any
    singly = chapter["pieces"](batch, 1)
    assert chapter["mean_loss"](tiny_model.train(), singly) == pytest.approx(mean_masked_loss(tiny_model, [batch]), rel=1e-6)
    with pytest.raises(AssertionError, match="give the chapter more text"):
        chapter["mean_loss"](tiny_model, [singly[2]])


def test_picked_tokens_become_mask_80_random_10_same_10_and_the_others_stay(chapter, tokenizer):
    torch.manual_seed(0)
    ids = torch.randint(1000, 8000, (100, 1000))
    picked = torch.rand(ids.shape) < 0.5
    after = chapter["corrupt"](ids, picked, torch.Generator().manual_seed(0))
    assert torch.equal(after[~picked], ids[~picked])
    n, mask, same = int(picked.sum()), after[picked] == tokenizer.mask_token_id, after[picked] == ids[picked]
    for count, share in ((mask.sum(), 0.8), (same.sum(), 0.1), ((~mask & ~same).sum(), 0.1)):
        assert abs(int(count) - n * share) < 5 * (n * share * (1 - share)) ** 0.5 + n * 0.1 / len(tokenizer) * 3  # met by chance


def test_a_row_of_the_data_set_is_masked_when_it_is_read_and_anew_each_time(chapter, rows):
    data = chapter["MaskedTexts"](TEXTS * 20, torch.Generator().manual_seed(0))
    assert len(data) == 60
    draws = [data[0]["labels"] for _ in range(20)]
    assert len({tuple(labels.tolist()) for labels in draws}) > 1
    for i in range(60):
        row = data[i]
        assert row.keys() == {"input_ids", "token_type_ids", "attention_mask", "labels"}
        original, asked = rows["input_ids"][i % 3], row["labels"] != -100
        assert torch.equal(row["labels"][asked], original[asked]) and torch.equal(row["input_ids"][~asked], original[~asked])
        assert not rows["special_tokens_mask"][i % 3][asked].any()


def step_gradients(chapter, model, batches):
    model = copy.deepcopy(model)
    chapter["train_step"](model, torch.optim.AdamW(model.parameters()), batches)
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize("rows", [1, 3])
def test_accumulated_gradients_are_those_of_the_whole_batch(chapter, tiny_model, batch, rows):
    batch["labels"][0, 3:] = -100  # parts of unequal counts,
    batch["labels"][2] = -100  # one row without any
    parts = chapter["pieces"](batch, rows)
    assert sum(len(part["labels"]) for part in parts) == 4
    plain = copy.deepcopy(tiny_model)
    plain(**batch).loss.backward()
    plain = {name: p.grad for name, p in plain.named_parameters() if p.grad is not None}
    assert_same(step_gradients(chapter, tiny_model, parts), plain)
    for part in parts:  # the mean of means, which is something else
        if (part["labels"] != -100).any():
            (tiny_model(**part).loss / len(parts)).backward()
    assert max((plain[name] - p.grad).abs().max() for name, p in tiny_model.named_parameters() if name in plain) > 1e-3


def test_checkpointing_gives_the_plain_steps_gradients(chapter, tiny_model, batch):
    plain = step_gradients(chapter, tiny_model.train(), [batch])
    tiny_model.gradient_checkpointing_enable()
    calls = []
    attention = next(module for name, module in tiny_model.named_modules() if name.endswith("layer.0.attention"))
    attention.register_forward_pre_hook(lambda *_: calls.append(1))
    assert_same(step_gradients(chapter, tiny_model, [batch]), plain)
    assert len(calls) == 2  # once more in the backward pass


def test_a_small_batch_gives_the_gradients_of_its_rows(chapter, tiny_model, batch):
    small = chapter["pieces"](batch, 2)[0]
    model = copy.deepcopy(tiny_model)
    model(**{name: tensor[:2] for name, tensor in batch.items()}).loss.backward()
    assert_same(step_gradients(chapter, tiny_model, [small]), {n: p.grad for n, p in model.named_parameters() if p.grad is not None})


def test_of_texts_that_repeat_each_is_on_one_side(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "train.txt").write_text("".join(f"Film number {i}.\n" for i in range(20)) * 5)
    without = r"tokenizer|labels|special|model[.(]|logits"
    names = run_cells("02", without, "limits =", dataset=str(tmp_path / "texts"), output_dir=str(tmp_path / "out"))
    train, test = names["texts"]["train"], names["texts"]["test"]
    assert sorted([*train, *test]) == sorted(f"Film number {i}." for i in range(20)) and len(test) == 4
