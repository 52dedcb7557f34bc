"""Every exercise accepts its solution, tells typical mistakes apart, and never raises, whatever it is given."""

import random
import re

import numpy as np
import pytest
import torch

from helpers import exercises

CHAPTERS = ("01", "02", "03", "04", "05")
ALL = [(number, bound.exercise.name) for number in CHAPTERS for bound in exercises.chapter(number)]
MISTAKES = [
    (number, bound.exercise.name, i)
    for number in CHAPTERS
    for bound in exercises.chapter(number)
    for i in range(len(bound.exercise.mistakes))
]


def of(number, name):
    return getattr(exercises.chapter(number), name)


def answer_of(bound):
    """The solution, as a learner's function or value."""
    solution = bound.exercise.solution
    return eval(solution, {"torch": torch}) if isinstance(solution, str) else solution


def stub(*args, **kwargs): ...


def test_there_are_about_twenty_with_two_mistakes_each():
    assert len(ALL) >= 20 and len(set(ALL)) == len(ALL)
    for number, name in ALL:
        assert len(of(number, name).exercise.mistakes) >= 2, name


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
        assert note.kind == "wrong" and note.text.startswith(message), note
    messages = [text for _, text in bound.exercise.mistakes]
    assert len(set(messages)) == len(messages)


@pytest.mark.parametrize("number, name", ALL)
def test_a_stub_is_not_answered_yet_and_hint_and_solution_help(number, name):
    bound = of(number, name)
    assert bound.check(... if isinstance(bound.exercise.solution, str) else stub).kind == "unanswered"
    assert len(bound.hint().text) > 10
    source = bound.solution().text
    assert re.match(rf"(def {name}\(|{name} = )", source) and "@" not in source.splitlines()[0]


def anything(chance: random.Random):
    """A wrong-typed answer: a value, or a function that returns one, takes too little or raises."""
    values = [
        None, 0, 1.5, -1, True, "", "abc", b"x", [], [1, 2], (), (1, "a"), {}, {"input_ids": 3}, {1: 2}, set(), object(), int, np.nan,
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
    for _ in range(200):
        note = bound.check(anything(chance))
        assert note.kind in ("wrong", "error", "unanswered") and repr(note) and note._repr_html_()


def test_an_exception_is_shown_with_the_line_that_raised():
    def f1_by_hand(predictions, labels):
        right = 0
        return right / undefined  # noqa: F821

    note = of("01", "f1_by_hand").check(f1_by_hand)
    assert note.kind == "error"
    assert "NameError: name 'undefined' is not defined" in note.text and "return right / undefined" in note.text


def test_text_of_an_answer_is_shown_and_not_run():
    note = of("01", "pad").check(lambda rows, pad_token_id: "<script>alert(1)</script>")
    assert "<script>" not in note._repr_html_() and "&lt;script&gt;" in note._repr_html_()


def test_an_unknown_exercise_names_the_known_ones():
    with pytest.raises(AttributeError, match="no exercise 'padd'; it has majority_scores"):
        exercises.chapter("01").padd  # noqa: B018
