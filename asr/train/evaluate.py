"""A model and transcribed speech in, error rates out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lhotse import CutSet
from rich.console import Console
from torch import Tensor

from asr.recognize.decoding import Decoding
from asr.recognize.model_folder import find_model
from asr.recognize.recognizer import Recognizer, load_model
from asr.score.report import print_report, to_json, write_json
from asr.score.wer import ErrorRates, score_utterances
from asr.text.normalize import normalize
from asr.train.card import add_result
from asr.train.corpus import load_cuts
from asr.train.dataset import read_waveform

BATCH = 16  # utterances of like length that go through the network together


@dataclass(frozen=True)
class Evaluation:
    """What a model made of a set of utterances.

    Attributes:
        utterances, references, hypotheses: Names and normalised texts.
        rates: Word and character error rates.
        real_time_factor: Seconds of computing per second of speech, reading of audio included.
    """

    utterances: list[str]
    references: list[str]
    hypotheses: list[str]
    rates: ErrorRates
    real_time_factor: float


def evaluate(recognizer: Recognizer, cuts: CutSet) -> Evaluation:
    """Transcribe cuts and compare with their texts, normalised as in training."""
    chosen = sorted(cuts, key=lambda cut: cut.duration)
    started = time.perf_counter()
    hypotheses = []
    for first in range(0, len(chosen), BATCH):
        hypotheses += recognizer.recognize(read_waveforms(chosen[first : first + BATCH], recognizer.sample_rate))
    elapsed = time.perf_counter() - started
    references = [normalize(cut.supervisions[0].text, recognizer.settings.normalizer) for cut in chosen]
    return Evaluation(
        utterances=[cut.id for cut in chosen],
        references=references,
        hypotheses=hypotheses,
        rates=score_utterances(references, hypotheses),
        real_time_factor=elapsed / sum(cut.duration for cut in chosen),
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
    """`asr evaluate`: print a table, and write what was asked for."""
    evaluation = evaluate(load_model(model, device=device, decoding=decoding), load_cuts(manifests))
    print_report(evaluation, console, worst=worst)
    if json is not None:
        write_json(json, to_json(evaluation))
    if add_to_card is not None:
        add_result(find_model(model), add_to_card, evaluation.rates)


def read_waveforms(cuts: Sequence[object], sample_rate: int) -> list[Tensor]:
    """Waveforms (S,) of cuts."""
    return [read_waveform(cut, sample_rate) for cut in cuts]
