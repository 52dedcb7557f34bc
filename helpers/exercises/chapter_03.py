"""The exercises of chapter 03: labels of no meaning, chunks, whole words, spans, fair comparisons, lengths."""

import math

import torch

from helpers import chunking, metrics
from helpers.exercises.engine import Wrong, exercise
from helpers.exercises.fixtures import tiny_bert


def judge_unsupervised_label(answer, chance):
    values = {int(value) for value in (answer if isinstance(answer, list | set | tuple) else [answer])}
    if values == {0, 1}:
        raise Wrong("Those are the labels of `train`. Look at reviews['unsupervised'].")
    if values != {-1}:
        raise Wrong("It is another number. set(reviews['unsupervised']['label']) shows all that occur.")


unsupervised_label = exercise(
    "set(reviews['unsupervised']['label']) holds every label once.", judge=judge_unsupervised_label, name="unsupervised_label", value="-1"
)
unsupervised_label.mistake("It is another number.")(0)
unsupervised_label.mistake("Those are the labels of `train`.")([0, 1])


def some_tokens(chance):
    size = chance.randint(3, 6)
    for n in (3 * size + 2, 2 * size, size - 1, 0):
        for pad in (None, 7, 0):
            yield [chance.randint(5, 99) for _ in range(n)], size, pad


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
        labels = [chance.choice([-100, 7]) if word != -1 else -100 for word in word_ids]
        head = [0, 0, 1, -1, 0, 1, 1, 1]  # word 0 of the second review has one piece
        yield [7, -100, -100, -100, 7, 7, -100, 7] + labels, head + word_ids


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


@partly_masked.mistake("You count tokens; words were asked for.")
def _tokens(labels, word_ids):
    return sum(label != -100 for label in labels)


def judge_mask_spans(answer, chance):
    word_ids = [chunking.NO_WORD] + [word for word in range(60) for _ in range(chance.randint(1, 3))] + [chunking.NO_WORD]
    input_ids, mask = [chance.randint(200, 999) for _ in word_ids], 4
    seed, starts = chance.randint(0, 10**6), set()
    for draw in range(8):
        masked, labels = answer(list(input_ids), list(word_ids), mask, torch.Generator().manual_seed(seed + draw))
        masked, labels = [int(token) for token in masked], [int(label) for label in labels]
        hidden = [token == mask for token in masked]
        if len(masked) != len(input_ids) or len(labels) != len(input_ids):
            raise Wrong("Both lists should be as long as input_ids: {want}, not {masked} and {labels}.",
                        want=len(input_ids), masked=len(masked), labels=len(labels))  # fmt: skip
        if hidden[0] or hidden[-1]:
            raise Wrong("A special token is hidden. Where word_ids is -1 there is no word to hide.")
        if any(token != old for token, old, hit in zip(masked, input_ids, hidden) if not hit):
            raise Wrong("A token that is not hidden has changed.")
        if labels != [old if hit else -100 for old, hit in zip(input_ids, hidden)]:
            raise Wrong("labels should be the old token where it is hidden, and -100 everywhere else.")
        parts = {}
        for word_id, hit in zip(word_ids, hidden):
            parts.setdefault(word_id, set()).add(hit)
        broken = sum(len(hits) > 1 for hits in parts.values())
        if broken:
            raise Wrong("{broken} words are hidden in part; hide all pieces of a word.", broken=broken)
        if sum(hidden) < 0.15 * (len(input_ids) - 2):
            raise Wrong("Only {share:.0%} of the tokens are hidden: go on until it is at least 15%.", share=sum(hidden) / len(input_ids))
        if sum(hidden) > 0.15 * len(input_ids) + 9:
            raise Wrong("{share:.0%} of the tokens are hidden: stop at 15%.", share=sum(hidden) / len(input_ids))
        words = "".join("x" if True in parts[word] else "." for word in range(60))
        if any(len(run) < 3 for run in words[: words.rfind(".") + 1].split(".") if run):
            raise Wrong("A run of fewer than three words is hidden: a span is the word that was drawn and the two after it.")
        starts.add(tuple(hidden))
    if len(starts) == 1:
        raise Wrong("Eight generators give the same holes: hand `generator` to torch.randint.")
    again = answer(list(input_ids), list(word_ids), mask, torch.Generator().manual_seed(seed + 7))
    if [int(token) for token in again[0]] != masked:
        raise Wrong("The same generator gives other holes the second time: draw from it alone.")


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


