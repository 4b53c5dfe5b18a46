"""`asr calibrate`: development data in, parameters of confidences into the model's settings.

They are those of recognised words, and of phrases that are searched for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.config import SETTINGS_FILE, ConfidenceSettings, SpottingSettings
from asr.corpus.cuts import Manifest, load_cuts
from asr.errors import CorpusError
from asr.evaluate.evaluate import collect_log_probs
from asr.evaluate.reliability import Reliability, mark_correct, measure_reliability
from asr.evaluate.spotting import SpottingExamples, choose_words, collect_hits, fit_hits, measure_threshold
from asr.recognize.confidence import FEATURES, NBEST, estimate_confidence, fit_confidence, word_features
from asr.recognize.model_folder import Model, find_writable_model
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.utterance import SearchResult
from asr.recognize.words import align_decoded
from asr.reporter import SILENT, Reporter
from asr.runtime.network import LogProbs
from asr.spotting.phrases import LabelEncoder
from asr.spotting.spotter import THRESHOLD
from asr.text.tokenizer import Tokenizer, group_tokens


class Examples(NamedTuple):
    """Decoded words whose correctness is known."""

    features: NDArray[np.float64]  # (W, 6) of `word_features`
    correct: NDArray[np.bool_]  # (W,)

    def measure(self, settings: ConfidenceSettings) -> Reliability:
        """Measure how far the confidences that settings give can be trusted."""
        return measure_reliability(estimate_confidence(self.features, settings).tolist(), self.correct.tolist())


def calibrate(
    manifests: Sequence[Manifest], *, model: str, device: str = "auto", reporter: Reporter = SILENT
) -> Reliability:
    """Fit confidences to development data, never a test set, and save them in the folder of a model.

    They are those of the words of transcripts, and of phrases that are searched for.

    The model decodes as it does by default: with its language model, if the folder contains one.

    Args:
        manifests: One for each kind of speech, best of speakers that the network never heard: each counts equally,
            however long it is.
        model: A model folder or name.
        device: Device of the network.
        reporter: Shows how far the confidences can be trusted on each kind.

    Returns:
        The same on all the data together, for the words of transcripts.

    Raises:
        CorpusError: If the model recognises no word in the data.
        AsrError: If the model's folder cannot be written to, or comes with the package.
    """
    folder = find_writable_model(model)
    recognizer = load_model(folder, device=device)
    recognizer.decoder.least_hypotheses = NBEST
    collected = [_collect(recognizer, load_cuts([manifest])) for manifest in manifests]
    kinds, hits = [kind for kind, _ in collected], [hits for _, hits in collected]
    together = _join(kinds)
    if len(together.correct) == 0:
        raise CorpusError(f"the model recognises no word in {', '.join(map(str, manifests))}, so nothing can be fitted")
    numbers = np.repeat(np.arange(len(kinds)), [len(kind.correct) for kind in kinds])
    settings = fit_confidence(*together, numbers)
    spotting = fit_hits(hits) or recognizer.settings.spotting
    updated = {"confidence": settings, "spotting": spotting}
    recognizer.settings.model_copy(update=updated).save(folder / SETTINGS_FILE)
    for manifest, kind, found in zip(manifests, kinds, hits, strict=True):
        if len(kind.correct):
            reporter.line(
                f"{manifest}: {len(kind.correct)} words, {kind.correct.mean():.1%} of them right, "
                f"calibration error {kind.measure(settings).error:.1%}{_describe_hits(found, spotting)}"
            )
    return together.measure(settings)


def _describe_hits(found: SpottingExamples, settings: SpottingSettings) -> str:
    """Return how well phrases are found, for the end of a line; nothing if there are none to find."""
    if not found.num_said:
        return ""
    point = measure_threshold(found, found.confidences(settings), THRESHOLD)
    return f"; {point.recall:.1%} of {found.num_said} phrases found, {point.precision:.1%} of the hits right"


def calibrate_greedy(model: Model, cuts: Iterable[Any], *, device: str) -> Model:
    """Fit a model's confidences to the most probable paths of cuts; they stay None if no word is recognised."""
    confidence = fit_examples(_decode(Recognizer(model, device=device), cuts))
    return replace(model, settings=model.settings.model_copy(update={"confidence": confidence}))


def _decode(recognizer: Recognizer, cuts: Iterable[Any]) -> Examples:
    return _decode_log_probs(recognizer, *collect_log_probs(recognizer, cuts))


def _decode_log_probs(recognizer: Recognizer, references: Sequence[str], log_probs: Sequence[LogProbs]) -> Examples:
    return collect_examples(references, log_probs, map(recognizer.decoder.search, log_probs), recognizer.tokenizer)


def _collect(recognizer: Recognizer, cuts: Iterable[Any]) -> tuple[Examples, SpottingExamples]:
    """Collect what both kinds of confidences are fitted to."""
    references, log_probs = collect_log_probs(recognizer, cuts)
    words = choose_words(references, LabelEncoder(recognizer.tokenizer, recognizer.settings.normalizer))
    hits = collect_hits(words, recognizer, references, log_probs)
    return _decode_log_probs(recognizer, references, log_probs), hits


def fit_examples(examples: Examples) -> ConfidenceSettings | None:
    """Fit confidences to decoded words; None if there are none."""
    return fit_confidence(*examples) if len(examples.correct) else None


def collect_examples(
    references: Sequence[str], log_probs: Sequence[LogProbs], results: Iterable[SearchResult], tokenizer: Tokenizer
) -> Examples:
    """Collect the words of decoded utterances.

    Args:
        references: Normalised texts.
        log_probs: (T, V) per utterance.
        results: What was decoded from each.
        tokenizer: Decodes the tokens.
    """
    collected: list[Examples] = []
    for reference, frames, result in zip(references, log_probs, results, strict=True):
        spans = group_tokens(result.tokens, tokenizer)
        alignment = align_decoded(frames, result.tokens, tokenizer)
        features = word_features(alignment.log_probs, spans, result.gather_evidence(frames, tokenizer))
        correct = mark_correct(reference, " ".join(span.text for span in spans))
        collected.append(Examples(features, np.array(correct, dtype=bool)))
    return _join(collected)


def _join(parts: Sequence[Examples]) -> Examples:
    features = [np.empty((0, len(FEATURES))), *(part.features for part in parts)]
    correct = [np.empty(0, dtype=bool), *(part.correct for part in parts)]
    return Examples(np.concatenate(features), np.concatenate(correct))
