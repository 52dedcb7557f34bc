"""The exercises of chapter 04: answers in order, another checkpoint, labels of padding, what bytes cost, several holes."""

import tempfile

import torch
from torch.nn import functional as F
from transformers import BertConfig, RobertaConfig

from helpers.exercises.comparison import same, shown
from helpers.exercises.engine import Chapter, Wrong
from helpers.exercises.fixtures import PARAGRAPHS, bundled_tokenizers, recorded_calls, strays, tiny_model, tiny_tokenizer

chapter = Chapter()


def answers_cases(chance):
    texts = chance.sample(["Because of rust.", "It melts.", "Nobody knows!", "By law.", "See above."], 4)
    low, high = chance.randint(-3, 2), chance.randint(5, 40)
    yield from ((texts, [low, high, low, high]), (texts[:2], [high, low]), (texts[:1], [low]), ([], []))
    yield ["Zinc.", "Air.", "Milk."], [high, high, high]
    yield ["Yes.", "No.", "Yes.", "Rust.", "Ice."], [9, -50, 10, 0, 100]
    yield [f"Answer {i}." for i in range(40)], [chance.randint(1, 3) for _ in range(40)]  # small lists are sorted stably by any means


def answers_mistakes(texts, scores):
    def joined(pairs, separator=" "):
        return separator.join(text for text, _ in pairs)

    pairs = list(zip(texts, scores))
    ascending = sorted(pairs, key=lambda pair: pair[1])
    descending = sorted(pairs, key=lambda pair: pair[1], reverse=True)
    reverse = joined(ascending[::-1])
    by_text = sorted(pairs, key=lambda pair: pair[::-1], reverse=True)
    return {
        "The worst comes first: sort the other way round.": joined(ascending),
        "The best comes first, but answers with equal scores have changed places: reverse=True keeps them, [::-1] does not.": reverse,
        "Equal scores are ordered by their texts: sort by the score alone, with key=.": joined(by_text),
        "The order is right; join by a space, not by nothing.": joined(descending, separator=""),
        "The texts come as they were: the scores play no part.": joined(pairs),
    }


@chapter.exercise(cases=answers_cases, mistakes=answers_mistakes)
def best_first(texts, scores):
    """zip texts and scores; sorted(…, key=…, reverse=True) keeps the order of equal ones."""
    ranked = sorted(zip(texts, scores), key=lambda pair: pair[1], reverse=True)
    return " ".join(text for text, _ in ranked)


def judge_train_another(answer, chance):
    texts = [" ".join(chance.sample(PARAGRAPHS, 4)) for _ in range(2)] + ["A third text."]
    masked = []
    for tokenizer, kind in list(zip(bundled_tokenizers(), (BertConfig, RobertaConfig))) * 2:
        with tempfile.TemporaryDirectory() as checkpoint:
            tokenizer.save_pretrained(checkpoint)
            model = tiny_model(len(tokenizer), kind)
            model.save_pretrained(checkpoint)
            got, calls = recorded_calls(answer, checkpoint, list(texts))
        rows = torch.tensor([tokenizer(text, truncation=True, max_length=128)["input_ids"] for text in texts[:2]])
        masked.append(judge_call(got, calls, model, rows)[:, 1:-1])  # without special tokens
    masked = torch.cat(masked)
    if strays(masked, 0.15):
        raise Wrong("{share:.1%} of the tokens are hidden, and {rate:.1%} should be.", share=float(masked.float().mean()), rate=0.15)


