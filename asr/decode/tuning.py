"""Find the weights of a language model on development data: random search, then local search.

Knows nothing of speech: it is given a function that says how many errors some weights make.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

BEAM_SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)
_WORTH_A_BEAM = 1.003  # a beam twice as large takes twice the time
_SEARCH_BEAM = 64  # while alpha and beta are looked for
UNKNOWN_SCORES = (-4.0, -8.0, -12.0, -16.0, -24.0)
_ALPHAS, _BETAS = (0.0, 2.5), (-2.0, 5.0)
_FIRST_STEPS, _LAST_STEP = (0.3, 0.6), 0.03


class Weights(NamedTuple):
    """What is looked for."""

    alpha: float
    beta: float
    beam_size: int
    unknown_score: float


class Trial(NamedTuple):
    """Weights, and the errors they make."""

    weights: Weights
    errors: float


def search_weights(
    measure: Callable[[Weights], float],
    start: Weights,
    *,
    num_random: int = 30,
    seed: int = 1,
    report: Callable[[Trial], None] = lambda trial: None,
) -> Trial:
    """Find weights that make few errors; the same seed finds the same.

    Random draws, then steps from the best of them, halved whenever none helps; then other prices of
    unknown words, with steps from the best again; at last the smallest beam that makes hardly more errors.

    Args:
        measure: Errors that weights make, in any unit.
        start: Tried first.
        num_random: Draws.
        seed: Of the draws.
        report: Told of each trial.
    """
    rng = random.Random(seed)
    tried: dict[Weights, float] = {}

    def attempt(alpha: float, beta: float, unknown_score: float, beam_size: int = _SEARCH_BEAM) -> Trial:
        weights = Weights(round(alpha, 4), round(beta, 4), beam_size, unknown_score)
        if weights not in tried:
            tried[weights] = measure(weights)
            report(Trial(weights, tried[weights]))
        return Trial(weights, tried[weights])

    best = attempt(start.alpha, start.beta, start.unknown_score)
    for _ in range(num_random):
        best = _better(best, attempt(rng.uniform(*_ALPHAS), rng.uniform(*_BETAS), start.unknown_score))
    best = _walk(attempt, best)
    for unknown_score in UNKNOWN_SCORES:
        best = _better(best, attempt(best.weights.alpha, best.weights.beta, unknown_score))
    best = _walk(attempt, best)
    alpha, beta, _, unknown_score = best.weights
    beams = [attempt(alpha, beta, unknown_score, size) for size in BEAM_SIZES]
    fewest = min(trial.errors for trial in beams)
    return next(trial for trial in beams if trial.errors <= _WORTH_A_BEAM * fewest)


def _walk(attempt: Callable[[float, float, float], Trial], best: Trial) -> Trial:
    """Steps of alpha and beta, halved whenever none helps."""
    alpha_step, beta_step = _FIRST_STEPS
    while alpha_step > _LAST_STEP:
        alpha, beta, _, unknown_score = best.weights
        steps = ((alpha_step, 0), (-alpha_step, 0), (0, beta_step), (0, -beta_step), (alpha_step, beta_step))
        found = best
        for alpha_change, beta_change in (*steps, (-alpha_step, -beta_step)):
            found = _better(found, attempt(max(alpha + alpha_change, 0), beta + beta_change, unknown_score))
        if found == best:
            alpha_step, beta_step = alpha_step / 2, beta_step / 2
        best = found
    return best


def _better(one: Trial, other: Trial) -> Trial:
    return other if other.errors < one.errors else one
