"""The exercises of chapter 03: labels of no meaning, chunks, whole words, spans, fair comparisons, lengths."""

import math

import torch

from helpers import chunking, metrics
from helpers.exercises.engine import Wrong, exercise, same, shown
from helpers.exercises.fixtures import tiny_model


def distinct(answer):
    """Return the values of a number or a collection, each once."""
    answer = answer.tolist() if hasattr(answer, "tolist") else answer
    return sorted(set(answer)) if isinstance(answer, list | set | frozenset | tuple) else [answer]


unsupervised_label = exercise(
    "set(reviews['unsupervised']['label']) holds every label once.", value=("unsupervised_label", "-1"), run=distinct,
    otherwise="It is another whole number. set(reviews['unsupervised']['label']) shows all that occur.",
)  # fmt: skip
unsupervised_label.mistake("Those are the labels of `train`. Look at reviews['unsupervised'].")([0, 1])
unsupervised_label.mistake("As text it is another value: give the number, without quotes.")("-1")


def some_tokens(chance):
    size = chance.randint(3, 6)
    for n in (3 * size + 2, 2 * size, size - 1, 1, 0):
        tokens = [chance.randint(5, 99) for _ in range(n)]
        yield tokens, size
        yield from ((tokens, size, pad) for pad in (None, 7, 0))
    yield [4, 7, 0, 0], 1


@exercise("range(0, len(tokens), size) gives where chunks begin. Only the last can be short.", cases=some_tokens)
def cut(tokens, size, pad=None):
    chunks = [tokens[i : i + size] for i in range(0, len(tokens), size)]
    if chunks and len(chunks[-1]) < size:
        rest = chunks.pop()
        if pad is not None:
            chunks.append(rest + [pad] * (size - len(rest)))
    return chunks


@cut.mistake("Without `pad` the short remainder should go; you keep it.")
def _keeps_the_rest(tokens, size, pad=None):
    chunks = [tokens[i : i + size] for i in range(0, len(tokens), size)]
    return cut.solution(tokens, size, pad) if pad is not None else chunks


@cut.mistake("Dropping works. With `pad` the remainder should stay, filled up to `size`.")
def _never_pads(tokens, size, pad=None):
    return cut.solution(tokens, size)


@cut.mistake("pad=0 is a number like any other, and false in an `if`: ask `pad is not None`.")
def _truthy(tokens, size, pad=None):
    return cut.solution(tokens, size, pad or None)


@cut.mistake("Where nothing is left over you add a chunk of padding alone.")
def _always_one_more(tokens, size, pad=None):
    whole = len(tokens) // size * size
    return cut.solution(tokens, size) + ([] if pad is None else [tokens[whole:] + [pad] * (size - len(tokens) + whole)])


def some_masks(chance):
    for _ in range(3):
        word_ids = [-1]
        for words in (chance.randint(4, 6), chance.randint(3, 5)):  # two reviews: the numbers start again
            word_ids += [word for word in range(words) for _ in range(chance.randint(1, 3))] + [-1, -1]
        labels = [chance.choice([-100, 7, 0]) if word != -1 else -100 for word in word_ids]
        head = [0, 0, 1, -1, 0, 1, 1, 1]  # word 0 of the second review has one piece
        yield [7, -100, -100, -100, 7, 7, -100, 7] + labels, head + word_ids
    yield [7, -100, -100, 9], [3, -1, 3, 4]  # two words of one piece each
    yield [7, 8, -100, 7], [0, 0, 1, 1]
    yield [-100, -100, 5], [-1, 2, 2]
    yield [7, 7, -100, -100, -100, 9, 5, -100, 5], [0, 0, 0, 1, 1, 1, 2, 2, 2]


@exercise("Go through both lists together and collect the labels of each run of equal word ids. -1 is no word, and numbers start again "
          "with each review, so compare with the previous id.", cases=some_masks)  # fmt: skip