def judge_call(got, calls, model, rows):
    """Raise `Wrong` unless the answer's loss is that of masked tokens of the rows; return which are masked, ``(2, 128)``."""
    if not isinstance(got, list | tuple) or len(got) != 2:
        raise Wrong("It should return two things, and returns {got}.", got=shown(got))
    (name, loss), kind = got, type(model).__name__
    if name != kind:
        raise Wrong("For a {kind} the first value is {got}: type(model).__name__ is its name.", kind=kind, got=shown(name))
    if isinstance(loss, torch.Tensor):
        raise Wrong("A loss is a tensor, with the graph of its step behind it; .item() makes a number of it.")
    if len(calls) != 1:
        raise Wrong("One batch makes one call of the model; there were {count}.", count=len(calls))
    used, ids, labels, logits = calls[0]
    got, stored = used.state_dict(), model.state_dict()
    if {name: tensor.shape for name, tensor in got.items()} != {name: tensor.shape for name, tensor in stored.items()}:
        raise Wrong("That is not the model of `checkpoint`: AutoModelForMaskedLM.from_pretrained(checkpoint).")
    if not all(torch.allclose(got[name].cpu().float(), stored[name], atol=1e-3) for name in stored):
        raise Wrong("The model has other weights than those in `checkpoint`: from_pretrained loads them.")
    if ids.shape != rows.shape:
        message = "The model reads {shape} tokens, and should read two rows of 128: the first two texts, truncated."
        raise Wrong(message, shape=list(ids.shape))
    changed = ids != rows
    if changed.float().mean() > 0.6:
        raise Wrong("The rows hold other tokens than the texts: take the tokenizer of the same checkpoint.")
    if not changed.any():
        raise Wrong("No token is masked: DataCollatorForLanguageModeling masks them.")
    masked = changed if labels is None else labels != -100
    if labels is not None and ((changed & ~masked).any() or not torch.equal(labels[masked], rows[masked])):
        raise Wrong("Labels should be the texts' own tokens where the collator masks, and -100 elsewhere.")
    if masked.float().mean() > 0.9:
        raise Wrong("Every token has a label, so the loss is mostly that of copying: the collator gives labels to masked tokens alone.")
    right = F.cross_entropy(logits[masked], rows[masked]).item()
    if not same(loss, right, tolerance=0.3 if labels is None else 0.02):  # one masked token in ten looks unchanged; precision of a GPU
        raise Wrong("The model's loss is {right:.3f}, and you return {got}.", right=right, got=shown(loss))
    return masked


