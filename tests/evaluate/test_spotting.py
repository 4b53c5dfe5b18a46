"""Recall and false alarms of hand-made hits, and of words in constructed speech."""

from types import SimpleNamespace

import numpy as np
import pytest

from asr.config import ModelSettings
from asr.evaluate.spotting import (
    SpottingExamples,
    choose_words,
    collect_hits,
    fit_hits,
    measure_recall,
    measure_threshold,
)
from asr.spotting.phrases import LabelEncoder
from tests.recognize.test_phones import say
from tests.spotting.test_spotter import TOKENIZER

RECOGNIZER = SimpleNamespace(tokenizer=TOKENIZER, settings=ModelSettings(), runner=SimpleNamespace(frame_seconds=0.04))


def make_examples(correct: list[bool], *, num_words: int, num_said: int, hours: float) -> SpottingExamples:
    size = len(correct)
    return SpottingExamples(
        np.zeros((size, 4)), np.array(correct, bool), np.zeros(size, int), num_words, num_said, hours
    )


def test_recall_is_taken_where_false_alarms_are_as_many_as_allowed():
    examples = make_examples([True, False, True, False, True, False], num_words=2, num_said=4, hours=0.5)
    confidences = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    # One word hour: one false alarm, then two, then none.
    assert measure_recall(examples, confidences, 1.0) == (0.7, 0.5, pytest.approx(2 / 3), 1.0)
    assert measure_recall(examples, confidences, 2.0) == (0.5, 0.75, pytest.approx(3 / 5), 2.0)
    assert measure_recall(examples, confidences, 0.9) == (0.9, 0.25, 1.0, 0.0)
    assert measure_threshold(examples, confidences, 0.65) == (0.65, 0.5, pytest.approx(2 / 3), 1.0)
    nothing = make_examples([], num_words=1, num_said=0, hours=0.0)
    assert measure_recall(nothing, np.empty(0), 1.0) == (1.0, 0.0, 1.0, 0.0)


def test_words_in_speech_are_right_as_often_as_they_are_said():
    texts = ["sad bad badly", "bad add bad", "lee"]
    log_probs = [say(TOKENIZER.encode(text), TOKENIZER.vocab_size) for text in texts]
    examples = collect_hits(["bad", "add bad", "lee"], RECOGNIZER, texts, log_probs)
    assert (examples.num_words, examples.num_said) == (3, 5)
    assert examples.hours * 3600 == pytest.approx(sum(map(len, log_probs)) * 0.04)
    right = [examples.words[examples.correct].tolist().count(word) for word in range(3)]
    assert right == [3, 1, 1]
    assert (examples.features[examples.correct, 0] > -0.2).all()
    wrong = examples.features[~examples.correct, 0]
    assert len(wrong)
    assert (wrong < -0.2).all()
    # A word that is not in the text is wrong, however well it fits.
    claimed = collect_hits(["bad"], RECOGNIZER, ["sad sad"], [log_probs[1]])
    assert (claimed.num_said, claimed.correct.any()) == (0, False)
    assert fit_hits([claimed]) is None
    settings = fit_hits([examples])
    assert settings is not None
    assert measure_threshold(examples, examples.confidences(settings), 0.0).recall == 1.0


def test_words_are_chosen_that_are_long_enough_and_can_be_said():
    encoder = LabelEncoder(TOKENIZER, ModelSettings().normalizer)
    texts = ["badly bad", "badly bad", "sad badly", "lee add"]
    assert choose_words(texts, encoder) == ["badly", "badly bad", "sad badly", "lee add"]
