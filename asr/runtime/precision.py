"""Devices and number formats: what the hardware computes well, and how to select it.

fp32 is the format of training and of model folders. bf16 pays off where the processor multiplies it
(AMX, AVX512-BF16) and on GPUs; elsewhere it is emulated, six times slower than fp32. int8 stores
the weights of recurrent and linear layers as bytes, scales activations at run time (dynamic
quantisation), and runs on the CPU only. Knows nothing of the network.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch

from asr.errors import AsrError, ConfigError

Precision = Literal["auto", "fp32", "bf16", "int8"]


def pick_device(device: str) -> torch.device:
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


def pick_precision(precision: str, device: torch.device) -> str:
    """Return "fp32", "bf16" or "int8".

    "auto" takes the value of ASR_PRECISION, or else the fastest format that costs no accuracy. It never selects
    int8: on cores with AVX2 that was no faster than fp32 on long recordings, and a sixth to a quarter
    faster on short ones (tools/benchmarks/transcribe.py).

    Raises:
        ConfigError: If there is no such precision, or the device cannot compute with it.
    """
    if precision == "auto":
        precision = os.environ.get("ASR_PRECISION", "auto")
    if precision not in get_args(Precision):
        raise ConfigError(f"precision {precision}: no such precision; there are: {', '.join(get_args(Precision))}")
    if precision == "int8" and device.type != "cpu":
        raise ConfigError(f"precision int8 runs on the CPU only, not on {device}; take bf16, or the device cpu")
    if precision == "bf16" and not has_bf16(device):
        raise ConfigError(f"precision bf16: {device} does not multiply bfloat16 numbers; take fp32 or auto")
    if precision != "auto":
        return precision
    return "bf16" if has_bf16(device) else "fp32"


def computing_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which networks compute with a precision."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()
