"""Views to play with, as the chapters call them."""

from helpers.views.html import code_diff, masked_tokens
from helpers.views.live_loss import LiveLoss
from helpers.views.padding import padding_picture
from helpers.views.widgets import fill_mask_playground, masking_explorer, tokenizer_lens

__all__ = ["LiveLoss", "code_diff", "fill_mask_playground", "masked_tokens", "masking_explorer", "padding_picture", "tokenizer_lens"]
