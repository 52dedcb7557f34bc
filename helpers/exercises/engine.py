"""Exercises that answer back: ``ex = exercises.chapter("01")``, then ``ex.pad.check(pad)``, ``ex.pad.hint()``, ``ex.pad.solution()``.

An answer runs on fresh random inputs beside the solution, and their results are compared; where chance makes right results differ,
a judge tests their properties. Typical mistakes are recognised by their results. No check raises, whatever it is given.
"""

import ast
import importlib
import inspect
import json
import linecache
import random
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import torch
from transformers import logging

from helpers.exercises.comparison import Raised, difference, same, shown
from helpers.i18n import say, translated
from helpers.markup import Markup, tag
from helpers.quiet import quiet

KINDS = {  # of feedback: mark, colour, heading
    "right": ("✓", "#009e73", "Right."),
    "wrong": ("✗", "#d55e00", "Not yet:"),
    "error": ("!", "#d55e00", "Your code raised:"),
    "unanswered": ("…", "#999999", "Not answered yet:"),
    "hint": ("→", "#0072b2", "Hint:"),
    "solution": ("→", "#0072b2", "Solution:"),
}


@dataclass(frozen=True)
class Feedback:
    """The reply of an exercise, as HTML in a notebook and as text elsewhere.

    Attributes:
        kind: One of `KINDS`.
        text: A sentence in the learner's language, or the solution's code.
    """

    kind: str
    text: str = ""

    @property
    def heading(self) -> str:
        """The mark and the heading of its kind, in the learner's language."""
        mark, _, heading = KINDS[self.kind]
        return f"{mark} {translated(heading)}"

    def __repr__(self) -> str:
        return f"{self.heading} {self.text}".strip()

    def _repr_html_(self) -> Markup:
        color = KINDS[self.kind][1]
        body = tag("pre", self.text) if self.kind == "solution" else tag("span", self.text, style="white-space:pre-line")
        return tag("div", tag("b", self.heading), " ", body, role="status", style=f"border-left:5px solid {color};padding:2px 10px")


class Wrong(Exception):
    """Raised for a wrong answer; takes a sentence for the learner and the values of its placeholders."""

    def __init__(self, message: str, **values: object):
        text = translated(message)
        super().__init__(text.format(**values) if values else text)


