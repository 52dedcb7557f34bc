"""Invented running text, as `lab/pretraining/prepare.py` would leave it."""

import numpy as np
import pytest

from lab.pretraining.batches import Text
from lab.pretraining.pairs import Flag
from lab.pretraining.prepare import flag_tokens


@pytest.fixture(scope="session")
def text(tokenizer):
    rng = np.random.default_rng(0)
    names = ["Mara", "Anselm", "Ruth", "Tobin"]
    lines = [
        f"{rng.choice(names)} did not see {rng.choice(names)} before the {rng.integers(2, 99)} boats were ready to sail north."
        for _ in range(400)
    ]
    document = " ".join(lines)
    encoded = tokenizer(document, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    flags = flag_tokens(document, np.array(encoded["offset_mapping"])[:, 0], encoded.word_ids())
    return Text(np.array(encoded["input_ids"], dtype=np.uint16), flags, np.flatnonzero(flags & Flag.SENTENCE))
