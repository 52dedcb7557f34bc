"""All training and evaluation of the chapters where float64 is an error: Apple's GPUs have none."""

import pytest

from common import run_cells
from training import without_float64

WITHOUT = r"notebook_launcher\(|seconds\("  # they fork, which is nothing for cells outside a kernel


@pytest.mark.parametrize("chapter", ["01", "02", "03", "04", "05"])
def test_a_chapter_does_without_float64(chapter, tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.train.processes.launch", lambda function, processes: [function()])  # here, where float64 is an error
    with without_float64():
        run_cells(chapter, WITHOUT, max_train_samples=16, max_eval_samples=16, num_train_epochs=1, output_dir=str(tmp_path))
