"""What README.md shows of a chapter is what that chapter shows."""

import re

import nbformat

from common import ROOT
from tools import outputs


def test_the_picture_in_the_readmes_is_chapter_03s():
    notebook = nbformat.read(outputs.SHOWN, as_version=4)
    for name in ("README.md", "README.zh-CN.md"):
        shown = re.findall(r"!\[[^]]+\]\((\S+guesses\.png)\)", (ROOT / name).read_text(encoding="utf-8"))
        assert [(ROOT / path).read_bytes() for path in shown] == [outputs.guesses_picture(notebook)], f"{name}: make outputs CHAPTERS=03"
