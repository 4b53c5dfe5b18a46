"""A model and transcribed speech in, error rates out."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lhotse import CutSet
from rich.console import Console
from torch import Tensor

from asr.config import BATCH_SECONDS
from asr.corpus.prepare import load_cuts
from asr.errors import CorpusError, ModelError
from asr.evaluate.reliability import Reliability, draw_reliability, mark_correct, measure_reliability
from asr.evaluate.report import print_report, to_json, write_json, write_texts
from asr.evaluate.wer import ErrorRates, count_edits, require_words, score_utterances
from asr.recognize.model_folder import find_writable_model
from asr.recognize.options import DecodingOptions
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.utterance import Decoded
from asr.runtime.batching import make_batches
from asr.runtime.network import LogProbs
from asr.signal.audio import Waveform
from asr.text.normalize import normalize
from asr.train.card import add_result, read_results
from asr.train.dataset import read_waveform


@dataclass(frozen=True)
class Evaluation:
    """What a model made of a set of utterances.

    Attributes:
        utterances, references, hypotheses: Names and normalised texts.
        rates: Word and character error rates.
        oracle: Those of the best of the n readings of each utterance, where several were asked for.
        real_time_factor: Seconds of computing per second of speech, reading of audio included.
        reliability: How far the words' confidences can be believed, where the model is calibrated.
    """

    utterances: list[str]
    references: list[str]
    hypotheses: list[str]
    rates: ErrorRates
    real_time_factor: float
    oracle: ErrorRates | None = None
    reliability: Reliability | None = None


def evaluate(recognizer: Recognizer, cuts: CutSet) -> Evaluation:
    """Transcribe cuts and compare with their texts, normalised as in training.

    Raises:
        CorpusError: If a cut has no text, or its audio cannot be read.
    """
    chosen = sorted(cuts, key=lambda cut: cut.duration)
    references = [normalize(reference_text(cut), recognizer.settings.normalizer) for cut in chosen]
    require_words(references)
    started = time.perf_counter()
    readings: list[Decoded] = []
    for waveforms in _read_batches(chosen, recognizer.sample_rate):
        readings += recognizer.decode_waveforms(waveforms)
    elapsed = time.perf_counter() - started
    hypotheses = [reading.text for reading in readings]
    return Evaluation(
        utterances=[cut.id for cut in chosen],
        references=references,
        hypotheses=hypotheses,
        rates=score_utterances(references, hypotheses),
        real_time_factor=elapsed / sum(cut.duration for cut in chosen),
        oracle=_score_oracle(references, readings) if recognizer.decoder.nbest > 1 else None,
        reliability=_measure_reliability(references, readings),
    )


def evaluate_model(
    manifests: Sequence[Path],
    *,
    model: str,
    device: str,
    console: Console,
    json: Path | None,
    worst: int,
    add_to_card: str | None,
    reliability: Path | None = None,
    texts: Path | None = None,
    decoding: DecodingOptions | None = None,
) -> None:
    """`asr evaluate`: print a table, and write what was asked for.

    Raises:
        AsrError: If the model or a manifest cannot be used, or a result cannot be written.
    """
    recognizer = load_model(model, device=device, decoding=decoding)
    if reliability is not None and recognizer.settings.confidence is None:
        raise ModelError(f"{model}: its confidences are not calibrated; `asr calibrate` does it on development data")
    if add_to_card is not None:
        folder = find_writable_model(model)
        read_results(folder)  # before the work: is there a card to add to?
    evaluation = evaluate(recognizer, load_cuts(manifests))
    print_report(evaluation, console, worst=worst)
    if json is not None:
        write_json(json, to_json(evaluation))
    if texts is not None:
        write_texts(texts, evaluation)
    if reliability is not None and evaluation.reliability is not None:
        draw_reliability(evaluation.reliability, reliability)
    if add_to_card is not None:
        add_result(folder, add_to_card, evaluation.rates, evaluation.reliability)


def _score_oracle(references: Sequence[str], readings: Sequence[Decoded]) -> ErrorRates:
    """Error rates if the reading with the fewest word errors were always chosen."""
    chosen = []
    for reference, reading in zip(references, readings, strict=True):
        texts = [one.text for one in reading.alternatives]
        edits = count_edits([reference] * len(texts), texts)
        chosen.append(min(zip(edits, texts, strict=True), key=lambda pair: pair[0].errors)[1])
    return score_utterances(references, chosen)


def _measure_reliability(references: Sequence[str], readings: Sequence[Decoded]) -> Reliability | None:
    """Of the words of all utterances; None where the model is not calibrated, or said nothing."""
    confidences, correct = [], []
    for reference, reading in zip(references, readings, strict=True):
        known = [word.confidence for word in reading.words]
        confidences += [one for one in known if one is not None]
        correct += mark_correct(reference, " ".join(word.text for word in reading.words))
    return measure_reliability(confidences, correct) if confidences else None


def collect_log_probs(recognizer: Recognizer, cuts: Iterable[Any]) -> tuple[list[str], list[LogProbs]]:
    """Normalised references of cuts, and what the network says of each: (T', V) natural logs; by rising length.

    All are read whole, even those that would be cut to be recognised: there is one reference for what is said in them.
    """
    chosen = sorted(cuts, key=lambda cut: cut.duration)
    found: list[LogProbs] = []
    for waveforms in _read_batches(chosen, recognizer.sample_rate):
        found += recognizer.runner.compute_log_probs(waveforms)
    return [normalize(reference_text(cut), recognizer.settings.normalizer) for cut in chosen], found


def _read_batches(cuts: Iterable[Any], sample_rate: int) -> Iterator[list[Waveform]]:
    """Waveforms (S,) that go through the network together, of cuts that come by length."""
    for batch in make_batches(cuts, lambda cut: float(cut.duration), BATCH_SECONDS):
        yield [waveform.numpy() for waveform in read_waveforms(batch, sample_rate)]


def read_waveforms(cuts: Sequence[Any], sample_rate: int) -> list[Tensor]:
    """Waveforms (S,) of cuts.

    Raises:
        CorpusError: If the audio of one cannot be read.
    """
    waveforms = []
    for cut in cuts:
        try:
            waveforms.append(read_waveform(cut, sample_rate))
        except Exception as error:  # whatever lhotse's many backends raise
            reason = " ".join(str(error).split())[:300]
            raise CorpusError(f"{cut.id}: its audio cannot be read: {reason}") from None
    return waveforms


def reference_text(cut: Any) -> str:
    """What was said in a cut. Raises CorpusError where the manifest does not tell."""
    if len(cut.supervisions) != 1 or cut.supervisions[0].text is None:
        raise CorpusError(f"{cut.id}: has no transcript, or several; `asr doctor` lists such utterances")
    return str(cut.supervisions[0].text)
