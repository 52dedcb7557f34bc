"""The exercises of chapter 03: labels of no meaning, chunks, whole words, spans, fair comparisons, lengths."""

import math
from itertools import groupby

import torch

from helpers import chunking, metrics
from helpers.exercises.comparison import difference, same, shown
from helpers.exercises.engine import Chapter, Raised, Wrong
from helpers.exercises.fixtures import tiny_model

chapter = Chapter()


def distinct(answer):
    """Return the values of a number or a collection, each once."""
    answer = answer.tolist() if hasattr(answer, "tolist") else answer
    return sorted(set(answer)) if isinstance(answer, list | set | frozenset | tuple) else [answer]


chapter.add(
    "unsupervised_label",
    -1,
    "set(reviews['unsupervised']['label']) holds every label once.",
    run=distinct,
    mistakes=lambda: {
        "Those are the labels of `train`. Look at reviews['unsupervised'].": [0, 1],
        "As text it is another value: give the number, without quotes.": ["-1"],
    },
    otherwise="It is another whole number. set(reviews['unsupervised']['label']) shows all that occur.",
)


def cut_cases(chance):
    size = chance.randint(3, 6)
    for n in (3 * size + 2, 2 * size, size - 1, 1, 0):
        tokens = [chance.randint(5, 99) for _ in range(n)]
        yield tokens, size
        yield from ((tokens, size, pad) for pad in (None, 7, 0))
    yield [4, 7, 0, 0], 1


