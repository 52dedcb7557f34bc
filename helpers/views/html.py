"""Static pictures of tokens, masks, predictions and losses: HTML that says as much without its colours.

All text is escaped. Marks are tags that mean something (``<s>``, ``<b>``, ``<th>``), so that a page which strips
styles and drawings still tells the whole.
"""

import difflib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch

from helpers.i18n import translated
from helpers.markup import Markup, join, tag

BLUE, ORANGE, VERMILION, GREEN, GREY = "#0072b2", "#e69f00", "#d55e00", "#009e73", "#999999"  # Okabe and Ito's colours
MOST_POINTS = 300  # of a line
INHERIT = "color:inherit;font-size:inherit"  # which a table does not do by itself everywhere

LABELS = {
    "lens": "Tokenizer lens", "explorer": "Masking explorer", "playground": "Fill-mask playground",
    "first": "Sentence", "second": "Second sentence", "token": "Token", "id": "Id", "segment": "Segment", "word": "Word",
    "rate": "Rate", "whole": "Whole words", "seed": "Seed", "again": "Draw again",
    "mask": "masked", "random": "random token", "kept": "kept as it is",
    "rates": "Wanted {wanted:.0%}, drawn {drawn:.1%}: {picked} of {total} tokens, special ones left out.",
    "blank": "blank {}", "loss": "step {step:,}: loss {loss:.4g}", "range": "lowest {low:.4g}, highest {high:.4g}",
    "waiting": "No loss yet.",
    "corpus": "padded to the longest text of all", "batch": "padded to the longest of the batch", "grouped": "grouped by length",
    "share": "{name}: {share:.0%} padding", "tokens": "token", "padding": "padding", "position": "position",
    "empty": "Write a sentence above.",
    "write": "Write [MASK], <mask> or ___ where a word is to be guessed, such as: The film was ___.",
    "long": "The blank lies beyond the {limit} tokens that this model reads; write a shorter sentence.",
}  # fmt: skip


class Piece(NamedTuple):
    """A token in its text: `before` is the text between it and the last one; `kind` is "", special, mask, random or kept."""

    before: str
    old: str
    new: str = ""
    kind: str = ""


def view_labels() -> dict[str, str]:
    """Return the labels in the current language."""
    return {name: translated(text) for name, text in LABELS.items()}


def note_html(sentence: str) -> Markup:
    """Return one sentence to show in place of a picture."""
    return tag("p", sentence, role="status", style=f"border-left:4px solid {ORANGE};padding-left:.6em")


def lens_html(tokens: Sequence[str], ids: Sequence[int], segments: Sequence[int], words: Sequence[int | None]) -> Markup:
    """Return a table with a column for each token: token, id, segment (if there are any) and word.

    Special tokens, whose word is None, get a dashed border.
    """
    name, rows = view_labels(), []
    for key, cells in ("token", tokens), ("id", ids), ("segment", segments), ("word", words):
        row = [tag("th", name[key], scope="row", style="text-align:left;white-space:nowrap;padding:.2em .8em .2em 0")]
        for cell, word in zip(cells, words):
            edge = "1px dashed" if word is None else "1px solid"
            fill = f"background:{BLUE}{'40' if word % 2 == 0 else '14'};" if word is not None else ""  # neighbouring words differ
            style = f"border:{edge} currentColor;{fill}padding:.2em .5em;text-align:center;font-family:monospace;white-space:pre"
            kind, scope = ("th", "col") if key == "token" else ("td", None)
            row.append(tag(kind, "–" if cell is None else str(cell), scope=scope, style=style))
        if cells:
            rows.append(tag("tr", *row))
    return tag("div", tag("table", *rows, style=f"border-collapse:collapse;{INHERIT}"), style="overflow-x:auto")


BOXES = {
    "mask": f"2px solid currentColor;background:{ORANGE}40",
    "random": f"4px double currentColor;background:{VERMILION}40",
    "kept": f"2px dotted currentColor;background:{GREEN}40",
}


def _box(kind: str, *children: str) -> Markup:
    style = f"display:inline-block;border:{BOXES[kind]};border-radius:4px;padding:0 .25em;margin:1px;line-height:1.4"
    return tag("span", *children, style=style)


def _piece_html(piece: Piece) -> Markup:
    if piece.kind == "special":
        shown = tag("small", piece.old, style="font-family:monospace;margin:0 .4em")
    elif piece.kind == "kept":
        shown = _box("kept", tag("b", piece.old))
    elif piece.kind:
        shown = _box(piece.kind, tag("s", piece.old), " ", tag("b", piece.new))
    else:
        shown = piece.old
    return join(piece.before, shown)


def masked_html(pieces: Sequence[Piece], rate: float) -> Markup:
    """Return a text with its masked tokens boxed, the old token struck through and the new one bold, and the share beside `rate`."""
    name = view_labels()
    counts = {kind: sum(piece.kind == kind for piece in pieces) for kind in BOXES}
    total, masked = sum(piece.kind != "special" for piece in pieces), sum(counts.values())
    rates = name["rates"].format(wanted=rate, drawn=masked / total if total else 0, picked=masked, total=total)
    key = [join(_box(kind, name[kind]), f" × {count}", " \u2003 ") for kind, count in counts.items()]
    text = tag("div", *map(_piece_html, pieces), style="line-height:2;white-space:pre-wrap;overflow-wrap:anywhere")
    return join(text, tag("p", rates, Markup("<br>"), *key, style="line-height:2;margin:.6em 0 0"))


