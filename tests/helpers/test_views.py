import math
import random
import re
import warnings
from html import unescape

import ipywidgets as widgets
import numpy as np
import pytest
import torch

from common import ROOT
from helpers.views import LiveLoss, fill_mask_playground, mask_pieces, masking_explorer, padding_picture, tokenizer_lens
from helpers.views.fill_mask import guess_blanks
from helpers.views.html import Piece, bars_html, lens_html, loss_html, masked_html
from helpers.views.padding import padded_batches, padding_share

TEXT = "The cinematography is unforgettable, and the film's ending was utterly heartbreaking and strange."
NASTY = "<script>alert('x')</script> a & b<br />\"q\""
MIMES = {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}


@pytest.fixture(scope="module")
def roberta():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-roberta")


@pytest.fixture(scope="module")
def checkpoints(tokenizer, roberta):
    """Both bundled models, by name, with their tokenizers."""
    from transformers import AutoModelForMaskedLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [AutoModelForMaskedLM.from_pretrained(ROOT / "lab" / "checkpoints" / name) for name in ("mini-bert", "mini-roberta")]
    return {"before": (models[0], tokenizer), "after": (models[1], roberta)}


class Slow:
    """What the views ask of a slow tokenizer, with a mask token."""

    is_fast, mask_token = False, "[MASK]"

    def __call__(self, *args, **kwargs):
        raise AssertionError("a slow tokenizer is not asked")

    convert_ids_to_tokens = __call__


class Maskless(Slow):
    is_fast, mask_token = True, None


