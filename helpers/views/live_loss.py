"""The loss while a model trains, drawn at most a few times a second."""

import re
import time

import ipywidgets as widgets
from IPython.display import display
from transformers import TrainerCallback

from helpers.views.html import bundle_of, loss_html


class LiveLoss(TrainerCallback):
    """A line of the loss that grows while a model trains, in a loop of one's own or in a `Trainer`.

    In a loop ``with LiveLoss() as live:`` shows it, ``live(loss)`` adds a loss, and the end of the block draws the last;
    ``Trainer(callbacks=[LiveLoss()])`` does the same.

    Args:
        interval: Seconds between drawings at least.
    """

    def __init__(self, interval: float = 0.5):
        self.interval = interval
        self.points: list[tuple[int, float]] = []
        self.picture = widgets.HTML(loss_html([]), layout={"width": "100%"})
        self._waiting, self._due, self._handle = [], 0.0, None

    def __call__(self, loss) -> None:
        """Add the loss of the next step."""
        last = (self._waiting or self.points or [(0,)])[-1][0]
        self.add(last + 1, loss)

    def add(self, step: int, loss) -> None:
        """Add the loss, a number or a tensor, of a step.

        A tensor is copied, not read, until the next drawing: reading makes the CPU wait for the GPU.
        """
        self._waiting.append((step, loss.detach().clone() if hasattr(loss, "detach") else loss))
        if time.monotonic() >= self._due:
            self.draw()

    def draw(self) -> None:
        """Draw all losses now, whatever the interval."""
        self.points += [(step, float(loss)) for step, loss in self._waiting]
        self._waiting.clear()
        self.picture.value = loss_html(self.points)
        self._due = time.monotonic() + self.interval

    def finish(self) -> None:
        """Draw the last losses, and leave them in the saved notebook too."""
        self.draw()
        if self._handle is not None:
            self._handle.update(self)

    def __enter__(self):
        self._handle = display(self, display_id=True)
        return self

    def __exit__(self, *error) -> None:
        self.finish()

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        if state.global_step == 0:  # not where a training goes on that was broken off
            self.points.clear()
        self.__enter__()

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if "loss" in (logs or {}):
            self.add(state.global_step, logs["loss"])

    def on_train_end(self, args, state, control, **kwargs) -> None:
        self.finish()

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        self.draw()
        return bundle_of(self.picture, self.picture.value, re.sub(r"<[^>]*>", "", self.picture.value))
