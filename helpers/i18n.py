"""What the course says to learners, in their language.

The code holds English templates; ``i18n_zh.json`` gives each its Chinese one.
tests/helpers/test_i18n.py names every template that lacks an entry, and every entry that is wrong or left over.
"""

import json
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "zh")
_current = "en"


def set_language(language: str) -> None:
    """Set the language of everything that the course says from now on; ``zh-CN`` counts as ``zh``.

    Raises:
        ValueError: There is no such language.
    """
    global _current
    base = str(language).split("-")[0]
    if base not in LANGUAGES:
        known = ", ".join(map(repr, LANGUAGES))
        raise ValueError(say("Unknown language {language!r}: choose one of {known}.", language=language, known=known))
    _current = base


def translated(text: str) -> str:
    """Return the text in the current language, or in English where there is no translation."""
    return translation_table().get(text, text) if _current == "zh" else text


def say(text: str, /, **values: object) -> str:
    """Return an English template, translated into the current language, with its placeholders filled in."""
    return translated(text).format(**values)


@cache
def translation_table() -> dict[str, str]:
    """Return the table: from an English template to its Chinese one."""
    return json.loads(Path(__file__).with_name("i18n_zh.json").read_text(encoding="utf-8"))
