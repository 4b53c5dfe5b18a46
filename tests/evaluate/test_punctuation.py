"""Precision, recall and F1 of marks and capitals, by hand."""

from pathlib import Path

import numpy as np
import pytest

from asr.evaluate.punctuation import evaluate_text, match_words, score, write_at_pauses, write_majority
from asr.language.punctuated_text import UNKNOWN_CASE
from asr.language.punctuator import Decisions
from asr.language.written_words import CAPITAL, COMMA, FULL_STOP, LOWER, NO_MARK, QUESTION, UPPER
from tests.language.punctuators import random_punctuator


def test_scores_by_hand():
    expected = Decisions(
        np.array([NO_MARK, COMMA, NO_MARK, FULL_STOP, COMMA, QUESTION]),
        np.array([CAPITAL, LOWER, CAPITAL, LOWER, UNKNOWN_CASE, UPPER]),
    )
    found = Decisions(
        np.array([COMMA, COMMA, NO_MARK, QUESTION, NO_MARK, QUESTION]),
        np.array([CAPITAL, CAPITAL, LOWER, LOWER, CAPITAL, CAPITAL]),
    )
    scores = {one.name: one for one in score(expected, found)}
    comma = scores["comma"]
    assert (comma.precision, comma.recall, comma.f1) == (0.5, 0.5, 0.5)
    stop = scores["full stop"]
    assert (stop.precision, stop.recall, stop.f1) == (0.0, 0.0, 0.0)
    question = scores["question mark"]
    assert (question.precision, question.recall, question.f1) == (0.5, 1.0, pytest.approx(2 / 3))
    assert (scores["all marks"].right, scores["all marks"].found, scores["all marks"].expected) == (2, 4, 4)
    # The word of unknown case does not count; small or not is what counts, not how many capitals.
    assert (scores["capitals"].right, scores["capitals"].found, scores["capitals"].expected) == (2, 3, 3)


def test_baselines():
    written = write_at_pauses([0.1, 0.8, 0.2, 0.0])
    assert written.punctuation.tolist() == [NO_MARK, FULL_STOP, NO_MARK, FULL_STOP]
    assert written.cases.tolist() == [CAPITAL, LOWER, CAPITAL, LOWER]
    assert write_at_pauses([]).cases.tolist() == []
    assert write_majority(2).punctuation.tolist() == [NO_MARK, NO_MARK]


def test_marks_of_recognised_words_are_moved_to_the_words_that_were_said():
    reference = "we saw him and her over there again".split()  # noqa: SIM905
    hypothesis = "we uh saw them and over there again now".split()  # noqa: SIM905
    found = Decisions(
        np.array([0, COMMA, 0, COMMA, 0, 0, QUESTION, QUESTION, FULL_STOP]), np.array([1, 0, 0, 1, 0, 0, 0, 0, 1])
    )
    moved = match_words(reference, hypothesis, found)
    # "uh" was not said: its comma goes to "we", the word before it; "again" keeps its own mark; "her" was lost.
    assert moved.punctuation.tolist() == [COMMA, 0, COMMA, 0, 0, 0, QUESTION, QUESTION]
    assert moved.cases.tolist() == [CAPITAL, LOWER, CAPITAL, *[LOWER] * 5]


def test_a_text_is_scored_by_its_words_alone(tmp_path: Path):
    (tmp_path / "text").write_text("She is here. Are you coming, now?\n")
    punctuator = random_punctuator()
    result = evaluate_text([tmp_path / "text"], punctuator)
    words = ["she", "is", "here", "are", "you", "coming", "now"]
    expected = Decisions(
        np.array([0, 0, FULL_STOP, 0, 0, COMMA, QUESTION]), np.array([CAPITAL, 0, 0, CAPITAL, 0, 0, 0])
    )
    assert result.num_words == 7
    assert result.systems["punctuator"] == score(expected, punctuator.decide(words))
    assert [one.found for one in result.systems["majority"]] == [0] * 5
