"""Devices and number formats: which engine runs a network, and what it computes with.

ONNX Runtime runs it on the CPU, in int8 or fp32; torch runs it on a GPU, in bf16 or fp32. int8 is for the LSTMs, which
take nearly all of the time: their weights are bytes, and their activations are scaled at run time (dynamic
quantisation). Imports no torch.
"""

import ctypes
import os
import sys
from importlib.util import find_spec
from typing import Literal, get_args

from asr.errors import ConfigError

_DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")
Precision = Literal["auto", "fp32", "bf16", "int8"]


def pick_device(device: str) -> str:
    """Return "cpu" or the name of a device in torch; "auto" takes a GPU if there is one and torch is installed.

    Raises:
        ConfigError: If there is no such kind of device.
    """
    if device.split(":")[0] not in _DEVICES:
        raise ConfigError(f"device {device}: no such device; there are: {', '.join(_DEVICES)}")
    if device != "auto":
        return device
    return "cuda" if find_spec("torch") is not None and _has_gpu() else "cpu"


def check_precision(precision: str) -> str:
    """Return a precision; for "auto" the value of ASR_PRECISION, if that is set.

    Raises:
        ConfigError: If there is no such precision.
    """
    if precision == "auto":
        precision = os.environ.get("ASR_PRECISION", "auto")
    if precision not in get_args(Precision):
        raise ConfigError(f"precision {precision}: no such precision; there are: {', '.join(get_args(Precision))}")
    return precision


def pick_cpu_precision(precision: str, cell: str) -> str:
    """Return "fp32" or "int8", for recurrent layers of a kind of cell on the CPU.

    "auto" takes int8, which costs no accuracy (docs/benchmarks.md), if the cell has it.

    Raises:
        ConfigError: If there is no such precision, or the CPU or the cell lacks it.
    """
    precision = check_precision(precision)
    if precision == "bf16":
        raise ConfigError("precision bf16 runs on a GPU only; take int8, fp32 or auto, or the device cuda")
    if precision == "int8" and cell != "lstm":
        raise ConfigError(
            f"precision int8 runs LSTM cells only, and this network has the cell {cell}; take fp32 or auto"
        )
    if precision == "auto":
        return "int8" if cell == "lstm" else "fp32"
    return precision


def _has_gpu() -> bool:
    """Ask the driver, which takes a fraction of the time of importing torch."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int()
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except (OSError, AttributeError):
        return False
