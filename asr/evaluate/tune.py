"""`asr tune`: development data in, weights of language models into the model's settings.

The network runs once. Its log probabilities are kept and decoded again for each trial.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from asr.config import SETTINGS_FILE, ConfidenceSettings, ModelSettings, RescoringSettings
from asr.corpus.cuts import Manifest, load_cuts
from asr.decode.decoder import BeamDecoder
from asr.decode.parts import Hypothesis
from asr.decode.rescoring import Rescorer, search_rescoring
from asr.decode.scorer.rnn import RnnLM
from asr.decode.tuning import Trial, Weights, WeightSearch
from asr.errors import ModelError
from asr.evaluate.calibrate import collect_examples, fit_examples
from asr.evaluate.evaluate import collect_log_probs
from asr.evaluate.wer import count_edits, require_words, score_utterances
from asr.language.ngram.model import NgramModel
from asr.language.rnn.model import load_rnn
from asr.recognize.confidence import NBEST
from asr.recognize.language_models import (
    LANGUAGE_MODELS,
    find_language_model,
    find_rescorer,
    load_language_model,
    save_language_model,
    save_rescorer,
)
from asr.recognize.model_folder import find_writable_model
from asr.recognize.options import DecodingOptions, build_decoder
from asr.recognize.recognizer import load_model
from asr.recognize.utterance import choose_best, decode_distinct
from asr.reporter import SILENT, Reporter
from asr.runtime.network import LogProbs
from asr.text.tokenizer import Tokenizer

# Share of the character error rate in what is minimised: it decides between weights with equal word errors.
_CHARACTER_SHARE = 0.01
_BATCH = 64  # utterances decoded together


class TuningResult(NamedTuple):
    """The weights found; `rescoring` is None without a second pass."""

    weights: Weights
    rescoring: RescoringSettings | None

    def __str__(self) -> str:
        alpha, beta, beam_size, unknown_score, blank_penalty = self.weights
        first = (
            f"alpha {alpha:g}, beta {beta:g}, unknown words {unknown_score:g}, blank penalty {blank_penalty:g}, "
            f"beam size {beam_size}"
        )
        second = self.rescoring
        if second is None:
            return first
        return f"{first}; rescoring: alpha {second.alpha:g}, beta {second.beta:g}, keep {second.keep:g}"


@dataclass(frozen=True)
class Speech:
    """Development data as the decoder gets it: normalised references, and (T', V) log probabilities of each."""

    references: list[str]
    log_probs: list[LogProbs]


@dataclass(frozen=True)
class _Parts:
    """What decoding consists of; `language_model` and `rescorer` are None if there are none."""

    tokenizer: Tokenizer
    language_model: NgramModel | RnnLM | None
    decoder: BeamDecoder
    rescorer: Rescorer | None

    def first_pass(self, speech: Speech, least: int = 1) -> Iterator[list[Hypothesis]]:
        """Yield the hypotheses of each utterance that the second pass chooses from, at least so many if there are."""
        nbest = max(least, self.rescorer.settings.nbest if self.rescorer else 1)
        # A wide beam's hypotheses of a whole corpus would fill the memory.
        for start in range(0, len(speech.log_probs), _BATCH):
            yield from decode_distinct(self.decoder, self.tokenizer, speech.log_probs[start : start + _BATCH], nbest)

    def fit_confidence(self, speech: Speech) -> ConfidenceSettings | None:
        """Fit word confidences to what is decoded with both passes; None if nothing is."""
        results = (choose_best(nbest, self.rescorer) for nbest in self.first_pass(speech, NBEST))
        return fit_examples(collect_examples(speech.references, speech.log_probs, results, self.tokenizer))


def tune(
    manifests: Sequence[Manifest],
    *,
    model: str,
    lm: Path | None = None,
    rescore: Path | None = None,
    device: str = "auto",
    reporter: Reporter = SILENT,
) -> TuningResult:
    """Find the weights of language models, and save both in the model's folder.

    The weights of the beam search are alpha, beta, the score of unknown words, the blank penalty and the beam size.
    They are kept if only `rescore` is given. Word confidences are calibrated to the results.

    Args:
        manifests: Development data; never a test set.
        model: A model folder or name.
        lm: A language model for the beam search; None: the one in the folder, if any.
        rescore: A recurrent language model for the second pass; None: the one in the folder, if any.
        device: Device of the network.
        reporter: Shows progress.

    Raises:
        ModelError: If there is no language model.
        CorpusError: If the transcripts contain no word.
        AsrError: If the model's folder cannot be written to, or comes with the package.
    """
    folder = find_writable_model(model)
    lm_path, rescorer_path = lm or find_language_model(folder), rescore or find_rescorer(folder)
    if lm_path is None and rescorer_path is None:
        raise ModelError(f"{folder}: contains no language model ({', '.join(LANGUAGE_MODELS)}); give one")
    # Greedy, so that the folder's own language model is not loaded: it may be broken, and another one given.
    recognizer = load_model(folder, device=device, decoding=DecodingOptions(decoder="greedy"))
    settings = recognizer.settings
    parts = _load_parts(recognizer.tokenizer, settings, lm_path, rescorer_path)
    speech = Speech(*collect_log_probs(recognizer, load_cuts(manifests)))
    require_words(speech.references)
    reporter.line(f"{len(speech.references)} utterances, {sum(map(len, speech.log_probs))} frames")
    weights = Weights(**{name: getattr(settings.decoder, name) for name in Weights._fields})
    if parts.language_model is not None and (lm is not None or rescore is None):
        weights = _search_beam(parts, speech, weights, reporter).weights
        parts = replace(parts, decoder=parts.decoder.reweighted(**weights._asdict()))
    if parts.rescorer is not None:
        parts = replace(parts, rescorer=_search_rescoring(parts, parts.rescorer, speech, reporter))
    update: dict[str, Any] = {
        "decoder": settings.decoder.model_copy(update=weights._asdict()),
        "confidence": parts.fit_confidence(speech),
    }
    if parts.rescorer is not None:
        update["rescoring"] = parts.rescorer.settings
    # All at the end, because weights suit only the language model that they were tuned with.
    if parts.language_model is not None and lm is not None:
        save_language_model(parts.language_model, lm, folder)
    if rescore is not None:
        save_rescorer(rescore, folder)
    settings.model_copy(update=update).save(folder / SETTINGS_FILE)
    return TuningResult(weights, update.get("rescoring"))


def _load_parts(tokenizer: Tokenizer, settings: ModelSettings, lm: Path | None, rescorer: Path | None) -> _Parts:
    language_model = load_language_model(lm, tokenizer.symbols) if lm else None
    decoder = build_decoder(tokenizer, settings.decoder, language_model=language_model)
    second_pass = Rescorer(load_rnn(rescorer), tokenizer.decode, settings.rescoring) if rescorer else None
    return _Parts(tokenizer, language_model, decoder, second_pass)


def _search_beam(parts: _Parts, speech: Speech, start: Weights, reporter: Reporter) -> Trial:
    """Search for the weights of the beam search."""

    def measure(weights: Weights) -> float:
        utterances = parts.decoder.reweighted(**weights._asdict()).decode_batch(speech.log_probs)
        rates = score_utterances(speech.references, [parts.tokenizer.decode(nbest[0].tokens) for nbest in utterances])
        return 100 * (rates.wer + _CHARACTER_SHARE * rates.cer)

    fewest = math.inf

    def show_if_better(trial: Trial) -> None:
        nonlocal fewest
        if trial.errors >= fewest:
            return
        fewest = trial.errors
        alpha, beta, beam_size, unknown_score, blank_penalty = trial.weights
        reporter.line(
            f"alpha {alpha:.2f}  beta {beta:.2f}  unknown {unknown_score:g}  blank {-blank_penalty or 0:g}  "
            f"beam {beam_size}: {trial.errors:.2f} % errors"
        )

    return WeightSearch(measure, show_if_better).run(start)


def _search_rescoring(parts: _Parts, rescorer: Rescorer, speech: Speech, reporter: Reporter) -> Rescorer:
    """Return the rescorer with the weights that choose best among the hypotheses of the first pass."""
    utterances = [rescorer.select(nbest) for nbest in parts.first_pass(speech)]
    scores = [rescorer.score(nbest) for nbest in utterances]
    errors = []
    for reference, nbest in zip(speech.references, utterances, strict=True):
        texts = [rescorer.decode(hypothesis.tokens) for hypothesis in nbest]
        errors.append(np.array([float(edits.errors) for edits in count_edits([reference] * len(texts), texts)]))
    best = search_rescoring(scores, errors, rescorer.settings)
    num_words = sum(len(reference.split()) for reference in speech.references)
    for name, settings in (("before", rescorer.settings), ("after", best)):
        total = sum(edits[nbest.total(settings).argmax()] for edits, nbest in zip(errors, scores, strict=True))
        reporter.line(f"rescoring, {name} tuning: {100 * total / num_words:.2f} % errors")
    return Rescorer(rescorer.model, rescorer.decode, best)
