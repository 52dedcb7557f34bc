"""Where the repository lies, and what a user means by a folder."""

import re
from pathlib import Path

from helpers.i18n import say

ROOT = Path(__file__).resolve().parent.parent
MINI_BERT = str(ROOT / "lab" / "checkpoints" / "mini-bert")


def locate(name: str, what: str) -> str:
    """Return a Hub id as it is, and a folder as an absolute path; relative folders count from the repository root.

    Args:
        name: Hub id or folder.
        what: The parameter it was given for, for the error.

    Raises:
        FileNotFoundError: `name` is written as a path and there is no such folder.
    """
    path = Path(name).expanduser()
    if name.strip() and (ROOT / path).is_dir():
        return str((ROOT / path).resolve())
    if name.startswith(".") or not re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII):  # no name of a repository
        raise FileNotFoundError(
            say(
                "There is no folder {name!r} for {what} (relative paths count from the repository root); "
                "give an existing folder or a Hub id such as 'owner/name'.",
                name=name,
                what=what,
            )
        )
    return name


def is_folder(name: str) -> bool:
    """Return whether a name that `locate` has returned is a folder, not a Hub id."""
    return Path(name).is_absolute()


def shorten(text: str) -> str:
    """Return a text with folders of the repository written relative to its root."""
    return text.replace(f"{ROOT}/", "").replace(f"{ROOT}\\", "")


def path_tail(name: str) -> str:
    """Return a Hub id as it is, and of a folder its last name."""
    return Path(name).name if is_folder(name) else name
