"""Reads the vectors that `teacher.py` wrote."""

from pathlib import Path

import numpy as np
import torch


class Targets:
    """A teacher's vectors for the tokens of the text that it has done; their total variance is 1.

    Call it with places in the text, any shape; negative places, where a row has a special token, are left out.
    Returns ``(places in the text, size)`` in reading order.
    """

    def __init__(self, folder: Path):
        known = np.load(folder / "teacher.npz")
        self.scale = torch.from_numpy(known["scale"] / np.sqrt(known["variance"]))
        self.size = len(self.scale)
        self.rows = np.memmap(folder / "targets.int8", dtype=np.int8, mode="r").reshape(-1, self.size)

    def __len__(self) -> int:
        return len(self.rows)

    def __call__(self, places: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.rows[places[places >= 0].numpy()]).float() * self.scale
