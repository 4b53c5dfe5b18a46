"""`asr mic`: a file in the microphone's place, and a microphone in PortAudio's."""

import io
import sys
import types
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from rich.console import Console

from asr.errors import AsrError, AudioError
from asr.live.microphone import Microphone, PlayedFile, list_devices
from asr.live.terminal import listen, run
from asr.recognize.options import DecodingOptions
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.endpoints import Endpoints
from asr.recognize.streaming.recognizer import StreamingRecognizer
from asr.signal.loudness import measure_block
from asr.signal.resample import Samples
from tests.live.serving import RATE, SAMPLES, TEXTS

PHONE = SAMPLES / "phone.flac"


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("asr.live.microphone.time", self)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_file_is_played_recognised_and_kept(recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch)
    told = io.StringIO()
    transcript = listen(
        StreamingRecognizer(recognizer),
        PlayedFile(PHONE, RATE),
        console=Console(file=told),
        save_audio=tmp_path / "heard.flac",
        save_text=tmp_path / "said.srt",
    )
    assert transcript.text == told.getvalue().strip() == TEXTS["phone"]
    assert clock.now == pytest.approx(soundfile.info(PHONE).duration)  # as long as it sounds
    heard, rate = soundfile.read(tmp_path / "heard.flac")
    assert rate == RATE
    np.testing.assert_allclose(heard, soundfile.read(PHONE)[0], atol=1e-4)
    assert TEXTS["phone"] in (tmp_path / "said.srt").read_text()


def test_a_text_that_cannot_be_kept_whole_leaves_the_old_one(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    Clock(monkeypatch)
    said, write = tmp_path / "said.txt", Path.write_text
    said.write_text("what was said before")

    def fill_up(path: Path, text: str, **options: object) -> None:
        write(path, text[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill_up)
    with pytest.raises(AsrError, match=r"said\.txt: cannot be written: No space left"):
        listen(
            StreamingRecognizer(recognizer),
            PlayedFile(PHONE, RATE),
            console=Console(file=io.StringIO()),
            save_text=said,
        )
    assert [path.read_text() for path in tmp_path.iterdir()] == ["what was said before"]


class Broken(PlayedFile):
    """Sound that fails after so many blocks."""

    def __init__(self, num_blocks: int) -> None:
        super().__init__(PHONE, RATE)
        self._num_blocks = num_blocks

    def __iter__(self) -> Iterator[Samples]:
        yield from islice(super().__iter__(), self._num_blocks)
        raise ValueError("broken")


def test_sound_that_fails_keeps_what_was_heard_and_never_leaves_less_than_before(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    Clock(monkeypatch)
    kept, quiet = tmp_path / "new" / "kept.wav", Console(file=io.StringIO())
    for num_blocks, expected in ((3, 3), (0, 3), (5, 5)):
        with pytest.raises(ValueError, match="broken"):
            listen(StreamingRecognizer(recognizer), Broken(num_blocks), console=quiet, save_audio=kept)
        assert soundfile.info(kept).duration == pytest.approx(0.1 * expected)
    with pytest.raises(AudioError, match=r"name it \.wav"):
        listen(StreamingRecognizer(recognizer), Broken(1), console=quiet, save_audio=tmp_path / "kept.docx")
    with pytest.raises(AudioError, match="is the file that is played"):
        run_mic(file=kept, save_audio=tmp_path / "new" / ".." / "new" / "kept.wav")


def run_mic(**options: Any) -> None:
    rest = {
        "device": None,
        "chunk": 0.4,
        "right": 1.0,
        "endpoints": Endpoints(),
        "decoding": DecodingOptions(),
        "save_text": None,
    }
    run("an4", console=Console(file=io.StringIO()), **rest, **options)


def test_lost_blocks_are_told_in_the_end(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch, caplog):
    Clock(monkeypatch)
    sound = PlayedFile(PHONE, RATE)
    sound.dropped = 7
    listen(StreamingRecognizer(recognizer), sound, console=Console(file=io.StringIO()))
    assert "7 blocks of sound were dropped" in caplog.text


def test_a_terminal_shows_text_while_it_is_said_and_the_level(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch):
    Clock(monkeypatch)
    told = io.StringIO()
    console = Console(file=told, force_terminal=True, width=100, color_system="standard")
    listen(StreamingRecognizer(recognizer), PlayedFile(PHONE, RATE), console=console)
    text = told.getvalue()
    assert "five five f" in text.split("three")[0]  # before the last word
    assert "█" in text
    assert " dB " in text
    assert f"\x1b[1;37m{TEXTS['phone']}" in text  # bold white when it is final


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


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recognizer: Recognizer):
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio(0))
    with pytest.raises(AudioError, match="--device Piano: no such microphone"):
        Microphone("Piano")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioError, match="pip install sounddevice"):
        Microphone()
    (tmp_path / "file").touch()
    for option in ("save_audio", "save_text"):  # before anything is said
        stream, sound = StreamingRecognizer(recognizer), Broken(0)
        with pytest.raises(AsrError, match="cannot be written"):
            listen(stream, sound, console=Console(file=io.StringIO()), **{option: tmp_path / "file" / "said.wav"})


def test_levels_are_decibels_below_full_scale():
    sine = np.sin(np.linspace(0, 200 * np.pi, 16000, endpoint=False)).astype(np.float32)
    assert measure_block(sine) == pytest.approx(-3.01, abs=0.01)
    assert measure_block(np.zeros(10, np.float32)) == -90.0
