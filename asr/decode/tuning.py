"""Finds the weights of a language model on development data: random search, then local search.

Knows nothing of speech: it is given a function that measures the errors of any weights.
"""

import math
import random
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import NamedTuple

BEAM_SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)
UNKNOWN_SCORES = (-4.0, -8.0, -12.0, -16.0, -24.0)
BLANK_PENALTIES = (0.0, 0.5, 1.0, 1.5, 2.0)
_WORTH_A_BEAM = 1.02  # factor in errors that justifies twice the beam, and nearly twice the time
_FIRST_BEAM, _WIDE_BEAM = 64, 256  # during the search; a wide beam, if it helps, has another optimum
_NUM_RANDOM = 30
_SEED = 1
_ALPHAS, _BETAS = (0.0, 2.5), (-2.0, 5.0)  # drawn from
_STEPS = {"alpha": 0.3, "beta": 0.6, "blank_penalty": 0.4}
_SMALLEST_SCALE = 0.1  # of these steps


class Weights(NamedTuple):
    """The settings to be found."""

    alpha: float
    beta: float
    beam_size: int
    unknown_score: float
    blank_penalty: float = 0.0


class Trial(NamedTuple):
    """Weights, and the errors that they make."""

    weights: Weights
    errors: float


class WeightSearch:
    """Finds weights that make few errors. The result is deterministic.

    Random draws, then steps from the best of them, halved whenever none helps; then other scores of unknown words and
    other blank penalties, each followed by steps from the best; then the beam whose errors are worth its time.
    If that beam or the start's is wide, a last walk with a wide beam begins at the better of the best weights and the
    start, because weights tuned for a narrow beam avoid hypotheses that only a wide beam can keep.

    Args:
        measure: Returns the errors that weights make, in any unit. Called once for each of the weights tried.
        on_trial: Called after each measurement.
    """

    def __init__(self, measure: Callable[[Weights], float], on_trial: Callable[[Trial], None] = lambda _: None) -> None:
        self._measure = measure
        self._on_trial = on_trial
        self._errors: dict[Weights, float] = {}

    def run(self, start: Weights) -> Trial:
        """Search from `start`, which is tried first, with another beam size."""
        first = self.attempt(start._replace(beam_size=_FIRST_BEAM))
        best = self.walk(self._best(_draw(first.weights), first))
        best = self.walk(self._best((best.weights._replace(unknown_score=score) for score in UNKNOWN_SCORES), best))
        best = self.walk(self._best((best.weights._replace(blank_penalty=value) for value in BLANK_PENALTIES), best))
        narrow = self.choose_beam(best.weights)
        if max(narrow.weights.beam_size, start.beam_size) <= _FIRST_BEAM:
            return narrow
        candidates = [trial.weights._replace(beam_size=_WIDE_BEAM) for trial in (best, first)]
        wide = self.choose_beam(self.walk(self._best(candidates)).weights)
        return min(narrow, wide, key=_cost)

    def attempt(self, weights: Weights) -> Trial:
        """Measure weights, unless they have been tried before."""
        weights = weights._replace(**{name: round(getattr(weights, name), 4) for name in _STEPS})
        if weights not in self._errors:
            self._errors[weights] = self._measure(weights)
            self._on_trial(Trial(weights, self._errors[weights]))
        return Trial(weights, self._errors[weights])

    def walk(self, best: Trial) -> Trial:
        """Take steps of each weight, and of alpha and beta together, halved whenever none helps."""
        scale = 1.0
        while scale > _SMALLEST_SCALE:
            previous, moves = best, []
            for names, sign in product((*((name,) for name in _STEPS), ("alpha", "beta")), (scale, -scale)):
                moved = {name: getattr(previous.weights, name) + sign * _STEPS[name] for name in names}
                moves.append(_clamp(previous.weights._replace(**moved)))
            best = self._best(moves, previous)
            if best == previous:
                scale /= 2
        return best

    def choose_beam(self, weights: Weights) -> Trial:
        """Find the beam whose errors are worth its time; of equals, the smallest."""
        return min((self.attempt(weights._replace(beam_size=size)) for size in BEAM_SIZES), key=_cost)

    def _best(self, candidates: Iterable[Weights], *earlier: Trial) -> Trial:
        """Try weights; returns the first of those that make the fewest errors, earlier trials included."""
        return min((*earlier, *map(self.attempt, candidates)), key=lambda trial: trial.errors)


def _cost(trial: Trial) -> float:
    """Errors and time in one number."""
    return trial.errors * _WORTH_A_BEAM ** math.log2(trial.weights.beam_size)


def _draw(weights: Weights) -> Iterator[Weights]:
    """Yield weights with random alphas and betas."""
    rng = random.Random(_SEED)
    for _ in range(_NUM_RANDOM):
        yield weights._replace(alpha=rng.uniform(*_ALPHAS), beta=rng.uniform(*_BETAS))


def _clamp(weights: Weights) -> Weights:
    return weights._replace(alpha=max(weights.alpha, 0.0), blank_penalty=max(weights.blank_penalty, 0.0))
