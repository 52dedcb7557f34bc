"""Each answer of somebody who has not read the checks is judged rightly 200 times."""

import answers
import pytest
import torch

CASES = answers.cases("01", "02", "03", "04", "05")


@pytest.mark.parametrize("number, name, label, answer, right", CASES, ids=[f"{case[1]}-{i}" for i, case in enumerate(CASES)])
def test_no_run_misjudges_it(number, name, label, answer, right):
    torch.set_num_threads(1)
    assert answers.misjudged(number, name, answer, right, runs=200) == [], label
