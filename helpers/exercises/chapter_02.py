"""The exercises of chapter 02: picking positions, losses, memory, the library's collator, rates."""

from collections.abc import Mapping

import torch
from torch.nn import functional as F
from transformers import DataCollatorForLanguageModeling

from helpers.exercises.comparison import same, shown
from helpers.exercises.engine import Chapter, Wrong
from helpers.exercises.fixtures import PARAGRAPHS, SIGMAS, bundled_tokenizers, recorded_calls, strays, tiny_model, tiny_tokenizer

chapter = Chapter()


def judge_picks(answer, chance, probability, draws=60):
    """Raise `Wrong` unless the picks are exact in number, reproducible, and as often at one position as at another."""
    special = torch.ones(12, 40, dtype=torch.long)
    lengths = [30, 2, 1, 3, *(chance.randint(8, 37) for _ in range(4)), 38, 38, 38, 38]  # the picks in the last ones can be compared
    for row, length in zip(special, lengths):
        row[1 : length + 1] = 0  # [CLS] before, [SEP] and padding behind
    special[4, 4] = 1  # a special token inside, such as [UNK]
    ordinary, seed = special == 0, chance.randint(0, 10**6)

    def draw(seed):
        picked = answer(special.clone(), probability, torch.Generator().manual_seed(seed))
        if getattr(picked, "dtype", None) != torch.bool or picked.shape != special.shape:
            raise Wrong("It should return booleans of the same shape as `special`.")
        return picked

    picks = torch.stack([draw(seed + i) for i in range(draws)])  # (draws, rows, columns)
    check_special(picks[0] & ~ordinary)
    lengths, counts = ordinary.sum(dim=1), picks.sum(dim=2)
    if (counts != counts[0]).any():
        raise Wrong("The number of hidden tokens changes from draw to draw. Exactly so many means: sort, and take the first.")
    for n, got in zip(lengths.tolist(), counts[0].tolist()):
        if got != round(probability * n):
            raise Wrong("A row of {n} ordinary tokens hides {got}, and should hide round({p:.2f} * {n}).", n=n, got=got, p=probability)
    if not torch.equal(draw(seed), picks[0]):
        raise Wrong("The same generator gives other holes the second time: draw from it alone.")
    alike, k, n = picks[:, -4:].float(), int(counts[0, -1]), 38
    both = torch.stack([(alike[:, i] * alike[:, j]).sum(dim=1) for i in range(4) for j in range(i)])
    if strays(both, k * k / n):
        raise Wrong("The counts are right, but rows have their holes in the same places: draw other numbers for each row.")
    neighbours = (alike[:, :, 1:] * alike[:, :, :-1]).sum(dim=2)
    shares = (counts[0] / lengths)[:, None] * ordinary  # the chance of each position, (rows, columns)
    spread = (draws * shares * (1 - shares)).sum(dim=0).sqrt()
    uneven = (picks.sum(dim=(0, 1)) - draws * shares.sum(dim=0)).abs() > SIGMAS * spread
    if uneven.any() or strays(neighbours, k * (k - 1) / n):
        raise Wrong("The counts are right, but some choices come up too often or too seldom: each token should have the same chance.")


def check_special(spoiled):
    """Raise `Wrong` if special tokens are masked, as ``spoiled`` ``(rows, tokens)`` says."""
    if count := int(spoiled.any(dim=1).sum()):
        message = "Special tokens, such as [CLS] and [SEP], are hidden in {count} of {rows} rows: only tokens of the text should be."
        raise Wrong(message, count=count, rows=len(spoiled))


@chapter.exercise(cases=lambda chance: [(0.15,), (chance.uniform(0.25, 0.45),)], judge=judge_picks)
def pick_exactly(special, probability, generator=None):
    """Draw a number for each position, and let the special ones get a number above all others. drawn.argsort(dim=1).argsort(dim=1) is the
    rank of each in its row; hide the ranks below the row's count."""
    drawn = torch.rand(special.shape, generator=generator).masked_fill(special == 1, 2.0)
    counts = (probability * (special == 0).sum(dim=1)).round()
    return drawn.argsort(dim=1).argsort(dim=1) < counts.unsqueeze(1)


