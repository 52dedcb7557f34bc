"""Word vectors: words that keep the same company come out alike."""

import numpy as np
import torch

from lab.pretraining.vectors import frequencies, word_vectors


def test_words_of_the_same_company_have_like_vectors_and_frequencies_are_the_texts():
    rng = np.random.default_rng(0)
    # 0 and 1 stand before 4 5, 2 and 3 before 6 7
    sentences = [[rng.choice((0, 1)), 4, 5] if i % 2 else [rng.choice((2, 3)), 6, 7] for i in range(4000)]
    ids = np.array([token for sentence in sentences for token in [*sentence, 8, 8, 8, 8]], dtype=np.uint16)
    vectors, frequency = word_vectors(ids, 9, 4), frequencies(ids, 9)
    alike = torch.nn.functional.cosine_similarity(vectors[0], vectors[1:4], dim=1)
    assert vectors.shape == (9, 4) and alike[0] > 0.9 and alike[0] > alike[1:].max() + 0.2
    counts = torch.from_numpy(np.bincount(ids, minlength=9)) + 1
    torch.testing.assert_close(frequency, counts / counts.sum(), rtol=1e-5, atol=0)
