"""The search for weights, on error surfaces whose best point is known."""

import pytest

from asr.decode.tuning import BEAM_SIZES, Weights, WeightSearch

START = Weights(0.5, 1.0, 64, -8.0)


def bowl(weights):
    """Minimal at alpha 1.3, beta 2.2, unknown words -16, blanks 1.5; beams below 32 make more errors."""
    far = abs(weights.unknown_score + 16) / 100 + abs(weights.blank_penalty - 1.5) / 10
    return (weights.alpha - 1.3 + far) ** 2 + 0.1 * (weights.beta - 2.2) ** 2 + far + (weights.beam_size < 32)


def test_the_best_weights_and_the_smallest_beam_that_reaches_them_are_found():
    best = WeightSearch(bowl).run(START)
    assert best.weights.alpha == pytest.approx(1.3, abs=0.06)
    assert best.weights.beta == pytest.approx(2.2, abs=0.12)
    assert best.weights[2:4] == (32, -16.0)
    assert best.weights.blank_penalty == pytest.approx(1.5, abs=0.1)
    assert best.errors == bowl(best.weights)


def test_if_a_wide_beam_is_worth_it_the_weights_are_its_best():
    def measure(weights):
        best_alpha = 0.7 if weights.beam_size <= 64 else 1.0
        return 1 + (weights.alpha - best_alpha) ** 2 + 100 / weights.beam_size

    best = WeightSearch(measure).run(START)
    assert best.weights.alpha == pytest.approx(1.0, abs=0.05)
    assert best.weights.beam_size == max(BEAM_SIZES)


def test_a_walk_that_leads_astray_is_forgotten():
    def measure(weights):
        best_alpha = 1.0 if weights.beam_size == 256 else 0.7
        return 1 + (weights.alpha - best_alpha) ** 2 + 100 / weights.beam_size

    tried = {}
    best = WeightSearch(lambda weights: tried.setdefault(weights, measure(weights))).run(START)
    assert best.errors <= 1.003 * min(tried.values())


def test_weights_that_a_wide_beam_was_given_are_not_lost():
    def measure(weights):  # narrow beams never find the way to 2.4
        near, far = 5 + (weights.alpha - 0.7) ** 2, 1 + (weights.alpha - 2.4) ** 2
        return min(near, far) if weights.beam_size >= 256 and weights.beta == 4.5 else near

    best = WeightSearch(measure).run(START._replace(alpha=2.3, beta=4.5, beam_size=256))
    assert best.weights.alpha == pytest.approx(2.4, abs=0.05)
    assert best.errors < 1.01


def test_a_narrow_beam_that_makes_no_more_errors_stays_though_the_start_was_wide():
    def measure(weights):
        return 5.0 + 0.01 * (weights.beam_size > 128) + 0.002 * (weights.beam_size < 16)

    assert WeightSearch(measure).run(START._replace(beam_size=256)).weights.beam_size < 64


def test_nothing_is_measured_twice_and_the_same_weights_are_found_again():
    measured = []

    def measure(weights):
        measured.append(weights)
        return bowl(weights)

    best = WeightSearch(measure).run(START)
    assert len(measured) == len(set(measured)) < 200
    assert measured[0] == START
    assert WeightSearch(bowl).run(START) == best


def test_weights_that_change_nothing_are_left_alone():
    best = WeightSearch(lambda weights: 7.0).run(START)
    assert best.weights == Weights(START.alpha, START.beta, min(BEAM_SIZES), START.unknown_score)


def test_alpha_never_falls_below_zero():
    tried = []
    WeightSearch(lambda weights: tried.append(weights.alpha) or weights.alpha).run(START)
    assert min(tried) == 0
