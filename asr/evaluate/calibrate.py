"""`asr calibrate`: development data in, what word confidences are computed with into the model's settings."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from asr.config import ConfidenceSettings, write_yaml
from asr.corpus.prepare import load_cuts
from asr.errors import CorpusError
from asr.evaluate.evaluate import collect_log_probs
from asr.evaluate.reliability import Reliability, mark_correct, measure_reliability
from asr.recognize.confidence import estimate_confidence, fit_confidence, word_features
from asr.recognize.model_folder import SETTINGS, Model, find_writable_model
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.words import align_decoded
from asr.runtime.network import LogProbs
from asr.text.tokenizer import Tokenizer
from asr.text.words import group_tokens


def calibrate(manifests: Sequence[Path], *, model: str, device: str, console: Console) -> Reliability:
    """Fit word confidences to development data, and save them in the model's folder.

    The model decodes as it does by default: with its language model, if the folder holds one.

    Args:
        manifests: Development data; never a test set.
        model: A model folder or name.
        device: Where the network runs.
        console: Told how well it went.

    Returns:
        How far the confidences can be believed on the data that they were fitted to.

    Raises:
        CorpusError: If the model finds no word in the data.
        AsrError: If the model's folder cannot be written to, or comes with the package.
    """
    folder = find_writable_model(model)
    recognizer = load_model(folder, device=device)
    references, log_probs = collect_log_probs(recognizer, load_cuts(manifests))
    paths = [recognizer.decoder.decode_tokens(one)[0][0] for one in log_probs]
    features, correct = collect_examples(references, log_probs, paths, recognizer.tokenizer)
    if len(features) == 0:
        raise CorpusError(f"the model finds no word in the {len(references)} utterances, so nothing can be calibrated")
    settings = fit_confidence(features, correct)
    write_yaml(recognizer.settings.model_copy(update={"confidence": settings}), folder / SETTINGS)
    reliability = measure_reliability(estimate_confidence(features, settings).tolist(), correct.tolist())
    console.print(f"{len(correct)} words, {correct.mean():.1%} of them right", highlight=False)
    return reliability


def calibrate_greedy(model: Model, cuts: Iterable[Any], *, device: str) -> Model:
    """A model whose confidences are fitted to the most probable paths of cuts; uncalibrated where it says nothing."""
    recognizer = Recognizer(model, device=device, precision="fp32")
    references, log_probs = collect_log_probs(recognizer, cuts)
    paths = [recognizer.decoder.decode_tokens(one)[0][0] for one in log_probs]
    confidence = fit_examples(references, log_probs, paths, model.tokenizer)
    return replace(model, settings=model.settings.model_copy(update={"confidence": confidence}))


def fit_examples(
    references: Sequence[str], log_probs: Sequence[LogProbs], paths: Sequence[Sequence[int]], tokenizer: Tokenizer
) -> ConfidenceSettings | None:
    """As `fit_confidence`, from what was decoded; None where no word was."""
    features, correct = collect_examples(references, log_probs, paths, tokenizer)
    return fit_confidence(features, correct) if len(features) else None


def collect_examples(
    references: Sequence[str], log_probs: Sequence[LogProbs], paths: Sequence[Sequence[int]], tokenizer: Tokenizer
) -> tuple[np.ndarray, np.ndarray]:
    """Features (W, 3) of all words that were decoded, and whether each is right (W,).

    Args:
        references: Normalised texts.
        log_probs: What the network says of each utterance, (T, V).
        paths: Tokens that were decoded from it.
        tokenizer: Knows what they spell.
    """
    features: list[np.ndarray] = [np.empty((0, 3))]
    correct: list[bool] = []
    for reference, own, tokens in zip(references, log_probs, paths, strict=True):
        spans = group_tokens(tokens, tokenizer)
        features.append(word_features(align_decoded(own, tokens, tokenizer).log_probs, spans))
        correct += mark_correct(reference, " ".join(span.text for span in spans))
    return np.concatenate(features), np.array(correct, dtype=bool)
