"""Exercises that answer back: ``ex = exercises.chapter("01")``, then ``ex.pad.check(pad)``, ``ex.pad.hint()``, ``ex.pad.solution()``.

An answer is judged by what it does on fresh inputs, against a solution that runs beside it or by a judge of the exercise's own.
Each exercise knows typical mistakes and says which one it sees. No check raises, whatever it is given.
"""

import ast
import copy
import html
import importlib
import inspect
import linecache
import random
import textwrap
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from helpers.i18n import say, translated


def _stub(): ...


STUB = _stub.__code__.co_code


KINDS = {  # of notes: mark, colour, heading
    "right": ("✓", "#009e73", "Right."),
    "wrong": ("✗", "#d55e00", "Not yet:"),
    "error": ("!", "#d55e00", "Your code raised:"),
    "unanswered": ("…", "#999999", "Not answered yet:"),
    "hint": ("→", "#0072b2", "Hint:"),
    "solution": ("→", "#0072b2", "Solution:"),
}


@dataclass(frozen=True)
class Note:
    """What an exercise says: a mark, a heading and a text, as HTML in a notebook and as text elsewhere."""

    kind: str  # one of KINDS
    heading: str
    text: str

    def __repr__(self) -> str:
        return f"{KINDS[self.kind][0]} {self.heading} {self.text}".strip()

    def _repr_html_(self) -> str:
        mark, color, _ = KINDS[self.kind]
        text = html.escape(self.text)
        body = f"<pre>{text}</pre>" if self.kind == "solution" else f"<span style='white-space:pre-line'>{text}</span>"
        return f"<div role='status' style='border-left:5px solid {color};padding:2px 10px'><b>{mark} {self.heading}</b> {body}</div>"


class Wrong(Exception):
    """A judge raises it with a sentence for the learner."""

    def __init__(self, message: str, **values):
        self.message, self.values = message, values


@dataclass
class Exercise:
    """One exercise, named as the function or the value that the learner writes.

    Attributes:
        solution: A function, or for a value its expression as text.
        hint: A sentence or two.
        cases: Given a source of random numbers, argument tuples to try; the solution says what is right.
        judge: In place of cases: gets the answer and a source of random numbers, and raises `Wrong`.
        mistakes: Typical wrong answers, each with what to say of it.
    """

    name: str
    solution: Callable | str
    hint: str
    cases: Callable[[random.Random], Iterable[tuple]] | None
    judge: Callable[[object, random.Random], None] | None
    mistakes: list[tuple[object, str]]

    def mistake(self, message: str):
        """Registers a wrong answer under what to say of it: decorates a function, or is called on a value, ``x.mistake(message)(0)``."""

        def register(wrong):
            self.mistakes.append((wrong, message))
            return wrong

        return register

    def source(self) -> str:
        """The solution as it would stand in the notebook's cell."""
        if isinstance(self.solution, str):
            return f"{self.name} = {self.solution}"
        source = textwrap.dedent(inspect.getsource(self.solution))
        return ast.get_source_segment(source, ast.parse(source).body[0])  # without the decorator

    def verdict(self, answer: object) -> None:
        """Raises `Wrong` unless the answer is right."""
        chance = random.Random()
        if self.judge:
            return self.judge(answer, chance)
        tried = [(case, outcome(answer, case), outcome(self.solution, case)) for case in self.cases(chance)]
        differ = [(case, got, right) for case, got, right in tried if not same(got, right)]
        if not differ:
            return
        for wrong, message in self.mistakes:
            if all(same(got, outcome(wrong, case)) for case, got, _ in tried):
                raise Wrong(message)
        case, got, right = min(differ, key=lambda row: len(repr(row[0])))
        if isinstance(got, Exception):
            raise got
        if isinstance(right, Exception):
            raise Wrong(
                "For {case} it should raise {right}, and returns {got}.", case=shown(case), got=shown(got), right=type(right).__name__
            )
        raise Wrong("For {case} it should return {right}, and returns {got}.", case=shown(case), got=shown(got), right=shown(right))


def is_stub(answer: object) -> bool:
    """Whether it is a function whose body is `...` or `pass`."""
    code = getattr(answer, "__code__", None)
    return getattr(code, "co_code", None) == STUB and {None, ...}.issuperset(code.co_consts)


