"""Every exercise accepts right answers, tells typical mistakes apart, and never raises, whatever it is given."""

import random
import re
from dataclasses import replace

import answers
import numpy as np
import pytest
import torch

from helpers import chunking, exercises, metrics
from helpers.exercises import chapter_05
from helpers.exercises.comparison import Raised
from helpers.exercises.fixtures import bundled_tokenizers, tiny_model, tiny_tokenizer
from helpers.train.setup import forget_accelerator

CHAPTERS = ("01", "02", "03", "04", "05")
ALL = [(number, exercise.name) for number in CHAPTERS for exercise in exercises.chapter(number)]
LONG = ("losses_by_rate", "compare", "fill_all", "train_another", "accumulating_loop")  # a check runs a model many times
JUDGED = {  # of answers to exercises with a judge: what it should say of some wrong ones
    "pick_exactly": {
        "one_draw_for_all_rows": "The counts are right, but rows have their holes in the same places",
        "special_tokens_too": r"Special tokens, such as \[CLS\] and \[SEP\], are hidden in \d+ of 12 rows",
        "the_first_ones": "The same generator|The counts are right, but",
        "generator_not_used": "The same generator gives other holes",
    },
    "losses_by_rate": {
        "every_token": "For the rate .* Are visible tokens -100 in the labels",
        "one_draw_32_times": "For the rate .* One draw is luck",
        "special_tokens_too": "Special tokens, such as .* are hidden in .* rows",
        "without_attention": "The model should attend to every token",
        "list": "It should return a dictionary",
    },
    "mask_spans": {
        "masked_alone": r"It should return two things, and returns \[",
        "two_words": "The shortest run of hidden words has 2 and should have 3",
        "four_words": "The shortest run of hidden words has 4 and should have 3",
        "labels_everywhere": r"labels\[0\] should be -100, and is \d+:",
        "thirty_percent": r"3\d\.\d% of the tokens are hidden, and 15\.0% should be",
    },
    "train_another": {
        "half_is_masked": r".*% of the tokens are hidden, and 15\.0% should be",
        "random_weights": "The model has other weights",
        "perplexity": r"The model's loss is .*, and you return \d+\.",
    },
    "accumulating_loop": {
        "mean_of_batches": "Each batch counts the same",
        "no_zero_grad": "The first step is right, and the later ones",
        "every_batch_a_step": "The weights change after batches",
        "no_step": "The weights never change",
        "adam": "The gradients are right, but the weights move otherwise",
        "divided_once_more": "The gradient of a step should be",
        "losses_as_tensors": "A loss is a tensor",
        "losses_divided": "The losses of the steps should be",
    },
}
TOLD = [(name, wrong, sentence) for name, sentences in JUDGED.items() for wrong, sentence in sentences.items()]


def of(number, name):
    return getattr(exercises.chapter(number), name)


def stub(*args, **kwargs): ...


def test_each_exercise_knows_two_mistakes_or_has_a_judge():
    assert len(set(ALL)) == len(ALL) == 26
    known = {name: len(answers.messages(of(number, name))) for number, name in ALL}
    assert {name for name, count in known.items() if count < 2} == set(JUDGED) == {name for n, name in ALL if of(n, name).judge}
    assert sum(known.values()) == 81  # as tests/README.md says


@pytest.mark.parametrize("number, name", ALL)
def test_the_solution_is_accepted_each_time(number, name):
    exercise = of(number, name)
    for _ in range(3):
        assert exercise.check(exercise.right_answer).kind == "right"


@pytest.mark.parametrize("number, name", [(number, name) for number, name in ALL if name not in JUDGED])
def test_each_typical_mistake_gets_its_own_message(number, name):
    exercise = of(number, name)
    for message in answers.messages(exercise):

        def run(answer, *case, message=message):
            """Return the right result of the right answer, and of any other that of the mistake."""
            right = exercise.result(exercise.right_answer, case)
            result = right if answer is exercise.right_answer else exercise.mistakes(*case).get(message, right)
            if isinstance(result, Raised):
                raise result.error
            return result

        for _ in range(3):
            note = replace(exercise, run=run).check(print)
            assert note.kind == "wrong" and note.text == message, note


@pytest.mark.parametrize("name, wrong, sentence", TOLD)
def test_a_judge_says_what_is_wrong(name, wrong, sentence):
    (number,) = [number for number, known in ALL if known == name]
    (answer,) = [answer for _, exercise, label, answer, _ in answers.cases(number) if label == f"{name}__{wrong}" and exercise == name]
    note = of(number, name).check(answer)
    assert note.kind == "wrong" and re.match(sentence, note.text), note


