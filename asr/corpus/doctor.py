"""Cuts in, problems out: which utterances training cannot use, by name and with the reason.

    infeasible       the network outputs fewer frames than CTC needs for the text
    empty            no text is left after normalisation
    annotated        the text has annotations such as [noise], and the settings refuse them
    out-of-alphabet  the text contains a symbol that the tokenizer cannot encode
    misdeclared      the manifest contradicts the recording, or two utterances share a name
    unreadable       the recording is missing or damaged
    silent           no sample reaches -60 dBFS
    clipped          more than 1 % of the samples lie on flat tops at full scale

Training leaves all of them out, because a single one can spoil a batch.
"""

import gc
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.alignment import is_feasible, required_frames
from asr.config import SETTINGS_FILE, ModelSettings, NormalizerSettings
from asr.corpus.backends import read_samples
from asr.corpus.cuts import Manifest, is_misdeclared, read_waveform, stream_cuts
from asr.corpus.packed import PackedCuts
from asr.corpus.ranges import ShardError
from asr.corpus.verdicts import Verdicts, files_of, size_and_time, sources_of
from asr.errors import AudioError, TextError, one_line
from asr.recognize.model_folder import find_model
from asr.reporter import SILENT, Reporter
from asr.signal.audio import load_audio
from asr.signal.channels import CLIPPED_SHARE, count_clipped
from asr.signal.front_end import frame_layout
from asr.text.annotations import find_annotations, find_marked
from asr.text.load import given_tokenizer, load_tokenizer
from asr.text.normalize import normalize
from asr.text.tokenizer import Tokenizer

SILENT_PEAK = 1e-3  # -60 dBFS
# lhotse tolerates as much when it reads audio, so training does too.
DURATION_TOLERANCE = 0.025  # seconds
_PORTION = 5000  # cuts that are examined at once
_MOST_MARKS = 10  # kinds of annotations that are listed


_Fault = tuple[str, str]  # kind and reason


class Problem(NamedTuple):
    """Why an utterance cannot be used; `kind` is one of those listed at the top of this module."""

    utterance: str
    kind: str
    reason: str


def diagnose(
    manifests: Sequence[Manifest], model: str | Path | None = None, *, reporter: Reporter = SILENT
) -> list[Problem]:
    """Examine manifests, as `asr doctor` does.

    Args:
        manifests: Written by `asr prepare` or `asr shard`, by path or URL.
        model: Check against this model's alphabet and settings. Without one, each letter counts as a token, and all
            letters are accepted.
        reporter: Shows the annotations that the texts hold.

    Raises:
        CorpusError: If a manifest cannot be read.
        ModelError: If there is no such model, or its settings or tokens are broken.
    """
    folder = None if model is None else find_model(model)
    settings = ModelSettings() if folder is None else ModelSettings.load_saved(folder / SETTINGS_FILE)
    tokenizer = None if folder is None else load_tokenizer(folder, settings.tokenizer)
    found = pack_usable(manifests, tokenizer, settings)
    for line in found.annotations:
        reporter.line(line)
    return found.problems


@dataclass
class Examined:
    """What came of the cuts of some manifests."""

    usable: PackedCuts = field(default_factory=PackedCuts)
    problems: list[Problem] = field(default_factory=list)  # of the others
    num_cuts: int = 0
    annotations: list[str] = field(default_factory=list)  # lines about those of all texts
    files: dict[str, tuple[int, int] | None] = field(default_factory=dict)  # of recordings: size and time
    key: str = ""  # of what decided it
    is_kept: bool = False  # in a file, from which it came


