"""What counts as the right result, what an exercise says, and that an answer changes nothing but itself."""

import random
from collections import UserDict, deque

import numpy as np
import pytest
import torch

from helpers import exercises
from helpers.exercises.comparison import Raised, difference, same
from helpers.exercises.engine import Exercise, Wrong, is_stub

RIGHT = [  # result of an answer, right result
    (np.int32(5), 5), (torch.tensor(5), 5), (2, 2.0), (np.float32(0.1), 0.1), (torch.tensor(0.1), 0.1), (0.1 + 0.2, 0.3),
    (np.True_, True),
    ((1, 2), [1, 2]), ([1, 2], (1, 2)), (np.array([1, 2], dtype=np.int8), [1, 2]), (torch.tensor([[1], [2]]), [[1], [2]]),
    (range(2), [0, 1]),
    (deque("ab"), ["a", "b"]), (UserDict(a=(1,)), {"a": [1]}), (np.str_("a"), "a"), (None, None), (float("inf"), float("inf")),
    (torch.tensor([1], dtype=torch.int16), torch.tensor([1])), (torch.tensor([0.5], dtype=torch.float64), torch.tensor([0.5])),
    (Raised(UnicodeError()), Raised(ValueError())),
]  # fmt: skip
WRONG = [
    (5.0, 5), (True, 1), (1, True), (5.0001, 5.0), ("5", 5), (float("nan"), 1.0), ({1, 2}, [1, 2]), ("ab", ["a", "b"]), ([1, 2.0], [1, 2]),
    ([1], [1, 2]), ([2, 1], [1, 2]), (iter([1, 2]), [1, 2]), ({"a": 1, "b": 2}, {"a": 1}), ([("a", 1)], {"a": 1}), (None, 0), (0, None),
    ([1], torch.tensor([1])), (np.array([1]), torch.tensor([1])), (torch.tensor([1.0]), torch.tensor([1])),
    (torch.tensor([[1]]), torch.tensor([1])),
    (torch.tensor([True]), torch.tensor([1])), (ValueError(), Raised(ValueError())), (Raised(KeyError()), Raised(ValueError())),
]  # fmt: skip


@pytest.mark.parametrize("answer, right", RIGHT)
def test_another_form_of_the_right_result_is_right(answer, right):
    assert same(answer, right)


@pytest.mark.parametrize("answer, right", WRONG)
def test_another_kind_or_value_is_wrong(answer, right):
    assert not same(answer, right)


@pytest.mark.parametrize(
    "answer, right, place",
    [
        ([1, [2, 4]], [1, [2, 3]], "[1][1]"), ({"a": 1, "b": [True]}, {"a": 1, "b": [False]}, "['b'][0]"), ([1], [1, 2], ""),
        (torch.tensor([[1, 2], [3, 5]]), torch.tensor([[1, 2], [3, 4]]), "[1][1]"), ({"a": [0]}, {"a": [1, 2]}, "['a']"),
    ],
)  # fmt: skip
def test_a_difference_is_found_where_it_is(answer, right, place):
    assert difference(answer, right).place == place


def test_a_tolerance_is_relative():
    assert same([2.0, 100.0], [2.0, 101.0], tolerance=0.02) and not same([2.0, 100.0], [2.0, 103.0], tolerance=0.02)


@pytest.mark.parametrize(
    "answer, stub", [(..., True), ({"a": ..., "b": 1}, True), (lambda: None, True), (lambda: 0, False), (None, False), (int, False)]
)
def test_a_stub_is_told_from_an_answer(answer, stub):
    assert is_stub(answer) == stub


def double(values):
    return [2 * value for value in values]


def of_one_case(**options):
    return Exercise("double", double, "Two times each.", lambda chance: [([1, 2],), ([3],)], **options)


def test_a_mistake_is_recognised_and_any_other_result_shown():
    exercise = of_one_case(mistakes=lambda values: {"You repeat the list.": values * 2})
    assert exercise.check(double).kind == "right"
    assert exercise.check(lambda values: values + values).text == "You repeat the list."
    assert exercise.check(lambda values: [0]).text == "For [3], result[0] should be 6, and is 0."
    assert exercise.check(lambda values: 0).text == "For [3], result should be [6], and is 0."
    assert of_one_case(otherwise="Look again.").check(lambda values: [0]).text == "Look again."


def test_a_mistake_may_be_one_in_some_cases_alone():
    """Where it does no harm, `mistakes` leaves it out, and the right result is expected there."""
    message = "One value is a value too."
    exercise = of_one_case(mistakes=lambda values: {message: []} if len(values) == 1 else {})
    assert exercise.check(lambda values: double(values) if len(values) > 1 else []).text == message
    assert exercise.check(lambda values: []).text != message


def test_an_answer_gets_copies_and_leaves_the_random_numbers_alone():
    def spoils(values):
        torch.manual_seed(3)
        values[:] = double(values)
        return values

    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    assert of_one_case().check(spoils).kind == "right"
    assert torch.equal(torch.rand(1), expected)


def test_a_judge_says_what_is_wrong():
    def judge(answer, chance):
        assert isinstance(chance, random.Random)
        raise Wrong("It is {n} too many.", n=answer)

    assert repr(Exercise("count", 1, "Count.", judge=judge).check(3)) == "✗ Not yet: It is 3 too many."


def test_an_exception_is_shown_with_the_line_that_raised():
    def f1_by_hand(predictions, labels):
        right = 0
        return right / undefined  # noqa: F821

    note = exercises.chapter("01").f1_by_hand.check(f1_by_hand)
    assert note.kind == "error"
    assert "NameError: name 'undefined' is not defined" in note.text and "return right / undefined" in note.text


def test_text_of_an_answer_is_shown_and_not_run():
    note = exercises.chapter("01").pad.check(lambda rows, pad_token_id: "<script>alert(1)</script>")
    assert "<script>" not in note._repr_html_() and "&lt;script&gt;" in note._repr_html_()


def test_an_unknown_exercise_names_the_known_ones():
    with pytest.raises(AttributeError, match="no exercise 'padd'; it has f1_by_hand, join_pair"):
        exercises.chapter("01").padd  # noqa: B018
