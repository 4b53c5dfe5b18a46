"""One recording and its text in, a file or standard output with the times of its words out."""

from pathlib import Path

from asr.errors import AsrError
from asr.files import read_lines
from asr.jobs.inputs import Inputs, find_recordings
from asr.jobs.outputs import Outputs, open_destination
from asr.recognize.align import align_text
from asr.recognize.recognizer import load_model
from asr.reporter import SILENT, Reporter
from asr.signal.channels import Channel
from asr.transcript.transcript import DOUBTFUL


def align_file(
    inputs: Inputs,
    text: Path | str,
    outputs: Outputs,
    *,
    model: str,
    channel: Channel = "mix",
    device: str = "auto",
    reporter: Reporter = SILENT,
) -> None:
    """Align one recording with its text, or the file that holds the text, and write the result.

    The reporter shows a warning if most words are unlikely to have been said.

    Raises:
        AsrError: If text, recording, model or outputs cannot be used, or the text does not fit the recording.
    """
    if isinstance(text, Path):
        text = "\n".join(read_lines(text, hint="; name a text file, or give the words"))
    recordings, errors = find_recordings(inputs)
    if errors:
        raise errors[0]
    if len(recordings) != 1:
        raise AsrError(f"a text belongs to one recording, and {inputs.paths[0]} means {len(recordings)}; name one")
    destination = open_destination(outputs, several=False)
    transcript = align_text(load_model(model, device=device), recordings[0].source, text, channel=channel)
    destination.write(recordings[0], transcript)
    for warning in transcript.warnings:
        reporter.line(f"{transcript.source or recordings[0].name}: {warning}", "warning")
    # Any text that is short enough can be aligned, so warn if little of this one was said.
    words = transcript.words
    doubtful = sum(word.confidence is not None and word.confidence < DOUBTFUL for word in words)
    if 2 * doubtful > len(words):
        reporter.line(
            f"{doubtful} of {len(words)} words are unlikely to have been said (confidence below {DOUBTFUL}): "
            "does the text belong to this recording, and was the model trained for such speech?",
            "warning",
        )