def pack_usable(
    manifests: Sequence[Manifest], tokenizer: Tokenizer | None, settings: ModelSettings, *, speed: float = 1.0
) -> Examined:
    """Examine manifests cut by cut, so that they need not fit into memory; keep those without a problem.

    The findings are saved next to the manifest, so that recordings are read only once. If several utterances have the
    same name, the first is kept.

    Args:
        manifests: Written by `asr prepare` or `asr shard`, by path or URL.
        tokenizer: Must be able to encode the normalised texts; None to count each letter as a token.
        settings: Settings of the model to be trained.
        speed: An utterance must also be feasible at this speed, which training may apply to it.

    Raises:
        CorpusError: If a manifest or a shard cannot be read.
    """
    examined, names, counts = Examined(), set[str](), _AnnotationCounts(settings.normalizer)
    tokenizer = tokenizer or given_tokenizer(settings.tokenizer)
    with _without_collection():
        for manifest in manifests:
            verdicts = Verdicts(manifest)
            for lines, cuts in portions(stream_cuts(manifest)):
                for cut in cuts:
                    examined.files.update((file, size_and_time(file)) for file in files_of(cut))
                    counts.add(supervision.text or "" for supervision in cut.supervisions)
                problems_by_cut = _find_problems(cuts, tokenizer, settings, speed, verdicts, names)
                for line, cut, problems in zip(lines, cuts, problems_by_cut, strict=True):
                    examined.problems += problems
                    if not problems:
                        examined.usable.append(line, cut, normalize(cut.supervisions[0].text, settings.normalizer))
                examined.num_cuts += len(cuts)
            verdicts.save()
    examined.annotations = counts.describe()
    return examined


