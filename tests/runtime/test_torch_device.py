"""Selection of devices and number formats in torch."""

import re

import pytest
import torch

from asr.errors import AsrError, ConfigError
from asr.runtime.torch_device import computing_in, pick_torch_device, pick_torch_precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASR_PRECISION", raising=False)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AssertionError(), "AssertionError"),
        (RuntimeError("CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA"), "CUDA error: out of memory"),
    ],
)
def test_a_device_that_cannot_be_used_is_refused_with_the_first_line_of_the_reason(monkeypatch, error, reason):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(torch, "zeros", fail)
    with pytest.raises(AsrError, match=f"'cuda:7' cannot be used: {re.escape(reason)}; try auto or cpu"):
        pick_torch_device("cuda:7")


def test_bf16_is_taken_where_matrices_of_it_are_multiplied(monkeypatch: pytest.MonkeyPatch):
    for amx, avx512, expected in (
        (True, True, "bf16"),
        (True, False, "bf16"),
        (False, True, "fp32"),
        (False, False, "fp32"),
    ):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda amx=amx: amx)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda avx512=avx512: avx512)
        assert pick_torch_precision("auto", CPU) == expected
        if amx or avx512:
            assert pick_torch_precision("bf16", CPU) == "bf16"
        assert pick_torch_precision("fp32", CPU) == "fp32"
    with pytest.raises(ConfigError, match="cpu does not multiply bfloat16 numbers; take fp32"):
        pick_torch_precision("bf16", CPU)
    with pytest.raises(ConfigError, match="int8 is for recognition on the CPU"):
        pick_torch_precision("int8", CPU)
    # The environment variable holds for recognition as well, and must not stop a training.
    monkeypatch.setenv("ASR_PRECISION", "int8")
    assert pick_torch_precision("auto", CPU) in ("fp32", "bf16")


def test_the_context_computes_in_the_precision():
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        with computing_in(precision, CPU):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
