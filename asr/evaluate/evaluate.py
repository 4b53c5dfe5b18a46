"""A recogniser and transcribed speech in, error rates out."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lhotse import CutSet

from asr.config import BATCH_SECONDS
from asr.corpus.cuts import read_waveform
from asr.errors import CorpusError, one_line
from asr.evaluate.reliability import Reliability, mark_correct, measure_reliability
from asr.evaluate.wer import ErrorRates, count_edits, require_words, score_utterances
from asr.recognize.recognizer import Recognizer
from asr.recognize.utterance import Decoded
from asr.runtime.network import LogProbs, make_batches
from asr.signal.resample import Waveform
from asr.text.normalize import normalize
from asr.transcript.transcript import ENOUGH_WORDS, Word, is_unfamiliar


class Warned(NamedTuple):
    """Utterances with enough words to judge them, and how many of them are judged unlike the model's training."""

    judged: int
    unfamiliar: int


class UtteranceDetails(NamedTuple):
    """Where an utterance lies, who speaks it, and when its recognised words are said."""

    audio: str | None  # path of the recording; None if it is no file
    start: float  # seconds into the recording
    duration: float  # seconds
    channel: int | None  # None: all channels mixed
    speaker: str | None
    words: tuple[Word, ...]  # times from the start of the utterance


@dataclass(frozen=True)
class Evaluation:
    """The result of running a model on a set of utterances."""

    utterances: list[str]  # names
    references: list[str]  # normalised texts, in the order of the names, as are the hypotheses
    hypotheses: list[str]
    rates: ErrorRates
    real_time_factor: float  # seconds of computing per second of speech, including reading the audio
    oracle: ErrorRates | None = None  # of the best of the n hypotheses of each utterance; None if n is 1
    reliability: Reliability | None = None  # of the confidences of the words; None if the model is not calibrated
    warned: Warned | None = None  # None if the model is not calibrated
    failures: tuple[CorpusError, ...] = ()  # of utterances whose audio cannot be read; nothing else counts them
    details: tuple[UtteranceDetails, ...] = ()  # in the order of the names


def evaluate(recognizer: Recognizer, cuts: CutSet) -> Evaluation:
    """Transcribe cuts and compare the results with their texts, which are normalised as in training.

    Utterances whose audio cannot be read are left out, and listed as failures.

    Raises:
        CorpusError: If a cut has no text, or no audio can be read.
    """
    sorted_cuts, references = _sort(recognizer, cuts)
    require_words(references)
    started = time.perf_counter()
    results: list[Decoded | CorpusError] = []
    for batch in make_batches(sorted_cuts, lambda cut: float(cut.duration), BATCH_SECONDS):
        results += _decode_readable(recognizer, batch)
    elapsed = time.perf_counter() - started
    failures = [result for result in results if isinstance(result, CorpusError)]
    if len(failures) == len(results):
        raise failures[0]
    rows = zip(sorted_cuts, references, results, strict=True)
    scored = [(cut, text, result) for cut, text, result in rows if not isinstance(result, CorpusError)]
    references = [text for _, text, _ in scored]
    decoded = [result for _, _, result in scored]
    require_words(references)
    hypotheses = [result.text for result in decoded]
    return Evaluation(
        utterances=[cut.id for cut, _, _ in scored],
        references=references,
        hypotheses=hypotheses,
        rates=score_utterances(references, hypotheses),
        real_time_factor=elapsed / sum(cut.duration for cut, _, _ in scored),
        oracle=_score_oracle(references, decoded) if recognizer.decoder.nbest > 1 else None,
        reliability=_measure_reliability(references, decoded),
        warned=_count_warnings(decoded) if recognizer.settings.confidence else None,
        failures=tuple(failures),
        details=tuple(_describe(cut, result) for cut, _, result in scored),
    )


def _describe(cut: Any, result: Decoded) -> UtteranceDetails:
    files, channel = _files(cut), getattr(cut, "channel", None)
    return UtteranceDetails(
        audio=str(files[0].absolute()) if len(files) == 1 else None,
        start=float(cut.start),
        duration=float(cut.duration),
        channel=channel if isinstance(channel, int) and cut.recording.num_channels > 1 else None,
        speaker=cut.supervisions[0].speaker,
        words=result.words,
    )


