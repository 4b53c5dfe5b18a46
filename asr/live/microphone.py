"""Where live sound comes from: a microphone, or a file that is played in its place.

Both give blocks (S,) float32 in real time, and count what was lost because nobody took it in time.
"""

import queue
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from asr.errors import AudioError
from asr.signal.audio import stream_audio
from asr.signal.resample import Samples

BLOCK_SECONDS = 0.1
_WAITING_BLOCKS = 50  # 5 s that may wait to be read before blocks are dropped


class Sound(Protocol):
    """A source of live sound.

    Attributes:
        sample_rate: Hz of its blocks.
        dropped: Blocks that were lost so far.
        name: For people.
    """

    sample_rate: float
    dropped: int
    name: str

    def __enter__(self) -> "Sound": ...

    def __exit__(self, *_: Any) -> None: ...

    def __iter__(self) -> Iterator[Samples]: ...


class Microphone:
    """An input device, at its own rate.

    Args:
        device: Number or part of the name, as `list_devices` shows them; None: the system's choice.

    Raises:
        AudioError: If there is no PortAudio or no such device, or it cannot be opened.
    """

    def __init__(self, device: str | None = None) -> None:
        self._portaudio = import_sounddevice()
        chosen = int(device) if device is not None and device.isdigit() else device
        try:
            found = self._portaudio.query_devices(chosen, "input")
        except (ValueError, self._portaudio.PortAudioError) as error:
            raise AudioError(_describe_missing(device, error)) from None
        self.name = str(found["name"])
        self.sample_rate = float(found["default_samplerate"])
        self.dropped = 0
        self._device = found["index"]
        self._blocks: queue.Queue[Samples | None] = queue.Queue(_WAITING_BLOCKS)
        self._stream: Any = None

    def __enter__(self) -> "Microphone":
        try:
            self._stream = self._portaudio.InputStream(
                device=self._device,
                channels=1,
                samplerate=self.sample_rate,
                blocksize=round(BLOCK_SECONDS * self.sample_rate),
                dtype="float32",
                callback=self._take,
                finished_callback=self._end,
            )
            self._stream.start()
        except self._portaudio.PortAudioError as error:
            raise AudioError(f"{self.name}: cannot be opened ({error}); is another program using it?") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[Samples]:
        while (block := self._blocks.get()) is not None:
            yield block

    def _take(self, samples: Any, count: int, clock: Any, status: Any) -> None:
        """Called by PortAudio's own thread, which must never wait."""
        if status.input_overflow:
            self.dropped += 1
        try:
            self._blocks.put_nowait(samples[:, 0].copy())
        except queue.Full:
            self.dropped += 1

    def _end(self) -> None:
        """The device stopped, perhaps because it was pulled out."""
        if self._blocks.full():
            self._blocks.get_nowait()
        self._blocks.put_nowait(None)


class PlayedFile:
    """A recording, block by block, as fast as it would sound.

    Args:
        path: Anything that `asr transcribe` reads.
        sample_rate: Hz of the blocks.
    """

    def __init__(self, path: Path, sample_rate: float) -> None:
        self.name = str(path)
        self.sample_rate = sample_rate
        self.dropped = 0
        self._path = path

    def __enter__(self) -> "PlayedFile":
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing is held open."""

    def __iter__(self) -> Iterator[Samples]:
        due = time.monotonic()
        for block in stream_audio(self._path, block_seconds=BLOCK_SECONDS, sample_rate=int(self.sample_rate)):
            due += len(block) / self.sample_rate
            late = time.monotonic() - due
            if late > _WAITING_BLOCKS * BLOCK_SECONDS:
                self.dropped += 1  # as a microphone would have
                continue
            time.sleep(max(0.0, -late))
            yield block


def list_devices() -> list[tuple[int, str, str]]:
    """Number, name and details of each device that records; the system's choice has a star.

    Raises:
        AudioError: If there is no PortAudio.
    """
    sounddevice = import_sounddevice()
    default = sounddevice.default.device[0]
    return [
        (
            int(one["index"]),
            str(one["name"]),
            f"{one['max_input_channels']} channels, {one['default_samplerate']:.0f} Hz"
            + (" *" if one["index"] == default else ""),
        )
        for one in sounddevice.query_devices()
        if one["max_input_channels"] > 0
    ]


def import_sounddevice() -> Any:
    """The library that speaks to sound cards. Raises AudioError where it or PortAudio is missing."""
    try:
        import sounddevice
    except ImportError:
        raise AudioError("the microphone needs sounddevice: pip install sounddevice; or take --file FILE") from None
    except OSError:  # the wheel for Linux brings no PortAudio
        raise AudioError(
            "the microphone needs PortAudio: apt install libportaudio2 (Fedora: dnf install portaudio, "
            "Arch: pacman -S portaudio); or take --file FILE"
        ) from None
    return sounddevice


def _describe_missing(device: str | None, error: Exception) -> str:
    if device is None:
        return "no microphone found; plug one in, look at `asr mic --list`, or take --file FILE"
    return f"--device {device}: no such microphone ({error}); look at `asr mic --list`"
