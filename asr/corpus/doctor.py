"""Cuts in, problems out: which utterances cannot be learnt from, by name and with the reason.

    infeasible       fewer frames come out of the network than CTC needs for the text
    empty            no text is left after normalising
    out-of-alphabet  the text holds a symbol that the tokenizer cannot spell
    misdeclared      the manifest and the recording disagree, or two utterances share a name
    unreadable       the recording is missing or damaged
    silent           no sample reaches -60 dBFS
    clipped          more than 1 % of the samples lie on flat tops at full scale

Training leaves all of them out, since one of them can spoil a batch.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from lhotse import CutSet
from numpy.typing import NDArray

from asr.acoustic.model import subsampled
from asr.alignment import is_feasible, required_frames
from asr.config import ModelSettings, load_model_settings
from asr.corpus.prepare import load_cuts
from asr.errors import AudioError, TextError
from asr.recognize.model_folder import SETTINGS, find_model
from asr.signal.audio import load_audio
from asr.signal.features import FeatureExtractor
from asr.text.normalize import normalize
from asr.text.tokenizer import Tokenizer, given_tokenizer, load_tokenizer

SILENT_PEAK = 1e-3  # -60 dBFS
CLIPPED_SHARE = 0.01
# Equal neighbours this loud are a flat top, even where the recording was scaled down afterwards.
# At lower levels equal neighbours are nothing but coarse quantisation.
FLAT_TOP = 0.9
FULL_SCALE = 32767 / 32768
# What lhotse puts up with when it reads, and training with it.
DURATION_TOLERANCE = 0.025  # seconds


@dataclass(frozen=True)
class Problem:
    """Why an utterance cannot be used; `kind` is one of those in the module's header."""

    utterance: str
    kind: str
    reason: str


def diagnose(manifests: Sequence[Path], model: str | Path | None = None) -> list[Problem]:
    """Examine manifests, as `asr doctor` does.

    Args:
        manifests: As `asr prepare` writes them.
        model: Check against this model's alphabet and settings; without one texts are taken
            letter by letter, and any letter will do.

    Raises:
        CorpusError: If a manifest cannot be read.
        ModelError: If there is no such model, or its settings or tokens are broken.
    """
    cuts = load_cuts(manifests)
    if model is None:
        return examine(cuts, None, ModelSettings())
    folder = find_model(model)
    settings = load_model_settings(folder / SETTINGS)
    return examine(cuts, load_tokenizer(folder, settings.tokenizer), settings)


def examine(
    cuts: CutSet, tokenizer: Tokenizer | None, settings: ModelSettings, *, read_audio: bool = True
) -> list[Problem]:
    """What is wrong with the cuts, in their order.

    Args:
        cuts: One utterance each.
        tokenizer: Must spell the normalised texts; None for letter by letter.
        settings: Of the model to be trained.
        read_audio: Also read every recording; without it only text and manifest are looked at.
    """
    return [problem for problems in _examine(list(cuts), tokenizer, settings, read_audio) for problem in problems]


def keep_usable(
    cuts: CutSet, tokenizer: Tokenizer | None, settings: ModelSettings, *, read_audio: bool = True, speed: float = 1.0
) -> tuple[CutSet, list[Problem]]:
    """The cuts without a problem, and the problems of the others; arguments as for `examine`.

    Of utterances that share a name the first is kept. At a speed above 1, to which training may
    bring an utterance, it must be feasible, too.
    """
    cuts = list(cuts)
    found = _examine(cuts, tokenizer, settings, read_audio, speed)
    kept = [cut for cut, problems in zip(cuts, found, strict=True) if not problems]
    return CutSet(kept), [problem for problems in found for problem in problems]


def clipped_share(waveform: NDArray[np.float32]) -> float:
    """The share of samples that are clipped: at full scale, or on a flat top near it.

    A flat top is three or more equal samples in a row at 0.9 or more. Equality is what tells
    clipping from loudness: a loud sine has few equal neighbours. Lossy formats bend flat tops,
    but overshoot full scale there.

    Args:
        waveform: (S,) within ±1, at the rate at which it was recorded: resampling bends flat tops.
    """
    magnitude = np.abs(waveform)
    clipped = magnitude >= FULL_SCALE
    equal = (waveform[1:] == waveform[:-1]) & (magnitude[1:] >= FLAT_TOP)
    starts = equal[1:] & equal[:-1]
    for offset in range(3):
        clipped[offset : offset + len(starts)] |= starts
    return float(clipped.mean()) if len(waveform) else 0.0


def _examine(
    cuts: list[Any], tokenizer: Tokenizer | None, settings: ModelSettings, read_audio: bool, speed: float = 1.0
) -> list[list[Problem]]:
    """The problems of each cut: by place, since names may be given twice."""
    num_frames = _frame_counter(settings, speed)
    tokenizer = tokenizer or given_tokenizer(settings.tokenizer)
    found = [[*_check_manifest(cut), *_check_text(cut, tokenizer, settings, num_frames)] for cut in cuts]
    names: set[str] = set()
    for cut, problems in zip(cuts, found, strict=True):
        if cut.id in names:
            problems.append(Problem(cut.id, "misdeclared", "an utterance before it has the same name"))
        names.add(cut.id)
    if read_audio:
        # Utterances of one recording together, so that it is read once.
        groups = defaultdict(list)
        for index, cut in enumerate(cuts):
            groups[_source(cut) or index].append(index)
        # Threads are enough: decoding happens in C, outside Python's lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            checked = pool.map(lambda group: _check_audio([cuts[index] for index in group]), groups.values())
            for group, results in zip(groups.values(), checked, strict=True):
                for index, problems in zip(group, results, strict=True):
                    found[index] += problems
    return found


