"""What the course says to learners, in their language.

The code holds English templates; ``i18n_zh.json`` gives each its Chinese one, in the order of the files that say them.
tests/unit/test_words.py names every template that lacks an entry, and every entry that is wrong or left over.
"""

import json
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "zh")
_current = "en"  # which errors speak, since nobody hands them a language


def speak(language: str) -> None:
    """Sets the language of `say`; ``zh-CN`` counts as ``zh``.

    Raises:
        ValueError: There is no such language.
    """
    global _current
    if _base(language) not in LANGUAGES:
        known = ", ".join(map(repr, LANGUAGES))
        raise ValueError(say("Unknown language {language!r}: choose one of {known}.", language=language, known=known))
    _current = language


def translated(text: str, language: str | None = None) -> str:
    """The text in a language, the current one if not given, or in English where there is no translation."""
    return chinese().get(text, text) if _base(language or _current) == "zh" else text


def say(text: str, /, **values) -> str:
    """An English template, translated into the current language, with its placeholders filled in."""
    return translated(text).format(**values)


@cache
def chinese() -> dict[str, str]:
    """The table: from an English template to its Chinese one."""
    return json.loads(Path(__file__).with_name("i18n_zh.json").read_text(encoding="utf-8"))


def _base(language: str) -> str:
    return str(language).split("-")[0]
