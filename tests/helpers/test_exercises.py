"""Every exercise accepts right answers, tells typical mistakes apart, and never raises, whatever it is given."""

import random
import re

import answers
import numpy as np
import pytest
import torch

from helpers import exercises

CHAPTERS = ("01", "02", "03", "04", "05")
ALL = [(number, bound.exercise.name) for number in CHAPTERS for bound in exercises.chapter(number)]
MISTAKES = [(number, name, i) for number, name in ALL for i in range(len(getattr(exercises.chapter(number), name).exercise.mistakes))]
JUDGED = [  # wrong answers to exercises with a judge, and what it should say of them
    ("02", "pick_exactly", "one_draw_for_all_rows", "The counts are right, but rows have their holes in the same places"),
    ("02", "pick_exactly", "special_tokens_too", "Special tokens are hidden in"),
    ("02", "pick_exactly", "the_first_ones", "The same generator|The counts are right, but"),
    ("02", "pick_exactly", "generator_not_used", "The same generator gives other holes"),
    ("02", "losses_by_rate", "every_token", "For the rate .* Are visible tokens -100 in the labels"),
    ("02", "losses_by_rate", "one_draw_32_times", "For the rate .* One draw is luck"),
    ("02", "losses_by_rate", "special_tokens_too", r"\[CLS\] or \[SEP\] is hidden"),
    ("02", "losses_by_rate", "without_attention", "The model should attend to every token"),
    ("02", "losses_by_rate", "list", "It should return a dictionary"),
    ("03", "mask_spans", "masked_alone", ".*"),
    ("05", "accumulating_loop", "mean_of_batches", "Each batch counts the same"),
    ("05", "accumulating_loop", "no_zero_grad", "The first step is right, and the later ones"),
    ("05", "accumulating_loop", "every_batch_a_step", "The weights change after batches"),
    ("05", "accumulating_loop", "no_step", "The weights never change"),
    ("05", "accumulating_loop", "adam", "The gradients are right, but the weights move otherwise"),
    ("05", "accumulating_loop", "divided_once_more", "The gradient of a step should be"),
    ("05", "accumulating_loop", "losses_as_tensors", "The losses should be numbers"),
    ("05", "accumulating_loop", "losses_divided", "The losses of the steps should be"),
    ("04", "train_another", "half_is_masked", ".* of the tokens are masked"),
]


def of(number, name):
    return getattr(exercises.chapter(number), name)


def answer_of(bound):
    """Return the solution, as a learner's function or value."""
    solution = bound.exercise.solution
    return eval(solution) if isinstance(solution, str) else solution


def stub(*args, **kwargs): ...


def test_each_exercise_knows_two_mistakes_or_has_a_judge():
    assert len(set(ALL)) == len(ALL) == 26
    for number, name in ALL:
        exercise = of(number, name).exercise
        assert len(exercise.mistakes) >= 2 or exercise.judge, name
        assert not (exercise.mistakes and exercise.judge), name  # no judge would consult them


@pytest.mark.parametrize("number, name", ALL)
def test_the_solution_is_accepted_each_time(number, name):
    bound = of(number, name)
    for _ in range(3):
        assert bound.check(answer_of(bound)).kind == "right"


@pytest.mark.parametrize("number, name, index", MISTAKES)
def test_each_typical_mistake_gets_its_own_message(number, name, index):
    bound = of(number, name)
    wrong, message = bound.exercise.mistakes[index]
    for _ in range(3):
        note = bound.check(wrong)
        assert note.kind == "wrong" and note.text == message, note
    messages = [text for _, text in bound.exercise.mistakes]
    assert len(set(messages)) == len(messages)


@pytest.mark.parametrize("number, name, wrong, message", JUDGED)
def test_a_judge_says_what_is_wrong(number, name, wrong, message):
    (answer,) = [answer for _, exercise, label, answer, _ in answers.cases(number) if label == f"{name}__{wrong}" and exercise == name]
    note = of(number, name).check(answer)
    assert note.kind == "wrong" and re.match(message, note.text), note


LONG = ("losses_by_rate", "compare", "fill_all", "train_another", "accumulating_loop")  # a check runs a model many times


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
    bound = of(number, name)
    assert bound.check(... if isinstance(bound.exercise.solution, str) else stub).kind == "unanswered"
    assert len(bound.hint().text) > 10
    source = bound.solution().text
    assert re.match(rf"(def {name}\(|{name} = )", source) and "@" not in source.splitlines()[0]


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
    bound, chance = of(number, name), random.Random(0)
    for _ in range(5 if name in LONG else 20):
        note = bound.check(anything(chance))
        assert note.kind in ("wrong", "error", "unanswered") and repr(note) and note._repr_html_()


def test_the_lengths_that_models_read_are_the_librarys():
    from transformers import BertConfig, BigBirdConfig, ModernBertConfig

    classes = {"BERT": BertConfig, "BigBird": BigBirdConfig, "ModernBERT": ModernBertConfig}
    assert answer_of(of("03", "longest")) == {name: config().max_position_embeddings for name, config in classes.items()}


def test_a_pair_by_hand_is_the_tokenizers(tokenizer):
    one, two = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("Rain fell.", "It rained all day."))
    joined = of("01", "join_pair").exercise.solution(one, two, tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert joined == dict(tokenizer("Rain fell.", "It rained all day."))


def test_accumulated_steps_are_those_of_larger_batches():
    from helpers.exercises import chapter_05
    from helpers.exercises.fixtures import tiny_model
    from helpers.train.setup import forget_accelerator

    ids = torch.randint(5, 300, (12, 10))
    labels = ids.masked_fill(torch.arange(10) >= torch.arange(12)[:, None] % 5 + 1, -100)
    rows = [{"input_ids": row, "labels": label} for row, label in zip(ids, labels)]
    weights = tiny_model().state_dict()
    results = []
    for size, every in ((2, 3), (6, 1)):
        model = tiny_model()
        model.load_state_dict(weights)
        losses = chapter_05.accumulating_loop.solution(model, torch.utils.data.DataLoader(rows, size), every, 1e-3)
        forget_accelerator()
        results.append((losses, chapter_05.weights(model).cpu()))
    (small, moved), (large, moved_too) = results
    assert small == pytest.approx(large, rel=1e-4) and torch.allclose(moved, moved_too, atol=1e-4)
