"""Live audio to a transcript, with a file as the input."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AsrError, AudioError
from asr.live.listen import listen
from asr.live.microphone import PlayedFile
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.recognizer import StreamingRecognizer
from asr.recognize.streaming.stream import Partial
from asr.signal.resample import Waveform
from tests.live.clock import Clock
from tests.live.serving import PHONE, RATE, TEXTS


def test_a_file_is_played_recognised_and_kept(recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch)
    blocks: list[Waveform] = []
    finals: list[str] = []

    def collect(block: Waveform, partial: Partial | None) -> None:
        blocks.append(block)
        finals.extend(segment.text for segment in partial.finals) if partial else None

    transcript = listen(
        StreamingRecognizer(recognizer),
        PlayedFile(PHONE, RATE),
        collect,
        save_audio=tmp_path / "recorded.flac",
        save_text=tmp_path / "said.srt",
    )
    assert transcript.text == " ".join(finals) == TEXTS["phone"]
    assert clock.now == pytest.approx(soundfile.info(PHONE).duration)  # as long as it sounds
    played = soundfile.read(PHONE)[0]
    np.testing.assert_allclose(np.concatenate(blocks), played, atol=1e-4)
    recorded, rate = soundfile.read(tmp_path / "recorded.flac")
    assert rate == RATE
    np.testing.assert_allclose(recorded, played, atol=1e-4)
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
        listen(StreamingRecognizer(recognizer), PlayedFile(PHONE, RATE), save_text=said)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["what was said before"]


class Broken(PlayedFile):
    """An input that fails after a number of blocks."""

    def __init__(self, num_blocks: int) -> None:
        super().__init__(PHONE, RATE)
        self._num_blocks = num_blocks

    def __iter__(self) -> Iterator[Waveform]:
        yield from islice(super().__iter__(), self._num_blocks)
        raise ValueError("broken")


def test_an_input_that_fails_keeps_its_recording_and_never_leaves_less_than_before(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    Clock(monkeypatch)
    kept = tmp_path / "new" / "kept.wav"
    for num_blocks, expected in ((3, 3), (0, 3), (5, 5)):
        with pytest.raises(ValueError, match="broken"):
            listen(StreamingRecognizer(recognizer), Broken(num_blocks), save_audio=kept)
        assert soundfile.info(kept).duration == pytest.approx(0.1 * expected)
    with pytest.raises(AudioError, match=r"name it \.wav"):
        listen(StreamingRecognizer(recognizer), Broken(1), save_audio=tmp_path / "kept.docx")


def test_lost_blocks_are_reported_at_the_end(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch, caplog):
    Clock(monkeypatch)
    audio_input = PlayedFile(PHONE, RATE)
    audio_input.dropped = 7
    listen(StreamingRecognizer(recognizer), audio_input)
    assert "7 blocks of audio were dropped" in caplog.text


def test_files_that_cannot_be_written_fail_before_anything_is_said(recognizer: Recognizer, tmp_path: Path):
    (tmp_path / "file").touch()
    for option in ("save_audio", "save_text"):
        with pytest.raises(AsrError, match="cannot be written"):
            listen(StreamingRecognizer(recognizer), Broken(0), **{option: tmp_path / "file" / "said.wav"})