def cells(html, row):
    """Texts of one row of the lens's table, its header left out."""
    return [unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", re.findall(r"<tr>.*?</tr>", html, re.DOTALL)[row])][1:]


# the tokenizer lens


@pytest.mark.parametrize("second", ["", "It moved us."])
@pytest.mark.parametrize("name", ["tokenizer", "roberta"])
def test_the_lens_shows_what_the_tokenizer_says(request, name, second):
    tokenizer = request.getfixturevalue(name)
    lens = tokenizer_lens(tokenizer, NASTY + TEXT, second)
    lens.controls["first"].value = TEXT  # as one types
    encoded = tokenizer(TEXT, second or None)
    rows = [encoded.tokens(), encoded["input_ids"], *([encoded["token_type_ids"]] if "token_type_ids" in encoded else [])]
    rows.append(["–" if word is None else word for word in encoded.word_ids()])
    assert [cells(lens.picture.value, i) for i in range(len(rows))] == [[str(cell) for cell in row] for row in rows]
    assert lens.picture.value.count("<tr>") == len(rows)


def test_the_lens_follows_the_second_sentence(tokenizer):
    lens = tokenizer_lens(tokenizer, "One.")
    alone = lens.picture.value
    lens.controls["second"].value = "Two."
    assert "1" in cells(lens.picture.value, 2)
    lens.controls["second"].value = ""
    assert lens.picture.value == alone


# the masking explorer


def share_within_five_sigma(count, total, share):
    return abs(count - total * share) <= 5 * math.sqrt(total * share * (1 - share))


@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_the_shares_lie_within_five_sigma_and_special_tokens_stay(tokenizer, rate):
    text = " ".join([TEXT] * 5) + " [SEP] [MASK] ☃"
    drawn = [mask_pieces(tokenizer, text, rate, False, True, seed) for seed in range(150)]
    pieces = [piece for draw in drawn for piece in draw]
    assert all(p.kind == "special" for p in pieces if p.old in ("[CLS]", "[SEP]", "[MASK]"))
    assert sum(p.kind == "special" for p in drawn[0]) == 4 and drawn[0][-2].old == "☃"  # unknown to the tokenizer, but a word
    able = [p for p in pieces if p.kind != "special"]
    picked = [p for p in able if p.kind]
    assert share_within_five_sigma(len(picked), len(able), rate)
    for kind, share in ("mask", 0.8), ("random", 0.1), ("kept", 0.1):
        assert share_within_five_sigma(sum(p.kind == kind for p in picked), len(picked), share)
    assert {p.new for p in picked if p.kind == "mask"} == {"[MASK]"} and len({p.new for p in picked if p.kind == "random"}) > 50
    assert not any(p.new for p in able if p.kind in ("", "kept"))


@pytest.mark.parametrize("name", ["tokenizer", "roberta"])
def test_whole_words_are_masked_all_or_none_and_the_text_stays_whole(request, name):
    tokenizer = request.getfixturevalue(name)
    words, partial = tokenizer(TEXT).word_ids(), 0
    for seed in range(100):
        whole, single = (mask_pieces(tokenizer, TEXT, 0.3, by_word, False, seed) for by_word in (True, False))
        assert "".join(p.before + p.old for p in whole if p.kind != "special") == TEXT
        for word in set(words) - {None}:
            assert len({p.kind for p, w in zip(whole, words) if w == word}) == 1
            partial += len({p.kind for p, w in zip(single, words) if w == word}) > 1
    assert partial > 100


def test_a_seed_gives_one_picture_and_each_control_changes_it(tokenizer):
    explorer, twin = (masking_explorer(tokenizer, TEXT, rate=0.3, seed=5) for _ in range(2))
    seen = [explorer.picture.value]
    assert seen[0] == twin.picture.value
    for name, value in ("rate", 0.6), ("whole", True), ("mix", False), ("text", TEXT * 2):
        explorer.controls[name].value = value
        seen.append(explorer.picture.value)
    explorer.controls["again"].click()
    seen.append(explorer.picture.value)
    assert len(set(seen)) == 6 and explorer.controls["seed"].value == 6
    explorer.controls["seed"].value = 5
    assert explorer.picture.value == seen[-2]


def test_the_picture_counts_what_it_boxes(tokenizer):
    pieces = mask_pieces(tokenizer, TEXT, 0.4, False, True, 1)
    picked, total = sum(p.kind in ("mask", "random", "kept") for p in pieces), len(pieces) - 2
    html = masked_html(pieces, 0.4)
    assert f"Wanted 40%, drawn {picked / total:.1%}: {picked} of {total} tokens" in html
    assert html.count("<s>") == sum(p.kind in ("mask", "random") for p in pieces) > 0
    assert html.count("<b>") == picked


def test_the_bytes_of_one_character_are_shown_once(roberta):
    none, all_of_them = (mask_pieces(roberta, "Grand 🎉 wørld", rate, False, False, 0) for rate in (0.0, 1.0))
    assert "".join(p.before + p.old for p in none if p.kind != "special") == "Grand 🎉 wørld"
    assert all(p.old for p in all_of_them)  # each picked byte is boxed


# the fill-mask playground


def wanted(model, tokenizer, text, k):
    """Oracle: tokens and probabilities from the model's logits, one blank at a time, by NumPy."""
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0].double().numpy()
    for position in np.flatnonzero(ids[0].numpy() == tokenizer.mask_token_id):
        p = np.exp(logits[position] - logits[position].max())
        best = np.argsort(-p)[:k]
        yield [tokenizer.decode([i]).strip() for i in best], p[best] / p.sum()


@pytest.mark.parametrize("spelling", ["[MASK]", "<mask>", "___", "_____", "[mask]"])
def test_guesses_are_the_softmax_of_the_logits(checkpoints, spelling):
    sentence = "The {0} was good and the {0} was bad."
    for model, tokenizer in checkpoints.values():
        guesses = guess_blanks(model, tokenizer, sentence.format(spelling), 7)
        oracle = list(wanted(model, tokenizer, sentence.format(tokenizer.mask_token), 7))
        assert len(guesses) == len(oracle) == 2
        for row, (tokens, probabilities) in zip(guesses, oracle):
            assert [token for token, _ in row] == tokens
            np.testing.assert_allclose([p for _, p in row], probabilities, rtol=1e-4)


