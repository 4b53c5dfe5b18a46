"""The worst utterances with what a person needs to judge them: sound, spectrogram, CTC spikes.

The network runs again on these few utterances; what is missing by now (a recording, a model) is left out and reported.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.config import FeatureSettings
from asr.errors import AsrError, one_line
from asr.evaluate.page.png import encode_grey
from asr.evaluate.page.results import SystemResult, UtteranceResult
from asr.jit import Array
from asr.recognize.recognizer import Recognizer, load_model
from asr.reporter import Reporter
from asr.runtime.network import LogProbs
from asr.signal.audio import load_audio
from asr.signal.channels import Channel
from asr.signal.features import FeatureExtractor
from asr.signal.resample import Waveform

SAMPLE_RATE = 16_000  # Hz, where there is no model that has one
MOST_SECONDS = 30.0  # of an utterance on the page
_FAINTEST = 0.05  # probability from which a token is drawn
_BLANK = 0


class Spike(NamedTuple):
    """A token that is probable at a frame."""

    seconds: float  # middle of the frame
    symbol: str
    probability: float
    is_peak: bool  # where greedy decoding takes the token: of equal neighbours, the most probable


@dataclass(frozen=True)
class Track:
    """What one system made of an utterance."""

    label: str
    result: UtteranceResult
    spikes: Sequence[Spike] | None  # None: its model cannot be run


@dataclass(frozen=True)
class Example:
    """An utterance on the page."""

    utterance: UtteranceResult
    errors: int  # of all systems
    tracks: Sequence[Track]
    seconds: float  # of sound
    sound: str | None  # a data URI; None: the recording cannot be read
    spectrogram: str | None  # a data URI; mel bands, the lowest at the bottom


def collect_examples(results: Sequence[SystemResult], count: int, reporter: Reporter) -> list[Example]:
    """Return up to `count` utterances with the most word errors of all systems together, the worst first.

    Args:
        results: Systems; utterances that some of them lack are passed over.
        count: Number of utterances.
        reporter: Is told once what cannot be read.
    """
    rows = [
        {
            (one.name, one.reference): (one, edits.errors)
            for one, edits in zip(result.utterances, result.edits, strict=True)
        }
        for result in results
    ]
    shared = [key for key in rows[0] if all(key in others for others in rows[1:])]
    errors = {key: sum(row[key][1] for row in rows) for key in shared}
    worst = sorted((key for key in shared if errors[key]), key=lambda key: -errors[key])[:count]
    models = load_models(results, reporter) if worst else {}
    with reporter.progress("worst utterances", len(worst), transient=True) as bar:
        examples = []
        for key in worst:
            found = {result.label: row[key][0] for result, row in zip(results, rows, strict=True)}
            examples.append(_make_example(found, errors[key], models, reporter))
            bar.update(1)
    return examples


def load_models(results: Sequence[SystemResult], reporter: Reporter) -> dict[str, Recognizer]:
    """Load the model of each system, by label; those that cannot be loaded are reported."""
    load, models = lru_cache(maxsize=None)(load_model), {}
    for result in results:
        if result.model is None:
            continue
        try:
            models[result.label] = load(result.model)
        except AsrError as error:
            reporter.line(
                f"{result.label}: no CTC spikes, because its model cannot be loaded: {one_line(error)}", "warning"
            )
    return models


def _make_example(
    found: Mapping[str, UtteranceResult], errors: int, models: Mapping[str, Recognizer], reporter: Reporter
) -> Example:
    utterance = next((one for one in found.values() if one.audio), next(iter(found.values())))
    rate = next((model.sample_rate for model in models.values()), SAMPLE_RATE)
    try:
        waveform = read_sound(utterance, rate)
    except AsrError as error:
        reporter.line(f"{utterance.name}: no sound: {one_line(error)}", "warning")
        waveform = None
    tracks = [Track(label, one, find_spikes(models.get(label), one, waveform, rate)) for label, one in found.items()]
    duration = utterance.duration or 0.0 if waveform is None else len(waveform) / rate
    return Example(
        utterance,
        errors,
        tracks,
        duration,
        None if waveform is None else _to_uri("audio/flac", encode_flac(waveform, rate)),
        None if waveform is None else _to_uri("image/png", encode_grey(draw_spectrogram(waveform, rate))),
    )


def read_sound(utterance: UtteranceResult, sample_rate: int) -> Waveform | None:
    """Read the waveform (S,) of an utterance, at most 30 s; None if the result does not say where it is.

    Raises:
        AudioError: If the recording cannot be read.
    """
    if utterance.audio is None or utterance.duration is None:
        return None
    channel: Channel = "mix" if utterance.channel is None else utterance.channel
    waveform = load_audio(utterance.audio, sample_rate=sample_rate, channel=channel, on_warning=lambda warning: None)
    start = round(utterance.start * sample_rate)
    excerpt = waveform[start : start + round(min(utterance.duration, MOST_SECONDS) * sample_rate)]
    return excerpt if len(excerpt) else None


def encode_flac(waveform: Waveform, sample_rate: int) -> bytes:
    """Return a waveform (S,) as a FLAC file, which all browsers play."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(waveform, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def draw_spectrogram(waveform: Waveform, sample_rate: int) -> NDArray[np.uint8]:
    """Draw the log-mel energies of a waveform (S,) as a picture (80, T): loud is dark, low frequencies are below."""
    settings = FeatureSettings(sample_rate=sample_rate)
    if len(waveform) < round(settings.window_seconds * sample_rate):
        waveform = np.pad(waveform, (0, round(settings.window_seconds * sample_rate) - len(waveform)))
    energies = FeatureExtractor(settings)(waveform)  # (T, 80)
    low, high = np.quantile(energies, [0.05, 0.995])
    shades = np.clip((energies - low) / max(float(high - low), 1e-6), 0, 1)
    return np.asarray(np.round(255 * (1 - shades.T[::-1])), np.uint8)


