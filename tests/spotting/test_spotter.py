"""Phrases in constructed log probabilities of a model of phones."""

import numpy as np
import pytest

from asr.config import ModelSettings, SpottingSettings
from asr.errors import ConfigError, TextError
from asr.spotting.confidence import FEATURES, candidate_features, estimate_confidence, fit_spotting
from asr.spotting.search import HOLD, Candidate
from asr.spotting.spotter import Match, PhraseSpotter
from asr.text.lexicon import Lexicon
from asr.text.phones import PhoneTokenizer
from tests.recognize.test_phones import say

WORDS = {"bad": "B AE D", "badly": "B AE D L IY", "sad": "S AE D", "lee": "L IY", "add": "AE D"}
TOKENIZER = PhoneTokenizer(Lexicon([(word, tuple(phones.split())) for word, phones in WORDS.items()]), 2)
# As confident as the path is probable, whatever the length.
SETTINGS = ModelSettings(spotting=SpottingSettings(bias=4.0, ratio=8.0, length=0.0, background=0.0, rate=0.0))


def spot(phrases: list[str], text: str, **options: object) -> list[Match]:
    log_probs = say(TOKENIZER.encode(text), TOKENIZER.vocab_size)
    return PhraseSpotter(phrases, TOKENIZER, SETTINGS, **options).spot(log_probs)


def test_a_phrase_is_found_wherever_it_is_said_and_not_within_a_word():
    text = "sad bad badly add bad"
    matches = spot(["bad", "add bad", "lee"], text)
    # `say` puts token n at frame 3 n + 2.
    spans = [(match.phrase.text, (match.start - 2) // 3, (match.end - 3) // 3) for match in matches]
    assert sorted(spans) == [("add bad", 14, 19), ("bad", 4, 6), ("bad", 17, 19)]
    assert all(match.confidence > 0.8 for match in matches)
    assert all(match.confidence < 0.3 for match in spot(["lee"], text, threshold=0.0))


def test_of_phrases_that_overlap_one_remains_if_they_are_exclusive():
    assert len(spot(["bad", "add bad"], "add bad")) == 2
    (match,) = spot(["bad", "add bad"], "add bad", exclusive=True)
    assert match.confidence >= 0.5


def test_a_stream_finds_what_the_whole_has_and_soon():
    log_probs = say(TOKENIZER.encode("sad bad badly bad sad"), TOKENIZER.vocab_size)
    quiet = say([], TOKENIZER.vocab_size)
    log_probs = np.concatenate([log_probs, *[quiet] * 20])
    spotter = PhraseSpotter(["bad", "sad"], TOKENIZER, SETTINGS)
    stream, found, delays = spotter.stream(), [], []
    for frame in range(len(log_probs)):
        new = stream.feed(log_probs[frame : frame + 1])
        delays += [frame + 1 - match.end for match in new]
        found += new
    found += stream.finish()
    assert found == spotter.spot(log_probs)
    assert [match.phrase.text for match in found] == ["sad", "bad", "bad", "sad"]
    assert max(delays) == 2 * HOLD


def test_what_cannot_be_searched_for_is_an_error():
    with pytest.raises(TextError, match="no phrase"):
        PhraseSpotter([], TOKENIZER, SETTINGS)
    with pytest.raises(ConfigError, match="expected a probability"):
        PhraseSpotter(["bad"], TOKENIZER, SETTINGS, threshold=50)


def test_features_are_those_of_the_frames_and_labels():
    best = np.log(np.array([0.5, 0.25, 0.125, 1.0]))
    candidates = [Candidate(1, 1, 3, -6.0), Candidate(0, 0, 4, 0.0)]
    features = candidate_features(candidates, np.array([4, 3]), best)
    assert features.shape == (2, len(FEATURES))
    np.testing.assert_allclose(features[0], [-2.0, np.log(3), best[1:3].sum() / 3, np.log(2 / 3)])
    np.testing.assert_allclose(features[1], [0.0, np.log(4), best.mean(), 0.0])
    assert candidate_features([], np.array([4]), best).shape == (0, 4)


def test_confidences_are_fitted_to_how_often_candidates_are_right():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(4000, 4))
    truth = SpottingSettings(bias=-1.0, ratio=2.0, length=0.5, background=-0.7, rate=0.0, least_background=-9.0)
    correct = rng.random(4000) < estimate_confidence(features, truth)
    fitted = fit_spotting(features, correct, np.zeros(4000, int))
    # Of the backgrounds of what is right, one in fifty is lower than half of it.
    assert np.mean(features[correct, 2] < fitted.least_background / 2) == pytest.approx(0.02, abs=0.002)
    expected = truth.model_copy(update={"least_background": fitted.least_background})
    assert fitted.model_dump() == pytest.approx(expected.model_dump(), abs=0.2)
    noise = np.array([[0.0, 3.0, fitted.least_background - 0.1, 0.0], [0.0, 3.0, fitted.least_background, 0.0]])
    assert [bool(one) for one in estimate_confidence(noise, fitted)] == [False, True]