@chapter.exercise(judge=judge_train_another)
def train_another(checkpoint, texts):
    """AutoTokenizer and AutoModelForMaskedLM from `checkpoint`; tokenize with truncation, hand a list of rows to a new collator.
    `batch` holds numbers of another tokenizer's vocabulary: to this model the same numbers mean other tokens."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForMaskedLM.from_pretrained(checkpoint)
    rows = [tokenizer(text, truncation=True, max_length=128) for text in texts[:2]]
    batch = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)(rows)
    return type(model).__name__, model(**batch).loss.item()


def causal_cases(chance):
    for shape in ((3, 7), (2, 5), (1, 4)):
        end, attention = chance.randint(1, 4), torch.ones(shape, dtype=torch.long)
        for row in attention[:2]:
            row[chance.randint(2, shape[1] - 1) :] = 0
        ids = torch.tensor([[chance.randint(5, 99) for _ in row] for row in attention]).masked_fill(attention == 0, end)
        ids[range(len(ids)), attention.sum(dim=1) - 1] = end  # the real end of each text
        yield ids, attention
    ids, attention = torch.randint(5, 99, (2, 6)), torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])  # padded on the left
    yield ids.masked_fill(attention == 0, 3), attention


def causal_mistakes(input_ids, attention_mask):
    padding = attention_mask == 0
    by_number = input_ids.masked_fill(torch.isin(input_ids, input_ids[padding]), -100)
    inverted = input_ids.masked_fill(~padding, -100)
    floats = causal_labels(input_ids, attention_mask).float()
    message = "You take the padding by its number, and that is the end token's too: the real ends are lost. Look at the attention mask."
    return {
        message: (by_number, input_ids),
        "The other way round: -100 belongs where the attention mask is 0.": (inverted, input_ids),
        "Labels should be whole numbers, and yours are floats.": (floats, input_ids),
    }


def labels_and_ids(answer, input_ids, attention_mask):
    """Return the labels, and the ids as the answer leaves them."""
    labels = answer(input_ids, attention_mask)
    if labels is input_ids:
        raise Wrong("input_ids have changed: `labels = input_ids` is a second name for them. masked_fill (without _) makes a new tensor.")
    return labels, input_ids


@chapter.exercise(
    cases=causal_cases,
    mistakes=causal_mistakes,
    run=labels_and_ids,
    otherwise="Labels should be -100 where the attention mask is 0, and the whole number of the token everywhere else; input_ids stay as they are.",
)
def causal_labels(input_ids, attention_mask):
    """input_ids.masked_fill(where, -100), with `where` a tensor of booleans."""
    return input_ids.masked_fill(attention_mask == 0, -100)


def bytes_cases(chance):
    texts = chance.sample(PARAGRAPHS, 2) + ["Unforgettable!", "Yes.", "Nobody   waited.\n\nAir.", "One 雪 ☃!"]
    yield from ((tokenizer, [*texts, " ".join(PARAGRAPHS) * 5]) for tokenizer in bundled_tokenizers())  # the last is over 512
    yield (
        bundled_tokenizers()[1],
        ["Yes.", "Air.", "Nobody waited."],
    )  # a space in front would make other tokens of the first words


def bytes_mistakes(tokenizer, texts):
    right = tokens_per_word(tokenizer, texts)
    words = sum(len(text.split()) for text in texts)
    ratios = [tokens_per_word(tokenizer, [text]) for text in texts]
    message = "That is the mean of the texts' ratios, where a text of one word weighs as much as a long one. Add up first, divide once."
    return {
        "You count two special tokens in each text: add_special_tokens=False.": right + 2 * len(texts) / words,
        message: sum(ratios) / len(ratios),
        "That is words per token, and should be tokens per word.": 1 / right,
        "That is tokens per text, not per word.": right * words / len(texts),
    }


@chapter.exercise(cases=bytes_cases, mistakes=bytes_mistakes)
def tokens_per_word(tokenizer, texts):
    """tokenizer(text, add_special_tokens=False)['input_ids'] has no special tokens; sum over texts first, divide once."""
    tokens = sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
    return tokens / sum(len(text.split()) for text in texts)


def holes_cases(chance):
    for tokenizer, kind in ((tiny_tokenizer(), BertConfig), (bundled_tokenizers()[1], RobertaConfig)):
        model, hole = tiny_model(len(tokenizer), kind), tokenizer.mask_token
        for sentence in (f"The {hole} left the harbour.", f"In the {hole} we saw a {hole} of {hole}.", "Nobody waited.", f"{hole} {hole}"):
            yield model, tokenizer, sentence, chance.randint(8, 20)  # many: a hole filled changes the order of the next one's


def holes_mistakes(model, tokenizer, sentence, k):
    right = fill_all(model, tokenizer, sentence, k)
    return {
        "Only the first hole is filled: there may be several.": right[:1],
        "The ids are right, but the likeliest should come first.": [ids[::-1] for ids in right],
        "Those are tokens as text; return their ids.": [tokenizer.convert_ids_to_tokens(ids) for ids in right],
        "All holes' ids stand in one list: a list for each hole, please.": [token for ids in right for token in ids],
    }


@chapter.exercise(cases=holes_cases, mistakes=holes_mistakes)
def fill_all(model, tokenizer, sentence, k):
    """(input_ids[0] == tokenizer.mask_token_id) picks rows of the logits; topk(k).indices.tolist()."""
    inputs = tokenizer(sentence, return_tensors="pt").to(model.device)
    with torch.no_grad():
        logits = model(**inputs).logits[0]
    holes = inputs["input_ids"][0] == tokenizer.mask_token_id
    return logits[holes].topk(k).indices.tolist()
