"""The bench: both ways give the same, and a line that is missed is an error."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset

from bench import __main__ as bench
from bench import data, measure, report, steps, texts, tutorials
from bench.measure import Case, Elsewhere, NotMeasured
from helpers.chunking import NO_WORD, chunk, text_to_chunks, tokenizing
from helpers.masking import WholeWordCollator

TEXTS = ["A good film.", "", "It was unforgettable, wasn't it? " * 30, "Café [MASK] 东京 <br /> ok", "Spellbinding!"] * 40


@pytest.fixture(scope="module")
def reviews():
    return Dataset.from_dict({"text": TEXTS})


def test_chunks_of_one_pass_of_two_and_of_the_tutorials_are_the_same(tokenizer, reviews):
    once, theirs = texts.to_chunks(reviews, tokenizer), tutorials.chunks(reviews, tokenizer, data.SIZE)
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


def same_draws(word_ids: list[list[int]], probability: float, seed: int):
    """The draws that `pick_words` makes of a seed, for a loop that has no use for those of special tokens."""
    starts = [(row[i], i == 0 or row[i] != row[i - 1]) for row in word_ids for i in range(len(row))]
    runs = [word for word, first in starts if first]
    picked = torch.rand(len(runs), generator=torch.Generator().manual_seed(seed)) < probability
    left = iter([pick.item() for pick, word in zip(picked, runs) if word != NO_WORD])
    return lambda count: np.array([next(left) for _ in range(count)], dtype=bool)


def test_loop_and_vectorised_collator_agree_on_the_same_draws(tokenizer, reviews):
    ours, theirs = texts.to_chunks(reviews, tokenizer), list(tutorials.chunks(reviews, tokenizer, data.SIZE))
    for row in theirs:  # this course gives no word ids to special tokens that a text spells
        row["word_ids"] = [None if token in tokenizer.all_special_ids else word for token, word in zip(row["input_ids"], row["word_ids"])]
    draws = same_draws(ours["word_ids"][:], 0.2, seed=3)
    expected = tutorials.whole_word_collator(tokenizer.mask_token_id, draws)(theirs)
    masked = WholeWordCollator(tokenizer, 0.2, seed=3)(list(ours))
    assert all(torch.equal(expected[name], masked[name]) for name in expected)


def test_padding_to_the_longest_pads_to_the_longest(tokenizer):
    pairs = {"sentence1": ["a", "b c d"], "sentence2": ["a", "b " * 30], "label": [0, 1]}
    batches = tutorials.padded_to_longest_of_corpus(tokenizer, pairs, 1)
    assert [batch["input_ids"].shape for batch in batches] == [(1, 36)] * 2


def test_the_loops_step_has_the_tutorials_loss(tokenizer):
    run = steps.new_run(steps.mini_bert(), tokenizer, rows=2)
    batch = steps.first_batch(run)
    assert steps.loss_difference(run, steps.mini_bert(), batch) < 1e-5
    model = steps.mini_bert()
    theirs = tutorials.step(model, torch.optim.SGD(model.parameters(), lr=0.1))(steps.dense(batch))
    assert abs(theirs - steps.loop.train_step(run, batch)) < 1e-5


def test_ways_are_timed_in_turn_and_ratios_taken_round_by_round():
    order = []
    seconds = measure.side_by_side({"a": lambda i: order.append(("a", i)), "b": lambda i: order.append(("b", i))}, rounds=2)
    assert order == [("b", 0), ("a", 0), ("a", 0), ("b", 0), ("b", 1), ("a", 1)]
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}
    case = Case("x", "", "rows/s", 8, limit_amount=4, seconds={"ours": [1, 1, 4], "other": [2, 4, 12], "limit": [0.5, 0.25, 1]}).measure()
    assert case.figures == {"ratio": 3, "share": 0.5} and case.rates("limit") == [8, 16, 4]
    assert measure.quartiles([2, 4, 3]) == [2.5, 3, 3.5] and measure.quartiles([5.0]) == [5, 5, 5]


def doubling(number):
    return lambda i: print(number * 2, i, flush=True)


def test_a_way_elsewhere_runs_in_another_process(capfd):
    Elsewhere(doubling, 4)(7)
    assert capfd.readouterr().out == "8 7\n"


LINES = {
    "x.ratio": {"case": "x", "at_least": 2.0},
    "x.cost": {"case": "x", "at_most": 1.0},
    "gpu.ratio": {"case": "gpu", "at_least": 3, "needs": "hopper"},
    "y.ratio": {"case": "y", "at_least": 1},
}


@pytest.mark.parametrize("ratio, cost, expected", [(2.0, 1.0, ["met", "met"]), (1.99, 1.01, ["MISSED", "MISSED"])])
def test_lines_are_judged_and_what_is_not_here_is_not_measured(ratio, cost, expected):
    rows = [Case("x", "", "s", figures={"ratio": ratio, "cost": cost}), Case("gpu", "", "s", figures={"ratio": 4})]
    said = report.judge(LINES, rows, {"y": "no data"}, {"hopper": False})
    assert [line["verdict"] for line in said] == [*expected, "not measured", "not measured"]
    assert [line["why"] for line in said[2:]] == ["needs hopper", "no data"]


def test_every_line_names_a_case_and_a_need_that_there_is():
    for line in report.tomllib.loads(report.LINES.read_text(encoding="utf-8")).values():
        assert line["case"] in {*bench.CASES, "recipe", "train", "hub", "gpu"}
        assert line.get("needs", "gpu") in {"reviews", "pairs", "bf16", "gpu", "hopper"}
        assert ("at_least" in line) != ("at_most" in line)


@pytest.mark.parametrize("line, code", [("at_least = 0.0", 0), ("at_least = 1e9", 1)])
def test_the_command_leaves_json_and_fails_below_a_line(tmp_path, capsys, line, code):
    lines = tmp_path / "lines.toml"
    lines.write_text(f'["collator.ratio"]\ncase = "collator"\n{line}\n["recipe.ratio"]\ncase = "recipe"\nat_least = 3\n', encoding="utf-8")
    asked = ["--quick", "--only", "collator", "--out", str(tmp_path / "out"), "--lines", str(lines)]
    assert bench.main(asked) == code
    record = json.loads((tmp_path / "out" / "bench.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in record["rows"]] == ["collator", "words", "tokens"] and record["rows"][0]["figures"]["ratio"] > 0
    assert [entry["verdict"] for entry in record["lines"]] == ["MISSED" if code else "met", "not measured"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["bench.json"]
    assert "| whole-word masks" in capsys.readouterr().out


def test_every_check_of_a_users_texts_is_timed(tmp_path):
    (case,) = texts.check_cases(data.Setup(tmp_path, quick=True))
    assert len(case.figures) == 7 and case.figures["slowest"] == max(case.figures.values()) > 0


def test_chapters_that_never_ran_are_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "ROOT", tmp_path)
    with pytest.raises(NotMeasured, match="has not finished chapter 01, 02, 03, 04, 05"):
        list(texts.chapter_cases(SimpleNamespace()))
    (tmp_path / "build").mkdir()
    for notebook in texts.CHAPTERS:
        run = {"chapter": notebook.stem, "seconds": 30, "profile": "lab", "parameters": {}}
        (tmp_path / "build" / f"{notebook.stem}.json").write_text(json.dumps(run))
    (case,) = texts.chapter_cases(SimpleNamespace())
    assert case.figures == {"seconds": 150}