@pytest.mark.parametrize("number", CHAPTERS)
def test_answers_of_somebody_who_has_not_read_the_check_are_judged_rightly(number):
    """Once each here, but for the long ones; test_answers.py among the slow tests does all of them 200 times."""
    wrongly = {}
    for chapter, name, label, answer, right in answers.cases(number):
        if name in LONG:
            continue
        if said := answers.misjudged(chapter, name, answer, right, runs=1):
            wrongly[f"{name}, {'right' if right else 'wrong'}: {label}"] = said[0]
    assert wrongly == {}


def test_every_exercise_has_a_dozen_wrong_answers_and_unusual_right_ones():
    counts = {(name, right): 0 for _, name in ALL for right in (True, False)}
    for _, name, _, _, right in answers.cases(*CHAPTERS):
        counts[name, right] += 1
    assert {key: count for key, count in counts.items() if count < (7 if key[1] else 12)} == {}


@pytest.mark.parametrize("number, name", ALL)
def test_a_stub_is_not_answered_yet_and_hint_and_solution_help(number, name):
    exercise = of(number, name)
    assert exercise.check(stub if callable(exercise.right_answer) else ...).kind == "unanswered"
    assert len(exercise.hint().text) > 10
    source = exercise.solution().text
    assert re.match(rf"(def {name}\(|{name} = )", source) and '"""' not in source
    scope = {"torch": torch, "chunking": chunking, "metrics": metrics}
    exec(source, scope)
    assert exercise.check(scope[name]).kind == "right"


def anything(chance: random.Random):
    """Return a wrong-typed answer: a value, or a function that returns one, takes too little or raises."""
    values = [
        None, 0, 1.5, True, "", "abc", b"x", [], [1, 2], (), (1, "a"), {}, {"input_ids": 3}, {1: 2}, set(), object(), int, np.nan,
        np.arange(3), torch.arange(3), torch.rand(2, 2), float("inf"), [[]], {"sentence": [1]}, (None, None), [[1], [2, 3]], range(3),
    ]  # fmt: skip
    value = chance.choice(values)

    def raises(*args, **kwargs):
        raise chance.choice([ValueError, KeyError, TypeError, RecursionError, StopIteration, AssertionError])("own")

    def endless(*args, **kwargs):
        return iter(int, 1)

    wrong = [value, lambda *args, **kwargs: value, lambda *args, **kwargs: args[0] if args else None, lambda: value, raises, endless,
             lambda a: a, lambda *args, **kwargs: [value] * 3, lambda *args, **kwargs: {"a": value}, str, dict, list]  # fmt: skip
    return chance.choice(wrong)


@pytest.mark.parametrize("number, name", ALL)
def test_no_check_ever_raises(number, name):
    exercise, chance = of(number, name), random.Random(0)
    for _ in range(5 if name in LONG else 20):
        note = exercise.check(anything(chance))
        assert note.kind in ("wrong", "error", "unanswered") and repr(note) and note._repr_html_()


def test_the_lengths_that_models_read_are_the_librarys():
    from transformers import BertConfig, BigBirdConfig, ModernBertConfig

    classes = {"BERT": BertConfig, "BigBird": BigBirdConfig, "ModernBERT": ModernBertConfig}
    assert of("03", "longest").right_answer == {name: config().max_position_embeddings for name, config in classes.items()}


def test_a_pair_by_hand_is_the_tokenizers(tokenizer):
    one, two = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("Rain fell.", "It rained all day."))
    joined = of("01", "join_pair").right_answer(one, two, tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert joined == dict(tokenizer("Rain fell.", "It rained all day."))


def test_accumulated_steps_are_those_of_larger_batches():
    ids = torch.randint(5, 300, (12, 10))
    labels = ids.masked_fill(torch.arange(10) >= torch.arange(12)[:, None] % 5 + 1, -100)
    rows = [{"input_ids": row, "labels": label} for row, label in zip(ids, labels)]
    weights = tiny_model().state_dict()
    results = []
    for size, every in ((2, 3), (6, 1)):
        model = tiny_model()
        model.load_state_dict(weights)
        losses = chapter_05.accumulating_loop(model, torch.utils.data.DataLoader(rows, size), every, 1e-3)
        forget_accelerator()
        results.append((losses, chapter_05.weights(model).cpu()))
    (small, moved), (large, moved_too) = results
    assert small == pytest.approx(large, rel=1e-4) and torch.allclose(moved, moved_too, atol=1e-4)


@pytest.mark.parametrize("made", [lambda: bundled_tokenizers()[0], tiny_tokenizer], ids=["bundled", "tiny"])
def test_no_answer_leaves_padding_or_truncation_to_the_next(made):
    made()(["A gull cried.", "Nobody"], padding=True, truncation=True, max_length=4)
    assert made().backend_tokenizer.padding is None and made().backend_tokenizer.truncation is None
