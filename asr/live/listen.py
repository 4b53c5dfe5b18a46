"""Live audio in, its transcript out: recognises one input and records it.

Knows nothing of how results are displayed: a callback receives them block by block.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from asr.atomic import atomic_write
from asr.errors import AudioError
from asr.live.microphone import AudioInput
from asr.recognize.streaming.recognizer import StreamingRecognizer
from asr.recognize.streaming.stream import Partial
from asr.signal.resample import Waveform
from asr.transcript.formats import format_transcript
from asr.transcript.transcript import Transcript

logger = logging.getLogger(__name__)


def listen(
    stream: StreamingRecognizer,
    audio_input: AudioInput,
    on_block: Callable[[Waveform, Partial | None], None] = lambda block, partial: None,
    *,
    save_audio: Path | None = None,
    save_text: Path | None = None,
) -> Transcript:
    """Recognise live audio until it ends or Ctrl-C is pressed.

    Args:
        stream: Accepts samples at the input's rate.
        audio_input: Where the audio comes from.
        on_block: Called with each block and what is known after it (None if nothing has changed), and at the end with
            an empty block and the last utterances.
        save_audio: Where to record the audio, as WAV, FLAC or another format by its suffix.
        save_text: Where to write the transcript: subtitles for .srt and .vtt, JSON for .json, otherwise text.

    Raises:
        AudioError: If the input fails.
        AsrError: If the audio or the transcript cannot be written.
    """
    with (
        audio_input,
        _open_transcript(save_text) as write_text,
        _open_recording(save_audio, audio_input.sample_rate) as record,
    ):
        num_finals = 0
        with contextlib.suppress(KeyboardInterrupt):  # the usual end
            for block in audio_input:
                record(block)
                partial = stream.feed(block)
                on_block(block, partial)
                num_finals += len(partial.finals) if partial else 0
        transcript = stream.finish()
        on_block(np.empty(0, np.float32), Partial(finals=transcript.segments[num_finals:]))
        write_text(transcript)
    if audio_input.dropped:
        logger.warning("%d blocks of audio were dropped: this machine is too slow", audio_input.dropped)
    return transcript


@contextlib.contextmanager
def _open_recording(path: Path | None, sample_rate: float) -> Iterator[Callable[[Waveform], None]]:
    """Open a file for audio. It is kept even if something else fails meanwhile, unless it is empty."""
    if path is None:
        yield lambda block: None
        return
    failure: BaseException | None = None
    with atomic_write(path) as partial, _open_audio(partial, path, sample_rate) as file:
        try:
            yield lambda block: file.write(np.clip(block, -1.0, 1.0))
        except BaseException as error:
            if not file.frames:
                raise
            failure = error
    if failure is not None:
        raise failure


def _open_audio(partial: Path, path: Path, sample_rate: float) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(partial, "w", samplerate=int(sample_rate), channels=1)
    except (TypeError, ValueError):
        raise AudioError(f"{path}: not a format that audio can be written in; name it .wav or .flac") from None
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: cannot be written ({error.error_string})") from None


@contextlib.contextmanager
def _open_transcript(path: Path | None) -> Iterator[Callable[[Transcript], None]]:
    """Open a file for the transcript, so that a path that cannot be written fails before anything is said."""
    if path is None:
        yield lambda transcript: None
        return
    suffix = path.suffix.lstrip(".")

    def write(transcript: Transcript) -> None:
        text = format_transcript(transcript, suffix if suffix in ("srt", "vtt", "json") else "txt")
        partial.write_text(text, encoding="utf-8")

    with atomic_write(path) as partial:
        partial.touch()
        yield write
