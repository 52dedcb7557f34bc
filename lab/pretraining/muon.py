"""Muon: momentum whose matrix is orthogonalised before each step (Jordan et al., 2024).

`torch.optim.Muon` works in bfloat16 always, which many CPUs emulate hundreds of times slower; this one
takes the format that is fast on the device, and treats matrices of one shape as one batch.
"""

from collections import defaultdict

import torch

from helpers.precision import best_dtype

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # quintic Newton-Schulz, github.com/KellerJordan/Muon


def orthogonalise(matrices: torch.Tensor, steps: int = 4) -> torch.Tensor:
    """Nearest semi-orthogonal matrices, roughly; ``(count, rows, columns)`` with any shape of the two."""
    a, b, c = COEFFICIENTS
    dtype = best_dtype(matrices.device)
    x = matrices.to(torch.float32 if dtype == torch.float16 else dtype)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; a step's size depends on the shape alone.

    Args:
        params: Matrices.
        lr: Step size; a matrix moves by ``lr * sqrt(max(1, rows / columns))`` in spectral norm.
        momentum: Share of the past kept.
        weight_decay: Decoupled decay, as a share of `lr`.
    """

    def __init__(self, params, lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.01):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            shapes = defaultdict(list)
            for p in group["params"]:
                shapes[p.shape].append(p)
            for (rows, columns), params in shapes.items():
                for p in params:
                    self.state[p].setdefault("momentum", torch.zeros_like(p)).lerp_(p.grad, 1 - group["momentum"])
                updates = torch.stack([p.grad.lerp(self.state[p]["momentum"], group["momentum"]) for p in params])
                size = group["lr"] * max(1, rows / columns) ** 0.5
                for p, update in zip(params, orthogonalise(updates)):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-size)
