"""What several tests share: both bundled models with their tokenizers, and what a training needs."""

import warnings

import pytest
import torch

from common import ROOT, forty_reviews, tiny_checkpoint


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


@pytest.fixture
def fresh_accelerator():
    """Each test of the loop makes accelerators of its own."""
    from helpers.train.setup import forget_accelerator

    yield
    forget_accelerator()


@pytest.fixture(scope="module")
def one_thread():
    """On tiny models, threads that wait for each other on a busy machine take most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def materials(tmp_path_factory):
    """A tiny checkpoint and forty reviews, as arguments of `python -m helpers.train`."""
    folder = tmp_path_factory.mktemp("materials")
    model, texts = tiny_checkpoint(folder / "model"), forty_reviews(folder / "texts")
    return ["--checkpoint", model, "--dataset", texts, "--chunk-size", 32, "--batch-size", 16,
            "--num-train-epochs", 3, "--max-train-samples", 100, "--mixed-precision", "no", "--cpu"]  # fmt: skip