def cut_mistakes(tokens, size, pad=None):
    dropped, rest = cut(tokens, size), tokens[len(tokens) // size * size :]
    if pad is None:
        return {"Without `pad` the short remainder should go; you keep it.": [*dropped, rest] if rest else dropped}
    return {
        "Dropping works. With `pad` the remainder should stay, filled up to `size`.": dropped,
        "pad=0 is a number like any other, and false in an `if`: ask `pad is not None`.": cut(tokens, size, pad or None),
        "Where nothing is left over you add a chunk of padding alone.": [*dropped, rest + [pad] * (size - len(rest))],
    }


@chapter.exercise(cases=cut_cases, mistakes=cut_mistakes)
def cut(tokens, size, pad=None):
    """range(0, len(tokens), size) gives where chunks begin. Only the last can be short."""
    chunks = [tokens[i : i + size] for i in range(0, len(tokens), size)]
    if chunks and len(chunks[-1]) < size:
        rest = chunks.pop()
        if pad is not None:
            chunks.append(rest + [pad] * (size - len(rest)))
    return chunks


def word_numbers(chance, *reviews):
    """Return the word ids of a chunk with reviews of so many words; the numbers of each review start again."""
    word_ids = [chunking.NO_WORD]
    for words in reviews:
        word_ids += [word for word in range(words) for _ in range(chance.randint(1, 3))] + [chunking.NO_WORD]
    return word_ids


def words_cases(chance):
    for _ in range(3):
        word_ids = word_numbers(chance, chance.randint(4, 6), chance.randint(3, 5))
        labels = [chance.choice([-100, 7, 0]) if word != chunking.NO_WORD else -100 for word in word_ids]
        head = [0, 0, 1, -1, 0, 1, 1, 1]  # word 0 of the second review has one piece
        yield [7, -100, -100, -100, 7, 7, -100, 7] + labels, head + word_ids
    yield [7, -100, -100, 9], [3, -1, 3, 4]  # two words of one piece each
    yield [7, 8, -100, 7], [0, 0, 1, 1]
    yield [0, -100, 7], [0, 0, 1]  # a label may be 0, which is a token too
    yield [-100, -100, 5], [-1, 2, 2]
    yield [7, 7, -100, -100, -100, 9, 5, -100, 5], [0, 0, 0, 1, 1, 1, 2, 2, 2]


def words_mistakes(labels, word_ids):
    pieces = {}
    for label, word_id in zip(labels, word_ids):
        pieces.setdefault(word_id, []).append(label != -100)
    by_number = sum(any(word) and not all(word) for word in pieces.values())
    words = groupby(zip(labels, word_ids), key=lambda pair: pair[1])
    with_labels = sum(any(label != -100 for label, _ in word) for _, word in words)
    message = (
        "You gather pieces by their number. A chunk holds several reviews, and each begins at 0 again: only neighbours belong together."
    )
    return {
        message: by_number,
        "You count words with any label. Those with all their labels are whole, and do not count.": with_labels,
        "You count tokens, not words.": sum(label != -100 for label in labels),
    }


@chapter.exercise(cases=words_cases, mistakes=words_mistakes)
def partly_masked(labels, word_ids):
    """Go through both lists together and collect the labels of each run of equal word ids. -1 is no word, and numbers start again with
    each review, so compare with the previous id."""
    words, previous = [], None
    for label, word_id in zip(labels, word_ids):
        if word_id != previous:
            words.append([])
            previous = word_id
        if word_id != chunking.NO_WORD:
            words[-1].append(label != -100)
    return sum(any(word) and not all(word) for word in words)


def judge_mask_spans(answer, chance, draws=96):  # with 24, one answer in 100 that hides special tokens hid none
    word_ids = word_numbers(chance, 40, chance.randint(8, 12), chance.randint(8, 12))
    input_ids, mask, seed = [chance.randint(200, 999) for _ in word_ids], chance.randint(3, 9), chance.randint(0, 10**6)

    def draw(seed):
        pair = answer(list(input_ids), list(word_ids), mask, torch.Generator().manual_seed(seed))
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise Wrong("It should return two things, and returns {got}.", got=shown(pair))
        return pair

    drawn = [judge_spans(*draw(seed + i), input_ids, word_ids, mask) for i in range(draws)]
    shortest = min((length for _, lengths in drawn for length in lengths), default=3)
    if shortest != 3:
        message = "The shortest run of hidden words has {got} and should have 3: a span is the word that was drawn and the two after it."
        raise Wrong(message, got=shortest)
    share = sum(sum(hidden) for hidden, _ in drawn) / len(word_ids) / draws
    if share > 0.15 + 5 / len(word_ids):  # the last span adds 2.5 tokens on average
        raise Wrong("{share:.1%} of the tokens are hidden, and {rate:.1%} should be.", share=share, rate=0.15)
    if len({tuple(hidden) for hidden, _ in drawn}) == 1:
        raise Wrong("All generators give the same holes: hand `generator` to torch.randint.")
    places = {i for hidden, _ in drawn for i, hit in enumerate(hidden) if hit}
    if len(places) < 0.8 * sum(word_id != chunking.NO_WORD for word_id in word_ids):
        message = "In {draws} draws only {count} of {total} tokens were ever hidden: draw from all positions."
        raise Wrong(message, draws=draws, count=len(places), total=len(word_ids))
    if not same(draw(seed), draw(seed)):
        raise Wrong("The same generator gives other holes the second time: draw from it alone.")


def judge_spans(masked, labels, input_ids, word_ids, mask):
    """Raise `Wrong` unless one draw hides whole words; return which tokens it hides, and the words of each run that ends before a word."""
    if not len(masked) == len(labels) == len(input_ids):
        message = "Both lists should be as long as input_ids: {want}, not {masked} and {labels}."
        raise Wrong(message, want=len(input_ids), masked=len(masked), labels=len(labels))
    hidden = [token == mask for token in masked]
    if any(hit and word_id == chunking.NO_WORD for hit, word_id in zip(hidden, word_ids)):
        raise Wrong("A special token is hidden. Where word_ids is -1 there is no word to hide.")
    right_masked = [mask if hit else token for token, hit in zip(input_ids, hidden)]
    right_labels = [token if hit else -100 for token, hit in zip(input_ids, hidden)]
    if part := difference(masked, right_masked, place="masked") or difference(labels, right_labels, place="labels"):
        message = "{place} should be {right}, and is {got}: where nothing is hidden, `masked` has the old token and `labels` -100."
        raise Wrong(message, **part._asdict())
    broken = sum(one == two and hit != next_hit for one, two, hit, next_hit in zip(word_ids, word_ids[1:], hidden, hidden[1:]))
    if broken:
        raise Wrong("{broken} words are hidden in part; hide all pieces of a word.", broken=broken)
    if sum(hidden) < 0.15 * sum(word_id != chunking.NO_WORD for word_id in word_ids):
        raise Wrong("{share:.1%} of the tokens are hidden, and {rate:.1%} should be.", share=sum(hidden) / len(input_ids), rate=0.15)
    lengths, run = [], 0
    for (word_id, hit), _ in groupby(zip(word_ids, hidden)):  # word by word
        if run and not hit and word_id != chunking.NO_WORD:
            lengths.append(run)
        run = run + 1 if hit else 0
    return hidden, lengths


@chapter.exercise(judge=judge_mask_spans)
def mask_spans(input_ids, word_ids, mask_token_id, generator):
    """Keep a list of booleans. From a drawn position go back to where its word begins, then mark tokens until three words have ended or a
    special token comes. Write masked and labels at the end."""
    hidden = [False] * len(input_ids)
    while sum(hidden) < 0.15 * len(input_ids):
        at = torch.randint(len(input_ids), (1,), generator=generator).item()
        if word_ids[at] == chunking.NO_WORD:
            continue
        while at and word_ids[at - 1] == word_ids[at]:
            at -= 1
        first = word_ids[at]
        while at < len(word_ids) and word_ids[at] != chunking.NO_WORD and 0 <= word_ids[at] - first < 3:
            hidden[at] = True
            at += 1
    masked = [mask_token_id if hit else token for token, hit in zip(input_ids, hidden)]
    return masked, [token if hit else -100 for token, hit in zip(input_ids, hidden)]


def compare_cases(chance):
    models = tiny_model(), tiny_model()
    for names, kinds in (("tokens", "whole words"),) * 2, (("plain", "adapted"), ("first", "second", "third")):
        yield dict(zip(names, models)), {kind: [masked_batch(18, 3), masked_batch(3, 1)] for kind in kinds}


def masked_batch(count, rows):
    """Return a batch of random ids with a number of labels."""
    ids = torch.randint(300, (rows, 8))
    labelled = torch.randperm(ids.numel()).view_as(ids) < count
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.masked_fill(~labelled, -100)}


