"""Devices and number formats in torch: what the hardware computes well, and how to select it.

bf16 pays off on GPUs and on processors that multiply matrices of it (AMX). With AVX512-BF16 alone a training step takes
almost twice the time of fp32, and elsewhere bf16 is emulated, six times slower. Training also uses it on the CPU. Knows
nothing of the network.
"""

from contextlib import AbstractContextManager, nullcontext

import torch

from asr.errors import AsrError, ConfigError
from asr.runtime.precision import check_precision


def pick_torch_device(device: str) -> torch.device:
    """Return a torch device for "auto", "cpu", "cuda", "cuda:1", ...; "auto" takes a GPU if there is one.

    Raises:
        AsrError: If the device cannot be used.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise AsrError(f"device {device!r} cannot be used: {reason}; try auto or cpu") from None
    return torch.device(device)


def has_bf16(device: torch.device) -> bool:
    """Return whether the hardware multiplies bfloat16 numbers."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def is_bf16_fast(device: torch.device) -> bool:
    """Return whether networks run faster in bfloat16 than in float32."""
    return has_bf16(device) and (device.type == "cuda" or bool(torch.cpu._is_amx_tile_supported()))


def pick_torch_precision(precision: str, device: torch.device) -> str:
    """Return "fp32" or "bf16"; "auto" takes bf16 if it is the faster of the two.

    Raises:
        ConfigError: If there is no such precision, or the device cannot compute with it.
    """
    if precision == "int8":
        raise ConfigError(f"precision int8 is for recognition on the CPU, not for {device} in torch; take bf16 or fp32")
    precision = check_precision(precision)
    if precision == "int8":  # by the environment variable, which holds for recognition as well
        precision = "auto"
    if precision == "bf16" and not has_bf16(device):
        raise ConfigError(f"precision bf16: {device} does not multiply bfloat16 numbers; take fp32 or auto")
    if precision != "auto":
        return precision
    return "bf16" if is_bf16_fast(device) else "fp32"


def computing_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which networks compute with a precision."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()
