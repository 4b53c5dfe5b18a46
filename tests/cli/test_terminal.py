"""`asr mic` with a file as the microphone."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from asr.cli.live import mic
from asr.cli.terminal import show_live
from asr.errors import AudioError
from asr.live.microphone import PlayedFile
from asr.recognize.recognizer import load_model
from asr.recognize.streaming.recognizer import StreamingRecognizer
from tests.live.clock import Clock
from tests.live.serving import PHONE, RATE, TEXTS


def show_phone(monkeypatch: pytest.MonkeyPatch, **options: object) -> str:
    """What a console shows of a sample."""
    Clock(monkeypatch)
    shown = io.StringIO()
    stream = StreamingRecognizer(load_model("an4", device="cpu"))
    show_live(stream, PlayedFile(PHONE, RATE), console=Console(file=shown, width=100, **options))
    return shown.getvalue()


def test_a_terminal_shows_text_while_it_is_spoken_and_the_loudness(monkeypatch: pytest.MonkeyPatch):
    text = show_phone(monkeypatch, force_terminal=True, color_system="standard")
    assert "five five f" in text.split("three")[0]  # before the last word
    assert "█" in text
    assert " dB " in text
    assert f"\x1b[1;37m{TEXTS['phone']}" in text  # bold white when it is final


def test_anything_else_gets_the_final_text_only(monkeypatch: pytest.MonkeyPatch):
    assert show_phone(monkeypatch) == f"{TEXTS['phone']}\n"


def test_a_file_is_not_overwritten_while_it_is_played(tmp_path: Path):
    with pytest.raises(AudioError, match="is the file that is played"):
        mic("an4", file=tmp_path / "kept.wav", save_audio=tmp_path / "new" / ".." / "kept.wav")
