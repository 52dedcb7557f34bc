"""The bench: both ways give the same, and a line that is missed is an error."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench import __main__ as bench
from bench import data, gpu, measure, starts, steps, texts, tutorials
from bench.measure import NotMeasured, Row, Spread
from helpers.chunking import chunk, text_to_chunks, tokenizing
from helpers.masking import WholeWordCollator

TEXTS = ["A good film.", "", "It was unforgettable, wasn't it? " * 30, "Café [MASK] 东京 <br /> ok", "Spellbinding!"] * 40


@pytest.fixture(scope="module")
def reviews():
    from datasets import Dataset

    return Dataset.from_dict({"text": TEXTS})


def test_chunks_of_one_pass_of_two_and_of_the_tutorials_are_the_same(tokenizer, reviews):
    once, theirs = texts.to_chunks(reviews, tokenizer), tutorials.chunks(reviews, tokenizer, texts.SIZE)
    twice = reviews.map(tokenizing(tokenizer), batched=True, remove_columns=["text"]).map(
        chunk, batched=True, fn_kwargs={"chunk_size": 128}
    )
    assert len(once) > 30 and texts.same_chunks(once, theirs, tokenizer.all_special_ids)
    for name in texts.COLUMNS:
        assert once[name][:] == twice[name][:]
    wrong = once.map(lambda row: {"word_ids": row["word_ids"][::-1]})
    assert not texts.same_chunks(wrong, theirs, tokenizer.all_special_ids)


def test_a_stream_gives_the_same_chunks_by_the_same_function(tokenizer, reviews):
    stream = reviews.to_iterable_dataset().map(text_to_chunks(tokenizer, 128), batched=True, remove_columns=["text"])
    rows, stored = list(stream), texts.to_chunks(reviews, tokenizer)
    assert len(rows) == len(stored)
    assert all(np.array_equal(row[name], kept[name]) for row, kept in zip(rows, stored) for name in texts.COLUMNS)


def test_texts_too_short_for_one_chunk_give_none(tokenizer):
    assert text_to_chunks(tokenizer, 128)({"text": ["short"]})["input_ids"].shape == (0, 128)


def test_loop_and_vectorised_collator_agree_on_the_same_draws(tokenizer, reviews):
    ours, theirs = texts.to_chunks(reviews, tokenizer), tutorials.chunks(reviews, tokenizer, texts.SIZE)
    draws = texts.same_draws(ours["word_ids"][:], 0.2, seed=3)
    expected = tutorials.whole_word_collator(tokenizer.mask_token_id, draws)(
        texts.without_special_words(list(theirs), tokenizer.all_special_ids)
    )
    found = WholeWordCollator(tokenizer, 0.2, seed=3)(list(ours))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_padding_to_the_longest_pads_to_the_longest(tokenizer):
    pairs = {"sentence1": ["a", "b c d"], "sentence2": ["a", "b " * 30], "label": [0, 1]}
    batches = tutorials.padded_to_longest_of_corpus(tokenizer, pairs, 1)
    assert [batch["input_ids"].shape for batch in batches] == [(1, 36)] * 2


def test_a_dense_step_and_a_sparse_one_change_the_weights_alike():
    models = [steps.mini_bert("cpu", head=True), steps.mini_bert("cpu")]
    batch = steps.random_batch(8192, 2, 16, "cpu")
    losses = [
        tutorials.step(models[0], torch.optim.SGD(models[0].parameters(), lr=0.1))(batch),
        steps.stepper(models[1])(batch),
    ]
    assert abs(losses[0] - losses[1]) < 1e-5


def test_ways_are_timed_in_turn_and_ratios_taken_round_by_round():
    order = []
    seconds = measure.side_by_side({"a": lambda i: order.append(("a", i)), "b": lambda i: order.append(("b", i))}, rounds=2)
    assert order == [("b", 0), ("a", 0), ("a", 0), ("b", 0), ("b", 1), ("a", 1)]
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}
    assert measure.times_faster([2, 4, 9], [1, 1, 3]) == Spread(3, 2.5, 3.5)
    assert Spread.of([5.0]) == Spread(5, 5, 5)


LINES = {
    "x.ratio": {"at_least": 2.0},
    "x.cost": {"at_most": 1.0},
    "gpu.ratio": {"at_least": 3, "needs": "hopper"},
    "y.ratio": {"at_least": 1},
}


@pytest.mark.parametrize("ratio, cost, expected", [(2.0, 1.0, ["met", "met"]), (1.99, 1.01, ["MISSED", "MISSED"])])
def test_lines_are_judged_and_what_is_not_here_is_not_measured(ratio, cost, expected):
    row = Row("x", "", "", None, Spread.of([1.0]), Spread.of([ratio]), figures={"cost": cost})
    said = bench.judge(LINES, [row], {"y": "no data"}, {"hopper": False})
    assert [line["verdict"] for line in said] == [*expected, "not measured", "not measured"]
    assert [line["why"] for line in said[2:]] == ["needs hopper", "no data"]


def test_every_line_names_a_case_and_a_need_that_there_is(tmp_path):
    lines = bench.tomllib.loads(bench.LINES.read_text(encoding="utf-8"))
    known = bench.at_hand(data.Setup([], tmp_path, device="cpu"))
    for figure, line in lines.items():
        assert bench.case_of(figure) in bench.CASES and line.get("needs", "gpu") in known
        assert ("at_least" in line) != ("at_most" in line)


@pytest.mark.parametrize("line, code", [("at_least = 0.0", 0), ("at_least = 1e9", 1)])
def test_the_command_leaves_json_and_fails_below_a_line(tmp_path, capsys, line, code):
    lines = tmp_path / "lines.toml"
    lines.write_text(f'["collator.ratio"]\n{line}\n["gpu.ratio"]\nat_least = 3\n', encoding="utf-8")
    asked = ["--quick", "--only", "collator", "gpu", "--device", "cpu", "--out", str(tmp_path / "out"), "--lines", str(lines)]
    assert bench.main(asked) == code
    record = json.loads((tmp_path / "out" / "bench.json").read_text(encoding="utf-8"))
    assert [row["case"] for row in record["rows"]] == ["collator"] and record["rows"][0]["ratio"]["median"] > 0
    assert record["absent"]["gpu"] == "no GPU here"
    assert [entry["verdict"] for entry in record["lines"]] == ["MISSED" if code else "met", "not measured"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["bench.json"]
    assert "| whole-word masks" in capsys.readouterr().out


def test_the_recipe_for_a_gpu_runs_on_a_cpu_in_small(tmp_path):
    setup = data.Setup([], tmp_path, device="cpu")
    with pytest.raises(NotMeasured, match="no GPU here"):
        list(gpu.gpu_case(setup))
    (row,) = gpu.recipes(setup, steps.mini_bert, (2, 4), steps=2, rounds=1, texts_to_read=20)
    assert row.figures["gpu.batch"] in (2, 4) and row.ratio.median > 0 and 0 <= row.figures["gpu.wait"] < 1


def test_helpers_are_told_from_libraries():
    cell = "import os, sys\nimport numpy as np\nfrom helpers import views\nfrom helpers.settings import resolve"
    assert starts.without_helpers(cell) == "import os, sys\nimport numpy as np"
    assert all("import" in starts.imports(notebook) for notebook in starts.CHAPTERS)


def test_chapters_that_never_ran_are_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(starts, "ROOT", tmp_path)
    with pytest.raises(NotMeasured, match="has not finished chapter 01, 02, 03, 04, 05"):
        list(starts.chapters_case(SimpleNamespace()))
    (tmp_path / "build").mkdir()
    for notebook in starts.CHAPTERS:
        run = {"chapter": notebook.stem, "seconds": 30, "profile": "lab", "parameters": {}}
        (tmp_path / "build" / f"{notebook.stem}.json").write_text(json.dumps(run))
    (row,) = starts.chapters_case(SimpleNamespace())
    assert row.figures == {"chapters.seconds": 150}
