"""Finds the weights of a language model on development data: random search, then local search.

Knows nothing of speech: it is given a function that measures the errors of any weights.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

BEAM_SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)
UNKNOWN_SCORES = (-4.0, -8.0, -12.0, -16.0, -24.0)
BLANK_PENALTIES = (0.0, 0.5, 1.0, 1.5, 2.0)
_WORTH_A_BEAM = 1.003  # factor in errors that justifies a wider beam: doubling it doubles the time
_FIRST_BEAM, _WIDE_BEAM = 64, 256  # during the search; wide beams, where they help, have another optimum
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
    other blank penalties, each followed by steps from the best; then the smallest beam that makes hardly more errors.
    If that beam or the start's is wide, a last walk with a wide beam begins at the better of the best weights and the
    start, because weights tuned for a narrow beam avoid hypotheses that only a wide beam can keep.

    Args:
        measure: Returns the errors that weights make, in any unit. Called once for each of the weights tried.
        on_trial: Called after each measurement.
    """

    def __init__(
        self, measure: Callable[[Weights], float], on_trial: Callable[[Trial], None] = lambda trial: None
    ) -> None:
        self._measure = measure
        self._on_trial = on_trial
        self._errors: dict[Weights, float] = {}

    def run(self, start: Weights) -> Trial:
        """Search from `start`, which is tried first, with another beam size."""
        first = self.attempt(start._replace(beam_size=_FIRST_BEAM))
        best = self.walk(self._draw(first))
        best = self._replace("unknown_score", UNKNOWN_SCORES, best)
        best = self._replace("blank_penalty", BLANK_PENALTIES, best)
        narrow = self.choose_beam(best.weights)
        if max(narrow.weights.beam_size, start.beam_size) <= _FIRST_BEAM:
            return narrow
        candidates = [self.attempt(one.weights._replace(beam_size=_WIDE_BEAM)) for one in (best, first)]
        wide = self.choose_beam(self.walk(_better(*candidates)).weights)
        # Of two wide beams, that of the last walk is preferred; a narrow one is replaced only for fewer errors.
        worth = _WORTH_A_BEAM if narrow.weights.beam_size > _FIRST_BEAM else 1 / _WORTH_A_BEAM
        return wide if wide.errors <= worth * narrow.errors else narrow

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
            previous = best
            for names in (*((name,) for name in _STEPS), ("alpha", "beta")):
                for sign in (scale, -scale):
                    moved = {name: getattr(previous.weights, name) + sign * _STEPS[name] for name in names}
                    best = _better(best, self.attempt(_clamp(previous.weights._replace(**moved))))
            if best == previous:
                scale /= 2
        return best

    def choose_beam(self, weights: Weights) -> Trial:
        """Find the smallest beam that makes hardly more errors than the best one."""
        trials = [self.attempt(weights._replace(beam_size=size)) for size in BEAM_SIZES]
        fewest = min(trial.errors for trial in trials)
        return next(trial for trial in trials if trial.errors <= _WORTH_A_BEAM * fewest)

    def _draw(self, first: Trial) -> Trial:
        """Try random alphas and betas."""
        rng = random.Random(_SEED)
        best = first
        for _ in range(_NUM_RANDOM):
            drawn = first.weights._replace(alpha=rng.uniform(*_ALPHAS), beta=rng.uniform(*_BETAS))
            best = _better(best, self.attempt(drawn))
        return best

    def _replace(self, name: str, values: tuple[float, ...], best: Trial) -> Trial:
        """Try other values of one weight, then walk from the best."""
        weights = best.weights
        for value in values:
            best = _better(best, self.attempt(weights._replace(**{name: value})))  # type: ignore[arg-type]
        return self.walk(best)


def _clamp(weights: Weights) -> Weights:
    return weights._replace(alpha=max(weights.alpha, 0.0), blank_penalty=max(weights.blank_penalty, 0.0))


def _better(one: Trial, other: Trial) -> Trial:
    return other if other.errors < one.errors else one