def test_the_playground_writes_percentages_and_follows_the_sentence(checkpoints):
    play = fill_mask_playground(checkpoints, "The film was ___.", k=3)
    for model, tokenizer in checkpoints.values():
        for token, probability in guess_blanks(model, tokenizer, "The film was ___.", 3)[0]:
            assert f'aria-label="{token}: {probability:.1%}"' in play.picture.value
    assert play.picture.value.count("<tr>") == 6 and "<b>before</b>" in play.picture.value
    first = play.picture.value
    play.controls["sentence"].value = "She ___ home."
    assert play.picture.value != first


def test_a_model_gets_its_modes_back(checkpoints):
    model, tokenizer = checkpoints["before"]
    model.train()
    frozen = next(model.children()).eval()  # a part that its owner keeps in evaluation mode
    guesses = [guess_blanks(model, tokenizer, "A ___ day.") for _ in range(2)]
    assert guesses[0] == guesses[1]  # no dropout
    assert model.training and not any(module.training for module in frozen.modules())
    with pytest.raises(AttributeError):
        guess_blanks(model, lambda *args, **kwargs: None, "A ___ day.")
    assert model.training
    model.eval()


@pytest.mark.parametrize("sentence", ["No blank at all.", "", "One _ or two __ are none."])
def test_a_sentence_without_a_blank_is_told_how_to_write_one(checkpoints, sentence):
    assert "Write [MASK], &lt;mask&gt; or ___" in fill_mask_playground(checkpoints, sentence).picture.value


def test_a_blank_beyond_the_model_is_no_traceback(checkpoints):
    play = fill_mask_playground(checkpoints, "long " * 600 + "___")
    assert "beyond the 512 tokens" in play.picture.value
    assert "%" in fill_mask_playground(checkpoints, "___ " + "long " * 600).picture.value


# padding


