"""The READMEs' pictures show what the course does now."""

import nbformat
import pytest
import torch

from common import ROOT
from helpers import exercises
from tools import pictures


@pytest.mark.parametrize("folder, suffix", [("notebooks", ""), ("notebooks/zh", ".zh")])
def test_the_result_is_the_chapters_committed_output(folder, suffix):
    chapter = nbformat.read(ROOT / folder / "03_imdb_domain_adaptation.ipynb", as_version=4)
    picture = pictures.picture_of(chapter, pictures.RESULT)
    assert picture.startswith(b"\x89PNG") and (pictures.ASSETS / f"result{suffix}.png").read_bytes() == picture


def test_the_answer_in_the_picture_makes_the_mistake_that_the_picture_names():
    names = {"torch": torch, "ex": exercises.chapter("01")}
    exec(pictures.ANSWER.rsplit("\n", 1)[0], names)
    reply = names["ex"].pad.check(names["pad"])
    assert reply.kind == "wrong" and "may have the number of the padding" in reply.text
