"""`asr mic`: live audio in, text on the terminal as it is spoken."""

from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from asr.live.listen import listen
from asr.live.microphone import AudioInput
from asr.recognize.streaming.recognizer import StreamingRecognizer
from asr.recognize.streaming.stream import Partial
from asr.signal.loudness import measure_block
from asr.signal.resample import Waveform
from asr.transcript.transcript import Transcript

_QUIETEST = -60.0  # decibels at the left end of the loudness meter
_METER_CELLS = 24


class LiveDisplay:
    """Final text, which scrolls up; below it the current utterance and the loudness, on a terminal only."""

    def __init__(self, console: Console, audio_input: AudioInput) -> None:
        self._audio_input = audio_input
        self._console = console
        self._live = Live(console=console, refresh_per_second=12, transient=True, auto_refresh=False)
        self._partial = Partial()

    def __enter__(self) -> "LiveDisplay":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, block: Waveform, partial: Partial | None) -> None:
        """Show the loudness of a block, and what is known after it; None if nothing has changed."""
        if partial is not None:
            self._partial = partial
            for segment in partial.finals:
                line = Text(segment.text, style="bold white" if self._console.is_terminal else "")
                self._console.print(line, soft_wrap=not self._console.is_terminal)
        if self._console.is_terminal:
            self._live.update(Group(self._text(), self._meter(measure_block(block))), refresh=True)

    def _text(self) -> Text:
        return Text.assemble((self._partial.committed, "white"), (self._partial.tail, "bright_black italic"))

    def _meter(self, loudness: float) -> Text:
        filled = round(_METER_CELLS * min(1.0, max(0.0, 1 - loudness / _QUIETEST)))
        color = "red" if loudness > -6 else "green"
        bar = Text.assemble(("█" * filled, color), ("░" * (_METER_CELLS - filled), "bright_black"))
        dropped = f"  {self._audio_input.dropped} blocks dropped" if self._audio_input.dropped else ""
        return bar.append(f" {loudness:5.0f} dB  {self._audio_input.name}", "bright_black").append(dropped, "bold red")


def show_live(
    stream: StreamingRecognizer,
    audio_input: AudioInput,
    *,
    console: Console,
    save_audio: Path | None = None,
    save_text: Path | None = None,
) -> Transcript:
    """Recognise live audio as `listen` does, and show the text on a console."""
    with LiveDisplay(console, audio_input) as display:
        return listen(stream, audio_input, display.update, save_audio=save_audio, save_text=save_text)
