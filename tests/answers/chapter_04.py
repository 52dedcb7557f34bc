"""Answers to the exercises of chapter 04, written from the tasks alone, without reading the checks."""

import heapq
from functools import reduce

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling

from helpers.paths import MINI_BERT

# ---- Exercise 1: best_first -----------------------------------------------------------------------------------------


def best_first__worst_first(texts, scores):
    return " ".join(texts[i] for i in sorted(range(len(texts)), key=lambda i: scores[i]))


def best_first__ties_by_text(texts, scores):
    return " ".join(text for _, text in sorted(zip(scores, texts), reverse=True))


def best_first__ties_reversed(texts, scores):
    return " ".join(texts[i] for i in sorted(range(len(texts)), key=lambda i: scores[i])[::-1])


def best_first__best_alone(texts, scores):
    return texts[max(range(len(texts)), key=scores.__getitem__)] if len(texts) else ""


def best_first__list(texts, scores):
    return [texts[i] for i in sorted(range(len(texts)), key=lambda i: -scores[i])]


def best_first__as_they_come(texts, scores):
    return " ".join(texts)


def best_first__best_to_the_front(texts, scores):
    if not texts:
        return ""
    best = max(range(len(texts)), key=scores.__getitem__)
    return " ".join([texts[best], *texts[:best], *texts[best + 1 :]])


def best_first__nothing_between(texts, scores):
    return "".join(texts[i] for i in sorted(range(len(texts)), key=lambda i: -scores[i]))


def best_first__line_breaks(texts, scores):
    return "\n".join(texts[i] for i in sorted(range(len(texts)), key=lambda i: -scores[i]))


def best_first__space_at_the_end(texts, scores):
    return "".join(texts[i] + " " for i in sorted(range(len(texts)), key=lambda i: -scores[i]))


def best_first__equal_scores_lost(texts, scores):
    by_score = dict(zip(scores, texts))
    return " ".join(by_score[score] for score in sorted(by_score, reverse=True))


def best_first__equal_texts_lost(texts, scores):
    by_text = dict(zip(texts, scores))
    return " ".join(sorted(by_text, key=by_text.get, reverse=True))


def best_first__scores_as_text(texts, scores):
    return " ".join(texts[i] for i in sorted(range(len(texts)), key=lambda i: str(scores[i]), reverse=True))


def best_first__size_of_the_score(texts, scores):
    return " ".join(texts[i] for i in sorted(range(len(texts)), key=lambda i: -abs(scores[i])))


def best_first__nothing_without_answers(texts, scores):
    return " ".join(texts[i] for i in sorted(range(len(texts)), key=lambda i: -scores[i])) if texts else None


def best_first__returns_nothing(texts, scores):
    " ".join(texts[i] for i in sorted(range(len(texts)), key=lambda i: -scores[i]))


def best_first__longest_first(texts, scores):
    return " ".join(sorted(texts, key=len, reverse=True))


def best_first__positive_scores_alone(texts, scores):
    return " ".join(texts[i] for i in sorted(range(len(texts)), key=lambda i: -scores[i]) if scores[i] > 0)


def best_first__index(texts, scores):
    return " ".join(texts[i] for i in np.argsort(-np.array(scores, dtype=float), kind="stable"))


def best_first__reverse_is_stable(texts, scores):
    return " ".join(text for text, _ in sorted(zip(texts, scores), key=lambda pair: pair[1], reverse=True))


def best_first__negative_key(texts, scores):
    return " ".join(texts[i] for i in sorted(range(len(texts)), key=lambda i: (-scores[i], i)))


def best_first__two_reversals(texts, scores):
    pairs = list(zip(scores, texts))[::-1]
    pairs.sort(key=lambda pair: pair[0])
    return " ".join(text for _, text in reversed(pairs))


def best_first__heap(texts, scores):
    heap = [(-score, i, text) for i, (score, text) in enumerate(zip(scores, texts))]
    heapq.heapify(heap)
    return " ".join(heapq.heappop(heap)[2] for _ in range(len(heap)))


def best_first__pandas(texts, scores):
    frame = pd.DataFrame({"text": list(texts), "score": list(scores)})
    return " ".join(frame.sort_values("score", ascending=False, kind="stable")["text"])


def best_first__torch(texts, scores):
    order = torch.tensor(scores, dtype=torch.float64).argsort(descending=True, stable=True)
    return " ".join(texts[i] for i in order.tolist())