def loss_cases(chance):
    for counts, length in (((1, 5), 6), ((3,), 9), ((0, 2, 4), 4)):  # true positions of each row: a mean of rows' means differs
        where = torch.stack([(torch.rand(length).argsort() < count) for count in counts])
        ids = torch.randint(11, where.shape)
        ids[tuple(where.nonzero()[0])] = 0  # a token like any other
        yield 3 * torch.randn(*where.shape, 11), ids, where


def loss_mistakes(logits, input_ids, where):
    right = loss_where(logits, input_ids, where)
    everywhere = loss_where(logits, input_ids, where | True)
    return {
        "You average over all positions, with zeros where `where` is false. Divide by the number of true ones.": right
        * where.float().mean(),
        "That is the sum of the losses; take their mean.": right * where.sum(),
        "That is the loss where `where` is false.": loss_where(logits, input_ids, ~where),
        "The sign: a logarithm of a probability is negative, and a loss is minus that.": -right,
        "That is the mean over all positions: `where` plays no part in it.": everywhere,
    }


@chapter.exercise(cases=loss_cases, mistakes=loss_mistakes)
def loss_where(logits, input_ids, where):
    """Labels are input_ids with -100 where `where` is false; masked_loss of section 4 does the rest. Or take log_softmax, gather, mean."""
    log_probabilities = logits.log_softmax(dim=-1)
    right = log_probabilities[where].gather(1, input_ids[where].unsqueeze(1))
    return -right.mean()


def limit_cases(chance):
    curve, bend = chance.randint(1, 4), chance.randint(2, 6)

    def peak(rows):
        """Two phases of a step take turns at being the larger one, and buffers come in blocks: no straight line."""
        return 200 + 37 * rows + curve * rows**2 // 8 + 90 * (rows // bend)

    for rows in (chance.randint(5, 40), chance.randint(100, 300), chance.randint(5000, 6000)):
        yield from ((peak, limit) for limit in (peak(rows), peak(rows) + chance.randint(1, 20), peak(rows) - 1))
    yield from ((peak, limit) for limit in (peak(1), peak(1) - 1, peak(0) - 1, 1))