def masked_tokens(tokenizer, before: torch.Tensor, after: torch.Tensor, selected: torch.Tensor) -> Markup:
    """Return texts as tokens, with the selected ones boxed: the old token struck through, the new one bold.

    Args:
        tokenizer: Spells the tokens, and says which are padding, which is left out.
        before: Ids, ``(texts, tokens)``.
        after: Ids after masking, of the same shape.
        selected: Booleans of the same shape.
    """
    texts = []
    for old_ids, new_ids, chosen in zip(before.tolist(), after.tolist(), selected.tolist()):
        olds, news = (tokenizer.convert_ids_to_tokens(ids) for ids in (old_ids, new_ids))
        pieces = []
        for token, old, new, box in zip(old_ids, olds, news, chosen):
            if token != tokenizer.pad_token_id:
                pieces.append(_piece_html(Piece(" ", old, new, ("kept" if old == new else "mask") if box else "")))
        texts.append(tag("p", *pieces, style="line-height:2.2"))
    return join(*texts)


def code_diff(old: Callable, new: Callable) -> Markup:
    """Return the source of two functions as one block of code: lines with ``-`` go, lines with ``+`` come, the others stay."""
    lines = difflib.ndiff(*(inspect.getsource(function).splitlines() for function in (old, new)))
    fill = {"-": f"background:{VERMILION}40", "+": f"background:{BLUE}40"}
    return tag("pre", *(tag("div", line, style=fill.get(line[0])) for line in lines if line[0] != "?"), style="font-family:monospace")


def bars_html(columns: Mapping[str, Sequence[Sequence[tuple[str, float]]]]) -> Markup:
    """Return predictions, by checkpoint and blank, side by side, a bar and a percentage each; the longest bar of all fills its column."""
    longest = max((p for blanks in columns.values() for guesses in blanks for _, p in guesses), default=1)
    shown = []
    for (checkpoint, blanks), colour in zip(columns.items(), [GREY, BLUE, ORANGE, GREEN, VERMILION] * len(columns)):
        tables = [_guesses_html(guesses, number if len(blanks) > 1 else None, longest, colour) for number, guesses in enumerate(blanks, 1)]
        shown.append(tag("div", tag("b", checkpoint), *tables, style="flex:1 1 18em;max-width:30em"))
    return tag("div", *shown, style="display:flex;flex-wrap:wrap;gap:1em 2em;overflow-x:auto")


def _guesses_html(guesses: Sequence[tuple[str, float]], number: int | None, longest: float, colour: str) -> Markup:
    rows = [tag("caption", view_labels()["blank"].format(number))] if number else []
    for token, p in guesses:
        bar = f"width:{p / longest:.1%};height:1em;background:{colour}a6;border:1px solid currentColor;box-sizing:border-box"
        cells = [
            tag("th", token, scope="row", style="width:35%;text-align:right;padding:.1em .5em;white-space:pre-wrap"),
            tag("td", tag("div", role="img", aria_label=f"{token}: {p:.1%}", style=bar), style="padding:.1em"),
            tag("td", f"{p:.1%}", style="width:4em;text-align:right;font-variant-numeric:tabular-nums"),
        ]
        rows.append(tag("tr", *cells))
    return tag("table", *rows, style=f"width:100%;border-collapse:collapse;{INHERIT}")


def loss_html(points: Sequence[tuple[int, float]]) -> Markup:
    """Return a line of losses over steps, with a gap where they are not finite, and the last one in words.

    Of more than `MOST_POINTS`, equal runs are averaged.
    """
    name = view_labels()
    if not points:
        return tag("p", name["waiting"])
    caption = name["loss"].format(step=points[-1][0], loss=points[-1][1])
    finite = [loss for _, loss in points if math.isfinite(loss)]
    if not finite:
        return tag("p", tag("b", caption))
    width = math.ceil(len(points) / MOST_POINTS)
    runs = [points[i : i + width] for i in range(0, len(points), width)]
    means = [(run[-1][0], sum(loss for _, loss in run) / len(run)) for run in runs]  # not finite where one of the run is not
    low, high, first, last = min(finite), max(finite), points[0][0], points[-1][0]
    line = _line([(step - first, loss - low) for step, loss in means], (last - first) or 1, (high - low) or 1)
    ends = (54, 14, f"{high:.4g}"), (54, 158, f"{low:.4g}"), (80 if first < last else 594, 176, f"{first:,}"), (594, 176, f"{last:,}")
    texts = [tag("text", text, x=x, y=y) for x, y, text in dict.fromkeys(ends)]
    pen = dict(fill="none", stroke=BLUE, stroke_width="2", stroke_linecap="round", stroke_linejoin="round")
    drawing = [tag("g", *texts, fill="currentColor", font_size="13", text_anchor="end")]
    drawing += [tag("path", d="M60 0V160H600", fill="none", stroke="currentColor"), tag("path", d=line, **pen)]
    svg = tag("svg", *drawing, role="img", aria_label=caption, viewBox="0 0 600 180", style="width:100%;max-width:600px;color:inherit")
    return join(svg, tag("p", tag("b", caption), f" ({name['range'].format(low=low, high=high)})"))


def _line(points: Sequence[tuple[float, float]], width: float, height: float) -> str:
    """Return an SVG path through the finite points, with a gap at every other."""
    path, pen = "", "M"
    for x, y in points:
        if math.isfinite(y):
            path, pen = path + f"{pen}{66 + 528 * x / width:.1f} {154 - 148 * y / height:.1f}", "L"
        else:
            pen = "M"
    return path


def bundle_of(widget, html: str, plain: str) -> dict:
    """Return one output in three forms: the live widget, its static picture, and a line for terminals."""
    live = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"application/vnd.jupyter.widget-view+json": live, "text/html": html, "text/plain": plain}
