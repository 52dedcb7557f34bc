"""Static pictures of losses and masked tokens."""

import inspect
import math
import re
from html import unescape

import torch

from helpers.views.html import code_diff, loss_html, masked_tokens


def test_losses_that_are_no_numbers_leave_gaps():
    html = loss_html([(1, 2.0), (2, 1.0), (3, math.nan), (4, 1.5), (5, math.inf)])
    path = re.findall(r' d="([^"]*)"', html)[1]
    assert path.count("M") == 2 and "nan" not in path and "loss inf" in html and "lowest 1, highest 2" in html
    assert "loss nan" in loss_html([(1, math.nan)]) and "No loss" in loss_html([])


def test_masked_tokens_are_seen_without_colour_and_markup_in_a_text_stays_text(tokenizer):
    before = tokenizer("It rained <b>twice</b> & more.", return_tensors="pt")["input_ids"]
    selected = torch.zeros_like(before, dtype=torch.bool)
    selected[0, 2] = True
    page = masked_tokens(tokenizer, before, before.masked_fill(selected, tokenizer.mask_token_id), selected)
    assert set(re.findall(r"</?([a-z]+)", page)) == {"p", "span", "s", "b"} and page.count("border:2px") == 1
    shown = unescape(re.sub(r"<[^>]*>", " ", page)).split()
    tokens = tokenizer.convert_ids_to_tokens(before[0].tolist())
    assert shown == [*tokens[:3], tokenizer.mask_token, *tokens[3:]]  # the old token struck through, then the new one


def before(a):
    return a < 1


def after(a):
    if a < 1:
        return "less"
    return None


def test_a_diff_rebuilds_both_functions():
    lines = [unescape(line) for line in re.findall(r"<div[^>]*>(.*?)</div>", code_diff(before, after))]
    for other, function in (("+", before), ("-", after)):
        assert [line[2:] for line in lines if line[0] != other] == inspect.getsource(function).splitlines()
    assert {line[0] for line in lines} == {"+", "-"}  # not a line is common to them
