"""Exercises that answer back: ``ex = exercises.chapter("01")``, then ``ex.pad.check(pad)``, ``ex.pad.hint()``, ``ex.pad.solution()``.

An answer runs on fresh random inputs beside a solution, and their results are compared; where chance makes right results differ,
a judge tests their properties. Typical mistakes are recognised by their results. No check raises, whatever it is given.
"""

import ast
import importlib
import inspect
import linecache
import math
import random
import textwrap
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from helpers.exercises.fixtures import quiet
from helpers.i18n import say, translated
from helpers.markup import Markup, tag

KINDS = {  # of notes: mark, colour, heading
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
        heading: In the learner's language, as is the text.
        text: A sentence, or the solution's code.
    """

    kind: str
    heading: str
    text: str

    def __repr__(self) -> str:
        return f"{KINDS[self.kind][0]} {self.heading} {self.text}".strip()

    def _repr_html_(self) -> Markup:
        mark, color, _ = KINDS[self.kind]
        body = tag("pre", self.text) if self.kind == "solution" else tag("span", self.text, style="white-space:pre-line")
        heading = tag("b", f"{mark} {self.heading}")
        return tag("div", heading, " ", body, role="status", style=f"border-left:5px solid {color};padding:2px 10px")


class Wrong(Exception):
    """Raised for a wrong answer, with a sentence for the learner and the values of its placeholders."""

    def __init__(self, message: str, **values):
        self.message, self.values = message, values


@dataclass(frozen=True)
class Raised:
    """The exception that an answer raised; returning one is something else."""

    error: Exception


def call(answer: Callable, *arguments) -> object:
    """Return what the answer returns."""
    return answer(*arguments)


@dataclass
class Exercise:
    """One exercise, named as the function or the value that the learner writes.

    Attributes:
        name: Of the answer.
        solution: A function, or the source text of a value.
        hint: A sentence or two.
        cases: Makes argument tuples from a source of random numbers.
        judge: Takes an answer and a source of random numbers and raises `Wrong`; replaces the comparison with the solution.
        run: Takes an answer and a case's arguments and returns what is compared; may raise `Wrong`.
        otherwise: What to say of a wrong answer that is no typical mistake; by default, the case, the right result and the answer's.
        mistakes: Typical wrong answers, each with what to say of it.
    """

    name: str
    solution: Callable | str
    hint: str
    cases: Callable[[random.Random], Iterable[tuple]] = lambda chance: [()]
    judge: Callable[[object, random.Random], None] | None = None
    run: Callable = call
    otherwise: str | None = None
    mistakes: list[tuple[object, str]] = field(default_factory=list)

    def mistake(self, message: str) -> Callable:
        """Register a typical wrong answer: decorates a function, or is called on a value, ``x.mistake(message)(0)``."""

        def register(wrong):
            self.mistakes.append((wrong, message))
            return wrong

        return register

    def source(self) -> str:
        """Return the solution as it would stand in the notebook's cell."""
        if isinstance(self.solution, str):
            return f"{self.name} = {self.solution}"
        source = textwrap.dedent(inspect.getsource(self.solution))
        return ast.get_source_segment(source, ast.parse(source).body[0])  # without the decorator

    def result(self, answer: object, case: tuple) -> object:
        """Return what `run` makes of an answer, or what it raised; it gets copies of data, so that no change lasts."""
        try:
            return self.run(answer, *map(copied, case))
        except Wrong:
            raise
        except Exception as error:
            return Raised(error)

    def verify(self, answer: object) -> None:
        """Raise `Wrong`, or the answer's own exception, unless the answer is right."""
        chance = random.Random()
        if self.judge:
            return self.judge(answer, chance)
        solution = ast.literal_eval(self.solution) if isinstance(self.solution, str) else self.solution
        tried = [(case, self.result(answer, case), self.result(solution, case)) for case in self.cases(chance)]
        wrong = [row for row in tried if not same(*row[1:])]
        if not wrong:
            return
        for mistake, message in self.mistakes:
            if all(same(got, self.result(mistake, case)) for case, got, _ in tried):
                raise Wrong(message)
        case, got, right = min(wrong, key=lambda row: len(repr(row[0])))
        if isinstance(got, Raised):
            raise got.error
        if self.otherwise:
            raise Wrong(self.otherwise)
        if isinstance(right, Raised):
            right = type(right.error).__name__
            raise Wrong("For {case} it should raise {right}, and returns {got}.", case=shown(case), got=shown(got), right=right)
        raise Wrong("For {case} it should return {right}, and returns {got}.", case=shown(case), got=shown(got), right=shown(right))


def copied(value: object) -> object:
    """Return a copy of lists, dictionaries and tensors; models and tokenizers are shared."""
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, list):
        return [copied(part) for part in value]
    return value.clone() if isinstance(value, torch.Tensor) else value


