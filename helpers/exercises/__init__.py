"""Exercises that answer back: ``ex = exercises.chapter("01")``."""

from helpers.exercises.engine import chapter

__all__ = ["chapter"]