def outcome(function: Callable, arguments: tuple) -> object:
    """What a function returns, or the exception that it raises. It gets copies of data, so that nothing it changes is seen elsewhere."""
    data = [copy.deepcopy(value) if isinstance(value, list | dict) or hasattr(value, "clone") else value for value in arguments]
    try:
        return function(*data)
    except Exception as error:
        return error


def same(one: object, other: object) -> bool:
    """Equal in kind and value; numbers within 1e-6, lists and tuples told apart, exceptions by their class."""
    one, other = (value.item() if hasattr(value, "dtype") and value.ndim == 0 else value for value in (one, other))
    if isinstance(other, Exception):
        return isinstance(one, type(other))
    if isinstance(other, float):
        return isinstance(one, float | int | np.number) and not isinstance(one, bool) and bool(np.isclose(one, other, rtol=1e-6, atol=1e-9))
    if isinstance(other, dict):
        return isinstance(one, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in other)
    if isinstance(other, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if hasattr(other, "dtype"):
        return type(one) is type(other) and one.dtype == other.dtype and one.shape == other.shape and np.allclose(one, other, rtol=1e-5)
    return type(one) is type(other) and one == other


def shown(value: object, most: int = 160) -> str:
    """A value in one line, shortened; the arguments of a call without their brackets."""
    if isinstance(value, tuple):
        return ", ".join(shown(part, most // max(1, len(value))) for part in value)
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[: most - 2]} …"


def place(error: BaseException, answer: object) -> dict | None:
    """The line of the learner's function that raised, and its number in the cell."""
    code = getattr(answer, "__code__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code and frame.filename == code.co_filename:
            return {"number": frame.lineno, "line": linecache.getline(frame.filename, frame.lineno).strip()}
    return None


@dataclass(frozen=True)
class Bound:
    """An exercise as a notebook calls it."""

    exercise: Exercise

    def _note(self, kind: str, text: str = "", /, **values) -> Note:
        text = translated(text)
        return Note(kind, translated(KINDS[kind][2]), text.format(**values) if values else text)

    def check(self, answer: object) -> Note:
        """Says whether an answer is right, and if not, as precisely as it can, why not."""
        name, function = self.exercise.name, callable(self.exercise.solution)
        if answer is ... or is_stub(answer) or (isinstance(answer, dict) and any(value is ... for value in answer.values())):
            return self._note("unanswered", "ex.{name}.hint() helps, ex.{name}.solution() tells.", name=name)
        if function and not callable(answer):
            return self._note("wrong", "{name} should be a function, and is {got}.", name=name, got=shown(answer))
        try:
            self.exercise.verdict(answer)
        except Wrong as wrong:
            return self._note("wrong", wrong.message, **wrong.values)
        except Exception as error:  # the learner's, or a judge's that got something nobody thought of
            what = f"{type(error).__name__}: {error}"
            if where := place(error, answer):
                return self._note("error", "{what}\nin line {number}: {line}", what=what, **where)
            return self._note("wrong", "What {name} returns has not the form that the task asks for ({what}).", name=name, what=what)
        return self._note("right")

    def hint(self) -> Note:
        """Says how to begin."""
        return self._note("hint", self.exercise.hint)

    def solution(self) -> Note:
        """Shows one right answer."""
        return self._note("solution", self.exercise.source())


class Chapter:
    """The exercises of a chapter as attributes."""

    def __init__(self, exercises: dict[str, Exercise]):
        self._exercises = {name: Bound(exercise) for name, exercise in exercises.items()}

    def __getattr__(self, name: str) -> Bound:
        if name in (known := self.__dict__.get("_exercises", {})):
            return known[name]
        raise AttributeError(say("This chapter has no exercise {name!r}; it has {known}.", name=name, known=", ".join(known)))

    def __dir__(self) -> list[str]:
        return list(self._exercises)

    def __iter__(self):
        return iter(self._exercises.values())


def exercise(hint: str, *, cases=None, judge=None, name: str | None = None, value: str | None = None):
    """Makes a function the solution of an exercise; with `name` and `value`, called at once, that of a value."""
    if value is not None:
        return Exercise(name, value, hint, cases, judge, [])
    return lambda solution: Exercise(solution.__name__, solution, hint, cases, judge, [])


def chapter(number: str) -> Chapter:
    """The exercises of a chapter, such as ``"01"``."""
    module = importlib.import_module(f"helpers.exercises.chapter_{number}")
    found = {value.name: value for value in vars(module).values() if isinstance(value, Exercise)}
    return Chapter(found)
