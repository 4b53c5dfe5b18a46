import math

import pytest

from asr.config import OptimizerSettings
from asr.train.loop import learning_rate


def test_the_learning_rate_rises_then_falls_by_half_a_cosine():
    settings = OptimizerSettings(learning_rate=2.0, warmup_fraction=0.2)
    assert learning_rate(0.0, settings) > 0
    assert learning_rate(0.1, settings) == pytest.approx(1.0)
    assert learning_rate(0.2, settings) == pytest.approx(2.0)
    assert learning_rate(0.6, settings) == pytest.approx(1.0)  # half way down
    assert learning_rate(0.4, settings) == pytest.approx(1 + math.sqrt(0.5))  # cos 45 degrees
    assert learning_rate(1.0, settings) == pytest.approx(0.0)