def partly_masked(labels, word_ids):
    words, previous = [], None
    for label, word_id in zip(labels, word_ids):
        if word_id != previous:
            words.append([])
            previous = word_id
        if word_id != chunking.NO_WORD:
            words[-1].append(label != -100)
    return sum(any(word) and not all(word) for word in words)


@partly_masked.mistake(
    "You gather pieces by their number. A chunk holds several reviews, and each begins at 0 again: only neighbours belong together."
)
def _by_number(labels, word_ids):
    words = {}
    for label, word_id in zip(labels, word_ids):
        if word_id != chunking.NO_WORD:
            words.setdefault(word_id, []).append(label != -100)
    return sum(any(word) and not all(word) for word in words.values())


@partly_masked.mistake("You count words with any label. Those with all their labels are whole, and do not count.")
def _any(labels, word_ids):
    count, previous, hit = 0, None, False
    for label, word_id in zip(labels, word_ids):
        if word_id != previous:
            hit, previous = False, word_id
        if label != -100 and not hit:
            count, hit = count + 1, True
    return count


@partly_masked.mistake("You count tokens, not words.")
def _tokens(labels, word_ids):
    return sum(label != -100 for label in labels)


def judge_mask_spans(answer, chance, draws=24):
    word_ids = [chunking.NO_WORD]
    for words in (40, chance.randint(8, 12), chance.randint(8, 12)):  # three reviews; word numbers start again
        word_ids += [word for word in range(words) for _ in range(chance.randint(1, 3))] + [chunking.NO_WORD]
    input_ids, mask, seed = [chance.randint(200, 999) for _ in word_ids], chance.randint(3, 9), chance.randint(0, 10**6)

    def draw(seed):
        pair = answer(list(input_ids), list(word_ids), mask, torch.Generator().manual_seed(seed))
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise TypeError(f"{shown(pair)} in place of two lists")
        return pair

    drawn = [judge_spans(*draw(seed + i), input_ids, word_ids, mask) for i in range(draws)]
    shares = [sum(hidden) / len(hidden) for hidden, _ in drawn]
    if sum(shares) / draws > 0.15 + 5 / len(word_ids):  # the last span adds 2.5 tokens on average
        raise Wrong("{share:.0%} of the tokens are hidden: stop at 15%.", share=sum(shares) / draws)
    if min(length for _, lengths in drawn for length in lengths) != 3:
        raise Wrong("Spans are longer than three words: a span is the word that was drawn and the two after it.")
    if len({tuple(hidden) for hidden, _ in drawn}) == 1:
        raise Wrong("All generators give the same holes: hand `generator` to torch.randint.")
    places = {i for hidden, _ in drawn for i, hit in enumerate(hidden) if hit}
    if len(places) < 0.8 * sum(word_id != chunking.NO_WORD for word_id in word_ids):
        raise Wrong("In {draws} draws only {count} of {total} tokens were ever hidden: draw from all positions.",
                    draws=draws, count=len(places), total=len(word_ids))  # fmt: skip
    if not same(draw(seed), draw(seed)):
        raise Wrong("The same generator gives other holes the second time: draw from it alone.")


