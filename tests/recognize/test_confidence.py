"""Word confidences: fitted to words whose probabilities are known, and to what no word can teach."""

import numpy as np
import pytest
from scipy.optimize import minimize

from asr.config import ConfidenceSettings, ModelSettings
from asr.recognize.confidence import estimate_confidence, fit_confidence, word_features
from asr.recognize.words import FrameTiming, find_words
from asr.text.tokenizer import CharTokenizer, WordTokens

TRUE = ConfidenceSettings(bias=-0.5, worst_token=0.8, mean_token=0.3, length=-0.4)


def draw_words(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = np.column_stack([rng.normal(3, 3, count), rng.normal(5, 2, count), rng.uniform(0, 2.5, count)])
    return features, rng.uniform(size=count) < estimate_confidence(features, TRUE)


def test_features_are_those_of_each_words_tokens():
    log_probs = np.log([0.9, 0.5, 0.99, 0.25])
    features = word_features(log_probs, [WordTokens("ab", 0, 2), WordTokens("c", 3, 4)])
    mean = (0.9 * 0.5) ** 0.5
    expected = [[0.0, np.log(mean / (1 - mean)), np.log(2)], [np.log(1 / 3), np.log(1 / 3), 0.0]]
    np.testing.assert_allclose(features, expected, atol=1e-9)
    assert np.isfinite(word_features(np.array([0.0, -1e9]), [WordTokens("a", 0, 1), WordTokens("b", 1, 2)])).all()


def test_the_probabilities_that_made_the_words_are_found():
    found = fit_confidence(*draw_words(40_000, seed=0))
    features, _ = draw_words(2000, seed=1)
    np.testing.assert_allclose(estimate_confidence(features, found), estimate_confidence(features, TRUE), atol=0.03)


def test_it_is_the_optimum_that_a_general_optimiser_finds():
    features, correct = draw_words(300, seed=2)
    found = estimate_confidence(features, fit_confidence(features, correct))
    inputs = (features - features.mean(0)) / (features.std(0) + 1e-6)
    right = correct.sum()
    targets = np.where(correct, (right + 1) / (right + 2), 1 / (len(correct) - right + 2))

    def loss(weights: np.ndarray) -> float:
        logits = weights[0] + inputs @ weights[1:]
        return float((np.logaddexp(0, logits) - targets * logits).sum() + 0.5 * weights[1:] @ weights[1:])

    best = minimize(loss, np.zeros(4), tol=1e-12).x
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-(best[0] + inputs @ best[1:]))), atol=1e-4)


@pytest.mark.parametrize("right", [True, False])
def test_words_that_are_all_right_or_all_wrong_make_nothing_certain(right: bool):
    features, _ = draw_words(50, seed=3)
    confidences = estimate_confidence(features, fit_confidence(features, np.full(50, right)))
    assert (confidences > 0.9).all() if right else (confidences < 0.1).all()
    assert ((confidences > 0) & (confidences < 1)).all()


def test_no_words_are_refused():
    with pytest.raises(ValueError, match="no words"):
        fit_confidence(np.empty((0, 3)), np.empty(0, dtype=bool))


def test_settings_go_into_the_models_file_and_back(tmp_path):
    path = tmp_path / "config.yaml"
    ModelSettings(confidence=TRUE).save(path)
    assert ModelSettings.load(path).confidence == TRUE
    path.write_text("features: {num_mels: 80}\n")  # as it was before there were confidences
    assert ModelSettings.load(path).confidence is None


def test_words_have_a_confidence_where_the_model_is_calibrated():
    log_probs = np.log(np.array([[0.9, 0.04, 0.06], [0.1, 0.1, 0.8], [0.9, 0.06, 0.04]], np.float32))
    tokenizer = CharTokenizer(["<blank>", " ", "a"])
    assert find_words(log_probs, [2], tokenizer, FrameTiming(0.04, 0.025))[0].confidence is None
    (word,) = find_words(log_probs, [2], tokenizer, FrameTiming(0.04, 0.025), confidence=TRUE)
    odds = np.log(0.8 / 0.2)
    assert word.confidence == pytest.approx(1 / (1 + np.exp(-(-0.5 + 1.1 * odds))), abs=1e-5)
