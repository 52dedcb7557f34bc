"""What chapter 03 claims: nothing held out is trained on, chunks lose no token, and one set of frozen masks judges before and after."""

from itertools import chain

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForMaskedLM

from common import run_cells, tiny_checkpoint
from helpers.chunking import NO_WORD
from helpers.masking import IGNORE_INDEX, WholeWordCollator

pytestmark = pytest.mark.long

WITHOUT = r"playground|seconds\(|if settings\.push_to_hub"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return str(tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "model"))


@pytest.fixture(scope="module")
def chapter(checkpoint, tmp_path_factory):
    """What the notebook's cells leave, with a tiny model that has dropout and few chunks."""
    small = dict(max_train_samples=40, max_eval_samples=10, num_train_epochs=2, seed=1)
    return run_cells("03", WITHOUT, checkpoint=checkpoint, output_dir=str(tmp_path_factory.mktemp("out")), **small)


def test_every_review_is_on_one_side_and_another_seed_holds_out_the_same(chapter, checkpoint, tmp_path):
    other = run_cells("03", WITHOUT, until="validation.check_chunks", checkpoint=checkpoint, seed=2, output_dir=str(tmp_path))
    sides = [{side: rows["text"][:] for side, rows in names["parts"].items()} for names in (chapter, other)]
    reviews = [text for split in ("train", "unsupervised") for text in chapter["reviews"][split]["text"][:]]
    assert sorted(sides[0]["train"] + sides[0]["test"]) == sorted(reviews) and len(sides[0]["test"]) == len(reviews) / 5
    assert not set(sides[0]["train"]) & set(sides[0]["test"])
    assert sides[0] == sides[1]
    assert chapter["chunks"]["eval"][:10] == other["chunks"]["eval"][:10]


def test_chunks_are_the_reviews_tokens_in_order_and_a_limit_takes_only_as_many_reviews_as_it_needs(chapter):
    for side, count in (("train", 40), ("eval", 10)):
        tokenized, chunks = chapter["tokenized"][side], chapter["chunks"][side]
        for column in ("input_ids", "attention_mask", "word_ids"):
            ribbon = list(chain.from_iterable(tokenized[column][:]))
            assert chunks[column][:] == [ribbon[i : i + 128] for i in range(0, len(ribbon) - 127, 128)]
        assert count <= len(chunks) < 2.5 * count
    assert len(chapter["train_chunks"]) == 40 and len(chapter["eval_chunks"]) == 10


def test_holes_differ_between_two_readings_of_a_chunk_and_frozen_ones_do_not(chapter, tokenizer):
    labels = chapter["collator"]([chapter["row"]] * 2)["labels"]
    assert not torch.equal(labels[0], labels[1])
    once, again = ([batch["labels"] for batch in chapter["eval_batches"]] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, again))
    originals = torch.tensor(chapter["eval_chunks"]["input_ids"][:])
    labels = torch.cat(once)
    labelled, special = labels != IGNORE_INDEX, torch.isin(originals, torch.tensor(tokenizer.all_special_ids))
    assert torch.equal(labels[labelled], originals[labelled]) and not (labelled & special).any()
    n = int((~special).sum())
    assert abs(int(labelled.sum()) - 0.15 * n) < 5 * (n * 0.15 * 0.85) ** 0.5


def test_perplexities_are_those_of_the_frozen_masks_before_and_after(chapter, checkpoint):
    def brute_force(model):
        terms = []
        for batch in chapter["eval_batches"]:
            with torch.no_grad():
                logits = model.eval()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
            labelled = batch["labels"] != IGNORE_INDEX
            terms.append(cross_entropy(logits[labelled], batch["labels"][labelled], reduction="none"))
        return torch.cat(terms).mean().exp().item()

    assert chapter["perplexity_before"] == pytest.approx(brute_force(AutoModelForMaskedLM.from_pretrained(checkpoint)), rel=5e-3)
    trained = AutoModelForMaskedLM.from_pretrained(checkpoint)
    trained.load_state_dict(chapter["model"].state_dict())
    assert chapter["perplexity_after"] == pytest.approx(brute_force(trained), rel=5e-3)  # bfloat16 where the processor has it
    epochs, values = zip(*chapter["watch"].history)
    assert epochs == (0, 1, 2) and values[0] == chapter["perplexity_before"] and values[-1] == chapter["perplexity_after"]
    assert values[0] != values[1] != values[2]


@pytest.mark.parametrize("seed", range(5))
def test_whole_words_by_hand_are_the_collators_on_the_same_draws(chapter, tokenizer, seed):
    row = chapter["chunks"]["train"].select_columns(["input_ids", "attention_mask", "word_ids"])[seed]
    draws = torch.rand(128, generator=torch.Generator().manual_seed(seed))
    masked, labels = chapter["mask_words"](row["input_ids"], row["word_ids"], draws)
    batch = WholeWordCollator(tokenizer, 0.2, seed=seed)([row])
    assert batch["input_ids"][0].tolist() == masked and batch["labels"][0].tolist() == labels
    everything, _ = chapter["mask_words"](row["input_ids"], row["word_ids"], draws, probability=1.0)
    assert [token == tokenizer.mask_token_id for token in everything] == [word != NO_WORD for word in row["word_ids"]]


def test_what_a_chapter_shows_of_a_hole_are_the_models_probabilities(chapter, tokenizer):
    model, sentence = chapter["model"], "The [MASK] was too long."
    answers = chapter["top_tokens"](model.eval(), sentence, k=3)
    inputs = tokenizer(sentence, return_tensors="pt")
    with torch.no_grad():
        probabilities = model(**inputs).logits[0, 2].softmax(dim=-1)
    assert list(answers.values()) == pytest.approx(probabilities.topk(3).values.tolist())
