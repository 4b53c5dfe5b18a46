"""Word confidences: fitted to words whose probabilities are known, and to what no word can teach."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import entropy

from asr.config import ConfidenceSettings, DecoderSettings, ModelSettings
from asr.decode.decoder import BeamDecoder
from asr.decode.parts import Hypothesis
from asr.recognize.confidence import (
    Evidence,
    compute_posteriors,
    estimate_confidence,
    fit_confidence,
    measure_entropy,
    word_features,
)
from asr.recognize.utterance import SearchResult, UtteranceDecoder
from asr.recognize.words import FrameTiming, align_decoded, find_words
from asr.text.tokenizer import CharTokenizer, WordTokens

EARLIER = ConfidenceSettings(bias=-0.5, worst_token=0.8, mean_token=0.3, length=-0.4)
TRUE = EARLIER.model_copy(update={"entropy": -1.5, "posterior": 0.4, "language": 0.2})
TOKENIZER = CharTokenizer(["<blank>", " ", "a", "b"])
EXACT = {"beam_size": 4096, "beam_threshold": math.inf, "token_threshold": math.inf, "blank_skip": 2.0, "beta": 0.0}


def draw_words(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    of_tokens = [rng.normal(3, 3, count), rng.normal(5, 2, count), rng.uniform(0, 2.5, count)]
    of_search = [rng.uniform(0, 1.5, count), rng.normal(3, 2, count), rng.normal(-7, 2, count)]
    features = np.column_stack([*of_tokens, *of_search])
    return features, rng.uniform(size=count) < estimate_confidence(features, TRUE)


def test_features_are_those_of_each_words_tokens_and_of_the_utterance():
    log_probs = np.log([0.9, 0.5, 0.99, 0.25])
    spans = [WordTokens("ab", 0, 2), WordTokens("c", 3, 4)]
    mean = (0.9 * 0.5) ** 0.5
    expected = [[0.0, np.log(mean / (1 - mean)), np.log(2)], [np.log(1 / 3), np.log(1 / 3), 0.0]]
    features = word_features(log_probs, spans, Evidence(0.7, np.array([0.6, 1.0]), -10.0))
    np.testing.assert_allclose(features[:, :3], expected, atol=1e-9)
    np.testing.assert_allclose(features[:, 3:], [[0.7, np.log(1.5), -5.0], [0.7, np.log(19), -5.0]])
    without_search = word_features(log_probs, spans, Evidence())
    np.testing.assert_allclose(without_search[:, :3], expected, atol=1e-9)
    # The tokens of the first word have 0.9 * 0.5 together; a usual text stands for a language model that is not there.
    np.testing.assert_allclose(without_search[:, 3:], [[0, np.log(0.45 / 0.55), -7], [0, np.log(1 / 3), -7]])


def test_features_of_impossible_tokens_are_finite():
    spans = [WordTokens("a", 0, 1), WordTokens("b", 1, 2)]
    assert np.isfinite(word_features(np.array([0.0, -1e9]), spans, Evidence())).all()


def test_entropy_is_scipys_averaged_over_the_frames_that_are_not_blank():
    probs = np.random.default_rng(0).dirichlet(np.ones(5), size=40)
    spoken = probs[probs.argmax(axis=1) != 0]
    assert 0 < len(spoken) < 40
    assert measure_entropy(np.log(probs)) == pytest.approx(float(entropy(spoken, axis=1).mean()))
    with np.errstate(divide="ignore"):
        assert measure_entropy(np.log([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])) == 0
        assert measure_entropy(np.log([[1.0, 0.0, 0.0]])) == 0


def hypothesis(text: str, frames: list[int], probability: float) -> Hypothesis:
    return Hypothesis(tuple(TOKENIZER.encode(text)), tuple(frames), np.log(probability), 0.0, 0.0, 0.0)


def test_a_posterior_is_the_share_of_the_hypotheses_with_the_word_at_that_time():
    hypotheses = [
        hypothesis("a ab b", [2, 4, 6, 8, 10, 12], 0.04),
        hypothesis("a b b", [2, 4, 8, 10, 12], 0.03),  # another word in the middle
        hypothesis("ab b", [7, 9, 10, 12], 0.02),  # none at the beginning
        hypothesis("b a", [2, 4, 12], 0.01),  # the same words at other times
    ]
    np.testing.assert_allclose(compute_posteriors(hypotheses, TOKENIZER), [0.7, 0.6, 0.9])
    np.testing.assert_allclose(compute_posteriors(hypotheses[:1], TOKENIZER), [1, 1, 1])
    assert compute_posteriors([hypothesis("", [], 1.0)], TOKENIZER).shape == (0,)


def test_posteriors_of_a_full_beam_are_those_of_all_texts():
    log_probs = np.log(np.random.default_rng(3).dirichlet([2.0, 0.2, 1.0, 1.0], size=5))
    texts: dict[str, float] = {}  # all paths, by what they spell
    for path in itertools.product(range(4), repeat=len(log_probs)):
        tokens = [token for token, group in itertools.groupby(path) if token != 0]
        text = " ".join(TOKENIZER.decode(tokens).split())
        texts[text] = texts.get(text, 0.0) + math.exp(sum(log_probs[frame, token] for frame, token in enumerate(path)))
    hypotheses = BeamDecoder(TOKENIZER.symbols, DecoderSettings(**EXACT)).decode(log_probs, nbest=1000)
    best = " ".join(TOKENIZER.decode(hypotheses[0].tokens).split())
    assert " " not in best  # one word, so that no other text has it at another time
    expected = sum(probability for text, probability in texts.items() if best in text.split())
    (posterior,) = compute_posteriors(hypotheses, TOKENIZER)
    assert posterior == pytest.approx(expected, abs=0.03)  # texts below half a per cent are left out


def test_settings_of_earlier_versions_give_the_confidences_that_they_gave():
    features, _ = draw_words(20, seed=4)
    expected = 1 / (1 + np.exp(-(-0.5 + features[:, :3] @ [0.8, 0.3, -0.4])))
    np.testing.assert_allclose(estimate_confidence(features, EARLIER), expected)


def test_kinds_of_speech_count_equally():
    few, many = draw_words(3000, seed=5), draw_words(9000, seed=6)
    wrong = many[0], ~many[1]  # what is right in one kind is wrong in the other
    thrice = [(np.repeat(part, 3, axis=0)) for part in few]
    expected = fit_confidence(*(np.concatenate(pair) for pair in zip(thrice, wrong, strict=True)))
    kinds = np.repeat([0, 1], [3000, 9000])
    found = fit_confidence(*(np.concatenate(pair) for pair in zip(few, wrong, strict=True)), kinds)
    features, _ = draw_words(500, seed=7)
    difference = estimate_confidence(features, found) - estimate_confidence(features, expected)
    assert abs(difference).max() < 0.02


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

    best = minimize(loss, np.zeros(7), tol=1e-12).x
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-(best[0] + inputs @ best[1:]))), atol=3e-4)


@pytest.mark.parametrize("right", [True, False])
def test_words_that_are_all_right_or_all_wrong_make_nothing_certain(right: bool):
    features, _ = draw_words(50, seed=3)
    confidences = estimate_confidence(features, fit_confidence(features, np.full(50, right)))
    assert (confidences > 0.9).all() if right else (confidences < 0.1).all()
    assert ((confidences > 0) & (confidences < 1)).all()


def test_no_words_are_refused():
    with pytest.raises(ValueError, match="no words"):
        fit_confidence(np.empty((0, 6)), np.empty(0, dtype=bool))


def test_settings_go_into_the_models_file_and_back(tmp_path):
    path = tmp_path / "config.yaml"
    ModelSettings(confidence=TRUE).save(path)
    assert ModelSettings.load(path).confidence == TRUE
    path.write_text("confidence: {bias: -0.5, worst_token: 0.8, mean_token: 0.3, length: -0.4}\n")
    assert ModelSettings.load(path).confidence == EARLIER
    path.write_text("features: {num_mels: 80}\n")  # as it was before there were confidences
    assert ModelSettings.load(path).confidence is None


def test_words_have_a_confidence_where_the_model_is_calibrated():
    log_probs = np.log(np.array([[0.9, 0.04, 0.06], [0.1, 0.1, 0.8], [0.9, 0.06, 0.04]], np.float32))
    tokenizer = CharTokenizer(["<blank>", " ", "a"])
    alignment = align_decoded(log_probs, [2], tokenizer)
    assert find_words(alignment, [2], tokenizer, FrameTiming(0.04, 0.025))[0].confidence is None
    (word,) = find_words(alignment, [2], tokenizer, FrameTiming(0.04, 0.025), confidence=EARLIER)
    odds = np.log(0.8 / 0.2)
    assert word.confidence == pytest.approx(1 / (1 + np.exp(-(-0.5 + 1.1 * odds))), abs=1e-5)


def test_decoding_gathers_what_confidences_need():
    log_probs = np.log(np.random.default_rng(8).dirichlet([1.0, 0.5, 1.0, 1.0], size=12))
    timing, beam = FrameTiming(0.04, 0.025), BeamDecoder(TOKENIZER.symbols, DecoderSettings(beta=0.0))
    (word, *_) = UtteranceDecoder(TOKENIZER, timing, beam=beam, confidence=TRUE).decode(log_probs).words
    hypotheses = beam.decode(log_probs, nbest=32)
    tokens = hypotheses[0].tokens
    evidence = Evidence(measure_entropy(log_probs), compute_posteriors(hypotheses, TOKENIZER), 0.0)
    alignment = align_decoded(log_probs, tokens, TOKENIZER)
    expected = find_words(alignment, tokens, TOKENIZER, timing, confidence=TRUE, evidence=evidence)
    assert 0 < evidence.posteriors[0] < 1
    assert word.confidence == pytest.approx(expected[0].confidence)
    greedy = UtteranceDecoder(TOKENIZER, timing, confidence=TRUE)
    result = greedy.search(log_probs)
    assert result == SearchResult.greedy(result.tokens)
    assert result.gather_evidence(log_probs, TOKENIZER) == Evidence(measure_entropy(log_probs))
