"""The exercises of chapter 02: picking positions, losses, memory, the library's collator, rates."""

import math

import torch

from helpers.exercises.engine import Wrong, exercise
from helpers.exercises.fixtures import PARAGRAPHS, mini_bert, mini_bert_model


def judge_pick_exactly(answer, chance):
    special = torch.zeros(24, 40, dtype=torch.long)
    for row in special:
        row[0], row[chance.randint(8, 39) :] = 1, 1  # [CLS], and [SEP] with the padding behind it
    probability, seed = chance.choice([0.15, 0.3]), chance.randint(0, 10**6)

    def draw(seed):
        picked = answer(special.clone(), probability, torch.Generator().manual_seed(seed))
        if getattr(picked, "dtype", None) != torch.bool or picked.shape != special.shape:
            raise Wrong("It should return booleans of the same shape as `special`.")
        return picked

    draws = [draw(seed + i) for i in range(200)]
    spoiled = sum(bool((row & (marks == 1)).any()) for row, marks in zip(draws[0], special))
    if spoiled:
        raise Wrong("Special tokens are hidden in {spoiled} of {rows} rows. Give them a number that can never win.",
                    spoiled=spoiled, rows=len(special))  # fmt: skip
    wanted = probability * (special == 0).sum(dim=1)
    counts = torch.stack([picked.sum(dim=1) for picked in draws])
    if (counts != counts[0]).any():
        raise Wrong("The number of hidden tokens changes from draw to draw. Exactly so many means: sort, and take the first.")
    off = ((counts[0] - wanted).abs() > 0.5 + 1e-4).nonzero()
    if len(off):
        row = off[0].item()
        raise Wrong("A row of {n} ordinary tokens hides {got}, and should hide round({p} * {n}).",
                    n=int((special[row] == 0).sum()), got=int(counts[0, row]), p=probability)  # fmt: skip
    if not torch.equal(draw(seed), draws[0]):
        raise Wrong("The same generator gives other holes the second time: hand it on to torch.rand.")
    never = (torch.stack(draws).any(dim=0) != (special == 0)) & (wanted[:, None] > 1.5)
    if never.any():
        raise Wrong("The counts are right, but in 200 draws some tokens were never hidden: each should have its chance.")


@exercise("Draw a number for each position, and let the special ones get a number above all others. drawn.argsort(dim=1).argsort(dim=1) is "
          "the rank of each in its row; hide the ranks below the row's count.", judge=judge_pick_exactly)  # fmt: skip
def pick_exactly(special, probability, generator=None):
    drawn = torch.rand(special.shape, generator=generator).masked_fill(special == 1, 2.0)
    counts = (probability * (special == 0).sum(dim=1)).round()
    return drawn.argsort(dim=1).argsort(dim=1) < counts.unsqueeze(1)


@pick_exactly.mistake("The number of hidden tokens changes from draw to draw")
def _independent(special, probability, generator=None):
    return (torch.rand(special.shape, generator=generator) < probability) & (special == 0)


@pick_exactly.mistake("Special tokens are hidden in")
def _special_too(special, probability, generator=None):
    counts = (probability * (special == 0).sum(dim=1)).round()
    return torch.rand(special.shape, generator=generator).argsort(dim=1).argsort(dim=1) < counts.unsqueeze(1)


@pick_exactly.mistake("A row of")
def _share_of_the_whole_row(special, probability, generator=None):
    drawn = torch.rand(special.shape, generator=generator).masked_fill(special == 1, 2.0)
    return (drawn.argsort(dim=1).argsort(dim=1) < round(probability * special.shape[1])) & (special == 0)


@pick_exactly.mistake("The counts are right, but in 200 draws")
def _the_first_ones(special, probability, generator=None):
    counts = (probability * (special == 0).sum(dim=1)).round()
    return special.argsort(dim=1, stable=True).argsort(dim=1) < counts.unsqueeze(1)


@pick_exactly.mistake("The same generator gives other holes")
def _own_randomness(special, probability, generator=None):
    return pick_exactly.solution(special, probability)


def some_logits(chance):
    generator = torch.Generator().manual_seed(chance.randint(0, 10**6))
    for shape in ((2, 6), (1, 9)):
        where = torch.rand(shape, generator=generator) < 0.5
        where[0, 0], where[0, 1] = True, False
        yield 3 * torch.randn(*shape, 11, generator=generator), torch.randint(11, shape, generator=generator), where


@exercise("Labels are input_ids with -100 where `where` is false; masked_loss of section 4 does the rest. Or take log_softmax, gather, mean.",
          cases=some_logits)  # fmt: skip
