"""Flags of tokens: where sentences begin, and which words are names or numbers."""

import numpy as np

from lab.pretraining.pairs import Flag
from lab.pretraining.prepare import flag_tokens


def test_flags_know_sentences_names_and_numbers(tokenizer):
    words = "We met Anselm. He had 12 boats.\nThey left."
    encoded = tokenizer(words, add_special_tokens=False, return_offsets_mapping=True)
    flags = flag_tokens(words, np.array(encoded["offset_mapping"])[:, 0], encoded.word_ids())
    at = {flag: {encoded.word_ids()[i] for i in np.flatnonzero(flags & flag)} for flag in Flag}
    spelled = words.replace(".", " .").split()
    assert [spelled[i] for i in sorted(at[Flag.SENTENCE])] == ["We", "He", "They"]
    assert [spelled[i] for i in at[Flag.NAME]] == ["Anselm"]
    assert [spelled[i] for i in at[Flag.NUMBER]] == ["12"]
    assert at[Flag.DOCUMENT] == {0}
