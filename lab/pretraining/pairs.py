"""Pairs made from plain text: a sentence beside its own noised form, or beside one that says something else.

Next-sentence prediction alone is solved by topic and teaches nothing about the small changes that
decide whether two sentences mean the same. So half of the rewritten sentences also get a changed
number, name, negation, direction or word. Both halves are noised alike: noise tells nothing.
"""

import enum

import numpy as np

NEGATABLE = "is was are were has had have will would can could should did does do may might must".split()
OPPOSITES = [
    ("rose", "fell"), ("more", "less"), ("before", "after"), ("first", "last"), ("increase", "decrease"), ("increased", "decreased"),
    ("up", "down"), ("all", "some"), ("always", "never"), ("north", "south"), ("east", "west"), ("northern", "southern"),
    ("eastern", "western"), ("high", "low"), ("higher", "lower"), ("old", "new"), ("large", "small"), ("larger", "smaller"),
    ("most", "least"), ("won", "lost"), ("early", "late"), ("earlier", "later"), ("began", "ended"), ("open", "closed"),
    ("opened", "closed"), ("with", "without"), ("above", "below"), ("inside", "outside"), ("many", "few"), ("left", "right"),
    ("men", "women"), ("man", "woman"), ("he", "she"), ("his", "her"), ("major", "minor"), ("young", "old"), ("best", "worst"),
    ("good", "bad"), ("long", "short"), ("strong", "weak"), ("day", "night"), ("summer", "winter"), ("public", "private"),
    ("monday", "thursday"), ("tuesday", "friday"), ("wednesday", "saturday"), ("january", "june"), ("february", "july"),
    ("march", "october"), ("april", "november"), ("may", "september"), ("august", "december"), ("million", "billion"),
    ("two", "three"), ("four", "five"), ("six", "seven"), ("eight", "nine"), ("ten", "twelve"), ("second", "third"),
]  # fmt: skip


class Flag(enum.IntFlag):
    """What a rewriting must know about a token once its spelling is gone."""

    CONTINUES = 1  # not the first piece of its word
    NAME = 2  # capitalised within a sentence
    NUMBER = 4  # holds a digit
    SENTENCE = 8  # first token of a sentence
    DOCUMENT = 16  # first token of a document


class PairMaker:
    """Rewrites sentences given as lists of words, each a tuple ``(ids of its pieces, flags of the first)``.

    Args:
        vocab: Piece to id, as ``tokenizer.get_vocab()`` gives it.
        marker: What a word's first piece starts with (``""`` in WordPiece, ``"Ġ"`` in byte-level BPE).
    """

    def __init__(self, vocab: dict[str, int], marker: str = ""):
        def ids(words):
            return [vocab[marker + word] for word in words if marker + word in vocab]

        self.negation = ids(["not"])[0]
        self.negatable = set(ids(NEGATABLE))
        pairs = [ids(pair) for pair in OPPOSITES]
        self.opposites = {a: b for one, two in (p for p in pairs if len(p) == 2) for a, b in ((one, two), (two, one))}
        self.rare_from = 700  # trainers number by frequency: below are letters, endings and function words
        self.changes = [self._number, self._name, self._negate, self._oppose, self._roles, self._word]

    def noised(self, words: list, rng: np.random.Generator) -> list:
        """The same sentence, worded otherwise: halves swapped, plain words dropped or moved by one."""
        words, end = list(words[:-1]), words[-1:]  # the full stop stays where it is
        if rng.random() < 0.3 and len(words) > 6:
            cut = int(rng.integers(3, len(words) - 2))
            words = words[cut:] + words[:cut]
        dropped = rng.random() * 0.2
        kept = [word for word in words if self._says_much(word) or rng.random() > dropped]
        words = kept if len(kept) >= 3 else words
        for i in np.flatnonzero(rng.random(max(len(words) - 1, 0)) < rng.random() * 0.1):
            words[i], words[i + 1] = words[i + 1], words[i]
        return words + end

    def changed(self, words: list, others: list, rng: np.random.Generator) -> list:
        """One to three things made untrue, where the sentence has them; `others` are words to take from."""
        words = list(words)
        for i in rng.permutation(len(self.changes))[: rng.integers(1, 4)]:
            self.changes[i](words, others, rng)
        return words

    def different(self, words: list, following: list, others: list, subtle: float, rng: np.random.Generator) -> list:
        """A sentence that says something else: with chance `subtle` by a changed fact, else by more; `following` is the next sentence."""
        if rng.random() < subtle:
            return self.changed(words, others, rng)
        kind = rng.random()
        if kind < 0.25:  # several words replaced
            places = rng.permutation(len(words) - 1)[: rng.integers(3, max(4, len(words) // 2))]
            return [others[rng.integers(len(others))] if i in places else word for i, word in enumerate(words)]
        if kind < 0.75:  # a part taken from the next sentence
            size = max(2, int(len(words) * rng.uniform(0.3, 0.9)))
            start, take = rng.integers(max(1, len(words) - size + 1)), rng.integers(max(1, len(following) - size + 1))
            return words[:start] + following[take : take + size] + words[start + size :]
        return following

    def _says_much(self, word) -> bool:
        ids, flags = word
        return bool(flags & (Flag.NAME | Flag.NUMBER)) or ids[0] == self.negation or ids[0] in self.opposites

    def _is_plain(self, word) -> bool:
        ids, flags = word
        return ids[0] > self.rare_from and not flags & (Flag.NAME | Flag.NUMBER)

    def _replace(self, words, others, rng, wanted):
        places, takes = [i for i, w in enumerate(words) if wanted(w)], [w for w in others if wanted(w)]
        if places and takes:
            words[rng.choice(places)] = takes[rng.integers(len(takes))]

    def _number(self, words, others, rng):
        self._replace(words, others, rng, lambda word: word[1] & Flag.NUMBER)

    def _name(self, words, others, rng):
        self._replace(words, others, rng, lambda word: word[1] & Flag.NAME)

    def _word(self, words, others, rng):
        self._replace(words, others, rng, self._is_plain)

    def _oppose(self, words, others, rng):
        places = [i for i, (ids, _) in enumerate(words) if ids[0] in self.opposites]
        if places:
            i = rng.choice(places)
            ids, flags = words[i]
            words[i] = ((self.opposites[ids[0]], *ids[1:]), flags)

    def _negate(self, words, others, rng):
        negated = [i for i, (ids, _) in enumerate(words) if ids[0] == self.negation]
        places = [i for i, (ids, _) in enumerate(words) if ids[0] in self.negatable]
        if negated:
            del words[negated[0]]
        elif places:
            words.insert(rng.choice(places) + 1, ((self.negation,), 0))

    def _roles(self, words, others, rng):
        names = [i for i, (_, flags) in enumerate(words) if flags & Flag.NAME]
        if len(names) > 1:
            i, j = rng.choice(names, 2, replace=False)
            words[i], words[j] = words[j], words[i]