def loss_where(logits, input_ids, where):
    log_probabilities = logits.log_softmax(dim=-1)
    right = log_probabilities[where].gather(1, input_ids[where].unsqueeze(1))
    return -right.mean()


@loss_where.mistake("You average over all positions, with zeros where `where` is false. Divide by the number of true ones.")
def _over_everything(logits, input_ids, where):
    right = logits.log_softmax(dim=-1).gather(2, input_ids.unsqueeze(2)).squeeze(2)
    return -(right * where).mean()


@loss_where.mistake("That is the sum of the losses; the mean was asked for.")
def _sum(logits, input_ids, where):
    return loss_where.solution(logits, input_ids, where) * where.sum()


@loss_where.mistake("That is the loss where `where` is false.")
def _the_others(logits, input_ids, where):
    return loss_where.solution(logits, input_ids, ~where)


@loss_where.mistake("The sign: a logarithm of a probability is negative, and a loss is minus that.")
def _negative(logits, input_ids, where):
    return -loss_where.solution(logits, input_ids, where)


@loss_where.mistake("That is the mean over all positions: `where` plays no part in it.")
def _ignores_where(logits, input_ids, where):
    return loss_where.solution(logits, input_ids, torch.ones_like(where))


def some_limits(chance):
    each, resident = chance.randint(50, 90), chance.randint(200, 400)

    def peak(rows):
        return resident + each * rows

    rows = chance.randint(5, 40)
    yield from ((peak, limit) for limit in (peak(rows) + each // 2, peak(rows), peak(1) - 1))


@exercise("Ask peak(1), peak(2) and so on, until it exceeds the limit. (Doubling and then halving is faster.)", cases=some_limits)
def largest_batch(peak, limit):
    rows = 0
    while peak(rows + 1) <= limit:
        rows += 1
    return rows


@largest_batch.mistake("One too many: that is the first batch that does not fit.")
def _first_too_large(peak, limit):
    return largest_batch.solution(peak, limit) + 1


@largest_batch.mistake("Where not even one row fits, the answer is 0.")
def _at_least_one(peak, limit):
    return max(1, largest_batch.solution(peak, limit))


@largest_batch.mistake("A batch whose peak is exactly the limit still fits: compare with <=.")
def _less_than(peak, limit):
    return largest_batch.solution(peak, limit - 1)


@largest_batch.mistake("limit divided by peak(1) is too few: weights and optimiser state are there once, however many rows there are.")
def _proportional(peak, limit):
    return limit // peak(1)


def judge_library_batch(answer, chance):
    tokenizer, texts, seed = mini_bert(), chance.sample(PARAGRAPHS, 3) + [" ".join(PARAGRAPHS) * 2], chance.randint(0, 10**6)
    got, right = (dict(function(tokenizer, list(texts), seed)) for function in (answer, library_batch.solution))
    if "labels" not in got:
        raise Wrong("There are no labels in the batch: the collator makes them, the tokenizer does not.")
    if got["input_ids"].shape != right["input_ids"].shape:
        raise Wrong("The batch has the shape {got}, and should have {right}: cut at 128 tokens, padded to the longest row.",
                    got=list(got["input_ids"].shape), right=list(right["input_ids"].shape))  # fmt: skip
    share = (got["labels"] != -100).sum() / right["attention_mask"].sum()
    if share > 0.25:
        raise Wrong("{share:.0%} of the tokens are asked for, not 15%: is mlm_probability=0.15 with mlm on?", share=float(share))
    if not all(torch.equal(got[name], right[name]) for name in ("input_ids", "labels")):
        raise Wrong("The holes are not those that this seed gives: hand `seed` to a fresh collator.")


@exercise("rows = [tokenizer(text, truncation=True, max_length=128) for text in texts], then call the collator with the list.",
          judge=judge_library_batch)  # fmt: skip
def library_batch(tokenizer, texts, seed):
    from transformers import DataCollatorForLanguageModeling

    rows = [tokenizer(text, truncation=True, max_length=128) for text in texts]
    return DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=seed)(rows)


@library_batch.mistake("There are no labels")
def _tokenizer_alone(tokenizer, texts, seed):
    return tokenizer(texts, truncation=True, max_length=128, padding=True, return_tensors="pt")


@library_batch.mistake("The batch has the shape")
def _uncut(tokenizer, texts, seed):
    from transformers import DataCollatorForLanguageModeling

    return DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=seed)([tokenizer(text, truncation=True) for text in texts])