def limit_mistakes(peak, limit):
    right = largest_batch(peak, limit)
    straight = max(0, int((limit - peak(1)) // (peak(2) - peak(1))) + 1)
    return {
        "One too many: that is the first batch that does not fit.": right + 1,
        "Where not even one row fits, the answer is 0.": max(1, right),
        "A batch whose peak is exactly the limit still fits: compare with <=.": largest_batch(peak, limit - 1),
        "limit divided by peak(1) is too few: weights and optimiser state are there once, however many rows there are.": limit // peak(1),
        "You extend a straight line through two peaks. Memory need not grow evenly: call `peak` until it exceeds the limit.": straight,
    }


@chapter.exercise(cases=limit_cases, mistakes=limit_mistakes)
def largest_batch(peak, limit):
    """Try peak(1), peak(2) and so on, until it exceeds the limit. (Doubling and then halving is faster.)"""
    rows = 0
    while peak(rows + 1) <= limit:
        rows += 1
    return rows


def collator_cases(chance):
    long = " ".join(PARAGRAPHS) * 2
    for tokenizer in bundled_tokenizers():
        for texts in (chance.sample(PARAGRAPHS, 3), [*chance.sample(PARAGRAPHS, 2), long, "Short."]):
            yield tokenizer, texts, chance.randint(0, 10**6)


def collator_mistakes(tokenizer, texts, seed):
    def batch(mlm=True, **options):
        rows = [tokenizer(text, **options) for text in texts]
        return {name: DataCollatorForLanguageModeling(tokenizer, mlm=mlm, seed=seed)(rows)[name] for name in ("input_ids", "labels")}

    limit = {"truncation": True, "max_length": 128}
    padded = batch(**limit, padding="max_length")
    return {
        "The rows are longer than 128 tokens: truncation=True, max_length=128.": batch(truncation=True),
        "All tokens have labels, and none is masked: that is mlm=False. Leave mlm on.": batch(**limit, mlm=False),
        "The rows are padded to 128 tokens. Leave the padding to the collator: it goes as far as the longest row.": padded,
    }


def ids_and_labels(answer, tokenizer, texts, seed):
    """Return ids and labels alone: the other tensors follow from them."""
    batch = answer(tokenizer, texts, seed)
    if not isinstance(batch, Mapping):  # of an endless iterator `in` would never answer
        raise TypeError(f"{type(batch).__name__} in place of a batch")
    if "labels" not in batch:
        raise Wrong("There are no labels in the batch: the collator makes them, the tokenizer does not.")
    return {name: batch[name] for name in ("input_ids", "labels")}


@chapter.exercise(
    cases=collator_cases,
    mistakes=collator_mistakes,
    run=ids_and_labels,
    otherwise="The batch is not the one that this seed gives. Tokenize each text, cut at 128 tokens, and hand the list of rows to a new collator "
    "with mlm_probability=0.15 and seed=seed.",
)
def library_batch(tokenizer, texts, seed):
    """rows = [tokenizer(text, truncation=True, max_length=128) for text in texts], then call the collator with the list."""
    from transformers import DataCollatorForLanguageModeling

    rows = [tokenizer(text, truncation=True, max_length=128) for text in texts]
    return DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=seed)(rows)


def judge_losses_by_rate(answer, chance):
    tokenizer, text = tiny_tokenizer(), " ".join(chance.sample(PARAGRAPHS, 2))
    rates = chance.sample([chance.uniform(0.1, 0.15), chance.uniform(0.6, 0.65)], 2)  # so far apart that rows tell to which they belong
    ids, model = torch.tensor(tokenizer(text)["input_ids"]), tiny_model(len(tokenizer))
    got, calls = recorded_calls(answer, model, tokenizer, text, tuple(rates))
    if not isinstance(got, dict) or set(got) != set(rates):
        raise Wrong("It should return a dictionary with the rates as keys.")
    if not calls:
        raise Wrong("The model was never called.")
    _, rows, _, logits = zip(*calls)
    rows, logits = torch.cat(rows), torch.cat(logits)
    if rows.shape[1:] != ids.shape:
        raise Wrong("The model should read the tokens of the text, {length} of them, and reads {got}.", length=len(ids), got=rows.shape[-1])
    masked = rows == tokenizer.mask_token_id
    check_special(masked[:, [0, -1]])
    if ((rows != ids) & ~masked).any():
        raise Wrong("Tokens have changed that are not [MASK] now: hide by the mask token alone.")
    with torch.no_grad():
        plain = model(rows.to(model.device)).logits.cpu()
    if not torch.allclose(logits, plain, atol=1e-3):
        raise Wrong("The model should attend to every token of the text: leave attention_mask out, or let it be 1 everywhere.")
    losses = F.cross_entropy(logits.transpose(1, 2), ids.expand_as(rows), reduction="none")
    shares = masked[:, 1:-1].float().mean(dim=1)
    for rate in rates:
        own = (shares < 0.4) == (rate < 0.4)  # the rows of this rate
        count, different, share = int(own.sum()), len(masked[own].unique(dim=0)), float(shares[own].mean())
        if count != 32 or different < 30:
            message = "For the rate {rate:.2f} the model reads {count} rows, {different} of them different. One draw is luck: take 32 for each rate."
            raise Wrong(message, rate=rate, count=count, different=different)
        if strays(masked[own, 1:-1], rate):
            raise Wrong("{share:.1%} of the tokens are hidden, and {rate:.1%} should be.", share=share, rate=rate)
        over_all = losses[own][masked[own]].mean()
        over_draws = ((losses * masked)[own].sum(dim=1) / masked[own].sum(dim=1)).mean()
        if not (same(got[rate], over_all) or same(got[rate], over_draws)):
            message = "For the rate {rate:.2f} the loss over hidden tokens is {right:.3f}, and you return {got}. Are visible tokens -100 in the labels?"
            raise Wrong(message, rate=rate, right=float(over_all), got=shown(got[rate]))


@chapter.exercise(judge=judge_losses_by_rate)
def losses_by_rate(model, tokenizer, text, rates):
    """Expand the ids to 32 rows, pick, fill in the mask token, and give the model labels that are -100 at visible tokens: its loss is the
    mean."""
    ids = tokenizer(text, return_tensors="pt")["input_ids"].expand(32, -1)
    special = torch.tensor(tokenizer.get_special_tokens_mask(ids[0].tolist(), already_has_special_tokens=True))
    losses = {}
    for rate in rates:
        hidden = (torch.rand(ids.shape) < rate) & (special == 0)
        masked, labels = ids.masked_fill(hidden, tokenizer.mask_token_id), ids.masked_fill(~hidden, -100)
        with torch.no_grad():
            losses[rate] = model(input_ids=masked.to(model.device), labels=labels.to(model.device)).loss.item()
    return losses
