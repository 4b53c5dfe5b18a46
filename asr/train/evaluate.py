"""A model and transcribed speech in, error rates out."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lhotse import CutSet
from rich.console import Console
from torch import Tensor

from asr.errors import CorpusError
from asr.recognize.decoding import Decoding
from asr.recognize.model_folder import find_model
from asr.recognize.recognizer import BATCH_SECONDS, Recognizer, load_model
from asr.score.report import print_report, to_json, write_json
from asr.score.wer import ErrorRates, count_edits, score_utterances
from asr.text.normalize import normalize
from asr.train.card import add_result, read_results
from asr.train.corpus import load_cuts
from asr.train.dataset import read_waveform


@dataclass(frozen=True)
class Evaluation:
    """What a model made of a set of utterances.

    Attributes:
        utterances, references, hypotheses: Names and normalised texts.
        rates: Word and character error rates.
        oracle: Those of the best of the n readings of each utterance, where several were asked for.
        real_time_factor: Seconds of computing per second of speech, reading of audio included.
    """

    utterances: list[str]
    references: list[str]
    hypotheses: list[str]
    rates: ErrorRates
    real_time_factor: float
    oracle: ErrorRates | None = None


def evaluate(recognizer: Recognizer, cuts: CutSet) -> Evaluation:
    """Transcribe cuts and compare with their texts, normalised as in training.

    Raises:
        CorpusError: If a cut has no text, or its audio cannot be read.
    """
    chosen = sorted(cuts, key=lambda cut: cut.duration)
    references = [normalize(reference_text(cut), recognizer.settings.normalizer) for cut in chosen]
    if not any(references):
        raise CorpusError("none of the utterances has a word in its transcript, so there is nothing to compare with")
    started = time.perf_counter()
    readings: list[list[str]] = []
    for batch in batches(chosen):
        found = recognizer.recognize_nbest(read_waveforms(batch, recognizer.sample_rate))
        readings += [[one.text for one in best] for best in found]
    elapsed = time.perf_counter() - started
    hypotheses = [texts[0] for texts in readings]
    return Evaluation(
        utterances=[cut.id for cut in chosen],
        references=references,
        hypotheses=hypotheses,
        rates=score_utterances(references, hypotheses),
        real_time_factor=elapsed / sum(cut.duration for cut in chosen),
        oracle=_score_oracle(references, readings) if recognizer.reader.nbest > 1 else None,
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
    decoding: Decoding | None = None,
) -> None:
    """`asr evaluate`: print a table, and write what was asked for.

    Raises:
        AsrError: If the model or a manifest cannot be used, or a result cannot be written.
    """
    if add_to_card is not None:
        read_results(find_model(model))  # before the work: is there a card to add to?
    evaluation = evaluate(load_model(model, device=device, decoding=decoding), load_cuts(manifests))
    print_report(evaluation, console, worst=worst)
    if json is not None:
        write_json(json, to_json(evaluation))
    if add_to_card is not None:
        add_result(find_model(model), add_to_card, evaluation.rates)


def _score_oracle(references: Sequence[str], readings: Sequence[Sequence[str]]) -> ErrorRates:
    """Error rates if the reading with the fewest word errors were always chosen."""
    chosen = []
    for reference, texts in zip(references, readings, strict=True):
        edits = count_edits([reference] * len(texts), texts)
        chosen.append(min(zip(edits, texts, strict=True), key=lambda pair: pair[0].errors)[1])
    return score_utterances(references, chosen)


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


def batches(cuts: Sequence[Any]) -> Iterator[list[Any]]:
    """Cuts that go through the network together; they come by length, so the last is the longest."""
    batch: list[Any] = []
    for cut in cuts:
        if batch and (len(batch) + 1) * cut.duration > BATCH_SECONDS:
            yield batch
            batch = []
        batch.append(cut)
    yield batch
