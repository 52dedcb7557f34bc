"""Exercises that answer back: ``ex = exercises.chapter("01", "en")``."""

from helpers.exercises.engine import chapter

__all__ = ["chapter"]
