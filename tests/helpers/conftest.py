"""What the tests of the views share: both bundled models with their tokenizers."""

import warnings

import pytest

from common import ROOT


@pytest.fixture(scope="session")
def roberta():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-roberta")


@pytest.fixture(scope="session")
def checkpoints(tokenizer, roberta):
    """Both bundled models, by name, with their tokenizers."""
    from transformers import AutoModelForMaskedLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [AutoModelForMaskedLM.from_pretrained(ROOT / "lab" / "checkpoints" / name) for name in ("mini-bert", "mini-roberta")]
    return {"before": (models[0], tokenizer), "after": (models[1], roberta)}