@library_batch.mistake("The holes are not those")
def _without_seed(tokenizer, texts, seed):
    return library_batch.solution(tokenizer, texts, seed + 1)


@library_batch.mistake("100% of the tokens")
def _causal(tokenizer, texts, seed):
    from transformers import DataCollatorForLanguageModeling

    return DataCollatorForLanguageModeling(tokenizer, mlm=False)([tokenizer(text, truncation=True, max_length=128) for text in texts])


def judge_losses_by_rate(answer, chance):
    tokenizer, model, text, rates, seen = mini_bert(), mini_bert_model(), chance.choice(PARAGRAPHS), (0.15, 0.4), []
    hook = model.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs.get("input_ids", *args[:1])), with_kwargs=True)
    with hook:
        got = answer(model, tokenizer, text, rates)
    if not isinstance(got, dict) or set(got) != set(rates):
        raise Wrong("It should return a dictionary with the rates {rates} as keys.", rates=list(rates))
    if not seen:
        raise Wrong("The model was never asked.")
    rows = torch.cat([ids.reshape(-1, ids.shape[-1]) for ids in seen])
    holes = rows == tokenizer.mask_token_id
    if holes[:, [0, -1]].any():
        raise Wrong("[CLS] or [SEP] is hidden in {count} of {rows} rows: only tokens of the text should be.",
                    count=int(holes[:, [0, -1]].any(dim=1).sum()), rows=len(rows))  # fmt: skip
    if len(rows) < 32 * len(rates):
        raise Wrong("The model saw {count} rows for {rates} rates. One draw is luck: take 32 for each.", count=len(rows), rates=len(rates))
    expected = sum(rates) / len(rates)
    share = holes[:, 1:-1].float().mean().item()
    if abs(share - expected) > 5 * math.sqrt(expected * (1 - expected) / holes[:, 1:-1].numel()):
        raise Wrong("Over both rates {share:.1%} of the tokens are hidden, and {expected:.1%} should be.", share=share, expected=expected)
    right = losses_by_rate.solution(model, tokenizer, text, rates)
    for rate in rates:
        if abs(float(got[rate]) - right[rate]) > 1.2:
            raise Wrong("At {rate} the loss over hidden tokens is about {right:.1f}, and you return {got:.1f}. Are visible tokens -100 in the "
                        "labels?", rate=rate, right=right[rate], got=float(got[rate]))  # fmt: skip


@exercise("Expand the ids to 32 rows, pick, fill in the mask token, and give the model labels that are -100 at visible tokens: its loss is the mean.",
          judge=judge_losses_by_rate)  # fmt: skip
def losses_by_rate(model, tokenizer, text, rates):
    ids = tokenizer(text, return_tensors="pt")["input_ids"].expand(32, -1)
    special = torch.tensor(tokenizer.get_special_tokens_mask(ids[0].tolist(), already_has_special_tokens=True))
    losses = {}
    for rate in rates:
        hidden = (torch.rand(ids.shape) < rate) & (special == 0)
        masked, labels = ids.masked_fill(hidden, tokenizer.mask_token_id), ids.masked_fill(~hidden, -100)
        with torch.no_grad():
            losses[rate] = model(input_ids=masked.to(model.device), labels=labels.to(model.device)).loss.item()
    return losses


@losses_by_rate.mistake("[CLS] or [SEP] is hidden in")
def _special_hidden(model, tokenizer, text, rates):
    ids = tokenizer(text, return_tensors="pt")["input_ids"].expand(32, -1)
    losses = {}
    for rate in rates:
        hidden = torch.rand(ids.shape) < rate
        with torch.no_grad():
            losses[rate] = model(ids.masked_fill(hidden, tokenizer.mask_token_id), labels=ids.masked_fill(~hidden, -100)).loss.item()
    return losses


@losses_by_rate.mistake("At 0.15 the loss over hidden tokens")
def _all_labels(model, tokenizer, text, rates):
    ids = tokenizer(text, return_tensors="pt")["input_ids"].expand(32, -1)
    special = torch.tensor(tokenizer.get_special_tokens_mask(ids[0].tolist(), already_has_special_tokens=True))
    losses = {}
    for rate in rates:
        hidden = (torch.rand(ids.shape) < rate) & (special == 0)
        with torch.no_grad():
            losses[rate] = model(ids.masked_fill(hidden, tokenizer.mask_token_id), labels=ids.clone()).loss.item()
    return losses


@losses_by_rate.mistake("It should return a dictionary")
def _list(model, tokenizer, text, rates):
    return list(losses_by_rate.solution(model, tokenizer, text, rates).values())
