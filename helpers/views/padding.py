"""How much padding three ways to make batches need, in numbers and as a picture."""

from collections.abc import Iterable

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices

from helpers.validation import require
from helpers.views.html import BLUE, GREY, LABELS, view_labels

ROWS = 32  # drawn, in whole batches, and one batch at least
CJK_FONTS = {"Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "SimHei", "WenQuanYi Zen Hei"}


def padded_batches(lengths: Iterable[int], batch_size: int, strategy: str) -> list[tuple[list[int], int]]:
    """Return batches, each as the lengths of its rows and the length that they are padded to.

    Args:
        lengths: Tokens of each text.
        batch_size: Rows in a batch.
        strategy: "corpus" or "batch" for the longest of either; "grouped" for batches of texts of like length, in one of
            the orders that ``train_sampling_strategy="group_by_length"`` of `Trainer` draws: the texts of some 50 random
            batches at a time are sorted, longest first.
    """
    lengths = list(lengths)
    if strategy == "grouped":
        lengths = [lengths[i] for i in get_length_grouped_indices(lengths, batch_size, generator=torch.Generator().manual_seed(0))]
    batches = [lengths[i : i + batch_size] for i in range(0, len(lengths), batch_size)]
    return [(batch, max(lengths if strategy == "corpus" else batch)) for batch in batches]


def padding_share(batches: Iterable[tuple[list[int], int]]) -> float:
    """Return the share of the positions of all batches that hold no token."""
    tokens, places = map(sum, zip(*((sum(rows), len(rows) * width) for rows, width in batches)))
    return 1 - tokens / places


def padding_picture(lengths: Iterable[int], batch_size: int):
    """Draw the first batches under three ways to pad, with the share of padding of all batches in each title.

    Args:
        lengths: Tokens of each text.
        batch_size: Rows in a batch.

    Returns:
        A figure for a cell's last line or ``display``; ``plt.show()`` no longer knows it.

    Raises:
        ValueError: There are no lengths, one is below 1, or the batch size is.
    """
    import matplotlib.pyplot as plt
    from matplotlib.font_manager import fontManager

    lengths = [int(length) for length in lengths]
    fits = lengths and min(lengths) > 0 and batch_size > 0
    require(fits, "padding_picture takes the token counts of some texts and a batch size, all of them 1 or more.")
    chinese = next((font.name for font in fontManager.ttflist if font.name in CJK_FONTS), None)
    name = view_labels() if chinese else LABELS
    with plt.rc_context({"font.family": ["DejaVu Sans", *([chinese] if chinese else [])], "hatch.linewidth": 0.5}):
        figure, panels = plt.subplots(1, 3, figsize=(12, 3.6), sharex=True, sharey=True, layout="constrained")
        for panel, strategy in zip(panels, ("corpus", "batch", "grouped")):
            batches = padded_batches(lengths, batch_size, strategy)
            shown = batches[: max(1, ROWS // batch_size)]
            tokens = [length for batch, _ in shown for length in batch]
            gaps = [width - length for batch, width in shown for length in batch]
            places = [row + 0.8 * i for i, (batch, _) in enumerate(shown) for row in range(i * batch_size, i * batch_size + len(batch))]
            panel.barh(places, tokens, height=0.9, color=BLUE, label=name["tokens"])
            panel.barh(places, gaps, left=tokens, height=0.9, color="#f4f4f4", edgecolor=GREY, hatch="////", lw=0, label=name["padding"])
            panel.set_title(name["share"].format(name=name[strategy], share=padding_share(batches)), fontsize="medium")
            panel.set(xlabel=name["position"], yticks=[])
            panel.spines[["top", "right", "left"]].set_visible(False)
        panels[0].invert_yaxis()
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        plt.close(figure)  # or a notebook would show it twice
    return figure