def compare_mistakes(models, sets):
    def table(figure):
        return {name: {kind: figure(model, batches) for kind, batches in sets.items()} for name, model in models.items()}

    def batch_mean(model, batches):
        return math.exp(sum(metrics.mean_masked_loss(model, [batch]) for batch in batches) / len(batches))

    right, shared = compare(models, sets), models.keys() & sets.keys()
    own = {name: {name: right[name][name]} for name in models} if shared else Raised(KeyError())
    transposed = {kind: {name: right[name][kind] for name in models} for kind in sets}
    return {
        "Each model is evaluated on its own kind of mask alone. Those figures cannot be compared: evaluate each model on each set.": own,
        "Those are losses; a perplexity is the exponential of one.": table(metrics.mean_masked_loss),
        "You average over batches, whatever they hold. Weigh them by their masked tokens, as metrics.perplexity does.": table(batch_mean),
        "The keys are the wrong way round: models first, sets inside.": transposed,
    }


@chapter.exercise(cases=compare_cases, mistakes=compare_mistakes)
def compare(models, sets):
    """A dictionary of dictionaries, by two loops; metrics.perplexity(model, batches) is each entry."""
    return {name: {kind: metrics.perplexity(model, batches) for kind, batches in sets.items()} for name, model in models.items()}


chapter.add(
    "longest",
    {"BERT": 512, "BigBird": 4096, "ModernBERT": 8192},
    "from transformers import BertConfig, BigBirdConfig, ModernBertConfig; then BertConfig().max_position_embeddings.",
    mistakes=lambda: {
        "BigBird reads more than BERT: BigBirdConfig().max_position_embeddings.": {"BERT": 512, "BigBird": 512, "ModernBERT": 8192},
        "ModernBERT is missing.": {"BERT": 512, "BigBird": 4096},
    },
    otherwise="One of the numbers, or a key, is another: the keys are BERT, BigBird and ModernBERT, and each has its own configuration class.",
)
