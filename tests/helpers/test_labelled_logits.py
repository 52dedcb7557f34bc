import pytest
import torch
from torch import nn

from helpers.labelled_logits import skip_unlabelled_logits


def gradients(model, batch):
    model.zero_grad()
    loss = model(**batch).loss
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_loss_and_gradients_are_those_of_the_dense_head(tiny_model, batch):
    batch["labels"][0, :3] = 0  # a token like any other
    dense_loss, dense = gradients(tiny_model, batch)
    skip_unlabelled_logits(tiny_model)
    loss, sparse = gradients(tiny_model, batch)
    assert loss == pytest.approx(dense_loss, abs=1e-5)
    assert dense.keys() == sparse.keys()
    for name in dense:
        torch.testing.assert_close(sparse[name], dense[name], atol=1e-5, rtol=1e-4)


def test_logits_are_the_labelled_rows_of_the_dense_ones(tiny_model, batch):
    tiny_model.eval()
    with torch.no_grad():
        dense = tiny_model(**batch).logits[batch["labels"] != -100]
        skip_unlabelled_logits(tiny_model)
        logits = tiny_model(**batch).logits
    assert logits.shape == (1, *dense.shape)
    torch.testing.assert_close(logits[0], dense, atol=1e-5, rtol=1e-4)


def test_positions_may_take_the_place_of_labels(tiny_model, batch):
    tiny_model.eval()
    skip_unlabelled_logits(tiny_model)
    positions = (batch["labels"].flatten() != -100).nonzero()[:, 0]
    with torch.no_grad():
        expected = tiny_model(**batch)
        both = tiny_model(**batch, positions=positions)
        alone = tiny_model(batch["input_ids"], attention_mask=batch["attention_mask"], positions=positions)
    assert torch.equal(both.logits, expected.logits) and torch.equal(both.loss, expected.loss)
    assert torch.equal(alone.logits, expected.logits) and alone.loss is None
    assert tiny_model(batch["input_ids"]).logits.shape == (4, 20, 200)


def test_without_labels_every_position_is_scored(tiny_model, batch):
    skip_unlabelled_logits(tiny_model)
    tiny_model(**batch)
    assert tiny_model(batch["input_ids"]).logits.shape == (4, 20, 200)


def test_a_labelled_call_leaves_no_trace_in_the_next(tiny_model, batch):
    skip_unlabelled_logits(tiny_model)
    tiny_model(**batch)
    assert tiny_model.base_model(batch["input_ids"])[0].shape == (4, 20, 32)


def test_remove_gives_the_dense_head_back(tiny_model, batch):
    skip_unlabelled_logits(tiny_model).remove()
    assert tiny_model(**batch).logits.shape == (4, 20, 200)


def test_a_model_without_a_base_model_is_refused():
    with pytest.raises(TypeError, match="Linear has no base model below its head"):
        skip_unlabelled_logits(nn.Linear(2, 2))
