"""What the network computes with: what the hardware does well, and how to get it.

fp32 is what training and the model folder agree on. bf16 pays where the processor multiplies it
(AMX, AVX512-BF16) or on a GPU; elsewhere it would be emulated, six times slower than fp32. int8 holds
the weights of recurrent and linear layers in bytes, scales activations as they come (dynamic
quantisation), and runs on the CPU only.
"""

import copy
import os
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch
from torch import nn

from asr.acoustic.model import AcousticModel
from asr.errors import ConfigError

Precision = Literal["auto", "fp32", "bf16", "int8"]


def has_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 numbers."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def pick_precision(precision: str, device: torch.device) -> str:
    """One of "fp32", "bf16" and "int8"; "auto" takes what ASR_PRECISION says, else the fastest that costs no accuracy.

    int8 is never taken by itself: on cores with AVX2 it was no faster than fp32 on long recordings,
    and a sixth to a quarter faster on short ones (tools/benchmarks/transcribe.py).

    Raises:
        ConfigError: If there is no such precision, or the device cannot compute with it.
    """
    if precision == "auto":
        precision = os.environ.get("ASR_PRECISION", "auto")
    if precision not in get_args(Precision):
        raise ConfigError(f"precision {precision}: no such precision; there are: {', '.join(get_args(Precision))}")
    if precision == "int8" and device.type != "cpu":
        raise ConfigError(f"precision int8 runs on the CPU only, not on {device}; take bf16 or --device cpu")
    if precision == "bf16" and not has_bf16(device):
        raise ConfigError(f"precision bf16: {device} does not multiply bfloat16 numbers; take fp32 or auto")
    if precision != "auto":
        return precision
    return "bf16" if has_bf16(device) else "fp32"


def prepare_network(model: AcousticModel, precision: str, device: torch.device) -> AcousticModel:
    """The network ready to recognise on a device: itself, or a copy with weights in int8."""
    model = model.to(device).eval()
    return _quantize(model) if precision == "int8" else model


def computing_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """A context in which a network of `prepare_network` computes with that precision."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def _quantize(model: AcousticModel) -> AcousticModel:
    with warnings.catch_warnings():
        # torch moves quantisation to another package, which has no recurrent layers yet.
        warnings.simplefilter("ignore")
        layers = {nn.LSTM, nn.GRU, nn.Linear}
        quantize = torch.ao.quantization.quantize_dynamic
        return quantize(copy.deepcopy(model), layers, dtype=torch.qint8)  # type: ignore[no-untyped-call]
