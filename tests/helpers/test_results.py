"""Figures that a notebook records, and notebooks without widgets' state."""

import json

import pytest


def test_figures_are_left_as_json_and_read_back(monkeypatch):
    from helpers.results import record, recorded

    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, metadata, raw: shown.append(data))
    record(perplexity_before=21.75, accuracy=1)
    (data,) = shown
    assert data["application/json"] == {"course_metrics": {"perplexity_before": 21.75, "accuracy": 1.0}}
    json.dumps(data)
    cell = {"outputs": [{"data": data}, {"output_type": "stream"}]}
    later = {"outputs": [{"data": {"application/json": {"course_metrics": {"accuracy": 0.5}}}}]}
    overflown = {"outputs": [{"data": {"application/json": {"course_metrics": {"perplexity": "inf", "loss": None}}}}]}
    assert str(recorded({"cells": [overflown]})) == "{'perplexity': inf, 'loss': nan}"
    assert recorded({"cells": [cell, {"cell_type": "markdown"}, later]}) == {"perplexity_before": 21.75, "accuracy": 0.5}


@pytest.mark.parametrize("value", ["3", None, True, [1]])
def test_a_figure_must_be_a_number(value):
    from helpers.results import record

    with pytest.raises(TypeError, match=r"record\(f1=…\) takes a number"):
        record(f1=value)


def test_without_controls_the_pictures_of_a_view_stay():
    from helpers.results import without_controls

    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/html": "<p>picture</p>"}
    notebook = {"metadata": {"widgets": {}, "kernelspec": {}}, "cells": [{"outputs": [{"data": widget}, {"name": "stdout"}]}, {}]}
    without_controls(notebook)
    assert notebook == {
        "metadata": {"kernelspec": {}},
        "cells": [{"outputs": [{"data": {"text/html": "<p>picture</p>"}}, {"name": "stdout"}]}, {}],
    }
