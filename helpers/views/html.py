"""Static pictures of tokens, masks, predictions and losses: HTML that says as much without its colours.

All text is escaped. Marks are tags that mean something (``<s>``, ``<b>``, ``<th>``), so that a page which strips
styles and drawings still tells the whole.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from helpers.i18n import translated

BLUE, ORANGE, VERMILION, GREEN, GREY = "#0072b2", "#e69f00", "#d55e00", "#009e73", "#999999"  # Okabe and Ito's colours
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
    "slow": "{tokenizer} gives no word ids; take a checkpoint whose folder has a tokenizer.json.",
    "maskless": "{tokenizer} has no mask token; take the checkpoint of a masked language model.",
    "write": "Write [MASK], <mask> or ___ where a word is to be guessed, such as: The film was ___.",
    "long": "The blank lies beyond the {limit} tokens that this model reads; write a shorter sentence.",
}  # fmt: skip


class Piece(NamedTuple):
    """A token in its text: `before` stands between it and the last one; `kind` is "", special, mask, random or kept."""

    before: str
    old: str
    new: str = ""
    kind: str = ""


def labels() -> dict[str, str]:
    """Return the labels in the current language."""
    return {name: translated(text) for name, text in LABELS.items()}


def note_html(sentence: str) -> str:
    """One sentence in the place of a picture."""
    return f'<p role="status" style="border-left:4px solid {ORANGE};padding-left:.6em">{escape(sentence)}</p>'


def lens_html(tokens: Sequence[str], ids: Sequence[int], segments: Sequence[int], words: Sequence[int | None]) -> str:
    """A table with a column for each token: token, id, segment and word.

    Args:
        tokens: The tokenizer's own spelling.
        ids: One a token.
        segments: One a token, or none at all for a tokenizer that has no segments.
        words: One a token, None at special tokens, which get a dashed border.
    """
    name, rows = labels(), []
    for key, cells in ("token", tokens), ("id", ids), ("segment", segments), ("word", words):
        tag = 'th scope="col"' if key == "token" else "td"
        row = f'<th scope="row" style="text-align:left;white-space:nowrap;padding:.2em .8em .2em 0">{name[key]}</th>'
        for cell, word in zip(cells, words):
            edge = "1px dashed" if word is None else "1px solid"
            fill = f"background:{BLUE}{'40' if word % 2 == 0 else '14'};" if word is not None else ""  # neighbouring words differ
            style = f"border:{edge} currentColor;{fill}padding:.2em .5em;text-align:center;font-family:monospace;white-space:pre"
            row += f'<{tag} style="{style}">{"–" if cell is None else escape(str(cell))}</{tag.split()[0]}>'
        rows.append(f"<tr>{row}</tr>" if cells else "")
    return f'<div style="overflow-x:auto"><table style="border-collapse:collapse;{INHERIT}">{"".join(rows)}</table></div>'


BOXES = {"mask": f"2px solid currentColor;background:{ORANGE}40", "random": f"4px double currentColor;background:{VERMILION}40"}
BOXES |= {"kept": f"2px dotted currentColor;background:{GREEN}40"}


def _box(kind: str, html: str) -> str:
    style = f"display:inline-block;border:{BOXES[kind]};border-radius:4px;padding:0 .25em;margin:1px;line-height:1.4"
    return f'<span style="{style}">{html}</span>'


def masked_html(pieces: Sequence[Piece], wanted: float) -> str:
    """Text with its picked tokens boxed, the old token struck through and the new one bold, and the share picked.

    Args:
        pieces: The tokens in order.
        wanted: Share that was asked for.
    """
    name, text = labels(), ""
    for before, old, new, kind in pieces:
        old, new = escape(old), escape(new)
        if kind == "special":
            shown = f'<small style="font-family:monospace;margin:0 .4em">{old}</small>'
        else:
            shown = _box(kind, f"<b>{old}</b>" if kind == "kept" else f"<s>{old}</s> <b>{new}</b>") if kind else old
        text += escape(before) + shown
    counts = {kind: sum(piece.kind == kind for piece in pieces) for kind in BOXES}
    total, picked = sum(piece.kind != "special" for piece in pieces), sum(counts.values())
    rates = name["rates"].format(wanted=wanted, drawn=picked / total if total else 0, picked=picked, total=total)
    key = " &nbsp; ".join(f"{_box(kind, name[kind])} × {count}" for kind, count in counts.items())
    return (
        f'<div style="line-height:2;white-space:pre-wrap;overflow-wrap:anywhere">{text}</div>'
        f'<p style="line-height:2;margin:.6em 0 0">{rates}<br>{key}</p>'
    )


def bars_html(columns: Mapping[str, Sequence[Sequence[tuple[str, float]]]]) -> str:
    """Predictions side by side, a bar and a percentage each; the longest bar of all fills its column.

    Args:
        columns: Checkpoint to its blanks, each a list of tokens with their probabilities.
    """
    html, most = "", max((guess[1] for blanks in columns.values() for guesses in blanks for guess in guesses), default=1)
    for (checkpoint, blanks), colour in zip(columns.items(), [GREY, BLUE, ORANGE, GREEN, VERMILION] * len(columns)):
        html += f'<div style="flex:1 1 18em;max-width:30em"><b>{escape(checkpoint)}</b>'
        for number, guesses in enumerate(blanks, 1):
            caption = f"<caption>{labels()['blank'].format(number)}</caption>" if len(blanks) > 1 else ""
            html += f'<table style="width:100%;border-collapse:collapse;{INHERIT}">{caption}'
            for token, probability in guesses:
                bar = f"width:{probability / most:.1%};height:1em;background:{colour}a6;border:1px solid currentColor;box-sizing:border-box"
                html += (
                    f'<tr><th scope="row" style="width:35%;text-align:right;padding:.1em .5em;white-space:pre-wrap">{escape(token)}</th>'
                    f'<td style="padding:.1em"><div role="img" aria-label="{escape(token)}: {probability:.1%}" style="{bar}"></div></td>'
                    f'<td style="width:4em;text-align:right;font-variant-numeric:tabular-nums">{probability:.1%}</td></tr>'
                )
            html += "</table>"
        html += "</div>"
    return f'<div style="display:flex;flex-wrap:wrap;gap:1em 2em;overflow-x:auto">{html}</div>'


def loss_html(points: Sequence[tuple[int, float]], most: int = 300) -> str:
    """A line of losses over steps, and the last one in words.

    Args:
        points: Steps and losses; what is not finite leaves a gap.
        most: Points drawn; of more, equal runs are averaged.
    """
    name = labels()
    if not points:
        return f"<p>{name['waiting']}</p>"
    width = math.ceil(len(points) / most)
    runs = [points[i : i + width] for i in range(0, len(points), width)]
    drawn = [(run[-1][0], math.fsum(loss for _, loss in run) / len(run) if all(math.isfinite(v) for _, v in run) else None) for run in runs]
    finite = [loss for _, loss in points if math.isfinite(loss)]
    said = name["loss"].format(step=points[-1][0], loss=points[-1][1])
    if not finite:
        return f"<p><b>{said}</b></p>"
    low, high, first, last = min(finite), max(finite), points[0][0], points[-1][0]
    path, pen = "", "M"
    for step, loss in drawn:
        if loss is not None:
            x, y = 66 + 528 * (step - first) / max(last - first, 1), 154 - 148 * (loss - low) / ((high - low) or 1)
            path += f"{pen}{x:.1f} {y:.1f}"
        pen = "M" if loss is None else "L"
    ends = (54, 14, f"{high:.4g}"), (54, 158, f"{low:.4g}"), (80 if first < last else 594, 176, f"{first:,}"), (594, 176, f"{last:,}")
    texts = "".join(f'<text x="{x}" y="{y}">{text}</text>' for x, y, text in dict.fromkeys(ends))
    return (
        f'<svg role="img" aria-label="{said}" viewBox="0 0 600 180" style="width:100%;max-width:600px;color:inherit">'
        f'<g fill="currentColor" font-size="13" text-anchor="end">{texts}</g><path d="M60 0V160H600" fill="none" stroke="currentColor"/>'
        f'<path d="{path}" fill="none" stroke="{BLUE}" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/></svg>'
        f"<p><b>{said}</b> ({name['range'].format(low=low, high=high)})</p>"
    )


def bundle_of(widget, html: str, plain: str) -> dict:
    """One output with three faces: the live widget, its static picture, and a line for terminals."""
    live = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"application/vnd.jupyter.widget-view+json": live, "text/html": html, "text/plain": plain}
