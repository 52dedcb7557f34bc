"""Wrong and unusual right answers to every exercise, written from the tasks alone by someone who has not read the checks.

Two tasks are newer, `join_pair` and `accumulating_loop`; their answers are by the author of their checks.
"""

import contextlib
import importlib
import io
import random

from helpers import exercises


def cases(*numbers: str) -> list[tuple]:
    """Return for each answer its chapter, its exercise, its name, itself and whether it is right."""
    listed = []
    for number in numbers:
        module = importlib.import_module(f"{__name__}.chapter_{number}")
        for right, table in ((False, module.WRONG), (True, module.RIGHT)):
            listed += [(number, name, label(answer), answer, right) for name, answers in table.items() for answer in answers]
    return listed


def messages(exercise) -> list[str]:
    """Return what an exercise says of typical mistakes, each once."""
    return list(dict.fromkeys(text for case in exercise.cases(random.Random(0)) for text in exercise.mistakes(*case)))


def label(answer) -> str:
    """Return the name of a function, or a value in short."""
    return getattr(answer, "__name__", repr(answer)[:40])


def misjudged(number: str, name: str, answer, right: bool, runs: int) -> list[str]:
    """Return what the check said in the runs where it was wrong about the answer."""
    exercise = getattr(exercises.chapter(number), name)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        notes = [exercise.check(answer) for _ in range(runs)]
    return [repr(note) for note in notes if (note.kind == "right") != right]
