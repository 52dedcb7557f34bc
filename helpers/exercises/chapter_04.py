"""The exercises of chapter 04: answers in order, another checkpoint, labels of padding, what bytes cost, several holes."""

import math

import torch

from helpers.exercises.engine import Wrong, exercise, shown
from helpers.exercises.fixtures import PARAGRAPHS, mini_bert, mini_bert_model, mini_roberta


def some_answers(chance):
    texts = chance.sample(["Because of rust.", "It melts.", "Nobody knows!", "By law.", "See above."], 4)
    low, high = chance.randint(-3, 2), chance.randint(5, 40)
    yield from ((texts, [low, high, low, high]), (texts[:2], [high, low]), (texts[:1], [low]), ([], []))
    yield ["Zinc.", "Air.", "Milk."], [high, high, high]


@exercise("zip texts and scores; sorted(…, key=…, reverse=True) keeps the order of equal ones.", cases=some_answers)
def best_first(texts, scores):
    ranked = sorted(zip(texts, scores), key=lambda pair: pair[1], reverse=True)
    return " ".join(text for text, _ in ranked)


@best_first.mistake("The worst comes first: sort the other way round.")
def _worst_first(texts, scores):
    return " ".join(text for text, _ in sorted(zip(texts, scores), key=lambda pair: pair[1]))


@best_first.mistake("The best comes first, but answers with equal scores have changed places: reverse=True keeps them, [::-1] does not.")
def _ties_reversed(texts, scores):
    return " ".join(text for text, _ in sorted(zip(texts, scores), key=lambda pair: pair[1])[::-1])


@best_first.mistake("Equal scores are ordered by their texts: sort by the score alone, with key=.")
def _ties_by_text(texts, scores):
    return " ".join(text for _, text in sorted(zip(scores, texts), reverse=True))


@best_first.mistake("The order is right; join by a space, not by nothing.")
def _glued(texts, scores):
    return best_first.solution(texts, scores).replace(". ", ".").replace("! ", "!")


@best_first.mistake("The texts come as they were: the scores play no part.")
def _as_they_are(texts, scores):
    return " ".join(texts)


def judge_train_another(answer, chance):
    torch.manual_seed(chance.randint(0, 10**6))
    for tokenizer, kind in ((mini_bert(), "BertForMaskedLM"), (mini_roberta(), "RobertaForMaskedLM")):
        got = answer(tokenizer.name_or_path, list(PARAGRAPHS[:2]))
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise Wrong("It should return two things, the name of the class and the loss; it returns {got}.", got=shown(got))
        name, loss = got
        if name != kind:
            raise Wrong("For a {kind} the first value is {got}: type(model).__name__ is its name.", kind=kind, got=shown(name))
        if isinstance(loss, torch.Tensor):
            raise Wrong("The loss is a tensor, with the graph of its step behind it; .item() makes a number of it.")
        if loss < 2:
            raise Wrong("A loss of only {loss:.1f} is that of copying: the collator hides tokens, and asks for those alone.", loss=loss)
        if not loss < 0.9 * math.log(len(tokenizer)):
            raise Wrong("A loss of {loss:.1f} is that of a model that knows nothing: are the ids from the tokenizer of the same checkpoint, and its "
                        "weights loaded?", loss=loss)  # fmt: skip


@exercise("AutoTokenizer and AutoModelForMaskedLM from `checkpoint`; tokenize with truncation, hand a list of rows to a new collator.",
          judge=judge_train_another)  # fmt: skip
def train_another(checkpoint, texts):
    from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForMaskedLM.from_pretrained(checkpoint)
    rows = [tokenizer(text, truncation=True, max_length=128) for text in texts[:2]]
    batch = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)(rows)
    return type(model).__name__, model(**batch).loss.item()


@train_another.mistake("A loss of")
def _foreign_tokens(checkpoint, texts):
    from transformers import AutoModelForMaskedLM, DataCollatorForLanguageModeling

    model = AutoModelForMaskedLM.from_pretrained(checkpoint)
    other = mini_roberta() if "bert" in checkpoint and "roberta" not in checkpoint else mini_bert()
    batch = DataCollatorForLanguageModeling(other)([other(text, truncation=True, max_length=128) for text in texts[:2]])
    return type(model).__name__, model(input_ids=batch["input_ids"] % model.config.vocab_size, labels=batch["labels"]).loss.item()


@train_another.mistake("A loss of only")
def _copying(checkpoint, texts):
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(checkpoint), AutoModelForMaskedLM.from_pretrained(checkpoint)
    ids = tokenizer(texts[0], return_tensors="pt")["input_ids"]
    return type(model).__name__, model(input_ids=ids, labels=ids).loss.item()


@train_another.mistake("The loss is a tensor")
def _tensor(checkpoint, texts):
    name, loss = train_another.solution(checkpoint, texts)
    return name, torch.tensor(loss)


@train_another.mistake("It should return two things")
def _loss_alone(checkpoint, texts):
    return train_another.solution(checkpoint, texts)[1]