@dataclass
class Exercise:
    """One exercise.

    Attributes:
        name: Of the function or value that the learner writes.
        right_answer: A function whose source is the solution, or a value.
        hint_text: How to begin, in a sentence or two.
        cases: Makes argument tuples from a source of random numbers.
        run: Takes an answer and a case's arguments and returns what is compared; may raise `Wrong`.
        mistakes: Takes a case's arguments and returns the results of typical wrong answers, by what to say of them; those that are
            right in this case may be left out.
        otherwise: What to say of any other wrong answer; by default, a case and where its result first differs from the right one.
        judge: Takes an answer, a source of random numbers and a case's arguments and raises `Wrong`; replaces the comparison.
    """

    name: str
    right_answer: Callable | object
    hint_text: str
    cases: Callable[[random.Random], Iterable[tuple]] = lambda chance: [()]
    run: Callable = lambda answer, *arguments: answer(*arguments) if arguments else answer
    mistakes: Callable[..., dict[str, object]] = lambda *arguments: {}
    otherwise: str | None = None
    judge: Callable[..., None] | None = None

    def check(self, answer: object) -> Feedback:
        """Return whether an answer is right, and if not, as precisely as possible, why."""
        if is_stub(answer):
            return Feedback("unanswered", say("ex.{name}.hint() helps, ex.{name}.solution() tells.", name=self.name))
        if callable(self.right_answer) and not callable(answer):
            return Feedback("wrong", say("{name} should be a function, and is {got}.", name=self.name, got=shown(answer)))
        try:
            with quiet(logging), torch.random.fork_rng(devices=[]):  # PyTorch's random numbers go on as if nothing had been checked
                self.verify(answer)
        except Wrong as wrong:
            return Feedback("wrong", str(wrong))
        except Exception as error:  # the answer's, or a judge's that cannot read the result
            what = f"{type(error).__name__}: {error}"
            if line := _line_that_raised(error, answer):
                return Feedback("error", say("{what}\nin line {number}: {line}", what=what, **line))
            return Feedback("wrong", say("{name} does not return what the task asks for ({what}).", name=self.name, what=what))
        return Feedback("right")

    def hint(self) -> Feedback:
        """Return how to begin."""
        return Feedback("hint", translated(self.hint_text))

    def solution(self) -> Feedback:
        """Return one right answer."""
        return Feedback("solution", self.source())

    def source(self) -> str:
        """Return the right answer as code for the notebook's cell, without its decorator and docstring."""
        if not callable(self.right_answer):
            return f"{self.name} = {json.dumps(self.right_answer)}"
        source = inspect.getsource(self.right_answer)
        function, lines = ast.parse(source).body[0], source.splitlines()
        docstring = function.body[0]
        return "\n".join(lines[function.lineno - 1 : docstring.lineno - 1] + lines[docstring.end_lineno :])

    def verify(self, answer: object) -> None:
        """Raise `Wrong`, or the answer's own exception, unless the answer is right."""
        chance = random.Random()
        torch.manual_seed(chance.randrange(2**32))
        if self.judge:
            for case in self.cases(chance):
                self.judge(answer, chance, *case)
            return
        rows = [(case, self.result(answer, case), self.result(self.right_answer, case)) for case in self.cases(chance)]
        wrong = [row for row in rows if not same(*row[1:])]
        if not wrong:
            return
        mistakes = [self.mistakes(*case) for case, _, _ in rows]
        for message in dict.fromkeys(chain.from_iterable(mistakes)):
            if all(same(got, results.get(message, right)) for (_, got, right), results in zip(rows, mistakes)):
                raise Wrong(message)
        case, got, right = min(wrong, key=lambda row: len(repr(row[0])))
        if isinstance(got, Raised):
            raise got.error
        if self.otherwise:
            raise Wrong(self.otherwise)
        arguments = ", ".join(shown(argument, 160 // len(case)) for argument in case)
        if isinstance(right, Raised):
            raise Wrong("For {case} it should raise {right}, and returns {got}.", case=arguments, right=right, got=shown(got))
        place, got, right = difference(got, right)
        raise Wrong(
            "For {case}, result{place} should be {right}, and is {got}.", case=arguments, place=place, right=shown(right), got=shown(got)
        )

    def result(self, answer: object, case: tuple) -> object:
        """Return what `run` makes of an answer, or what it raised; it gets copies of data, so that no change lasts."""
        try:
            return self.run(answer, *map(copied, case))
        except Wrong:
            raise
        except Exception as error:
            return Raised(error)


class Chapter:
    """The exercises of a chapter, each an attribute; the options of its methods are further attributes of `Exercise`."""

    def add(self, name: str, right_answer: Callable | object, hint: str, **options) -> None:
        """Add an exercise."""
        setattr(self, name, Exercise(name, right_answer, hint, **options))

    def exercise(self, **options) -> Callable:
        """Return a decorator that adds an exercise: a function is the right answer and gives it its name, and its docstring is the hint."""

        def register(solution):
            self.add(solution.__name__, solution, " ".join(solution.__doc__.split()), **options)
            return solution

        return register

    def __iter__(self) -> Iterator[Exercise]:
        return iter(vars(self).values())

    def __getattr__(self, name: str) -> Exercise:
        known = ", ".join(vars(self))
        raise AttributeError(say("This chapter has no exercise {name!r}; it has {known}.", name=name, known=known))


def chapter(number: str) -> Chapter:
    """Return the exercises of a chapter, such as ``"01"``."""
    return importlib.import_module(f"helpers.exercises.chapter_{number}").chapter


def copied(value: object) -> object:
    """Return a copy of lists, dictionaries and tensors; models and tokenizers are shared."""
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, list):
        return [copied(part) for part in value]
    return value.clone() if isinstance(value, torch.Tensor) else value


def is_stub(answer: object) -> bool:
    """Return whether an answer is still ``...``, holds it, or is a function whose body is ``...`` or ``pass``."""
    if code := getattr(answer, "__code__", None):
        return code.co_code == (lambda: None).__code__.co_code and {None, ...}.issuperset(code.co_consts)
    return answer is ... or isinstance(answer, dict) and any(value is ... for value in answer.values())


def _line_that_raised(error: BaseException, answer: object) -> dict | None:
    """Return the line of the learner's function that raised, and its number in the cell."""
    code = getattr(answer, "__code__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code and frame.filename == code.co_filename:
            return {"number": frame.lineno, "line": linecache.getline(frame.filename, frame.lineno).strip()}
    return None
