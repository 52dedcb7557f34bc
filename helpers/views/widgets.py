"""Views with controls: a tokenizer lens, a masking explorer and a fill-mask playground.

A view is displayed as one output in two forms: the controls, for a front end with a running kernel, and the picture
as it was, for GitHub, nbconvert and papermill.
"""

from collections.abc import Callable, Mapping

import ipywidgets as widgets
import torch

from helpers import pretrained, validation
from helpers.chunking import NO_WORD
from helpers.i18n import say
from helpers.masking import pick_words
from helpers.validation import require
from helpers.views.fill_mask import BLANK, guess_blanks
from helpers.views.html import Piece, bars_html, bundle_of, lens_html, masked_html, note_html, view_labels


class View:
    """Controls, by name, and a picture drawn anew whenever one of them changes.

    No widget itself: ipywidgets 7, which Colab has, would display a widget without the static picture.

    Args:
        name: For front ends that show plain text.
        draw: Values of the controls, by name, to HTML; the sentence of a ValueError is shown in its place.
        controls: Name to widget; those without a value, buttons, are no arguments of `draw`.
    """

    def __init__(self, name: str, draw: Callable[..., str], controls: Mapping[str, widgets.Widget]):
        self.name, self.controls, self._draw = name, dict(controls), draw
        self.picture = widgets.HTML(layout={"width": "99%", "overflow": "auto"})  # a wide picture scrolls by itself
        lines, others = [], []
        for control in controls.values():
            control.style.description_width = "initial"
            control.observe(self._refresh, names="value")
            if isinstance(control, widgets.Text):
                control.layout.width = "98%"
                lines.append(control)
            else:
                control.layout.width = "auto" if isinstance(control, widgets.Checkbox) else None
                others.append(control)
        self.box = widgets.VBox([*lines, widgets.HBox(others, layout={"flex_flow": "row wrap"}), self.picture])
        self._refresh()

    def _refresh(self, change=None) -> None:
        values = {name: control.value for name, control in self.controls.items() if hasattr(control, "value")}
        try:
            self.picture.value = self._draw(**values)
        except ValueError as error:  # whatever is wrong is said in the view
            self.picture.value = note_html(str(error))

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        plain = say("{name}: a view with controls, in a running notebook", name=self.name)
        return bundle_of(self.box, self.picture.value, plain)


def _check(name: str, tokenizer, *texts) -> None:
    fits, kind = callable(tokenizer) and hasattr(tokenizer, "convert_ids_to_tokens"), type(tokenizer).__name__
    require(fits, "{name} takes a tokenizer, as AutoTokenizer.from_pretrained returns one, not {kind}.", name=name, kind=kind)
    for text in texts:
        require(isinstance(text, str), "{name} takes its text as a string, not {kind}.", name=name, kind=type(text).__name__)


def tokenizer_lens(tokenizer, text: str, second: str = "") -> View:
    """Show how a tokenizer splits one sentence or a pair into tokens, with ids, segments and words, as one types.

    Args:
        tokenizer: A fast tokenizer; a slow one is shown as a sentence that says so.
        text: Sentence to start with.
        second: Second sentence of a pair, if any.

    Raises:
        ValueError: An argument is no tokenizer or no string.
    """
    _check("tokenizer_lens", tokenizer, text, second)
    name = view_labels()

    def draw(first: str, second: str) -> str:
        validation.require_word_ids(tokenizer)
        require(first.strip(), name["empty"])
        encoded = tokenizer(first, second or None, verbose=False)
        return lens_html(encoded.tokens(), encoded["input_ids"], encoded.get("token_type_ids", []), encoded.word_ids())

    lines = {"first": widgets.Text(text, description=name["first"]), "second": widgets.Text(second, description=name["second"])}
    return View(name["lens"], draw, lines)


def explorer_pieces(tokenizer, text: str, rate: float, whole: bool, mix: bool, seed: int) -> list[Piece]:
    """Return the tokens of a text with random masks, the same ones for the same seed.

    Args:
        tokenizer: A fast tokenizer with a mask token.
        text: One text.
        rate: Probability of each token to be selected, or under `whole` of each word with all its tokens.
        mix: Of the selected tokens 80% become the mask token, 10% a random one, 10% stay
            (https://arxiv.org/abs/1810.04805); otherwise all become the mask token.
    """
    encoded = tokenizer(text, return_offsets_mapping=True, verbose=False)
    ids, special_ids = encoded["input_ids"], set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}  # an unknown word is a word
    special = [word is None or token in special_ids for word, token in zip(encoded.word_ids(), ids)]
    units = encoded.word_ids() if whole else range(len(ids))
    units = torch.tensor([[NO_WORD if bare else unit for bare, unit in zip(special, units)]])
    generator = torch.Generator().manual_seed(seed)
    selected = pick_words(units, rate, generator)[0].tolist()
    draws, others = torch.rand(len(ids), generator=generator).tolist(), torch.randint(len(tokenizer), (len(ids),), generator=generator)
    pieces, end = [], 0
    for i, (token, (start, stop)) in enumerate(zip(encoded.tokens(), encoded["offset_mapping"])):
        old = text[max(start, end) : stop] or (token if selected[i] else "")  # the tokens of one character's bytes share its offsets
        old = token if special[i] else old
        kind = "special" if special[i] else ""
        if selected[i]:
            kind = "mask" if not mix or draws[i] < 0.8 else "random" if draws[i] < 0.9 else "kept"
        new = {"mask": tokenizer.mask_token, "random": tokenizer.convert_ids_to_tokens(int(others[i]))}.get(kind, "")
        pieces.append(Piece(text[end:start], old, new, kind))
        end = max(end, stop)
    return pieces