def judge_causal_labels(answer, chance):
    lengths, end = [7, 4, 5], 2
    ids, attention = torch.full((3, 7), end), torch.zeros(3, 7, dtype=torch.long)
    for row, length in enumerate(lengths):
        ids[row, : length - 1] = torch.tensor([chance.randint(5, 99) for _ in range(length - 1)])
        attention[row, :length] = 1
    given = ids.clone()
    labels = answer(given, attention.clone())
    if not isinstance(labels, torch.Tensor) or labels.shape != ids.shape:
        raise Wrong("It should return a tensor of the same shape as input_ids.")
    if not torch.equal(given, ids):
        raise Wrong("input_ids have changed: `labels = input_ids` is a second name for them. masked_fill (without _) makes a new tensor.")
    right = ids.masked_fill(attention == 0, -100)
    if torch.equal(labels, right):
        return
    if torch.equal(labels, ids.masked_fill(ids == end, -100)):
        raise Wrong("You take the padding by its number, and that is the end token's too: the real ends are lost. Ask the attention mask.")
    if torch.equal(labels, ids.masked_fill(attention == 1, -100)):
        raise Wrong("The other way round: -100 belongs where the attention mask is 0.")
    raise Wrong("Row 2 should be {right}, and is {got}.", right=right[1].tolist(), got=labels[1].tolist())


@exercise("input_ids.masked_fill(where, -100), with `where` a tensor of booleans.", judge=judge_causal_labels)
def causal_labels(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 0, -100)


@causal_labels.mistake("input_ids have changed")
def _in_place(input_ids, attention_mask):
    return input_ids.masked_fill_(attention_mask == 0, -100)


@causal_labels.mistake("You take the padding by its number")
def _by_number(input_ids, attention_mask):
    return input_ids.masked_fill(input_ids == 2, -100)


@causal_labels.mistake("The other way round")
def _inverted(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 1, -100)


def some_texts(chance):
    texts = chance.sample(PARAGRAPHS, 2) + ["Unforgettable!", "Yes."]
    yield from ((tokenizer, list(texts)) for tokenizer in (mini_bert(), mini_roberta()))


@exercise(
    "tokenizer(text, add_special_tokens=False)['input_ids'] has no special tokens; sum over texts first, divide once.", cases=some_texts
)
def tokens_per_word(tokenizer, texts):
    tokens = sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
    return tokens / sum(len(text.split()) for text in texts)


@tokens_per_word.mistake("You count two special tokens in each text: add_special_tokens=False.")
def _special_too(tokenizer, texts):
    return sum(len(tokenizer(text)["input_ids"]) for text in texts) / sum(len(text.split()) for text in texts)


@tokens_per_word.mistake(
    "That is the mean of the texts' ratios, where a text of one word weighs as much as a long one. Add up first, divide once."
)
def _mean_of_ratios(tokenizer, texts):
    return sum(tokens_per_word.solution(tokenizer, [text]) for text in texts) / len(texts)


@tokens_per_word.mistake("That is words in a token; tokens in a word were asked for.")
def _inverse(tokenizer, texts):
    return 1 / tokens_per_word.solution(tokenizer, texts)


@tokens_per_word.mistake("That is tokens in a text, not in a word.")
def _per_text(tokenizer, texts):
    return sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts) / len(texts)


def some_sentences(chance):
    tokenizer, model, k = mini_bert(), mini_bert_model(), chance.randint(2, 5)
    yield from ((model, tokenizer, sentence, k) for sentence in (
        "The [MASK] left the harbour.", "In the [MASK] we saw a [MASK] of [MASK].", "Nobody waited."))  # fmt: skip


@exercise("(input_ids[0] == tokenizer.mask_token_id) picks rows of the logits; topk(k).indices.tolist().", cases=some_sentences)
def fill_all(model, tokenizer, sentence, k):
    inputs = tokenizer(sentence, return_tensors="pt").to(model.device)
    with torch.no_grad():
        logits = model(**inputs).logits[0]
    holes = inputs["input_ids"][0] == tokenizer.mask_token_id
    return logits[holes].topk(k).indices.tolist()


@fill_all.mistake("Only the first hole is filled: there may be several.")
def _first_alone(model, tokenizer, sentence, k):
    return fill_all.solution(model, tokenizer, sentence, k)[:1]


@fill_all.mistake("The ids are right, but the likeliest should come first.")
def _ascending(model, tokenizer, sentence, k):
    return [ids[::-1] for ids in fill_all.solution(model, tokenizer, sentence, k)]


@fill_all.mistake("Those are tokens as text; their ids were asked for.")
def _as_text(model, tokenizer, sentence, k):
    return [tokenizer.convert_ids_to_tokens(ids) for ids in fill_all.solution(model, tokenizer, sentence, k)]


@fill_all.mistake("All holes' ids stand in one list: a list for each hole, please.")
def _flat(model, tokenizer, sentence, k):
    return [token for ids in fill_all.solution(model, tokenizer, sentence, k) for token in ids]
