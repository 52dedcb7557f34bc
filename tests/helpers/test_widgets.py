"""The views with controls show what the tokenizer, the masking and the model say."""

import math
import re
from html import unescape

import ipywidgets as widgets
import pytest

from helpers import i18n
from helpers.views import LiveLoss, fill_mask_playground, masking_explorer, padding_picture, tokenizer_lens
from helpers.views.fill_mask import guess_blanks
from helpers.views.html import Piece, bars_html, lens_html, masked_html
from helpers.views.widgets import explorer_pieces

TEXT = "The cinematography is unforgettable, and the film's ending was utterly heartbreaking and strange."
NASTY = "<script>alert('x')</script> a & b<br />\"q\""
MIMES = {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}


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


def share_within_five_sigma(count, total, share):
    return abs(count - total * share) <= 5 * math.sqrt(total * share * (1 - share))


@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_the_shares_lie_within_five_sigma_and_special_tokens_stay(tokenizer, rate):
    text = " ".join([TEXT] * 5) + " [SEP] [MASK] ☃"
    drawn = [explorer_pieces(tokenizer, text, rate, False, True, seed) for seed in range(150)]
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
        whole, single = (explorer_pieces(tokenizer, TEXT, 0.3, by_word, False, seed) for by_word in (True, False))
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
    pieces = explorer_pieces(tokenizer, TEXT, 0.4, False, True, 1)
    picked, total = sum(p.kind in ("mask", "random", "kept") for p in pieces), len(pieces) - 2
    html = masked_html(pieces, 0.4)
    assert f"Wanted 40%, drawn {picked / total:.1%}: {picked} of {total} tokens" in html
    assert html.count("<s>") == sum(p.kind in ("mask", "random") for p in pieces) > 0
    assert html.count("<b>") == picked


def test_the_bytes_of_one_character_are_shown_once(roberta):
    none, all_of_them = (explorer_pieces(roberta, "Grand 🎉 wørld", rate, False, False, 0) for rate in (0.0, 1.0))
    assert "".join(p.before + p.old for p in none if p.kind != "special") == "Grand 🎉 wørld"
    assert all(p.old for p in all_of_them)  # each picked byte is boxed


def test_the_playground_writes_percentages_and_follows_the_sentence(checkpoints):
    play = fill_mask_playground(checkpoints, "The film was ___.", k=3)
    for model, tokenizer in checkpoints.values():
        for token, probability in guess_blanks(model, tokenizer, "The film was ___.", 3)[0]:
            assert f'aria-label="{token}: {probability:.1%}"' in play.picture.value
    assert play.picture.value.count("<tr>") == 6 and "<b>before</b>" in play.picture.value
    first = play.picture.value
    play.controls["sentence"].value = "She ___ home."
    assert play.picture.value != first


@pytest.mark.parametrize("sentence", ["No blank at all.", "", "One _ or two __ are none."])
def test_a_sentence_without_a_blank_is_told_how_to_write_one(checkpoints, sentence):
    assert "Write [MASK], &lt;mask&gt; or ___" in fill_mask_playground(checkpoints, sentence).picture.value


def test_a_blank_beyond_the_model_is_no_traceback(checkpoints):
    play = fill_mask_playground(checkpoints, "long " * 600 + "___")
    assert "beyond the 512 tokens" in play.picture.value
    assert "%" in fill_mask_playground(checkpoints, "___ " + "long " * 600).picture.value


@pytest.fixture
def views(tokenizer, checkpoints):
    def make():
        return [
            tokenizer_lens(tokenizer, TEXT),
            masking_explorer(tokenizer, TEXT),
            fill_mask_playground(checkpoints, "A ___ day."),
            LiveLoss(),
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
    for language, label in ("en", "Sentence"), ("zh", "句子"), ("zh-CN", "句子"):
        i18n.set_language(language)
        for view in views()[:3]:
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
        (lambda t, m: tokenizer_lens(Slow(), TEXT), "Slow is a slow tokenizer, which gives no word ids"),
        (lambda t, m: masking_explorer(Slow(), TEXT), "Slow is a slow tokenizer, which gives no word ids"),
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
