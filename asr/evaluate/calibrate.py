"""`asr calibrate`: development data in, parameters of word confidences into the model's settings."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from asr.config import SETTINGS_FILE, ConfidenceSettings
from asr.corpus.cuts import load_cuts
from asr.errors import CorpusError
from asr.evaluate.evaluate import collect_log_probs
from asr.evaluate.reliability import Reliability, mark_correct, measure_reliability
from asr.recognize.confidence import estimate_confidence, fit_confidence, word_features
from asr.recognize.model_folder import Model, find_writable_model
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.words import align_decoded
from asr.reporter import SILENT, Reporter
from asr.runtime.network import LogProbs
from asr.text.tokenizer import Tokenizer, group_tokens


def calibrate(
    manifests: Sequence[Path], *, model: str, device: str = "auto", reporter: Reporter = SILENT
) -> Reliability:
    """Fit word confidences to development data, never a test set, and save them in the folder of a model.

    The model decodes as it does by default: with its language model, if the folder contains one.

    Returns:
        How far the confidences can be trusted on the data that they were fitted to.

    Raises:
        CorpusError: If the model recognises no word in the data.
        AsrError: If the model's folder cannot be written to, or comes with the package.
    """
    folder = find_writable_model(model)
    recognizer = load_model(folder, device=device)
    references, log_probs, paths = _decode(recognizer, load_cuts(manifests))
    features, correct = _collect_examples(references, log_probs, paths, recognizer.tokenizer)
    if len(features) == 0:
        raise CorpusError(f"the model recognises no word in the {len(references)} utterances, so nothing can be fitted")
    settings = fit_confidence(features, correct)
    recognizer.settings.model_copy(update={"confidence": settings}).save(folder / SETTINGS_FILE)
    reporter.line(f"{len(correct)} words, {correct.mean():.1%} of them right")
    return measure_reliability(estimate_confidence(features, settings).tolist(), correct.tolist())


def calibrate_greedy(model: Model, cuts: Iterable[Any], *, device: str) -> Model:
    """Fit a model's confidences to the most probable paths of cuts; they stay None if no word is recognised."""
    recognizer = Recognizer(model, device=device)
    confidence = fit_examples(*_decode(recognizer, cuts), recognizer.tokenizer)
    return replace(model, settings=model.settings.model_copy(update={"confidence": confidence}))


def _decode(recognizer: Recognizer, cuts: Iterable[Any]) -> tuple[list[str], list[LogProbs], list[Sequence[int]]]:
    references, log_probs = collect_log_probs(recognizer, cuts)
    return references, log_probs, [recognizer.decoder.decode_tokens(frames)[0][0] for frames in log_probs]


def fit_examples(
    references: Sequence[str], log_probs: Sequence[LogProbs], paths: Sequence[Sequence[int]], tokenizer: Tokenizer
) -> ConfidenceSettings | None:
    """Fit confidences to decoded utterances; None if they contain no word.

    Args:
        references: Normalised texts.
        log_probs: (T, V) per utterance.
        paths: Decoded tokens per utterance.
        tokenizer: Decodes the tokens.
    """
    features, correct = _collect_examples(references, log_probs, paths, tokenizer)
    return fit_confidence(features, correct) if len(features) else None


def _collect_examples(
    references: Sequence[str], log_probs: Sequence[LogProbs], paths: Sequence[Sequence[int]], tokenizer: Tokenizer
) -> tuple[np.ndarray, np.ndarray]:
    """Collect the features (W, 3) of all decoded words, and whether each word is correct (W,)."""
    features: list[np.ndarray] = [np.empty((0, 3))]
    correct: list[bool] = []
    for reference, frames, tokens in zip(references, log_probs, paths, strict=True):
        spans = group_tokens(tokens, tokenizer)
        features.append(word_features(align_decoded(frames, tokens, tokenizer).log_probs, spans))
        correct += mark_correct(reference, " ".join(span.text for span in spans))
    return np.concatenate(features), np.array(correct, dtype=bool)