def masking_explorer(tokenizer, text: str, rate: float = 0.15, seed: int = 0) -> View:
    """Show which tokens a masking would hide, at any rate, by tokens or whole words.

    Args:
        tokenizer: A fast tokenizer with a mask token; any other is shown as a sentence that says what it lacks.
        text: Text to start with.
        rate: Share to pick at first, up to 0.6.
        seed: Of the first draw; the button adds 1.

    Raises:
        ValueError: An argument is no tokenizer or no string, or the rate is beyond the slider's ends.
    """
    _check("masking_explorer", tokenizer, text)
    require(0 <= rate <= 0.6, "masking_explorer takes a rate between 0 and 0.6, not {rate}.", rate=rate)
    name = view_labels()

    def draw(text: str, rate: float, whole: bool, mix: bool, seed: int) -> str:
        validation.require_mask_token(tokenizer)
        validation.require_word_ids(tokenizer)
        require(text.strip(), name["empty"])
        return masked_html(explorer_pieces(tokenizer, text, rate, whole, mix, seed), rate)

    controls = {
        "text": widgets.Text(text, description=name["first"]),
        "rate": widgets.FloatSlider(value=rate, min=0, max=0.6, step=0.01, readout_format=".0%", description=name["rate"]),
        "whole": widgets.Checkbox(False, description=name["whole"], indent=False),
        "mix": widgets.Checkbox(True, description="80/10/10", indent=False),
        "seed": widgets.BoundedIntText(seed, min=0, max=2**31, description=name["seed"]),
        "again": widgets.Button(description=name["again"]),
    }
    controls["again"].on_click(lambda button: setattr(controls["seed"], "value", controls["seed"].value + 1))
    return View(name["explorer"], draw, controls)


def fill_mask_playground(checkpoints: Mapping[str, tuple], sentence: str, k: int = 5) -> View:
    """Show what checkpoints predict for the blanks of one sentence, side by side; Enter predicts again.

    Args:
        checkpoints: Name to a masked language model and its tokenizer.
        sentence: Text with a blank, ``[MASK]``, ``<mask>`` or ``___`` for any of the models.
        k: Guesses a blank.

    Raises:
        ValueError: There is no checkpoint, one is no pair of a masked language model and a tokenizer, or `k` is below 1.
    """
    fits = isinstance(checkpoints, Mapping) and checkpoints and k > 0
    require(fits, 'fill_mask_playground takes {{"name": (model, tokenizer)}} with one entry or more, and k of 1 or more.')
    for checkpoint, pair in checkpoints.items():
        fits, kind = isinstance(pair, (tuple, list)) and len(pair) == 2, type(pair).__name__
        require(fits, "fill_mask_playground takes a pair (model, tokenizer) for {name!r}, not {kind}.", name=checkpoint, kind=kind)
        model, tokenizer = pair
        _check("fill_mask_playground", tokenizer, sentence)
        require(
            getattr(model, "get_output_embeddings", lambda: None)() is not None,
            "{kind}, for {name!r}, cannot guess tokens; load it by AutoModelForMaskedLM.from_pretrained.",
            kind=type(model).__name__,
            name=checkpoint,
        )
    name = view_labels()

    def draw(sentence: str) -> str:
        require(BLANK.search(sentence), name["write"])
        columns = {}
        for checkpoint, (model, tokenizer) in checkpoints.items():
            validation.require_mask_token(tokenizer)
            columns[checkpoint] = guess_blanks(model, tokenizer, sentence, k)
            require(columns[checkpoint], name["long"], limit=pretrained.max_length(tokenizer, model))
        return bars_html(columns)

    line = widgets.Text(sentence, description=f"{name['first']} ⏎", continuous_update=False)  # a model is too slow for every key
    return View(name["playground"], draw, {"sentence": line})