def best_first__insertion(texts, scores):
    done = []
    for text, score in zip(texts, scores):
        at = sum(other >= score for _, other in done)
        done.insert(at, (text, score))
    return " ".join(text for text, _ in done)


def best_first__recursive(texts, scores):
    if not len(texts):
        return ""
    best = max(range(len(texts)), key=lambda i: scores[i])  # the first of several
    rest = best_first__recursive([*texts[:best], *texts[best + 1 :]], [*scores[:best], *scores[best + 1 :]])
    return texts[best] if len(texts) == 1 else f"{texts[best]} {rest}"


best_first__lambda = lambda texts, scores: " ".join(  # noqa: E731
    t for s in sorted(set(scores), reverse=True) for t, o in zip(texts, scores) if o == s
)


def best_first__extra_default(texts, scores, separator=" "):
    order = list(range(len(texts)))
    order.sort(key=scores.__getitem__, reverse=True)
    return separator.join([texts[i] for i in order])


class BestFirst:
    """A callable object that sorts by exchanging neighbours."""

    def __call__(self, texts, scores):
        pairs = list(zip(texts, scores))
        for end in range(len(pairs), 0, -1):
            for i in range(1, end):
                if pairs[i][1] > pairs[i - 1][1]:
                    pairs[i - 1], pairs[i] = pairs[i], pairs[i - 1]
        return " ".join(text for text, _ in pairs)


# ---- Exercise 2: train_another --------------------------------------------------------------------------------------


def _load(checkpoint):
    return AutoTokenizer.from_pretrained(checkpoint), AutoModelForMaskedLM.from_pretrained(checkpoint)


def _batch(tokenizer, texts, share=0.15, length=128, seed=None):
    rows = [tokenizer(text, truncation=True, max_length=length) for text in list(texts)[:2]]
    return DataCollatorForLanguageModeling(tokenizer, mlm_probability=share, seed=seed)(rows)


