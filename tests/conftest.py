"""What several test files need: tiny tokenizers and models that cost no time and no network."""

import pytest
import torch

from common import ROOT, TINY
from helpers import i18n


@pytest.fixture(autouse=True)
def english():
    """Every test begins in English, whatever language the one before has set."""
    i18n.set_language("en")


@pytest.fixture(scope="session")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-bert")


@pytest.fixture(params=["bert", "distilbert", "roberta"])
def tiny_model(request):
    """A random two-layer model of each family, dropout off."""
    from transformers import AutoModelForMaskedLM, BertConfig, DistilBertConfig, RobertaConfig

    torch.manual_seed(0)
    off = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    if request.param == "distilbert":
        config = DistilBertConfig(
            vocab_size=200, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64, dropout=0.0, attention_dropout=0.0
        )
    else:
        config = {"bert": BertConfig, "roberta": RobertaConfig}[request.param](**TINY, **off)
    return AutoModelForMaskedLM.from_config(config)


@pytest.fixture
def batch():
    """Ids (4, 20), full attention, labels at about a third of the positions, -100 elsewhere."""
    torch.manual_seed(1)
    ids = torch.randint(5, 200, (4, 20))
    labels = ids.masked_fill(torch.rand(ids.shape) > 0.3, -100)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
