"""The live loss in a loop and in a Trainer."""

import torch

from helpers.views import LiveLoss


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


def test_a_block_shows_itself_and_its_last_loss(capsys):
    with LiveLoss(interval=1e9) as live:
        for loss in 3.0, 2.0, 0.5:
            live(loss)
    assert "step 3: loss 0.5" in live.picture.value


def test_a_trainer_takes_it_as_a_callback(capsys):
    from transformers import TrainingArguments
    from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback, TrainerControl, TrainerState

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
