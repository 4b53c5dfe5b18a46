"""Audio inputs: a file that plays in real time, and a microphone with a made-up sound card."""

import sys
import types
from typing import Any

import numpy as np
import pytest
import soundfile

from asr.errors import AudioError
from asr.live.microphone import Microphone, PlayedFile, list_devices
from asr.signal.loudness import measure_block
from tests.live.clock import Clock
from tests.live.serving import PHONE, RATE


def test_a_file_that_nobody_reads_in_time_loses_blocks(monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch)
    sound = PlayedFile(PHONE, RATE)
    blocks = iter(sound)
    next(blocks)
    clock.now += 6
    taken = 1 + len(list(blocks))
    assert sound.dropped == 9  # what was more than 5 s late
    assert taken + sound.dropped == np.ceil(soundfile.info(PHONE).duration / 0.1)


class FakePortAudio(types.ModuleType):
    """A sound card that gives a few blocks, more than anybody takes, and is then pulled out."""

    class PortAudioError(Exception):
        pass

    def __init__(self, num_blocks: int) -> None:
        super().__init__("sounddevice")
        self.num_blocks = num_blocks
        self.default = types.SimpleNamespace(device=(1, 0))
        self.devices = [
            {"index": 0, "name": "Speaker", "max_input_channels": 0, "default_samplerate": 48000.0},
            {"index": 1, "name": "Headset", "max_input_channels": 1, "default_samplerate": 44100.0},
        ]

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        if kind is None:
            return self.devices
        if device in (None, 1, "Head"):
            return self.devices[1]
        raise ValueError(f"No input device matching {device!r}")

    def InputStream(self, *, callback: Any, finished_callback: Any, blocksize: int, **options: Any) -> Any:  # noqa: N802
        def start() -> None:
            for number in range(self.num_blocks):
                status = types.SimpleNamespace(input_overflow=number == 0)
                callback(np.full((blocksize, 1), number, np.float32), blocksize, None, status)
            finished_callback()

        return types.SimpleNamespace(start=start, close=lambda: None)


def test_a_microphone_gives_blocks_at_its_own_rate_and_counts_what_is_lost(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio(num_blocks=4))
    microphone = Microphone("Head")
    assert (microphone.name, microphone.sample_rate) == ("Headset", 44100.0)
    with microphone:
        blocks = list(microphone)
    assert [block[0] for block in blocks] == [0, 1, 2, 3]
    assert {len(block) for block in blocks} == {4410}
    assert microphone.dropped == 1  # the card said so
    assert list_devices() == [(1, "Headset", "1 channels, 44100 Hz *")]


def test_blocks_that_nobody_takes_are_dropped_not_hoarded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio(num_blocks=70))
    with Microphone() as microphone:
        assert len(list(microphone)) == 49
    assert microphone.dropped == 1 + 20


def test_a_missing_microphone_or_library_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio(0))
    with pytest.raises(AudioError, match="Piano: no such microphone"):
        Microphone("Piano")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioError, match="pip install sounddevice"):
        Microphone()


def test_loudness_is_in_decibels_below_full_scale():
    sine = np.sin(np.linspace(0, 200 * np.pi, 16000, endpoint=False)).astype(np.float32)
    assert measure_block(sine) == pytest.approx(-3.01, abs=0.01)
    assert measure_block(np.zeros(10, np.float32)) == -90.0