@contextmanager
def _without_collection() -> Iterator[None]:
    """Suspend the search for garbage: among so many new objects, none of which is in a circle, it takes much time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def portions(cuts: Iterable[tuple[bytes, Any]]) -> Iterator[tuple[list[bytes], list[Any]]]:
    """Divide a manifest, so that utterances of one recording that follow one another stay together."""
    lines: list[bytes] = []
    portion: list[Any] = []
    for line, cut in cuts:
        is_full = len(portion) >= _PORTION and (
            sources_of(cut) != sources_of(portion[-1]) or len(portion) > 10 * _PORTION
        )
        if is_full:
            yield lines, portion
            lines, portion = [], []
        lines.append(line)
        portion.append(cut)
    if portion:
        yield lines, portion


class _AnnotationCounts:
    """How often texts have which annotations, and what else stands in brackets."""

    def __init__(self, settings: NormalizerSettings) -> None:
        self._settings = settings
        self._known: Counter[str] = Counter()
        self._marked: Counter[str] = Counter()

    def add(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._known.update(find_annotations(text, self._settings.extra_annotations))
            self._marked.update(find_marked(text))

    def describe(self) -> list[str]:
        known, lines = self._known, []
        if known:
            outcome = {"drop": "dropped", "keep": "kept as words", "error": "refused"}[self._settings.annotations]
            lines.append(f"annotations, {outcome} (normalizer.annotations): {_list_counts(known)}")
        if others := Counter({mark: count for mark, count in self._marked.items() if mark not in known}):
            remedy = "if they are not said, name them in normalizer.extra_annotations"
            lines.append(f"in brackets, kept as words: {_list_counts(others)}; {remedy}")
        return lines


def describe_annotations(cuts: Iterable[Any], settings: NormalizerSettings) -> list[str]:
    """Describe in a line each the annotations of the texts, and what else stands in brackets, with their numbers."""
    counts = _AnnotationCounts(settings)
    counts.add(supervision.text or "" for cut in cuts for supervision in cut.supervisions)
    return counts.describe()


def _list_counts(counts: Counter[str]) -> str:
    listed = [f"{mark} {count}" for mark, count in counts.most_common(_MOST_MARKS)]
    unlisted = len(counts) - len(listed)
    return ", ".join([*listed, *[f"{unlisted} others"] * (unlisted > 0)])


def examine(cuts: Iterable[Any], tokenizer: Tokenizer | None, settings: ModelSettings) -> list[Problem]:
    """List the problems of cuts, in the order of the cuts.

    Args:
        cuts: One utterance each.
        tokenizer: Must be able to encode the normalised texts; None to count each letter as a token.
        settings: Settings of the model to be trained.
    """
    found = _find_problems(list(cuts), tokenizer or given_tokenizer(settings.tokenizer), settings)
    return [problem for problems in found for problem in problems]


def clipped_share(waveform: NDArray[np.float32]) -> float:
    """Return the share of the samples (S,) that are clipped, at the rate of the recording."""
    return count_clipped(waveform) / max(1, len(waveform))


def _find_problems(
    cuts: list[Any],
    tokenizer: Tokenizer | None,
    settings: ModelSettings,
    speed: float = 1.0,
    verdicts: Verdicts | None = None,
    names: set[str] | None = None,
) -> list[list[Problem]]:
    """List the problems of each cut, by index because names may occur twice; `names` are those of earlier cuts."""
    layout = frame_layout(settings.features)
    rate = settings.features.sample_rate / speed
    faults: list[list[_Fault]] = []
    names = set() if names is None else names
    for cut in cuts:
        num_frames = layout.num_outputs(layout.num_frames(round(cut.duration * rate)))
        faults.append([*_check_manifest(cut), *_check_text(cut, tokenizer, settings, num_frames)])
        if cut.id in names:
            faults[-1].append(("misdeclared", "an earlier utterance has the same name"))
        names.add(cut.id)
    return [
        [Problem(cut.id, *fault) for fault in [*others, *of_sound]]
        for cut, others, of_sound in zip(cuts, faults, check_sound(cuts, verdicts), strict=True)
    ]


def check_sound(cuts: Sequence[Any], verdicts: Verdicts | None = None) -> list[list[_Fault]]:
    """List what is wrong with the sound of each cut; of recordings that have verdicts nothing is read.

    Raises:
        ShardError: If a shard cannot be read.
    """
    # Utterances of one recording are checked together, so that it is read once.
    groups = defaultdict(list)
    for index, cut in enumerate(cuts):
        groups[_source_file(cut) or index].append(index)
    faults: list[list[_Fault]] = [[] for _ in cuts]
    # Threads suffice: audio is decoded in C, outside Python's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda group: _judge([cuts[index] for index in group], verdicts), groups.values())
        for group, faults_of_group in zip(groups.values(), results, strict=True):
            for index, audio_faults in zip(group, faults_of_group, strict=True):
                faults[index] = audio_faults
    return faults


def _judge(cuts: Sequence[Any], verdicts: Verdicts | None) -> list[list[_Fault]]:
    """List what is wrong with the samples of each of the cuts of one recording; read it only if that is not known."""
    if verdicts is None:
        return _check_audio(cuts)
    known = verdicts.get(cuts)
    if known is None:
        known = _check_audio(cuts)
        verdicts.add(cuts, known)
    return known


def _check_manifest(cut: Any) -> Iterator[_Fault]:
    if len(cut.supervisions) > 1:
        count = len(cut.supervisions)
        yield "misdeclared", f"{count} supervisions in one cut; split it with lhotse's `trim_to_supervisions`"
    for supervision in cut.supervisions:
        if supervision.start < -DURATION_TOLERANCE or supervision.end > cut.duration + DURATION_TOLERANCE:
            span = f"{supervision.start:.2f} to {supervision.end:.2f} s"
            yield "misdeclared", f"the text belongs to {span}, but the cut lasts {cut.duration:.2f} s"
    recording = getattr(cut, "recording", None)
    if recording is not None and (cut.start < 0 or cut.end > recording.duration + DURATION_TOLERANCE):
        span = f"{cut.start:.2f} to {cut.end:.2f} s"
        yield "misdeclared", f"{span} is not within the recording of {recording.duration:.2f} s"


def _check_text(cut: Any, tokenizer: Tokenizer | None, settings: ModelSettings, num_frames: int) -> Iterator[_Fault]:
    raw = " ".join(supervision.text or "" for supervision in cut.supervisions)
    try:
        text = normalize(raw, settings.normalizer)
    except TextError as error:
        yield "annotated", str(error)
        return
    if not text:
        yield "empty", f"nothing is left of the text {raw!r}" if raw else "there is no text"
        return
    try:
        tokens = _fewest_tokens(text, settings.tokenizer.kind) if tokenizer is None else tokenizer.encode(text)
    except TextError as error:
        yield "out-of-alphabet", str(error)
        return
    if not is_feasible(num_frames, tokens):
        need = f"{len(tokens)} tokens need {required_frames(tokens)} frames"
        yield "infeasible", f"{need}, {cut.duration:.2f} s give {num_frames}"


def _fewest_tokens(text: str, kind: str) -> list[int]:
    """Encode a text in the fewest tokens that any alphabet of this kind needs: letters, or whole words."""
    units = list(text) if kind == "char" else text.split()
    numbers = {unit: number for number, unit in enumerate(units, start=1)}
    return [numbers[unit] for unit in units]


def _source_file(cut: Any) -> Path | None:
    """Return the file of a cut that is an unmodified mono segment of one; None for mixtures, archives and the like."""
    recording = getattr(cut, "recording", None)
    if recording is None or recording.transforms or recording.num_channels != 1:
        return None
    if len(recording.sources) != 1 or recording.sources[0].type != "file":
        return None
    return Path(recording.sources[0].source)


def _check_audio(cuts: Sequence[Any]) -> list[list[_Fault]]:
    """List what is wrong with the samples of each of the cuts of one recording."""
    path = _source_file(cuts[0])
    if path is None:
        return [list(_check_other_audio(cut)) for cut in cuts]
    recording = cuts[0].recording
    rate = recording.sampling_rate
    try:
        waveform = load_audio(path, sample_rate=rate, on_warning=lambda warning: None)
    except AudioError as error:
        return [[("unreadable", str(error))] for _ in cuts]
    reason = _describe_mismatch(recording, path, len(waveform))
    if reason is not None:
        return [[("misdeclared", reason)] for _ in cuts]
    return [list(_check_samples(waveform[round(cut.start * rate) : round(cut.end * rate)])) for cut in cuts]


def _check_other_audio(cut: Any) -> Iterator[_Fault]:
    try:
        waveform = read_waveform(cut, cut.sampling_rate)[None] if is_misdeclared(cut) else read_samples(cut)
    except ShardError:
        raise
    except Exception as error:  # whatever lhotse's many backends raise
        yield "unreadable", one_line(error)
        return
    if waveform is None:
        yield "unreadable", "the manifest gives no recording for it"
        return
    yield from _check_samples(waveform.mean(0))


def _describe_mismatch(recording: Any, path: Path, num_samples: int) -> str | None:
    """Describe how the manifest contradicts the recording; None if it does not."""
    rate = recording.sampling_rate
    with suppress(soundfile.SoundFileError):  # ffmpeg alone reads some formats, and resamples them to the declared rate
        actual_rate = soundfile.info(str(path)).samplerate
        if actual_rate != rate:
            return f"{path}: the manifest says {rate} Hz, the recording {actual_rate} Hz; prepare the corpus again"
    duration = num_samples / rate
    for declared in (recording.duration, recording.num_samples / rate):
        if abs(duration - declared) > DURATION_TOLERANCE:
            lengths = f"the manifest says {declared:.2f} s, the recording lasts {duration:.2f} s"
            return f"{path}: {lengths}; prepare the corpus again"
    return None


def _check_samples(waveform: NDArray[np.float32]) -> Iterator[_Fault]:
    peak = float(max(waveform.max(initial=0.0), -waveform.min(initial=0.0)))
    if peak < SILENT_PEAK:
        peak_db = f"{20 * np.log10(peak):.0f} dBFS" if peak > 0 else "zero throughout"
        yield "silent", f"peak level {peak_db}; speech reaches at least -60 dBFS"
    share = clipped_share(waveform)
    if share > CLIPPED_SHARE:
        yield "clipped", f"{share:.1%} of the samples are clipped; at most {CLIPPED_SHARE:.0%} are accepted"