def judge_spans(masked, labels, input_ids, word_ids, mask):
    """Raise `Wrong` unless one draw is whole spans; return which tokens it hides, and the words of each run that ends before a word."""
    if len(masked) != len(input_ids) or len(labels) != len(input_ids):
        raise Wrong("Both lists should be as long as input_ids: {want}, not {masked} and {labels}.",
                    want=len(input_ids), masked=len(masked), labels=len(labels))  # fmt: skip
    hidden = [token == mask for token in masked]
    if any(hit and word_id == chunking.NO_WORD for hit, word_id in zip(hidden, word_ids)):
        raise Wrong("A special token is hidden. Where word_ids is -1 there is no word to hide.")
    if not same(masked, [mask if hit else token for token, hit in zip(input_ids, hidden)]):
        raise Wrong("A token that is not hidden has changed.")
    if not same(labels, [token if hit else -100 for token, hit in zip(input_ids, hidden)]):
        raise Wrong("labels should be the old token where it is hidden, and -100 everywhere else.")
    neighbours = list(zip(word_ids, word_ids[1:], hidden, hidden[1:]))
    if broken := sum(one == two and hit != next_hit for one, two, hit, next_hit in neighbours):
        raise Wrong("{broken} words are hidden in part; hide all pieces of a word.", broken=broken)
    if sum(hidden) < 0.15 * sum(word_id != chunking.NO_WORD for word_id in word_ids):
        raise Wrong("Only {share:.0%} of the tokens are hidden: go on until it is at least 15%.", share=sum(hidden) / len(input_ids))
    lengths, run = [], 0
    for one, two, hit, next_hit in neighbours:
        run += hit and one != two  # a hidden word ends here
        if run and not next_hit:
            if two != chunking.NO_WORD:
                lengths.append(run)
            run = 0
    if lengths and min(lengths) < 3:
        raise Wrong("A run of fewer than three words is hidden: a span is the word that was drawn and the two after it.")
    return hidden, lengths


@exercise("Keep a list of booleans. From a drawn position go back to where its word begins, then mark tokens until three words have ended or a "
          "special token comes. Write masked and labels at the end.", judge=judge_mask_spans)  # fmt: skip
def mask_spans(input_ids, word_ids, mask_token_id, generator):
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


def some_models(chance):
    torch.manual_seed(chance.randint(0, 10**6))
    models = tiny_model(), tiny_model()
    for names, kinds in (("tokens", "whole words"),) * 2, (("plain", "adapted"), ("first", "second", "third")):
        yield dict(zip(names, models)), {kind: [some_masks_of(18, 3), some_masks_of(3, 1)] for kind in kinds}


def some_masks_of(count, rows):
    """Return a batch of random ids with a number of labels."""
    ids = torch.randint(300, (rows, 8))
    labelled = torch.randperm(ids.numel()).view_as(ids) < count
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.masked_fill(~labelled, -100)}


@exercise("A dictionary of dictionaries, by two loops; metrics.perplexity(model, batches) is each entry.", cases=some_models)
def compare(models, sets):
    return {name: {kind: metrics.perplexity(model, batches) for kind, batches in sets.items()} for name, model in models.items()}


@compare.mistake(
    "Each model is evaluated on its own kind of mask alone. Those figures cannot be compared: evaluate each model on each set."
)
def _each_its_own(models, sets):
    return {name: {name: metrics.perplexity(model, sets[name])} for name, model in models.items()}


@compare.mistake("Those are losses. Perplexity is their exponential: metrics.perplexity.")
def _losses(models, sets):
    return {name: {kind: metrics.mean_masked_loss(model, batches) for kind, batches in sets.items()} for name, model in models.items()}


@compare.mistake("You average over batches, whatever they hold. Weigh them by their masked tokens, as metrics.perplexity does.")
def _batch_means(models, sets):
    def mean(model, batches):
        return math.exp(sum(metrics.mean_masked_loss(model, [batch]) for batch in batches) / len(batches))

    return {name: {kind: mean(model, batches) for kind, batches in sets.items()} for name, model in models.items()}


@compare.mistake("The keys are the wrong way round: models first, sets inside.")
def _transposed(models, sets):
    return {kind: {name: metrics.perplexity(model, batches) for name, model in models.items()} for kind, batches in sets.items()}


longest = exercise(
    "from transformers import BertConfig, BigBirdConfig, ModernBertConfig; then BertConfig().max_position_embeddings.",
    value=("longest", '{"BERT": 512, "BigBird": 4096, "ModernBERT": 8192}'),
    otherwise="One of the numbers, or a key, is another: the keys are BERT, BigBird and ModernBERT, and each has its own configuration class.",
)  # fmt: skip
longest.mistake("BigBird reads more than BERT: BigBirdConfig().max_position_embeddings.")({"BERT": 512, "BigBird": 512, "ModernBERT": 8192})
longest.mistake("ModernBERT is missing.")({"BERT": 512, "BigBird": 4096})
