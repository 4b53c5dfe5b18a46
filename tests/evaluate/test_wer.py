import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.evaluate.wer import Edits, compare, count_edits, exact_interval, score_utterances


def distance(first, second) -> int:
    """Levenshtein's distance by its recursive definition."""

    @cache
    def of(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        return min(of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (first[i - 1] != second[j - 1]))

    return of(len(first), len(second))


TEXT = st.lists(st.sampled_from(["a", "b", "ab", "c"]), max_size=6).map(" ".join)


def test_a_hand_made_example():
    rates = score_utterances(["the cat sat", "on the mat", "stop"], ["the cat sat down", "on a", "stop"])
    assert rates.utterances == 3
    # "down" inserted; "the" to "a" and "mat" lost.
    assert rates.word_edits == Edits(length=7, substitutions=1, deletions=1, insertions=1)
    assert rates.words == 7
    assert rates.wer == pytest.approx(3 / 7)
    # " down"; "the mat" to "a" is six deletions.
    assert rates.character_edits == Edits(length=25, substitutions=0, deletions=6, insertions=5)
    assert rates.cer == pytest.approx(11 / 25)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_errors_are_the_fewest_edits(pairs):
    references, hypotheses = [pair[0] for pair in pairs] + ["a"], [pair[1] for pair in pairs] + [""]
    rates = score_utterances(references, hypotheses)
    words = [distance(r.split(), h.split()) for r, h in zip(references, hypotheses, strict=True)]
    assert rates.word_edits.errors == sum(words)
    assert [edits.errors for edits in count_edits(references, hypotheses)] == words
    assert rates.character_edits.errors == sum(map(distance, references, hypotheses))
    for edits in (rates.word_edits, rates.character_edits):
        assert edits.errors == edits.substitutions + edits.deletions + edits.insertions
    assert rates.words == sum(len(reference.split()) for reference in references)


def test_words_against_an_empty_reference_are_insertions():
    rates = score_utterances(["", "a b"], ["x y z", "a b"])
    assert rates.word_edits == Edits(length=2, substitutions=0, deletions=0, insertions=3)
    assert rates.wer == 1.5


def test_nothing_to_score_against_is_refused():
    with pytest.raises(ValueError, match="none of the 2 references contains a word"):
        score_utterances(["", " "], ["x", ""])
    with pytest.raises(ValueError, match="none of the 0 references contains a word"):
        score_utterances([], [])
    with pytest.raises(ValueError, match="found 1 and 2"):
        score_utterances(["a", "b"], ["a"])


def test_the_interval_is_that_of_a_binomial():
    # 100 utterances of one word, 20 of them wrong: a resampled test set has Binomial(100, 0.2) errors,
    # whose 2.5 % and 97.5 % points are 13 and 28 (tables).
    rates = score_utterances(["a"] * 100, ["b"] * 20 + ["a"] * 80)
    assert rates.wer_interval == (pytest.approx(0.125, abs=0.0051), pytest.approx(0.28, abs=0.0051))


def test_longer_utterances_weigh_more():
    # Whether the one long utterance is drawn decides; a mean over utterances would not exceed 1/2 so far.
    rates = score_utterances(["a " * 99, "a"], ["", "a"])
    assert rates.wer == pytest.approx(0.99)
    assert rates.wer_interval == (0.0, 1.0)


def test_the_interval_does_not_depend_on_chance_or_chunks(monkeypatch):
    references = ["a b c"] * 50
    hypotheses = ["a b c", "a x c"] * 25
    first = score_utterances(references, hypotheses).wer_interval
    assert score_utterances(references, hypotheses).wer_interval == first
    monkeypatch.setattr("asr.evaluate.wer._MOST_DRAWN", 70)
    in_chunks = score_utterances(references, hypotheses).wer_interval
    assert in_chunks == pytest.approx(first)


def test_rates_alone_draw_no_samples(monkeypatch):
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr("asr.evaluate.wer._bootstrap", refuse)
    rates = score_utterances(["a b"], ["a c"])
    assert (rates.wer, rates.cer, rates.utterance_error_rate) == (0.5, pytest.approx(1 / 3), 1.0)


def test_a_perfect_result_has_no_width():
    rates = score_utterances(["a b"] * 5, ["a b"] * 5)
    # At this rate of errors, ten words of ten are right with a probability of 0.025.
    assert rates.wer_interval == (0.0, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert rates.utterance_interval == (0.0, pytest.approx(1 - 0.025 ** (1 / 5)))


def test_the_exact_interval_is_where_the_binomial_tails_are():
    low, high = exact_interval(3, 20)
    tail_above = sum(math.comb(20, k) * low**k * (1 - low) ** (20 - k) for k in range(3, 21))
    tail_below = sum(math.comb(20, k) * high**k * (1 - high) ** (20 - k) for k in range(4))
    assert (tail_above, tail_below) == (pytest.approx(0.025), pytest.approx(0.025))
    assert exact_interval(20, 20)[1] == 1.0


def test_utterances_with_any_error_are_counted():
    rates = score_utterances(["a b", "c d", "e"], ["a x", "y z", "e"])
    assert rates.wrong_utterances == 2
    assert rates.utterance_error_rate == pytest.approx(2 / 3)


def test_a_paired_comparison_sees_what_two_intervals_do_not():
    words = list("abcdefgh")
    errors = np.random.default_rng(0).integers(1, 9, 100)
    references = [" ".join(words)] * 100
    first, second = ([" ".join(["x"] * n + words[n:]) for n in counts] for counts in (errors, errors - errors % 2))
    before, after = score_utterances(references, first), score_utterances(references, second)
    assert after.wer_interval[1] > before.wer_interval[0]  # they overlap
    result = compare(references, first, second)
    assert result.difference == pytest.approx(after.wer - before.wer)
    assert result.interval[0] < result.difference < result.interval[1] < 0


def test_a_system_does_not_differ_from_itself():
    assert compare(["a", "b"], ["a", "x"], ["a", "x"]).interval == (0.0, 0.0)