def _decode_readable(recognizer: Recognizer, cuts: Sequence[Any]) -> list[Decoded | CorpusError]:
    """Decode cuts; in place of a result, return the error of one whose audio cannot be read."""
    waveforms: list[Waveform | CorpusError] = []
    for cut in cuts:
        try:
            waveforms += read_waveforms([cut], recognizer.sample_rate)
        except CorpusError as error:
            waveforms.append(error)
    readable = [waveform for waveform in waveforms if not isinstance(waveform, CorpusError)]
    results = iter(recognizer.decode_waveforms(readable) if readable else ())
    return [waveform if isinstance(waveform, CorpusError) else next(results) for waveform in waveforms]


def _score_oracle(references: Sequence[str], results: Sequence[Decoded]) -> ErrorRates:
    """Score the alternative with the fewest word errors of each utterance."""
    best = []
    for reference, result in zip(references, results, strict=True):
        texts = [alternative.text for alternative in result.alternatives]
        edits = count_edits([reference] * len(texts), texts)
        best.append(min(zip(edits, texts, strict=True), key=lambda pair: pair[0].errors)[1])
    return score_utterances(references, best)


def _measure_reliability(references: Sequence[str], results: Sequence[Decoded]) -> Reliability | None:
    """Measure it for the words of all utterances; None if the model is not calibrated, or no words were recognised."""
    confidences: list[float] = []
    correct: list[bool] = []
    for reference, result in zip(references, results, strict=True):
        confidences += [word.confidence for word in result.words if word.confidence is not None]
        correct += mark_correct(reference, " ".join(word.text for word in result.words))
    return measure_reliability(confidences, correct) if confidences else None


def _count_warnings(results: Sequence[Decoded]) -> Warned:
    long_enough = [result.words for result in results if len(result.words) >= ENOUGH_WORDS]
    return Warned(len(long_enough), sum(map(is_unfamiliar, long_enough)))


def collect_log_probs(recognizer: Recognizer, cuts: Iterable[Any]) -> tuple[list[str], list[LogProbs]]:
    """Run the network on cuts; return normalised references and (T', V) log probabilities, shortest utterance first.

    Long cuts are not split into segments as in recognition, because their reference cannot be split.
    """
    sorted_cuts, references = _sort(recognizer, cuts)
    for cut in sorted_cuts:  # before the work
        if missing := [path for path in _files(cut) if not path.exists()]:
            raise CorpusError(f"{cut.id}: its audio cannot be read: {missing[0]}: no such file")
    log_probs: list[LogProbs] = []
    for waveforms in _read_batches(sorted_cuts, recognizer.sample_rate):
        log_probs += recognizer.runner.compute_log_probs(waveforms)
    return references, log_probs


def _sort(recognizer: Recognizer, cuts: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """Sort cuts by length; return them and their references, normalised as in training."""
    sorted_cuts = sorted(cuts, key=lambda cut: cut.duration)
    return sorted_cuts, [normalize(reference_text(cut), recognizer.settings.normalizer) for cut in sorted_cuts]


def _read_batches(sorted_cuts: Sequence[Any], sample_rate: int) -> Iterator[list[Waveform]]:
    """Yield waveforms (S,) in the batches that go through the network."""
    for batch in make_batches(sorted_cuts, lambda cut: float(cut.duration), BATCH_SECONDS):
        yield read_waveforms(batch, sample_rate)


def read_waveforms(cuts: Sequence[Any], sample_rate: int) -> list[Waveform]:
    """Read the waveforms (S,) of cuts. Raises CorpusError if the audio of one cannot be read."""
    waveforms = []
    for cut in cuts:
        try:
            waveforms.append(read_waveform(cut, sample_rate))
        except Exception as error:  # whatever lhotse's many backends raise
            reason = next((f"{path}: no such file" for path in _files(cut) if not path.exists()), one_line(error))
            raise CorpusError(f"{cut.id}: its audio cannot be read: {reason}") from None
    return waveforms


def _files(cut: Any) -> list[Path]:
    sources = cut.recording.sources if getattr(cut, "recording", None) is not None else ()
    return [Path(source.source) for source in sources if source.type == "file"]


def reference_text(cut: Any) -> str:
    """Return the transcript of a cut. Raises CorpusError if it has none, or several."""
    if len(cut.supervisions) != 1 or cut.supervisions[0].text is None:
        raise CorpusError(f"{cut.id}: has no transcript, or several; `asr doctor` lists such utterances")
    return str(cut.supervisions[0].text)
