"""Guards of the bundled corpora: what makes them honest stand-ins for the real ones."""

import json
import re
import zlib
from collections import Counter, defaultdict

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from common import ROOT, SHARED

CORPORA = ROOT / "lab" / "corpora"


def rows(corpus, split):
    return [json.loads(line) for line in (CORPORA / corpus / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def texts_of(row):
    if "sentence1" in row:
        return [row["sentence1"], row["sentence2"]]
    return [row["text"]] if "text" in row else [row["title"], row["selftext"], *row["answers"]["text"]]


def words(text):
    return re.findall(r"[\w']+", text.lower())


SPLITS = {
    "paraphrases": {"train": 800, "validation": 400},
    "reviews": {"train": 600, "test": 300, "unsupervised": 150},
    "questions": {"train": 150},
    "passages": {"train": 40},
}
ALL = {corpus: [row for split in splits for row in rows(corpus, split)] for corpus, splits in SPLITS.items()}


@pytest.mark.parametrize("corpus, split, count", [(c, s, n) for c, splits in SPLITS.items() for s, n in splits.items()])
def test_sizes(corpus, split, count):
    assert len(rows(corpus, split)) == count


@pytest.mark.parametrize("corpus", SPLITS)
def test_no_row_twice_within_or_between_splits(corpus):
    seen = Counter(" | ".join(" ".join(words(text)) for text in texts_of(row)) for row in ALL[corpus])
    assert not [text for text, count in seen.items() if count > 1]


@pytest.mark.parametrize("corpus", SPLITS)
def test_no_eight_words_in_a_row_in_more_than_two_rows(corpus):
    where = defaultdict(set)
    for number, row in enumerate(ALL[corpus]):
        for tokens in map(words, texts_of(row)):
            for i in range(len(tokens) - 7):
                where[tuple(tokens[i : i + 8])].add(number)
    assert not [" ".join(gram) for gram, numbers in where.items() if len(numbers) > 2]


@pytest.mark.parametrize("corpus", ["paraphrases", "reviews"])
def test_splits_share_no_eight_words_in_a_row(corpus):
    grams = {}
    for split in SPLITS[corpus]:
        grams[split] = {tuple(w[i : i + 8]) for row in rows(corpus, split) for w in map(words, texts_of(row)) for i in range(len(w) - 7)}
    names = list(grams)
    assert not [g for i, a in enumerate(names) for b in names[i + 1 :] for g in grams[a] & grams[b]]


def test_balance():
    for split in ("train", "validation"):
        assert np.mean([row["label"] for row in rows("paraphrases", split)]) == pytest.approx(2 / 3, abs=0.005)
    for split in ("train", "test"):
        assert np.mean([row["label"] for row in rows("reviews", split)]) == 0.5
    assert {row["label"] for row in rows("reviews", "unsupervised")} == {-1}
    assert all(1 <= len(row["answers"]["text"]) <= 3 for row in rows("questions", "train"))


def test_lengths():
    sentences = [len(text.split()) for row in ALL["paraphrases"] for text in texts_of(row)]
    assert 8 <= min(sentences) and max(sentences) <= 38 and 20 < np.mean(sentences) < 24
    reviews = [len(row["text"].split()) for row in ALL["reviews"]]
    assert 18 <= min(reviews) and max(reviews) <= 200 and np.std(reviews) > 25
    answers = [len(text.split()) for row in ALL["questions"] for text in row["answers"]["text"]]
    assert 20 <= min(answers) and max(answers) <= 170
    passages = [len(row["text"].split()) for row in ALL["passages"]]
    assert 60 <= min(passages) and max(passages) <= 120


def features(one, two):
    """Word overlap and lengths: all that a model without understanding has."""
    a, b = words(one), words(two)
    shared = len(set(a) & set(b))
    return [shared / len(set(a) | set(b)), abs(len(a) - len(b)), max(len(a), len(b))]


def overlap_accuracy(train, test):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit([features(a, b) for a, b, _ in train], [label for *_, label in train])
    return model.score([features(a, b) for a, b, _ in test], [label for *_, label in test])


def test_word_overlap_is_no_better_a_judge_than_on_the_real_pairs():
    pairs = [
        [(row["sentence1"], row["sentence2"], row["label"]) for row in rows("paraphrases", split)] for split in ("train", "validation")
    ]
    assert overlap_accuracy(*pairs) <= 0.74  # 0.72 on equal-sized samples of MRPC, standard deviation 0.02


def richness(texts):
    """Type-token ratio, and compressed size as a share of the size."""
    tokens, raw = [t for text in texts for t in words(text)], "\n".join(texts).encode()
    return len(set(tokens)) / len(tokens), len(zlib.compress(raw, 9)) / len(raw)


def cut_to_size(ours, real, rng):
    """Real texts, as many as ours; paired by rank of length, each is cut to the length of ours."""
    sample = sorted((real[i] for i in rng.permutation(len(real))[: len(ours)]), key=lambda text: len(text.split()))
    lengths = sorted(len(text.split()) for text in ours)
    return [" ".join(text.split()[:length]) for text, length in zip(sample, lengths)]


def real_texts(corpus):
    import pyarrow.parquet as pq

    def column(name, *path):
        return pq.read_table(SHARED.joinpath(*path))[name].to_pylist()

    if corpus == "paraphrases":
        return column("sentence1", "mrpc", "train.parquet") + column("sentence2", "mrpc", "train.parquet")
    if corpus == "reviews":
        return column("text", "imdb", "train.parquet")
    parts = zip(*(column(name, "eli5_category", "train.parquet") for name in ("title", "selftext", "answers")))
    return [" ".join([title, selftext, *answers["text"]]) for title, selftext, answers in parts]


@pytest.mark.skipif(not SHARED.exists(), reason="the real data sets are not beside the repository")
@pytest.mark.parametrize("corpus", ["paraphrases", "reviews", "questions"])  # passages imitate no data set
def test_vocabulary_and_variety_are_those_of_equal_sized_real_samples(corpus):
    ours = [" ".join(texts_of(row)) for row in ALL[corpus]] if corpus == "questions" else [t for row in ALL[corpus] for t in texts_of(row)]
    if corpus == "paraphrases":  # first all first sentences: beside its pair a sentence compresses too well
        ours = [row["sentence1"] for row in ALL[corpus]] + [row["sentence2"] for row in ALL[corpus]]
    real = real_texts(corpus)
    samples = [cut_to_size(ours, real, np.random.default_rng(seed)) for seed in range(3)]
    expected = np.mean([richness(sample) for sample in samples], axis=0)
    assert richness(ours) == pytest.approx(expected, rel=0.15)