def train_another__swapped_results(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    return model(**_batch(tokenizer, texts)).loss.item(), type(model).__name__


def train_another__class_itself(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    return type(model), model(**_batch(tokenizer, texts)).loss.item()


def train_another__name_of_the_auto_class(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    return AutoModelForMaskedLM.__name__, model(**_batch(tokenizer, texts)).loss.item()


def train_another__model_type(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    return model.config.model_type, model(**_batch(tokenizer, texts)).loss.item()


def train_another__checkpoint_for_a_name(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    return str(checkpoint), model(**_batch(tokenizer, texts)).loss.item()


def train_another__loss_alone(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    return model(**_batch(tokenizer, texts)).loss.item()


def train_another__random_weights(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    model = AutoModelForMaskedLM.from_config(model.config)
    return type(model).__name__, model(**_batch(tokenizer, texts)).loss.item()


def train_another__always_mini_bert(checkpoint, texts):
    tokenizer, model = _load(MINI_BERT)
    return type(model).__name__, model(**_batch(tokenizer, texts)).loss.item()


def train_another__every_token_labelled(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    batch = tokenizer(list(texts)[:2], truncation=True, max_length=128, padding=True, return_tensors="pt")
    return type(model).__name__, model(**batch, labels=batch["input_ids"]).loss.item()


def train_another__no_collator_no_loss(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    batch = tokenizer(list(texts)[:2], truncation=True, max_length=128, padding=True, return_tensors="pt")
    return type(model).__name__, model(**batch).loss


def train_another__half_is_masked(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    return type(model).__name__, model(**_batch(tokenizer, texts, share=0.5)).loss.item()


def train_another__perplexity(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    return type(model).__name__, model(**_batch(tokenizer, texts)).loss.exp().item()


def train_another__without_a_head(checkpoint, texts):
    model = AutoModel.from_pretrained(checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    batch = _batch(tokenizer, texts)
    batch.pop("labels")
    return type(model).__name__, model(**batch).last_hidden_state.mean().item()


def train_another__first_text_alone(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    return type(model).__name__, model(**_batch(tokenizer, texts[:1])).loss.item()


def train_another__constant_loss(checkpoint, texts):
    return type(_load(checkpoint)[1]).__name__, 4.0


def train_another__returns_nothing(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    model(**_batch(tokenizer, texts))


def train_another__tokenizer_of_mini_bert(checkpoint, texts):
    model = AutoModelForMaskedLM.from_pretrained(checkpoint)
    return type(model).__name__, model(**_batch(AutoTokenizer.from_pretrained(MINI_BERT), texts)).loss.item()


def train_another__plain(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    return type(model).__name__, model(**_batch(tokenizer, texts)).loss.item()


def train_another__no_gradients(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    with torch.inference_mode():
        loss = float(model(**_batch(tokenizer, texts, seed=0)).loss)
    return model.__class__.__name__, loss


def train_another__one_call(checkpoint, texts):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    encoded = tokenizer(list(texts)[:2], truncation=True, max_length=128)
    rows = [{name: values[i] for name, values in encoded.items()} for i in range(len(encoded["input_ids"]))]
    model = AutoModelForMaskedLM.from_pretrained(checkpoint).eval()
    return model.__class__.__qualname__, model(**DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)(rows)).loss.item()


def train_another__loss_by_hand(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    batch = dict(_batch(tokenizer, texts))
    labels = batch.pop("labels")
    with torch.no_grad():
        logits = model(**batch).logits
    return type(model).__name__, F.cross_entropy(logits[labels != -100], labels[labels != -100]).item()


def train_another__architecture_of_the_configuration(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    loss = model(**_batch(tokenizer, texts)).loss
    return f"{type(model).__name__}", loss.detach().numpy().item()


train_another__lambda = lambda checkpoint, texts: (  # noqa: E731
    lambda tokenizer, model: (type(model).__name__, model(**_batch(tokenizer, texts)).loss.item())
)(*_load(checkpoint))


class TrainAnother:
    """A callable object that keeps length and share."""

    def __init__(self, length=128, share=0.15):
        self.length, self.share = length, share

    def __call__(self, checkpoint, texts):
        tokenizer, model = _load(checkpoint)
        return type(model).__name__, model.train()(**_batch(tokenizer, texts, self.share, self.length)).loss.item()


def train_another__step_all_the_same(checkpoint, texts):
    tokenizer, model = _load(checkpoint)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    loss = model(**_batch(tokenizer, texts)).loss
    loss.backward()
    optimizer.step()
    return type(model).__name__, loss.item()


# ---- Exercise 3: causal_labels --------------------------------------------------------------------------------------


def causal_labels__in_place(input_ids, attention_mask):
    input_ids[attention_mask == 0] = -100
    return input_ids


def causal_labels__alias_then_written(input_ids, attention_mask):
    labels = input_ids
    labels.masked_fill_(attention_mask == 0, -100)
    return labels.clone()


def causal_labels__the_wrong_way_round(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 1, -100)


def causal_labels__zero(input_ids, attention_mask):
    return input_ids * attention_mask


def causal_labels__minus_one(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 0, -1)


def causal_labels__copy(input_ids, attention_mask):
    return input_ids.clone()


def causal_labels__by_the_end_token(input_ids, attention_mask):
    return input_ids.masked_fill(input_ids == input_ids[0, -1], -100)


def causal_labels__by_token_two(input_ids, attention_mask):
    return input_ids.masked_fill((input_ids == 2) & (attention_mask == 0), -100)


def causal_labels__shifted(input_ids, attention_mask):
    labels = input_ids.masked_fill(attention_mask == 0, -100)
    return torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], -100)], dim=1)


def causal_labels__first_row_alone(input_ids, attention_mask):
    labels = input_ids.clone()
    labels[0] = input_ids[0].masked_fill(attention_mask[0] == 0, -100)
    return labels


def causal_labels__first_rows_mask_for_all(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask[:1] == 0, -100)


def causal_labels__one_padding_keeps_its_label(input_ids, attention_mask):
    seen = torch.cat([torch.ones_like(attention_mask[:, :1]), attention_mask[:, :-1]], dim=1)
    return input_ids.masked_fill(seen == 0, -100)


def causal_labels__last_token_loses_its_label(input_ids, attention_mask):
    after = torch.cat([attention_mask[:, 1:], torch.zeros_like(attention_mask[:, :1])], dim=1)
    return input_ids.masked_fill(after == 0, -100)


def causal_labels__floats(input_ids, attention_mask):
    return torch.where(attention_mask == 0, -100.0, input_ids.float())


def causal_labels__subtracts(input_ids, attention_mask):
    return input_ids - 100 * (attention_mask == 0).long()


def causal_labels__first_token_too(input_ids, attention_mask):
    labels = input_ids.masked_fill(attention_mask == 0, -100)
    labels[:, 0] = -100
    return labels


def causal_labels__returns_nothing(input_ids, attention_mask):
    labels = input_ids.clone()
    labels[attention_mask == 0] = -100


def causal_labels__masked_fill(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 0, -100)


def causal_labels__clone_and_write(input_ids, attention_mask):
    labels = input_ids.clone()
    labels[attention_mask == 0] = -100
    return labels


def causal_labels__where(input_ids, attention_mask):
    return torch.where(attention_mask.bool(), input_ids, -100)


def causal_labels__arithmetic(input_ids, attention_mask):
    return input_ids * attention_mask - 100 * (1 - attention_mask)


def causal_labels__lists(input_ids, attention_mask):
    rows = zip(input_ids.tolist(), attention_mask.tolist())
    return torch.tensor([[i if m else -100 for i, m in zip(ids, marks)] for ids, marks in rows])


def causal_labels__numpy(input_ids, attention_mask):
    return torch.from_numpy(np.where(attention_mask.numpy() == 0, -100, input_ids.numpy()))


def causal_labels__full_then_written(input_ids, attention_mask):
    labels = torch.full_like(input_ids, -100)
    labels[attention_mask != 0] = input_ids[attention_mask != 0]
    return labels


def causal_labels__scatter(input_ids, attention_mask):
    real = attention_mask.bool()
    return torch.full_like(input_ids, -100).masked_scatter(real, input_ids[real])


def causal_labels__by_lengths(input_ids, attention_mask):
    labels = input_ids.detach().clone()
    for i, j in (attention_mask == 0).nonzero().tolist():
        labels[i, j] = -100
    return labels


causal_labels__lambda = lambda input_ids, attention_mask: input_ids.masked_fill(~attention_mask.bool(), -100)  # noqa: E731


def causal_labels__extra_default(input_ids, attention_mask, ignored=-100):
    return torch.stack([ids.masked_fill(marks.eq(0), ignored) for ids, marks in zip(input_ids, attention_mask)])


class CausalLabels:
    """A callable object."""

    def __call__(self, input_ids, attention_mask):
        return input_ids.new_tensor(np.ma.array(input_ids.numpy(), mask=attention_mask.numpy() == 0).filled(-100).tolist())


# ---- Exercise 4: tokens_per_word ------------------------------------------------------------------------------------


def _tokens(tokenizer, text):
    return tokenizer.tokenize(text)


def tokens_per_word__special_tokens_too(tokenizer, texts):
    return sum(len(tokenizer(t, verbose=False)["input_ids"]) for t in texts) / sum(len(t.split()) for t in texts)


def tokens_per_word__words_per_token(tokenizer, texts):
    return sum(len(t.split()) for t in texts) / sum(len(_tokens(tokenizer, t)) for t in texts)


def tokens_per_word__mean_of_texts(tokenizer, texts):
    return sum(len(_tokens(tokenizer, t)) / len(t.split()) for t in texts) / len(texts)


def tokens_per_word__joined_with_a_space(tokenizer, texts):
    return len(_tokens(tokenizer, " ".join(texts))) / sum(len(t.split()) for t in texts)


def tokens_per_word__word_by_word(tokenizer, texts):
    words = [word for t in texts for word in t.split()]
    return sum(len(_tokens(tokenizer, word)) for word in words) / len(words)


def tokens_per_word__split_at_spaces_alone(tokenizer, texts):
    return sum(len(_tokens(tokenizer, t)) for t in texts) / sum(len(t.split(" ")) for t in texts)


def tokens_per_word__cut_at_the_limit(tokenizer, texts):
    ids = [tokenizer(t, truncation=True, add_special_tokens=False)["input_ids"] for t in texts]
    return sum(map(len, ids)) / sum(len(t.split()) for t in texts)


def tokens_per_word__first_text_alone(tokenizer, texts):
    return len(_tokens(tokenizer, texts[0])) / len(texts[0].split())


def tokens_per_word__characters(tokenizer, texts):
    return sum(len(_tokens(tokenizer, t)) for t in texts) / sum(map(len, texts))


def tokens_per_word__number_of_texts(tokenizer, texts):
    return sum(len(_tokens(tokenizer, t)) for t in texts) / len(texts)


def tokens_per_word__tokens_alone(tokenizer, texts):
    return sum(len(_tokens(tokenizer, t)) for t in texts)


def tokens_per_word__whole_division(tokenizer, texts):
    return sum(len(_tokens(tokenizer, t)) for t in texts) // sum(len(t.split()) for t in texts)


def tokens_per_word__different_ones(tokenizer, texts):
    return len({k for t in texts for k in _tokens(tokenizer, t)}) / len({w for t in texts for w in t.split()})


def tokens_per_word__two_off_for_all(tokenizer, texts):
    return (sum(len(tokenizer(t, verbose=False)["input_ids"]) for t in texts) - 2) / sum(len(t.split()) for t in texts)


def tokens_per_word__unknown_ones_left_out(tokenizer, texts):
    kept = sum(i not in tokenizer.all_special_ids for t in texts for i in tokenizer(t, verbose=False)["input_ids"])
    return kept / sum(len(t.split()) for t in texts)


def tokens_per_word__each_text(tokenizer, texts):
    return [len(_tokens(tokenizer, t)) / len(t.split()) for t in texts]


def tokens_per_word__mini_bert(tokenizer, texts):
    tokenizer = AutoTokenizer.from_pretrained(MINI_BERT)
    return sum(len(_tokens(tokenizer, t)) for t in texts) / sum(len(t.split()) for t in texts)


def tokens_per_word__padded(tokenizer, texts):
    ids = tokenizer(list(texts), padding=True, add_special_tokens=False, verbose=False)["input_ids"]
    return sum(map(len, ids)) / sum(len(t.split()) for t in texts)


def tokens_per_word__returns_nothing(tokenizer, texts):
    sum(len(_tokens(tokenizer, t)) for t in texts) / sum(len(t.split()) for t in texts)


def tokens_per_word__tokenize(tokenizer, texts):
    return sum(len(tokenizer.tokenize(t)) for t in texts) / sum(len(t.split()) for t in texts)


def tokens_per_word__one_call(tokenizer, texts):
    ids = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return sum(map(len, ids)) / sum(len(text.split()) for text in texts)


def tokens_per_word__less_the_special_ones(tokenizer, texts):
    extra = tokenizer.num_special_tokens_to_add()
    return sum(len(tokenizer(t, verbose=False)["input_ids"]) - extra for t in texts) / len([w for t in texts for w in t.split()])


def tokens_per_word__special_tokens_mask(tokenizer, texts):
    masks = tokenizer(list(texts), return_special_tokens_mask=True, verbose=False)["special_tokens_mask"]
    return sum(mask.count(0) for mask in masks) / sum(len(t.split()) for t in texts)


def tokens_per_word__encode(tokenizer, texts):
    return float(np.sum([len(tokenizer.encode(t, add_special_tokens=False)) for t in texts]) / np.sum([len(t.split()) for t in texts]))


def tokens_per_word__numpy_float(tokenizer, texts):
    counts = np.array([(len(tokenizer.tokenize(t)), len(t.split())) for t in texts]).sum(axis=0)
    return counts[0] / counts[1]


def tokens_per_word__words_joined(tokenizer, texts):
    return sum(len(_tokens(tokenizer, t)) for t in texts) / len(" ".join(texts).split())


def tokens_per_word__backend(tokenizer, texts):
    encodings = [tokenizer.backend_tokenizer.encode(t, add_special_tokens=False) for t in texts]
    return sum(len(encoding.ids) for encoding in encodings) / sum(len(t.split()) for t in texts)


tokens_per_word__lambda = lambda tokenizer, texts: (
    sum(  # noqa: E731
        len(tokenizer(t, add_special_tokens=False, verbose=False).tokens()) for t in texts
    )
    / sum(map(len, map(str.split, texts)))
)


def tokens_per_word__reduce(tokenizer, texts):
    tokens, words = reduce(lambda c, t: (c[0] + len(_tokens(tokenizer, t)), c[1] + len(t.split())), texts, (0, 0))
    return tokens / words


class TokensPerWord:
    """A callable object with an extra default argument."""

    def __call__(self, tokenizer, texts, split=str.split):
        tokens = words = 0
        for text in texts:
            tokens += len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
            words += len(split(text))
        return tokens / words


# ---- Exercise 5: fill_all -------------------------------------------------------------------------------------------


@torch.no_grad()
def _scores(model, tokenizer, sentence):
    inputs = tokenizer(sentence, return_tensors="pt").to(model.device)
    ids = inputs["input_ids"][0]
    holes = (ids == tokenizer.mask_token_id).nonzero().flatten()
    return model(**inputs).logits[0].cpu(), holes.cpu(), ids.cpu()


def _best(model, tokenizer, sentence, k):
    logits, holes, _ = _scores(model, tokenizer, sentence)
    return [logits[hole].topk(k).indices.tolist() for hole in holes]


def fill_all__first_hole_alone(model, tokenizer, sentence, k):
    return _best(model, tokenizer, sentence, k)[:1]


def fill_all__first_holes_answers_for_all(model, tokenizer, sentence, k):
    found = _best(model, tokenizer, sentence, k)
    return found[:1] * len(found)


def fill_all__last_hole_first(model, tokenizer, sentence, k):
    return _best(model, tokenizer, sentence, k)[::-1]


def fill_all__likeliest_last(model, tokenizer, sentence, k):
    return [found[::-1] for found in _best(model, tokenizer, sentence, k)]


def fill_all__least_likely(model, tokenizer, sentence, k):
    logits, holes, _ = _scores(model, tokenizer, sentence)
    return [logits[hole].topk(k, largest=False).indices.tolist() for hole in holes]


def fill_all__words(model, tokenizer, sentence, k):
    return [[tokenizer.decode([i]) for i in found] for found in _best(model, tokenizer, sentence, k)]


def fill_all__probabilities(model, tokenizer, sentence, k):
    logits, holes, _ = _scores(model, tokenizer, sentence)
    return [logits[hole].softmax(dim=-1).topk(k).values.tolist() for hole in holes]


def fill_all__flat(model, tokenizer, sentence, k):
    return [i for found in _best(model, tokenizer, sentence, k) for i in found]


def fill_all__position_before(model, tokenizer, sentence, k):
    logits, holes, _ = _scores(model, tokenizer, sentence)
    return [logits[hole - 1].topk(k).indices.tolist() for hole in holes]


def fill_all__best_alone(model, tokenizer, sentence, k):
    return [found[0] for found in _best(model, tokenizer, sentence, k)]


def fill_all__five_whatever_k(model, tokenizer, sentence, k):
    return _best(model, tokenizer, sentence, 5)


def fill_all__one_too_few(model, tokenizer, sentence, k):
    return [found[:-1] for found in _best(model, tokenizer, sentence, k)]


def fill_all__every_position(model, tokenizer, sentence, k):
    return _scores(model, tokenizer, sentence)[0].topk(k).indices.tolist()


def fill_all__bert_number(model, tokenizer, sentence, k):
    logits, _, ids = _scores(model, tokenizer, sentence)
    return [logits[hole].topk(k).indices.tolist() for hole in (ids == 103).nonzero().flatten()]


def fill_all__none_without_holes(model, tokenizer, sentence, k):
    return _best(model, tokenizer, sentence, k) or None


def fill_all__one_empty_list_without_holes(model, tokenizer, sentence, k):
    return _best(model, tokenizer, sentence, k) or [[]]


def fill_all__dictionary(model, tokenizer, sentence, k):
    return dict(enumerate(_best(model, tokenizer, sentence, k)))


def fill_all__one_after_the_other(model, tokenizer, sentence, k):
    """Fills the first hole with the best token and asks again: another rule than the task's."""
    inputs, found = tokenizer(sentence, return_tensors="pt"), []
    for hole in (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten().tolist():
        with torch.no_grad():
            found.append(model(**inputs).logits[0, hole].topk(k).indices.tolist())
        inputs["input_ids"][0, hole] = found[-1][0]
    return found


def fill_all__no_repetitions(model, tokenizer, sentence, k):
    logits, holes, _ = _scores(model, tokenizer, sentence)
    found, used = [], set()
    for hole in holes:
        found.append([i for i in logits[hole].argsort(descending=True).tolist() if i not in used][:k])
        used.update(found[-1])
    return found


def fill_all__unsorted(model, tokenizer, sentence, k):
    return [sorted(found) for found in _best(model, tokenizer, sentence, k)]


def fill_all__returns_nothing(model, tokenizer, sentence, k):
    _best(model, tokenizer, sentence, k)


def fill_all__no_special_tokens(model, tokenizer, sentence, k):
    inputs = tokenizer(sentence, return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        logits = model(**inputs).logits[0]
    return [logits[hole].topk(k).indices.tolist() for hole in (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten()]


def fill_all__topk(model, tokenizer, sentence, k):
    return _best(model, tokenizer, sentence, k)


def fill_all__all_holes_at_once(model, tokenizer, sentence, k):
    logits, holes, _ = _scores(model, tokenizer, sentence)
    return logits[holes].topk(k, dim=-1).indices.tolist()


def fill_all__softmax(model, tokenizer, sentence, k):
    logits, holes, _ = _scores(model, tokenizer, sentence)
    return [logits[hole].double().softmax(dim=-1).topk(k)[1].tolist() for hole in holes]


def fill_all__argsort(model, tokenizer, sentence, k):
    logits, holes, _ = _scores(model, tokenizer, sentence)
    return logits[holes].argsort(dim=-1, descending=True)[:, :k].tolist()


def fill_all__numpy(model, tokenizer, sentence, k):
    logits, holes, _ = _scores(model, tokenizer, sentence)
    return [np.argsort(-row)[:k].tolist() for row in logits.numpy()[holes.numpy()]]


def fill_all__plain_python(model, tokenizer, sentence, k):
    logits, _, ids = _scores(model, tokenizer, sentence)
    found = []
    for token, row in zip(ids.tolist(), logits.tolist()):
        if token == tokenizer.mask_token_id:
            found.append(sorted(range(len(row)), key=row.__getitem__, reverse=True)[:k])
    return found


def fill_all__heap(model, tokenizer, sentence, k):
    logits, holes, _ = _scores(model, tokenizer, sentence)
    return [heapq.nlargest(k, range(logits.shape[1]), key=logits[hole].tolist().__getitem__) for hole in holes.tolist()]


def fill_all__highest_taken_out(model, tokenizer, sentence, k):
    logits, holes, _ = _scores(model, tokenizer, sentence)
    found = []
    for hole in holes:
        row, best = logits[hole].clone(), []
        for _ in range(k):
            best.append(row.argmax().item())
            row[best[-1]] = -torch.inf
        found.append(best)
    return found


def fill_all__numpy_integers(model, tokenizer, sentence, k):
    return [list(np.array(found, dtype=np.int64)) for found in _best(model, tokenizer, sentence, k)]


fill_all__lambda = lambda model, tokenizer, sentence, k: [  # noqa: E731
    row.topk(k).indices.tolist() for logits, holes, _ in [_scores(model, tokenizer, sentence)] for row in logits[holes].unbind()
]


def fill_all__boolean_index(model, tokenizer, sentence, k):
    inputs = tokenizer([sentence], return_tensors="pt").to(model.device)
    with torch.inference_mode():
        at_holes = model(**inputs).logits[inputs["input_ids"] == tokenizer.mask_token_id]
    return at_holes.log_softmax(dim=-1).topk(k).indices.cpu().tolist()


class FillAll:
    """A callable object with an extra default argument."""

    def __call__(self, model, tokenizer, sentence, k, quiet=True):
        encoded = tokenizer(sentence, return_tensors="pt")
        with torch.no_grad():
            logits = model(encoded["input_ids"].to(model.device)).logits.cpu()
        places = [i for i, token in enumerate(encoded["input_ids"][0].tolist()) if token == tokenizer.mask_token_id]
        return [torch.topk(logits[0, i], k).indices.tolist() for i in places]


def _named(prefix, kind):
    return [value for name, value in globals().items() if name.startswith(f"{prefix}__") and name.split("__")[1] in kind]


_RIGHT = {
    "best_first": "index reverse_is_stable negative_key two_reversals heap pandas torch insertion recursive lambda extra_default",
    "train_another": "plain no_gradients one_call loss_by_hand architecture_of_the_configuration lambda step_all_the_same",
    "causal_labels": "masked_fill clone_and_write where arithmetic lists numpy full_then_written scatter by_lengths lambda extra_default",
    "tokens_per_word": "tokenize one_call less_the_special_ones special_tokens_mask encode numpy_float words_joined backend lambda reduce",
    "fill_all": "topk all_holes_at_once softmax argsort numpy plain_python heap highest_taken_out numpy_integers lambda boolean_index",
}
_OBJECTS = dict(
    best_first=BestFirst(), train_another=TrainAnother(), causal_labels=CausalLabels(), tokens_per_word=TokensPerWord(), fill_all=FillAll()
)
RIGHT = {name: [*_named(name, words.split()), _OBJECTS[name]] for name, words in _RIGHT.items()}
WRONG = {
    name: [value for key, value in list(globals().items()) if key.startswith(f"{name}__") and key.split("__")[1] not in words.split()]
    for name, words in _RIGHT.items()
}
