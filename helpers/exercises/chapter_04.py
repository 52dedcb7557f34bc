"""The exercises of chapter 04: answers in order, another checkpoint, labels of padding, what bytes cost, several holes."""

import math
import tempfile

import torch
from torch.nn import functional as F
from transformers import BertConfig, PreTrainedModel, RobertaConfig

from helpers.exercises.engine import Wrong, exercise, same, shown
from helpers.exercises.fixtures import PARAGRAPHS, mini_bert, mini_roberta, tiny_model, tiny_tokenizer


def some_answers(chance):
    texts = chance.sample(["Because of rust.", "It melts.", "Nobody knows!", "By law.", "See above."], 4)
    low, high = chance.randint(-3, 2), chance.randint(5, 40)
    yield from ((texts, [low, high, low, high]), (texts[:2], [high, low]), (texts[:1], [low]), ([], []))
    yield ["Zinc.", "Air.", "Milk."], [high, high, high]
    yield ["Yes.", "No.", "Yes.", "Rust.", "Ice."], [9, -50, 10, 0, 100]
    yield [f"Answer {i}." for i in range(40)], [chance.randint(1, 3) for _ in range(40)]  # small lists are sorted stably by any means


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
    texts = [" ".join(chance.sample(PARAGRAPHS, 4)) for _ in range(2)] + ["A third text."]
    masked = tokens = 0
    for tokenizer, kind in ((mini_bert(), BertConfig), (mini_roberta(), RobertaConfig)) * 2:
        with tempfile.TemporaryDirectory() as checkpoint:
            tokenizer.save_pretrained(checkpoint)
            model = tiny_model(len(tokenizer), kind)
            model.save_pretrained(checkpoint)
            counts = judge_one_batch(answer, checkpoint, texts, tokenizer, model)
        masked, tokens = masked + counts[0], tokens + counts[1]
    if abs(masked - 0.15 * tokens) > 6 * math.sqrt(0.15 * 0.85 * tokens):
        raise Wrong("{share:.0%} of the tokens are masked: mlm_probability=0.15.", share=masked / tokens)


def judge_one_batch(answer, checkpoint, texts, tokenizer, model):
    """Raise `Wrong` unless the answer's loss is that of masked tokens of the two texts; return how many are masked, and of how many."""
    calls = []

    def remember(module, args, kwargs, output):
        if isinstance(module, PreTrainedModel) and "logits" in output:
            inputs = dict(zip(("input_ids", "attention_mask"), args)) | kwargs
            calls.append((module, inputs["input_ids"].cpu(), inputs.get("labels"), output.logits.detach().cpu()))

    with torch.nn.modules.module.register_module_forward_hook(remember, with_kwargs=True):
        got = answer(checkpoint, list(texts))
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Wrong("It should return two things, the name of the class and the loss; it returns {got}.", got=shown(got))
    name, loss = got
    if name != (kind := type(model).__name__):
        raise Wrong("For a {kind} the first value is {got}: type(model).__name__ is its name.", kind=kind, got=shown(name))
    if isinstance(loss, torch.Tensor):
        raise Wrong("The loss is a tensor, with the graph of its step behind it; .item() makes a number of it.")
    if len(calls) != 1:
        raise Wrong("One batch makes one call of the model; there were {count}.", count=len(calls))
    used, ids, labels, logits = calls[0]
    weights, right = used.state_dict(), model.state_dict()
    if weights.keys() != right.keys() or not all(weights[name].shape == right[name].shape for name in right):
        raise Wrong("That is not the model of `checkpoint`: AutoModelForMaskedLM.from_pretrained(checkpoint).")
    if not all(torch.allclose(weights[name].cpu().float(), right[name], atol=1e-3) for name in right):
        raise Wrong("The model has other weights than those in `checkpoint`: from_pretrained loads them.")
    rows = [tokenizer(text, truncation=True, max_length=128)["input_ids"] for text in texts[:2]]
    if ids.shape != (2, 128):
        raise Wrong(
            "The model reads {shape} tokens, and should read two rows of 128: the first two texts, truncated.", shape=list(ids.shape)
        )
    changed = ids != torch.tensor(rows)
    if changed.float().mean() > 0.6:
        raise Wrong("The rows hold other tokens than the texts: take the tokenizer of the same checkpoint.")
    if not changed.any():
        raise Wrong("No token is masked: DataCollatorForLanguageModeling masks them.")
    if labels is None:  # the answer computes the loss itself; one masked token in ten looks unchanged
        right = F.cross_entropy(logits.float()[changed], torch.tensor(rows)[changed]).item()
        if not abs(loss - right) < 0.3 * right:
            raise Wrong("The model's loss is {right:.3f}, and you return {got}.", right=right, got=shown(loss))
        return int(changed.sum() / 0.9), 252
    labelled = (labels := labels.cpu()) != -100
    if (changed & ~labelled).any() or (labels != torch.tensor(rows))[labelled].any():
        raise Wrong("Labels should be the texts' own tokens where the collator masks, and -100 elsewhere.")
    if labelled.float().mean() > 0.9:
        raise Wrong("Every token has a label, so the loss is mostly that of copying: the collator gives labels to masked tokens alone.")
    right = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten()).item()
    if not same(loss, right) and abs(loss - right) > 0.02 * right:  # reduced precision, on a GPU
        raise Wrong("The model's loss is {right:.3f}, and you return {got}.", right=right, got=shown(loss))
    return int(labelled.sum()), 252  # two times 128, but for special tokens