def _mask(input_ids, hidden, mask_token_id):
    masked = [mask_token_id if hit else token for token, hit in zip(input_ids, hidden)]
    return masked, [token if hit else -100 for token, hit in zip(input_ids, hidden)]


@mask_spans.mistake("A run of fewer than three words")
def _single_words(input_ids, word_ids, mask_token_id, generator):
    hidden = [False] * len(input_ids)
    while sum(hidden) < 0.15 * len(input_ids):
        word = torch.randint(60, (1,), generator=generator).item()
        hidden = [hit or word_id == word for hit, word_id in zip(hidden, word_ids)]
    return _mask(input_ids, hidden, mask_token_id)


@mask_spans.mistake("Only")
def _one_span(input_ids, word_ids, mask_token_id, generator):
    word = torch.randint(57, (1,), generator=generator).item()
    return _mask(input_ids, [word <= word_id < word + 3 for word_id in word_ids], mask_token_id)


@mask_spans.mistake("labels should be the old token where it is hidden")
def _all_labels(input_ids, word_ids, mask_token_id, generator):
    return mask_spans.solution(input_ids, word_ids, mask_token_id, generator)[0], list(input_ids)


@mask_spans.mistake("A special token is hidden")
def _from_the_edge(input_ids, word_ids, mask_token_id, generator):
    count = math.ceil(0.15 * len(input_ids))
    torch.randint(2, (1,), generator=generator)
    return _mask(input_ids, [i < count for i in range(len(input_ids))], mask_token_id)


def some_models(chance):
    torch.manual_seed(chance.randint(0, 10**6))
    models = {name: tiny_bert().eval() for name in ("tokens", "whole words")}
    for model in models.values():
        for parameter in model.parameters():
            parameter.data *= 3  # random models of the usual size all guess alike
    ids = torch.randint(300, (4, 8))
    halves = ([0, 1, 2], chance.uniform(0.2, 0.3)), ([3], chance.uniform(0.6, 0.7))  # of unequal numbers of masked tokens
    sets = {
        name: [
            {"input_ids": ids[rows], "labels": ids[rows].masked_fill(torch.rand(len(rows), 8) < visible, -100)} for rows, visible in halves
        ]
        for name in ("tokens", "whole words")
    }
    yield models, sets


@exercise("A dictionary of dictionaries, by two loops; metrics.perplexity(model, batches) is each entry.", cases=some_models)
def compare(models, sets):
    return {name: {kind: metrics.perplexity(model, batches) for kind, batches in sets.items()} for name, model in models.items()}


@compare.mistake("Each model is asked its own kind of mask alone. Those figures cannot be compared: ask both models both sets.")
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


def judge_longest(answer, chance):
    import transformers

    for name in ("BERT", "BigBird", "ModernBERT"):
        right = getattr(transformers, f"{name.replace('BERT', 'Bert')}Config")().max_position_embeddings
        if name not in answer:
            raise Wrong("{name} is missing: the keys should be BERT, BigBird and ModernBERT.", name=name)
        if answer[name] != right:
            raise Wrong(
                "{name} has another number of positions than {got}: ask {name}'s own configuration class.", name=name, got=answer[name]
            )


longest = exercise(
    "from transformers import BertConfig, BigBirdConfig, ModernBertConfig; then BertConfig().max_position_embeddings.",
    judge=judge_longest, name="longest", value='{"BERT": 512, "BigBird": 4096, "ModernBERT": 8192}',
)  # fmt: skip
longest.mistake("BigBird has another number of positions")({"BERT": 512, "BigBird": 512, "ModernBERT": 512})
longest.mistake("ModernBERT is missing")({"BERT": 512, "BigBird": 4096})
