"""Find the weights of a language model on development data: random search, then local search.

Knows nothing of speech: it is given a function that says how many errors some weights make.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

BEAM_SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)
_WORTH_A_BEAM = 1.003  # a beam twice as large takes twice the time
_FIRST_BEAM, _WIDE_BEAM = 64, 256  # while weights are looked for; where wide beams are worth it, their best differs
UNKNOWN_SCORES = (-4.0, -8.0, -12.0, -16.0, -24.0)
BLANK_PENALTIES = (0.0, 0.5, 1.0, 1.5, 2.0)
_ALPHAS, _BETAS = (0.0, 2.5), (-2.0, 5.0)
_STEPS = {"alpha": 0.3, "beta": 0.6, "blank_penalty": 0.4}
_LAST_SCALE = 0.1  # of these steps


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
    unknown words and of blanks, with steps from the best again; then the smallest beam that makes
    hardly more errors. If that beam or the start's is wide, a last walk with a wide beam begins at the better of what
    was found and the start, since weights that suit a narrow beam spare it what it has no room for.

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
        weights = weights._replace(**{name: round(getattr(weights, name), 4) for name in _STEPS})
        if weights not in tried:
            tried[weights] = measure(weights)
            report(Trial(weights, tried[weights]))
        return Trial(weights, tried[weights])

    best = attempt(start._replace(beam_size=_FIRST_BEAM))
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
    chosen = _choose_beam(attempt, best.weights)
    if max(chosen.weights.beam_size, start.beam_size) > _FIRST_BEAM:
        found, given = (attempt(weights._replace(beam_size=_WIDE_BEAM)) for weights in (best.weights, first))
        best = _walk(attempt, _better(found, given))
        wide = _choose_beam(attempt, best.weights)
        # Of two wide beams the last walk's is better suited; a narrow one gives way to fewer errors only.
        worth = _WORTH_A_BEAM if chosen.weights.beam_size > _FIRST_BEAM else 1 / _WORTH_A_BEAM
        chosen = wide if wide.errors <= worth * chosen.errors else chosen
    return chosen


def _choose_beam(attempt: Callable[[Weights], Trial], weights: Weights) -> Trial:
    """The smallest beam that makes hardly more errors than the best one."""
    beams = [attempt(weights._replace(beam_size=size)) for size in BEAM_SIZES]
    fewest = min(trial.errors for trial in beams)
    return next(trial for trial in beams if trial.errors <= _WORTH_A_BEAM * fewest)


def _walk(attempt: Callable[[Weights], Trial], best: Trial) -> Trial:
    """Steps of each weight, and of alpha and beta together, halved whenever none helps."""
    scale = 1.0
    while scale > _LAST_SCALE:
        found = best
        for names in (*((name,) for name in _STEPS), ("alpha", "beta")):
            for sign in (scale, -scale):
                moved = {name: getattr(best.weights, name) + sign * _STEPS[name] for name in names}
                found = _better(found, attempt(_within_bounds(best.weights._replace(**moved))))
        if found == best:
            scale /= 2
        best = found
    return best


def _within_bounds(weights: Weights) -> Weights:
    return weights._replace(alpha=max(weights.alpha, 0.0), blank_penalty=max(weights.blank_penalty, 0.0))


def _better(one: Trial, other: Trial) -> Trial:
    return other if other.errors < one.errors else one