@exercise("AutoTokenizer and AutoModelForMaskedLM from `checkpoint`; tokenize with truncation, hand a list of rows to a new collator.",
          judge=judge_train_another)  # fmt: skip
def train_another(checkpoint, texts):
    from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForMaskedLM.from_pretrained(checkpoint)
    rows = [tokenizer(text, truncation=True, max_length=128) for text in texts[:2]]
    batch = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)(rows)
    return type(model).__name__, model(**batch).loss.item()


def some_ends(chance):
    for shape in ((3, 7), (2, 5), (1, 4)):
        end, attention = chance.randint(1, 4), torch.ones(shape, dtype=torch.long)
        for row in attention[:2]:
            row[chance.randint(2, shape[1] - 1) :] = 0
        ids = torch.tensor([[chance.randint(5, 99) for _ in row] for row in attention]).masked_fill(attention == 0, end)
        ids[range(len(ids)), attention.sum(dim=1) - 1] = end  # the real end of each text
        yield ids, attention
    ids, attention = torch.randint(5, 99, (2, 6)), torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])  # padded on the left
    yield ids.masked_fill(attention == 0, 3), attention


def labels_and_ids(answer, input_ids, attention_mask):
    """Return the labels, and the ids as the answer leaves them."""
    labels = answer(input_ids, attention_mask)
    if labels is input_ids:
        raise Wrong("input_ids have changed: `labels = input_ids` is a second name for them. masked_fill (without _) makes a new tensor.")
    return labels, input_ids


@exercise("input_ids.masked_fill(where, -100), with `where` a tensor of booleans.", cases=some_ends, run=labels_and_ids,
          otherwise="Labels should be -100 where the attention mask is 0, and the whole number of the token everywhere else; input_ids stay as they are.")  # fmt: skip
def causal_labels(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 0, -100)


@causal_labels.mistake(
    "You take the padding by its number, and that is the end token's too: the real ends are lost. Look at the attention mask."
)
def _by_number(input_ids, attention_mask):
    return input_ids.masked_fill(torch.isin(input_ids, input_ids[attention_mask == 0]), -100)


@causal_labels.mistake("The other way round: -100 belongs where the attention mask is 0.")
def _inverted(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 1, -100)


@causal_labels.mistake("Labels should be whole numbers, and yours are floats.")
def _floats(input_ids, attention_mask):
    return causal_labels.solution(input_ids, attention_mask).float()


def some_texts(chance):
    texts = chance.sample(PARAGRAPHS, 2) + ["Unforgettable!", "Yes.", "Nobody   waited.\n\nAir.", "One 雪 ☃!"]
    yield from ((tokenizer, [*texts, " ".join(PARAGRAPHS) * 5]) for tokenizer in (mini_bert(), mini_roberta()))  # the last is over 512
    yield mini_roberta(), ["Yes.", "Air.", "Nobody waited."]  # a space in front would make other tokens of the first words


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


@tokens_per_word.mistake("That is words per token, and should be tokens per word.")
def _inverse(tokenizer, texts):
    return 1 / tokens_per_word.solution(tokenizer, texts)


@tokens_per_word.mistake("That is tokens per text, not per word.")
def _per_text(tokenizer, texts):
    return sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts) / len(texts)


def some_sentences(chance):
    torch.manual_seed(chance.randint(0, 10**6))
    for tokenizer, kind in ((tiny_tokenizer(), BertConfig), (mini_roberta(), RobertaConfig)):
        model, hole = tiny_model(len(tokenizer), kind), tokenizer.mask_token
        for sentence in (f"The {hole} left the harbour.", f"In the {hole} we saw a {hole} of {hole}.", "Nobody waited.", f"{hole} {hole}"):
            yield model, tokenizer, sentence, chance.randint(2, 5)


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


@fill_all.mistake("Those are tokens as text; return their ids.")
def _as_text(model, tokenizer, sentence, k):
    return [tokenizer.convert_ids_to_tokens(ids) for ids in fill_all.solution(model, tokenizer, sentence, k)]


@fill_all.mistake("All holes' ids stand in one list: a list for each hole, please.")
def _flat(model, tokenizer, sentence, k):
    return [token for ids in fill_all.solution(model, tokenizer, sentence, k) for token in ids]
