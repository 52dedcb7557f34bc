"""Static pictures of losses."""

import math
import re

from helpers.views.html import loss_html


def test_losses_that_are_no_numbers_leave_gaps():
    html = loss_html([(1, 2.0), (2, 1.0), (3, math.nan), (4, 1.5), (5, math.inf)])
    path = re.findall(r' d="([^"]*)"', html)[1]
    assert path.count("M") == 2 and "nan" not in path and "loss inf" in html and "lowest 1, highest 2" in html
    assert "loss nan" in loss_html([(1, math.nan)]) and "No loss" in loss_html([])
