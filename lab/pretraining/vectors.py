"""Word vectors to start from: truncated SVD of positive pointwise mutual information.

They take seconds to compute and spare a small model the thousands of steps in which it would find out
which words keep the same company (Levy & Goldberg, 2014).
"""

import numpy as np
import torch


def frequencies(ids: np.ndarray, vocabulary: int) -> torch.Tensor:
    """Smoothed relative frequencies of a text's ids, ``(vocabulary,)``."""
    counts = torch.from_numpy(np.bincount(ids, minlength=vocabulary)).float() + 1
    return counts / counts.sum()


def word_vectors(ids: np.ndarray, vocabulary: int, size: int, window: int = 4, limit: int = 8_000_000) -> torch.Tensor:
    """Vectors of a text's ids, ``(vocabulary, size)``."""
    part = torch.from_numpy(ids[:limit].astype(np.int64))
    counts = torch.zeros(vocabulary * vocabulary)
    for distance in range(1, window + 1):
        counts += torch.bincount(part[:-distance] * vocabulary + part[distance:], minlength=len(counts)).float() / distance
    counts = counts.view(vocabulary, vocabulary)
    counts = counts + counts.T
    share = counts.sum(1) + 1
    context = share**0.75 / (share**0.75).sum()  # smoothing keeps rare contexts from dominating
    information = (counts / share[:, None] / context + 1e-9).log_().clamp_(min=0)
    torch.manual_seed(0)
    u, s, _ = torch.svd_lowrank(information, q=size, niter=2)
    return u * s.sqrt()
