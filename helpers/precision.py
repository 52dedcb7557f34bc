"""Number format by device: the fastest that is safe there."""

import torch


def default_device() -> torch.device:
    """Return the device that Trainer would pick: CUDA, Apple's GPU, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def best_dtype(device: torch.device | str | None = None) -> torch.dtype:
    """Return bfloat16 where matrix products in it run in hardware, float16 on older CUDA cards, else float32.

    A CPU without the instructions emulates bfloat16, hundreds of times slower than float32. GPUs before
    Ampere (T4, V100) emulate it too but are fast in float16. Apple's GPUs stay at float32.

    Args:
        device: What the model runs on; `default_device` if not given.
    """
    chosen: torch.device = torch.device(device or default_device())
    if chosen.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(chosen) >= (8, 0) else torch.float16
    if chosen.type == "cpu" and cpu_multiplies_bf16():
        return torch.bfloat16
    return torch.float32


def cpu_multiplies_bf16() -> bool:
    """Return whether this CPU has instructions for products in bfloat16 (AVX-512 BF16 or AMX), as far as PyTorch can tell."""
    capabilities: dict = getattr(torch.cpu, "get_capabilities", dict)()  # PyTorch 2.11 cannot tell
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def autocast_dtype(device: torch.device | str | None = None) -> torch.dtype:
    """Return `best_dtype` for a plain loop under autocast, or float32 for float16, which would need its gradients scaled."""
    dtype = best_dtype(device)
    return torch.float32 if dtype == torch.float16 else dtype


def training_flags(device: torch.device | str | None = None) -> dict[str, bool]:
    """Return the flags of `TrainingArguments` that ask for `best_dtype`: ``{"bf16": …, "fp16": …, "use_cpu": …}``.

    Trainer takes bf16 on a CPU only where it is told that the CPU is wanted.
    """
    dtype, use_cpu = best_dtype(device), torch.device(device or default_device()).type == "cpu"
    return {"bf16": dtype == torch.bfloat16, "fp16": dtype == torch.float16, "use_cpu": use_cpu}