@pytest.mark.parametrize("size", [1, 3, 8, 40])
def test_padding_shares_equal_a_count_of_positions(size):
    lengths = random.Random(size).choices(range(1, 60), k=37)
    figure = padding_picture(iter(lengths), size)
    for strategy, order, panel in zip(("corpus", "batch", "grouped"), (lengths, lengths, sorted(lengths)), figure.axes):
        filled = empty = 0
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            for row in rows:
                for position in range(max(lengths if strategy == "corpus" else rows)):
                    filled, empty = filled + (position < row), empty + (position >= row)
        batches = padded_batches(lengths, size, strategy)
        assert padding_share(batches) == pytest.approx(empty / (filled + empty))
        assert f"{empty / (filled + empty):.0%} padding" in panel.get_title()
        drawn = [row for rows, _ in batches[: max(1, 32 // size)] for row in rows]
        assert [bar.get_width() for bar in panel.containers[0]] == drawn
        assert {bar.get_hatch() for bar in panel.containers[1]} == {"////"}  # told apart without colour


def test_grouping_keeps_every_text():
    lengths = list(range(1, 50))
    assert sorted(row for rows, _ in padded_batches(lengths, 4, "grouped") for row in rows) == lengths


def test_the_padding_picture_warns_of_no_missing_letters():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        padding_picture([3, 5, 9], 2, language="zh").canvas.draw()


# the live loss


class Counting(LiveLoss):
    """Counts its drawings."""

    drawn = 0

    def draw(self):
        self.drawn += 1
        super().draw()


def test_ten_thousand_steps_are_drawn_a_few_times_and_the_last_is_shown(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("helpers.views.live_loss.time.monotonic", lambda: clock[0])
    live = Counting(interval=0.5)
    for step in range(10_000):
        clock[0] += 0.001
        live(torch.tensor(10_000.0 - step))
    assert live.drawn <= 10 / 0.5 + 1
    live.finish()
    assert live.points == [(step + 1, 10_000.0 - step) for step in range(10_000)]
    assert "step 10,000: loss 1</b> (lowest 1, highest 1e+04)" in live.picture.value
    assert live.picture.value.count("L") < 310  # a long run is drawn by few points


def test_a_tensor_reused_by_the_loop_does_not_change_the_past():
    live, loss = LiveLoss(interval=1e9), torch.zeros(())
    for _ in range(3):
        loss += 1
        live(loss)
    live.finish()
    assert live.points == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_losses_that_are_no_numbers_leave_gaps():
    html = loss_html([(1, 2.0), (2, 1.0), (3, math.nan), (4, 1.5), (5, math.inf)])
    path = re.findall(r' d="([^"]*)"', html)[1]
    assert path.count("M") == 2 and "nan" not in path and "loss inf" in html and "lowest 1, highest 2" in html
    assert "loss nan" in loss_html([(1, math.nan)]) and "No loss" in loss_html([])


def test_a_block_shows_itself_and_its_last_loss(capsys):
    with LiveLoss(interval=1e9) as live:
        for loss in 3.0, 2.0, 0.5:
            live(loss)
    assert "step 3: loss 0.5" in live.picture.value


def test_a_trainer_takes_it_as_a_callback(capsys):
    from transformers import TrainingArguments
    from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback, TrainerCallback, TrainerControl, TrainerState

    live = LiveLoss(interval=1e9)
    handler = CallbackHandler([DefaultFlowCallback(), live], None, None, None, None)
    args, state, control = TrainingArguments(), TrainerState(logging_steps=1, save_steps=1, eval_steps=1), TrainerControl()
    handler.on_train_begin(args, state, control)
    for step in range(1, 6):
        state.global_step = step
        handler.on_log(args, state, control, {"loss": 1 / step})
    handler.on_log(args, state, control, {"eval_loss": 9.0})
    handler.on_train_end(args, state, control)
    assert live.points == [(step, 1 / step) for step in range(1, 6)] and "step 5: loss 0.2" in live.picture.value
    handler.on_train_begin(args, state, control)  # goes on at step 5
    assert len(live.points) == 5
    handler.on_train_begin(args, TrainerState(logging_steps=1, save_steps=1, eval_steps=1), control)
    assert "No loss yet" in live._repr_mimebundle_()["text/html"]
    for event in (name for name in vars(TrainerCallback) if name.startswith("on_")):
        assert getattr(live, event)(args, state, control) is None
    with pytest.raises(AttributeError, match="has no attribute 'onward'"):
        live.onward  # noqa: B018


# all of them


@pytest.fixture
def views(tokenizer, checkpoints):
    def make(language="en"):
        return [
            tokenizer_lens(tokenizer, TEXT, language=language),
            masking_explorer(tokenizer, TEXT, language=language),
            fill_mask_playground(checkpoints, "A ___ day.", language=language),
            LiveLoss(language=language),
        ]

    return make


def test_one_output_holds_the_controls_the_picture_and_a_line(views):
    for view in views():
        bundle = view._repr_mimebundle_()
        assert set(bundle) == MIMES and not isinstance(view, widgets.Widget)
        live = bundle["application/vnd.jupyter.widget-view+json"]
        assert live == {"version_major": 2, "version_minor": 0, "model_id": getattr(view, "box", view.picture).model_id}
        assert bundle["text/html"] == view.picture.value and "<" not in bundle["text/plain"]


def test_ipython_displays_the_bundle_as_it_is(views):
    from IPython.core.interactiveshell import InteractiveShell

    for view in views():
        data, _ = InteractiveShell.instance().display_formatter.format(view)
        assert set(data) == MIMES and data["text/plain"] == view._repr_mimebundle_()["text/plain"]


def test_every_control_has_a_description_in_each_language(views):
    for language, label in ("en", "Sentence"), ("zh", "句子"), ("zh-CN", "句子"), ("xx", "Sentence"):
        for view in views(language)[:3]:
            assert all(control.description for control in view.controls.values())
            assert next(iter(view.controls.values())).description.startswith(label)


def test_text_is_shown_and_not_run(tokenizer, roberta, checkpoints):
    pages = [
        lens_html([NASTY], [1], [0], [0]),
        masked_html([Piece(NASTY, NASTY, NASTY, kind) for kind in ("special", "mask", "random", "kept", "")], 0.1),
        bars_html({NASTY: [[(NASTY, 0.5)]]}),
        fill_mask_playground({NASTY: checkpoints["after"]}, NASTY + " ___").picture.value,
    ]
    for by in tokenizer, roberta:
        pages += [tokenizer_lens(by, NASTY, NASTY).picture.value, masking_explorer(by, NASTY, rate=0.6).picture.value]
    for page in pages:
        bare = re.sub(r'<(/?)(div|span|table|caption|tr|th|td|p|b|s|small|br)(?: (?:style|role|scope|aria-label)="[^"<>]*")*>', "", page)
        assert not re.search(r"[<>]", bare) and not re.search(r"&(?!(lt|gt|amp|quot|nbsp|#x27);)", bare)
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in pages[0] and "&lt;br /&gt;" in pages[1] and "a &amp; b" in pages[2]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda t, m: tokenizer_lens(Slow(), TEXT), "Slow gives no word ids"),
        (lambda t, m: masking_explorer(Slow(), TEXT), "Slow gives no word ids"),
        (lambda t, m: masking_explorer(Maskless(), TEXT), "Maskless has no mask token"),
        (lambda t, m: fill_mask_playground({"one": (m, Maskless())}, "A ___."), "Maskless has no mask token"),
        (lambda t, m: tokenizer_lens(t, " "), "Write a sentence above"),
        (lambda t, m: masking_explorer(t, ""), "Write a sentence above"),
    ],
)
def test_what_a_learner_can_get_wrong_is_said_in_the_view(tokenizer, checkpoints, make, message):
    html = make(tokenizer, checkpoints["before"][0]).picture.value
    assert message in html and html.count("<p") == 1


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda t, m: tokenizer_lens("bert-base-uncased", TEXT),
            "takes a tokenizer, as AutoTokenizer.from_pretrained returns one, not str",
        ),
        (lambda t, m: tokenizer_lens(t, None), "takes its text as a string, not NoneType"),
        (lambda t, m: masking_explorer(t, ["a"]), "takes its text as a string, not list"),
        (lambda t, m: masking_explorer(t, TEXT, rate=0.7), "a rate between 0 and 0.6, not 0.7"),
        (lambda t, m: fill_mask_playground({}, "___"), "with one entry or more"),
        (lambda t, m: fill_mask_playground({"a": (m, t)}, "___", k=0), "k of 1 or more"),
        (lambda t, m: fill_mask_playground({"a": m}, "___"), r"a pair \(model, tokenizer\) for 'a', not BertForMaskedLM"),
        (lambda t, m: fill_mask_playground({"a": (t, t)}, "___"), "'a', cannot guess tokens; load it by AutoModelForMaskedLM"),
        (lambda t, m: fill_mask_playground({"a": (m.bert, t)}, "___"), "BertModel, for 'a', cannot guess tokens"),
        (lambda t, m: padding_picture([], 4), "token counts of some texts and a batch size"),
        (lambda t, m: padding_picture([3, 0], 4), "token counts of some texts and a batch size"),
        (lambda t, m: padding_picture([3], 0), "token counts of some texts and a batch size"),
    ],
)
def test_wrong_objects_are_refused_in_a_sentence(tokenizer, checkpoints, make, message):
    with pytest.raises(ValueError, match=message):
        make(tokenizer, checkpoints["before"][0])


def test_a_closed_view_lets_go_of_its_models():
    import gc
    import weakref

    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "lab" / "checkpoints" / "mini-bert")
    sizes = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, max_position_embeddings=32)
    model = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **sizes))
    play, held = fill_mask_playground({"one": (model, tokenizer)}, "A ___."), weakref.ref(model)
    del model
    gc.collect()
    assert held() is not None
    play.close()
    gc.collect()
    assert held() is None