def same(answer: object, right: object) -> bool:
    """Return whether an answer equals the right one.

    Numbers must be of one kind (boolean, whole or real; a whole number may stand for a real one) and real ones agree within 1e-5;
    their width does not matter. Any sequence or array may stand for a list, but only a tensor for a tensor. Exceptions agree by class.
    """
    if isinstance(right, Raised):
        return isinstance(answer, Raised) and isinstance(answer.error, type(right.error))
    if isinstance(right, torch.Tensor) and right.ndim and not (isinstance(answer, torch.Tensor) and answer.shape == right.shape):
        return False
    answer, right = (value.tolist() if hasattr(value, "tolist") else value for value in (answer, right))
    if isinstance(right, Mapping):
        return isinstance(answer, Mapping) and answer.keys() == right.keys() and all(same(answer[key], right[key]) for key in right)
    if isinstance(right, list | tuple):
        sequence = isinstance(answer, Sequence) and not isinstance(answer, str | bytes)
        return sequence and len(answer) == len(right) and all(map(same, answer, right))
    if isinstance(right, float):
        return type(answer) in (int, float) and math.isclose(answer, right, rel_tol=1e-5, abs_tol=1e-8)
    return isinstance(answer, type(right)) and isinstance(answer, bool) == isinstance(right, bool) and answer == right


def shown(value: object, most: int = 160) -> str:
    """Return a value in one line, shortened; the arguments of a call without their brackets."""
    if isinstance(value, tuple):
        return ", ".join(shown(part, most // max(1, len(value))) for part in value)
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[: most - 2]} …"


def is_stub(answer: object) -> bool:
    """Return whether an answer is still ``...``, holds it, or is a function whose body is ``...`` or ``pass``."""
    if code := getattr(answer, "__code__", None):
        return code.co_code == (lambda: None).__code__.co_code and {None, ...}.issuperset(code.co_consts)
    return answer is ... or isinstance(answer, dict) and any(value is ... for value in answer.values())


def raised_at(error: BaseException, answer: object) -> dict | None:
    """Return the line of the learner's function that raised, and its number in the cell."""
    code = getattr(answer, "__code__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code and frame.filename == code.co_filename:
            return {"number": frame.lineno, "line": linecache.getline(frame.filename, frame.lineno).strip()}
    return None


@dataclass(frozen=True)
class BoundExercise:
    """An exercise as a notebook calls it."""

    exercise: Exercise

    def _note(self, kind: str, text: str = "", /, **values) -> Feedback:
        text = translated(text)
        return Feedback(kind, translated(KINDS[kind][2]), text.format(**values) if values else text)

    def check(self, answer: object) -> Feedback:
        """Return whether an answer is right, and if not, as precisely as possible, why."""
        name = self.exercise.name
        if is_stub(answer):
            return self._note("unanswered", "ex.{name}.hint() helps, ex.{name}.solution() tells.", name=name)
        if callable(self.exercise.solution) and not callable(answer):
            return self._note("wrong", "{name} should be a function, and is {got}.", name=name, got=shown(answer))
        try:
            with quiet(), torch.random.fork_rng(devices=[]):  # PyTorch's random numbers go on as if nothing had been checked
                self.exercise.verify(answer)
        except Wrong as wrong:
            return self._note("wrong", wrong.message, **wrong.values)
        except Exception as error:  # the answer's, or a judge's that cannot read the result
            what = f"{type(error).__name__}: {error}"
            if where := raised_at(error, answer):
                return self._note("error", "{what}\nin line {number}: {line}", what=what, **where)
            return self._note("wrong", "What {name} returns has not the form that the task asks for ({what}).", name=name, what=what)
        return self._note("right")

    def hint(self) -> Feedback:
        """Return how to begin."""
        return self._note("hint", self.exercise.hint)

    def solution(self) -> Feedback:
        """Return one right answer."""
        return self._note("solution", self.exercise.source())


class Chapter:
    """The exercises of a chapter as attributes."""

    def __init__(self, exercises: dict[str, Exercise]):
        self._exercises = {name: BoundExercise(exercise) for name, exercise in exercises.items()}

    def __getattr__(self, name: str) -> BoundExercise:
        if name in (known := self.__dict__.get("_exercises", {})):
            return known[name]
        raise AttributeError(say("This chapter has no exercise {name!r}; it has {known}.", name=name, known=", ".join(known)))

    def __dir__(self) -> list[str]:
        return list(self._exercises)

    def __iter__(self):
        return iter(self._exercises.values())


def exercise(hint: str, *, value: tuple[str, str] | None = None, **options):
    """Make a function the solution of an exercise, or return that of a ``value=(name, source)``; `options` are `Exercise`'s."""
    if value:
        return Exercise(*value, hint, **{"run": lambda answer: answer} | options)
    return lambda solution: Exercise(solution.__name__, solution, hint, **options)


def chapter(number: str) -> Chapter:
    """Return the exercises of a chapter, such as ``"01"``."""
    module = importlib.import_module(f"helpers.exercises.chapter_{number}")
    return Chapter({value.name: value for value in vars(module).values() if isinstance(value, Exercise)})
