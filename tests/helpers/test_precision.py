"""The number format that the hardware multiplies fast."""

import pytest

from helpers import precision


@pytest.mark.parametrize(
    "capabilities, expected",
    [
        ({"avx512_bf16": True}, "torch.bfloat16"),
        ({"amx_bf16": True}, "torch.bfloat16"),
        ({"avx512_f": True}, "torch.float32"),
        ({}, "torch.float32"),
    ],
)
def test_bf16_on_a_cpu_only_with_the_instructions(capabilities, expected, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities, raising=False)
    assert str(precision.best_dtype("cpu")) == expected
    assert precision.training_flags("cpu") == {"bf16": expected == "torch.bfloat16", "fp16": False, "use_cpu": True}


@pytest.mark.parametrize(
    "capability, expected", [((7, 0), "torch.float16"), ((7, 5), "torch.float16"), ((8, 0), "torch.bfloat16"), ((9, 0), "torch.bfloat16")]
)
def test_old_cards_take_fp16_and_newer_ones_bf16(capability, expected, monkeypatch):
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: capability)
    assert str(precision.best_dtype("cuda")) == expected
    plain = "torch.float32" if expected == "torch.float16" else expected  # a loop without a scaler
    assert str(precision.autocast_dtype("cuda")) == plain


def test_apples_gpu_stays_at_float32():
    assert precision.training_flags("mps") == {"bf16": False, "fp16": False, "use_cpu": False}
