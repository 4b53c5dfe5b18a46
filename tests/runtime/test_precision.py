"""Selection of devices."""

import re

import pytest
import torch

from asr.errors import AsrError
from asr.runtime.precision import pick_device


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
        pick_device("cuda:7")
