"""How the learning rate moves over a training run."""

import math

from asr.config import OptimizerSettings


def learning_rate(share: float, settings: OptimizerSettings) -> float:
    """Linear warm-up, then half a cosine to zero (Loshchilov & Hutter 2017).

    Args:
        share: Of the whole training, in [0, 1].
        settings: Peak and share of the warm-up.
    """
    if share < settings.warmup_fraction:
        # Never zero: the first step counts too.
        return settings.learning_rate * max(share / settings.warmup_fraction, 0.01)
    remaining = (1 - share) / (1 - settings.warmup_fraction)
    return settings.learning_rate * 0.5 * (1 - math.cos(math.pi * remaining))
