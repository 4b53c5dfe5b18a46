"""What `asr mic` does: live sound in, text on the terminal, growing while it is said."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from asr.atomic import atomic_write
from asr.errors import AudioError
from asr.live.microphone import Microphone, PlayedFile, Sound
from asr.recognize.options import DecodingOptions
from asr.recognize.recognizer import load_model
from asr.recognize.streaming.endpoints import Endpoints
from asr.recognize.streaming.recognizer import Partial, StreamingRecognizer
from asr.signal.loudness import measure_block
from asr.signal.resample import Samples
from asr.transcript.formats import format_transcript
from asr.transcript.transcript import Segment, Transcript

logger = logging.getLogger(__name__)

_QUIETEST = -60.0  # decibels, where the level meter begins
_METER_CELLS = 24


class Screen:
    """Final text, which scrolls away above; the level and the text that is being said below it.

    Args:
        console: A terminal; anywhere else only final text is written.
        sound: What is heard.
    """

    def __init__(self, console: Console, sound: Sound) -> None:
        self._sound = sound
        self._console = console
        self._live = Live(console=console, refresh_per_second=12, transient=True, auto_refresh=False)
        self._partial = Partial()
        self.count = 0  # utterances written

    def __enter__(self) -> "Screen":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, level: float, partial: Partial | None) -> None:
        """A block was heard; where something is known anew, that too."""
        if partial is not None:
            self._partial = partial
            self.write(partial.finals)
        if self._console.is_terminal:
            self._live.update(Group(self._text(), self._meter(level)), refresh=True)

    def write(self, segments: tuple[Segment, ...]) -> None:
        """Utterances that are final."""
        self.count += len(segments)
        for segment in segments:
            line = Text(segment.text, style="bold white" if self._console.is_terminal else "")
            self._console.print(line, soft_wrap=not self._console.is_terminal)

    def _text(self) -> Text:
        return Text.assemble((self._partial.committed, "white"), (self._partial.tail, "bright_black italic"))

    def _meter(self, level: float) -> Text:
        filled = round(_METER_CELLS * min(1.0, max(0.0, 1 - level / _QUIETEST)))
        color = "red" if level > -6 else "green"
        bar = Text.assemble(("█" * filled, color), ("░" * (_METER_CELLS - filled), "bright_black"))
        dropped = f"  {self._sound.dropped} blocks dropped" if self._sound.dropped else ""
        return bar.append(f" {level:5.0f} dB  {self._sound.name}", "bright_black").append(dropped, "bold red")


def listen(
    stream: StreamingRecognizer,
    sound: Sound,
    *,
    console: Console,
    save_audio: Path | None = None,
    save_text: Path | None = None,
) -> Transcript:
    """Recognise live sound until it ends or Ctrl-C.

    Args:
        stream: Takes samples at the sound's rate.
        sound: What is heard.
        console: Where text goes.
        save_audio: Keep what was heard, as WAV, FLAC or what else the name says.
        save_text: Keep what was said; subtitles where the name ends in .srt or .vtt, a line of JSON in .json.

    Raises:
        AudioError: If the sound fails.
        AsrError: If what was heard or said cannot be written.
    """
    with sound, _text_file(save_text) as write, _recording(save_audio, sound.sample_rate) as keep:
        with Screen(console, sound) as screen:
            with contextlib.suppress(KeyboardInterrupt):  # the usual end
                for block in sound:
                    keep(block)
                    screen.show(measure_block(block), stream.accept(block))
            transcript = stream.finish()
            screen.write(transcript.segments[screen.count :])
        write(transcript)
    if sound.dropped:
        logger.warning("%d blocks of sound were dropped: they came faster than this machine reads", sound.dropped)
    return transcript


def run(
    model: str,
    *,
    device: str | None,
    file: Path | None,
    chunk: float,
    right: float,
    endpoints: Endpoints,
    decoding: DecodingOptions,
    console: Console,
    save_audio: Path | None,
    save_text: Path | None,
) -> None:
    """What `asr mic` does; for the arguments see there.

    Raises:
        AsrError: If the model, the microphone or the file cannot be had.
    """
    if file is not None and save_audio is not None and file.resolve() == save_audio.resolve():
        raise AudioError(f"--save-audio {save_audio}: is the file that is played; name another")
    recognizer = load_model(model, decoding=decoding)
    sound = open_sound(device, file, recognizer.sample_rate)
    stream = StreamingRecognizer(
        recognizer, sample_rate=sound.sample_rate, chunk=chunk, right=right, endpoints=endpoints
    )
    listen(stream, sound, console=console, save_audio=save_audio, save_text=save_text)


def open_sound(device: str | None, file: Path | None, sample_rate: int) -> Sound:
    """The microphone, or a file in its place, which comes at so many Hz."""
    return PlayedFile(file, sample_rate) if file is not None else Microphone(device)


@contextlib.contextmanager
def _recording(path: Path | None, sample_rate: float) -> Iterator["_Keeper"]:
    """Writes what is heard to a file, which is there in the end even if something else failed meanwhile."""
    if path is None:
        yield _Keeper(None)
        return
    failure: BaseException | None = None
    with atomic_write(path) as partial, _open(partial, path, sample_rate) as file:
        keeper = _Keeper(file)
        try:
            yield keeper
        except BaseException as error:
            if not keeper.has_sound:
                raise
            failure = error
    if failure is not None:
        raise failure


def _open(partial: Path, path: Path, sample_rate: float) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(partial, "w", samplerate=int(sample_rate), channels=1)
    except (TypeError, ValueError):
        raise AudioError(f"{path}: sound cannot be written in such a form; name it .wav or .flac") from None
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: cannot be written ({error.error_string})") from None


class _Keeper:
    """Writes blocks to a file, if there is one."""

    def __init__(self, file: soundfile.SoundFile | None) -> None:
        self._file = file
        self.has_sound = False

    def __call__(self, block: Samples) -> None:
        if self._file is not None:
            self._file.write(np.clip(block, -1.0, 1.0))
            self.has_sound = True


@contextlib.contextmanager
def _text_file(path: Path | None) -> Iterator[Callable[[Transcript], None]]:
    """Writes what was said; where that cannot be, it says so at once and not after all the talking."""
    if path is None:
        yield lambda transcript: None
        return
    name = path.suffix.lstrip(".")

    def write(transcript: Transcript) -> None:
        text = format_transcript(transcript, name if name in ("srt", "vtt", "json") else "txt")
        partial.write_text(text, encoding="utf-8")

    with atomic_write(path) as partial:
        partial.touch()
        yield write
