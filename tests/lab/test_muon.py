"""Muon orthogonalises, and a step has the size that its rate says."""

import pytest
import torch

from lab.pretraining.muon import Muon, orthogonalise


@pytest.mark.parametrize("rows, columns", [(16, 16), (64, 16), (16, 64)])
def test_orthogonalised_matrices_have_singular_values_near_one(rows, columns):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(3, rows, columns), steps=5))
    assert 0.5 < values.min() and values.max() < 1.4


@pytest.mark.parametrize("rows, columns", [(16, 16), (64, 16), (16, 64)])
def test_a_step_moves_a_matrix_by_its_rate_in_spectral_norm(rows, columns):
    torch.manual_seed(0)
    matrix = torch.nn.Parameter(torch.zeros(rows, columns))
    matrix.grad = torch.randn(rows, columns)
    Muon([matrix], lr=0.1).step()
    size = torch.linalg.svdvals(matrix.detach())
    assert 0.5 < size.max() / (0.1 * max(1, rows / columns) ** 0.5) < 1.4
    assert (matrix.detach() * matrix.grad).sum() < 0  # downhill
