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
BLANK_PENALTIES = (0.0, 0.5, 1.0, 1.5, 2.0)
_ALPHAS, _BETAS = (0.0, 2.5), (-2.0, 5.0)
_FIRST_STEPS, _LAST_STEP = (0.3, 0.6), 0.03


class Weights(NamedTuple):
    """What is looked for."""

    alpha: float
    beta: float
    beam_size: int
    unknown_score: float
    blank_penalty: float = 0.0


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
    unknown words and of blanks, with steps from the best again; at last the smallest beam that makes
    hardly more errors.

    Args:
        measure: Errors that weights make, in any unit.
        start: Tried first.
        num_random: Draws.
        seed: Of the draws.
        report: Told of each trial.
    """
    rng = random.Random(seed)
    tried: dict[Weights, float] = {}

    def attempt(weights: Weights) -> Trial:
        weights = weights._replace(alpha=round(weights.alpha, 4), beta=round(weights.beta, 4))
        if weights not in tried:
            tried[weights] = measure(weights)
            report(Trial(weights, tried[weights]))
        return Trial(weights, tried[weights])

    best = attempt(start._replace(beam_size=_SEARCH_BEAM))
    first = best.weights
    for _ in range(num_random):
        drawn = first._replace(alpha=rng.uniform(*_ALPHAS), beta=rng.uniform(*_BETAS))
        best = _better(best, attempt(drawn))
    best = _walk(attempt, best)
    for price, others in (("unknown_score", UNKNOWN_SCORES), ("blank_penalty", BLANK_PENALTIES)):
        weights = best.weights
        for other in others:
            best = _better(best, attempt(weights._replace(**{price: other})))  # type: ignore[arg-type]
        best = _walk(attempt, best)
    beams = [attempt(best.weights._replace(beam_size=size)) for size in BEAM_SIZES]
    fewest = min(trial.errors for trial in beams)
    return next(trial for trial in beams if trial.errors <= _WORTH_A_BEAM * fewest)


def _walk(attempt: Callable[[Weights], Trial], best: Trial) -> Trial:
    """Steps of alpha and beta, halved whenever none helps."""
    alpha_step, beta_step = _FIRST_STEPS
    while alpha_step > _LAST_STEP:
        weights = best.weights
        steps = ((alpha_step, 0), (-alpha_step, 0), (0, beta_step), (0, -beta_step), (alpha_step, beta_step))
        found = best
        for alpha_change, beta_change in (*steps, (-alpha_step, -beta_step)):
            alpha = max(weights.alpha + alpha_change, 0.0)
            found = _better(found, attempt(weights._replace(alpha=alpha, beta=weights.beta + beta_change)))
        if found == best:
            alpha_step, beta_step = alpha_step / 2, beta_step / 2
        best = found
    return best


def _better(one: Trial, other: Trial) -> Trial:
    return other if other.errors < one.errors else one