def _frame_counter(settings: ModelSettings, speed: float) -> Callable[[float], int]:
    extractor = FeatureExtractor(settings.features)
    rate = settings.features.sample_rate / speed
    return lambda seconds: subsampled(extractor.num_frames(round(seconds * rate)))


def _check_manifest(cut: Any) -> Iterator[Problem]:
    if len(cut.supervisions) > 1:
        reason = f"{len(cut.supervisions)} supervisions in one cut; split it with lhotse's `trim_to_supervisions`"
        yield Problem(cut.id, "misdeclared", reason)
    for supervision in cut.supervisions:
        if supervision.start < -DURATION_TOLERANCE or supervision.end > cut.duration + DURATION_TOLERANCE:
            span = f"{supervision.start:.2f} to {supervision.end:.2f} s"
            reason = f"the text belongs to {span} of a cut of {cut.duration:.2f} s"
            yield Problem(cut.id, "misdeclared", reason)
    recording = getattr(cut, "recording", None)
    if recording is not None and (cut.start < 0 or cut.end > recording.duration + DURATION_TOLERANCE):
        reason = f"{cut.start:.2f} to {cut.end:.2f} s reach beyond the recording of {recording.duration:.2f} s"
        yield Problem(cut.id, "misdeclared", reason)


def _check_text(
    cut: Any, tokenizer: Tokenizer | None, settings: ModelSettings, num_frames: Callable[[float], int]
) -> Iterator[Problem]:
    raw = " ".join(supervision.text or "" for supervision in cut.supervisions)
    text = normalize(raw, settings.normalizer)
    if not text:
        yield Problem(cut.id, "empty", f"nothing is left of the text {raw!r}" if raw else "there is no text")
        return
    try:
        tokens = _fewest_tokens(text, settings.tokenizer.kind) if tokenizer is None else tokenizer.encode(text)
    except TextError as error:
        yield Problem(cut.id, "out-of-alphabet", str(error))
        return
    frames = num_frames(cut.duration)
    if not is_feasible(frames, tokens):
        reason = f"{len(tokens)} tokens need {required_frames(tokens)} frames, {cut.duration:.2f} s give {frames}"
        yield Problem(cut.id, "infeasible", reason)


def _fewest_tokens(text: str, kind: str) -> list[int]:
    """Tokens before there is an alphabet: letters; of words, and of subword units at their longest, words."""
    units = list(text) if kind == "char" else text.split()
    numbers = {unit: number for number, unit in enumerate(units, start=1)}
    return [numbers[unit] for unit in units]


def _source(cut: Any) -> Path | None:
    """The file of a cut that is a plain stretch of one; None for mixtures, channels, archives and changed cuts."""
    recording = getattr(cut, "recording", None)
    if recording is None or recording.transforms or recording.num_channels != 1:
        return None
    if len(recording.sources) != 1 or recording.sources[0].type != "file":
        return None
    return Path(recording.sources[0].source)


def _check_audio(cuts: Sequence[Any]) -> list[list[Problem]]:
    """The problems of cuts of one recording that only show in its samples."""
    path = _source(cuts[0])
    if path is None:
        return [list(_check_other_audio(cut)) for cut in cuts]
    recording = cuts[0].recording
    try:
        waveform = load_audio(path, sample_rate=recording.sampling_rate)
    except AudioError as error:
        return [[Problem(cut.id, "unreadable", str(error))] for cut in cuts]
    reason = _misdeclared(recording, path, len(waveform))
    if reason is not None:
        return [[Problem(cut.id, "misdeclared", reason)] for cut in cuts]
    rate = recording.sampling_rate
    return [list(_check_samples(cut.id, waveform[round(cut.start * rate) : round(cut.end * rate)])) for cut in cuts]


def _check_other_audio(cut: Any) -> Iterator[Problem]:
    try:
        waveform = cut.load_audio()
    except Exception as error:  # whatever lhotse's many backends raise
        yield Problem(cut.id, "unreadable", " ".join(str(error).split())[:300])
        return
    if waveform is None:
        yield Problem(cut.id, "unreadable", "the manifest names no recording for it")
        return
    yield from _check_samples(cut.id, waveform.mean(0))


def _misdeclared(recording: Any, path: Path, num_samples: int) -> str | None:
    """How the manifest's word on a recording differs from the recording; None where it does not."""
    rate = _true_rate(path)
    if rate is not None and rate != recording.sampling_rate:
        return (
            f"{path}: the manifest says {recording.sampling_rate} Hz, the recording {rate} Hz; prepare the corpus again"
        )
    found = num_samples / recording.sampling_rate
    for declared in (recording.duration, recording.num_samples / recording.sampling_rate):
        if abs(found - declared) > DURATION_TOLERANCE:
            lengths = f"the manifest says {declared:.2f} s, the recording lasts {found:.2f} s"
            return f"{path}: {lengths}; prepare the corpus again"
    return None


def _true_rate(path: Path) -> int | None:
    try:
        return int(soundfile.info(str(path)).samplerate)
    except soundfile.SoundFileError:
        return None  # a format that ffmpeg reads; it has given the rate asked for


def _check_samples(utterance: str, waveform: NDArray[np.float32]) -> Iterable[Problem]:
    peak = float(np.max(np.abs(waveform), initial=0.0))
    if peak < SILENT_PEAK:
        level = f"{20 * np.log10(peak):.0f} dBFS" if peak > 0 else "zero throughout"
        yield Problem(utterance, "silent", f"peak level {level}; speech reaches -60 dBFS at the least")
    share = clipped_share(waveform)
    if share > CLIPPED_SHARE:
        yield Problem(
            utterance, "clipped", f"{share:.1%} of the samples are clipped; at most {CLIPPED_SHARE:.0%} may be"
        )