def find_spikes(
    model: Recognizer | None, result: UtteranceResult, waveform: Waveform | None, sample_rate: int
) -> list[Spike] | None:
    """Run a system's network on an utterance; None without a network or sound."""
    if model is None or waveform is None:
        return None
    if model.sample_rate != sample_rate:
        waveform = read_sound(result, model.sample_rate)
        if waveform is None:
            return None
    if len(waveform) < model.runner.layout.window:
        return []
    (log_probs,) = model.runner.compute_log_probs([waveform])
    timing = model.decoder.timing
    return list_spikes(log_probs, model.tokenizer.symbols, timing.frame_seconds, timing.window_seconds / 2)


def list_spikes(log_probs: LogProbs, symbols: Sequence[str], frame_seconds: float, centre: float) -> list[Spike]:
    """List the tokens other than the blank that are probable in (T, V) log probabilities, in order of time.

    Args:
        log_probs: Natural logs.
        symbols: V of them, the blank first.
        frame_seconds: From one frame to the next.
        centre: Seconds at which the middle of the first frame lies.
    """
    probabilities = np.exp(log_probs)
    peaks = _find_peaks(probabilities)
    spikes = []
    for frame, token in np.argwhere(probabilities > _FAINTEST):
        if token != _BLANK:
            seconds = centre + int(frame) * frame_seconds
            is_peak = (int(frame), int(token)) in peaks
            spikes.append(Spike(seconds, symbols[token], float(probabilities[frame, token]), is_peak))
    return spikes


def _find_peaks(probabilities: Array) -> set[tuple[int, int]]:
    """Find where greedy decoding takes each token: (frame, token) at the most probable frame of each run."""
    best = probabilities.argmax(1)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    peaks = set()
    for start, end in zip(starts, [*starts[1:], len(best)], strict=True):
        if (token := int(best[start])) != _BLANK:
            peaks.add((int(start) + int(probabilities[start:end, token].argmax()), token))
    return peaks


def _to_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
