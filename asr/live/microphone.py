"""Live audio inputs: a microphone, or a file or a pipe in its place.

All yield blocks (S,) float32. A microphone, and a file that is played in real time, count the blocks that were lost
because nobody took them in time.
"""

import queue
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from asr.errors import AudioError
from asr.signal.audio import stream_audio
from asr.signal.resample import Waveform

BLOCK_SECONDS = 0.1
_MAX_WAITING_BLOCKS = 50  # 5 s; later blocks are dropped


class AudioInput(ABC):
    """A source of live audio.

    Attributes:
        sample_rate: Hz of its blocks.
        dropped: Blocks lost so far.
        name: For people.
    """

    sample_rate: float
    dropped: int
    name: str

    def __enter__(self) -> "AudioInput":
        return self

    def __exit__(self, *_: object) -> None:
        return  # nothing is held open

    @abstractmethod
    def __iter__(self) -> Iterator[Waveform]: ...


class Microphone(AudioInput):
    """An input device, at its own sample rate.

    Args:
        device: Number or part of the name, as in `list_devices`; None takes the system's default.

    Raises:
        AudioError: If PortAudio or the device is missing, or the device cannot be opened.
    """

    def __init__(self, device: str | None = None) -> None:
        self._portaudio = _import_sounddevice()
        name_or_number = int(device) if device is not None and device.isdigit() else device
        try:
            details = self._portaudio.query_devices(name_or_number, "input")
        except (ValueError, self._portaudio.PortAudioError) as error:
            if device is None:
                raise AudioError("no microphone found; connect one, or play a file instead") from None
            reason = f"{device}: no such microphone ({error}); list the microphones to see their names"
            raise AudioError(reason) from None
        self.name = str(details["name"])
        self.sample_rate = float(details["default_samplerate"])
        self.dropped = 0
        self._device = details["index"]
        self._blocks: queue.Queue[Waveform | None] = queue.Queue(_MAX_WAITING_BLOCKS)
        self._stream: Any = None

    def __enter__(self) -> "Microphone":
        try:
            self._stream = self._portaudio.InputStream(
                device=self._device,
                channels=1,
                samplerate=self.sample_rate,
                blocksize=round(BLOCK_SECONDS * self.sample_rate),
                dtype="float32",
                callback=self._on_block,
                finished_callback=self._on_end,
            )
            self._stream.start()
        except self._portaudio.PortAudioError as error:
            raise AudioError(f"{self.name}: cannot be opened ({error}); is another program using it?") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[Waveform]:
        while (block := self._blocks.get()) is not None:
            yield block

    def _on_block(self, samples: Any, count: int, clock: Any, status: Any) -> None:
        """Queue a block. PortAudio calls this in its own thread, which must never wait."""
        if status.input_overflow:
            self.dropped += 1
        try:
            self._blocks.put_nowait(samples[:, 0].copy())
        except queue.Full:
            self.dropped += 1

    def _on_end(self) -> None:
        """End the iteration: the device has stopped, perhaps because it was unplugged."""
        if self._blocks.full():
            self._blocks.get_nowait()
        self._blocks.put_nowait(None)


class ReadFile(AudioInput):
    """A recording that replaces the microphone. It is read as fast as it can be recognised.

    Args:
        path: Any file that `asr transcribe` reads.
        sample_rate: Hz of the blocks.
    """

    def __init__(self, path: Path, sample_rate: float) -> None:
        self.name = str(path)
        self.sample_rate = sample_rate
        self.dropped = 0
        self._path = path

    def __iter__(self) -> Iterator[Waveform]:
        yield from stream_audio(self._path, block_seconds=BLOCK_SECONDS, sample_rate=int(self.sample_rate))


class PlayedFile(ReadFile):
    """A recording that is played in real time."""

    def __iter__(self) -> Iterator[Waveform]:
        due = time.monotonic()
        for block in super().__iter__():
            due += len(block) / self.sample_rate
            late = time.monotonic() - due
            if late > _MAX_WAITING_BLOCKS * BLOCK_SECONDS:
                self.dropped += 1  # as a microphone would have
                continue
            time.sleep(max(0.0, -late))
            yield block


class RawInput(AudioInput):
    """Raw audio as it arrives: mono, signed 16-bit little-endian samples without a header.

    Args:
        file: Such as standard input.
        sample_rate: Hz.
    """

    def __init__(self, file: BinaryIO, sample_rate: float) -> None:
        self.name = "raw audio"
        self.sample_rate = sample_rate
        self.dropped = 0
        self._file = file

    def __iter__(self) -> Iterator[Waveform]:
        size = 2 * round(BLOCK_SECONDS * self.sample_rate)
        while len(block := self._file.read(size)) >= 2:
            yield np.frombuffer(block[: len(block) // 2 * 2], "<i2") / np.float32(32768)


def list_devices() -> list[tuple[int, str, str]]:
    """List the number, name and details of each input device; the system's default has a star.

    Raises:
        AudioError: If PortAudio is missing.
    """
    sounddevice = _import_sounddevice()
    default = sounddevice.default.device[0]
    devices = []
    for device in sounddevice.query_devices():
        if device["max_input_channels"] > 0:
            star = " *" if device["index"] == default else ""
            details = f"{device['max_input_channels']} channels, {device['default_samplerate']:.0f} Hz{star}"
            devices.append((int(device["index"]), str(device["name"]), details))
    return devices


def _import_sounddevice() -> Any:
    """Import the sound card library. Raises AudioError if it or PortAudio is missing."""
    try:
        import sounddevice
    except ImportError:
        raise AudioError("the microphone needs sounddevice: pip install sounddevice; or play a file instead") from None
    except OSError:  # the wheel for Linux does not contain PortAudio
        raise AudioError(
            "the microphone needs PortAudio: apt install libportaudio2 (Fedora: dnf install portaudio, "
            "Arch: pacman -S portaudio); or play a file instead"
        ) from None
    return sounddevice
