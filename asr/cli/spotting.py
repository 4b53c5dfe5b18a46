"""Commands that look for given phrases: find, index, listen."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from asr.cli import options
from asr.cli.console import reporter
from asr.config import CHUNK_SECONDS, DEFAULT_MODEL, RIGHT_SECONDS
from asr.errors import AsrError, TextError

if TYPE_CHECKING:
    from asr.live.microphone import AudioInput
    from asr.spotting.find import Hit

_FAILED = 2  # exit status, as grep's
Threshold = Annotated[float, Option(min=0, max=1, help="Least confidence; lower finds more, and more that is wrong.")]
_THRESHOLD = 0.5


def find(
    arguments: Annotated[
        list[str],
        Argument(metavar="PHRASE FILE", help="Words to look for, then recordings, folders, quoted globs or indexes."),
    ],
    phrase: Annotated[
        list[str] | None, Option("--phrase", "-e", help="Words to look for; repeatable. All arguments are files then.")
    ] = None,
    phrases: Annotated[
        Path | None, Option(help="File with a phrase on each line. All arguments are files then.")
    ] = None,
    threshold: Threshold = _THRESHOLD,
    format_name: Annotated[str, Option("--format", "-f", help="txt, or json: one line for each hit.")] = "txt",
    context: Annotated[bool, Option(help="Recognise the words around each hit.")] = True,
    clips: Annotated[Path | None, Option(help="Folder for the sound of each hit.")] = None,
    model: Annotated[
        str | None, Option("--model", "-m", envvar="ASR_MODEL", help="Default: the model of the index, or english.")
    ] = None,
    channel: options.ChannelName = "mix",
    device: options.Device = "auto",
) -> None:
    """Find where phrases are said. Exit status: 0 if any is, 1 if none, 2 if something failed."""
    from asr.jobs.find import FORMATS, FindOptions, find_in_files, format_hit, write_clips
    from asr.jobs.inputs import Inputs

    def show(hits: "Sequence[Hit]") -> None:
        for hit in hits:
            typer.echo(format_hit(hit, format_name))
        if clips is not None:
            write_clips(hits, clips)

    with _failing_as_grep():
        if format_name not in FORMATS:
            raise AsrError(f"--format {format_name}: no such format; there are: {', '.join(FORMATS)}")
        sought, files = _split_arguments(arguments, phrase or (), phrases)
        choice = FindOptions(model, threshold, context, options.parse_channel(channel), device)
        summary = find_in_files(sought, Inputs(files), show, choice, reporter)
    raise typer.Exit(_FAILED if summary.failures else int(not summary.num_hits))


def index(
    paths: Annotated[list[str] | None, Argument(help="Recordings, folders, quoted globs.", metavar="FILE")] = None,
    output: Annotated[Path, Option("--output", "-o", help="File to write, or to continue.")] = Path("asr.index"),
    list_file: Annotated[
        str | None, Option("--list", help="File with more, one per line; - for standard input.")
    ] = None,
    model: options.ModelName = DEFAULT_MODEL,
    channel: options.ChannelName = "mix",
    device: options.Device = "auto",
) -> None:
    """Index recordings, so that `asr find` need not run the network again."""
    from asr.jobs.index import index_recordings
    from asr.jobs.inputs import Inputs

    choice = options.parse_channel(channel)
    inputs = Inputs(paths or (), list_file)
    summary = index_recordings(inputs, output, model=model, channel=choice, device=device, reporter=reporter)
    raise typer.Exit(1 if summary.failures else 0)


def listen(
    phrases: Annotated[Path, Option(help="File with a phrase on each line.")],
    file: Annotated[
        str | None, Argument(metavar="[FILE]", help="Recording instead of a microphone; - for raw standard input.")
    ] = None,
    run: Annotated[
        str | None, Option(metavar="COMMAND", help="Program to run for each, such as 'light.sh {phrase}'; no shell.")
    ] = None,
    threshold: Threshold = _THRESHOLD,
    alone: Annotated[bool, Option(help="Only phrases with pauses around them and nothing else between.")] = False,
    model: options.ModelName = DEFAULT_MODEL,
    microphone: Annotated[
        str | None, Option("--device", help="Microphone: its number or part of its name; see `asr mic --list`.")
    ] = None,
    rate: Annotated[
        int | None,
        Option(min=1000, max=1_000_000, help="Sample rate in Hz of standard input: raw 16-bit mono samples."),
    ] = None,
    chunk: options.ChunkSeconds = CHUNK_SECONDS,
    right: options.RightSeconds = RIGHT_SECONDS,
    pause: options.PauseSeconds = options.ENDPOINTS.pause,
) -> None:
    """Wait for phrases (voice commands): a line of JSON, or a program, for each that is said."""
    from asr.jobs.find import format_hit, read_phrases
    from asr.live.commands import ProgramRunner, listen_for_phrases
    from asr.live.microphone import Microphone
    from asr.recognize.recognizer import Recognizer, read_model_or_file
    from asr.recognize.streaming.endpoints import Endpoints
    from asr.recognize.streaming.stream import StreamingOptions
    from asr.spotting.listener import PhraseListener
    from asr.spotting.spotter import PhraseSpotter

    def react(hit: "Hit") -> None:
        typer.echo(format_hit(hit, "json"))
        if program is not None:
            program.run(hit)

    if None not in (file, microphone):
        raise AsrError(f"--device {microphone}: a microphone, but {file} is to be heard; leave one of them out")
    program = None if run is None else ProgramRunner(run)
    loaded, _ = read_model_or_file(model)
    texts = read_phrases(phrases)
    try:
        spotter = PhraseSpotter(texts, loaded.tokenizer, loaded.settings, threshold=threshold, exclusive=True)
    except TextError as error:
        raise TextError(f"{phrases}: {error}") from None
    recognizer = Recognizer(loaded, device="cpu")
    streaming = StreamingOptions(chunk, right, Endpoints.from_seconds(pause, options.ENDPOINTS.longest), preview=False)
    audio = Microphone(microphone) if file is None else _open_recording(file, rate, recognizer.sample_rate)
    listener = PhraseListener(recognizer, spotter, streaming, sample_rate=audio.sample_rate, alone=alone)
    with audio:
        listen_for_phrases(listener, audio, react)
    if program is not None:
        program.reap(wait=True)


@contextmanager
def _failing_as_grep() -> Iterator[None]:
    """Let errors end with grep's status for them, since 1 means that nothing was found."""
    try:
        yield
    except AsrError as error:
        error.exit_status = _FAILED
        raise


def _split_arguments(
    arguments: Sequence[str], phrases: Sequence[str], phrase_file: Path | None
) -> tuple[list[str], list[str]]:
    """Return the phrases and the files, as grep does: the first argument is a phrase unless options give some."""
    from asr.jobs.find import read_phrases

    given = [*phrases, *(read_phrases(phrase_file) if phrase_file is not None else ())]
    if not given:
        given, arguments = [arguments[0]], arguments[1:]
    if not arguments:
        raise AsrError(f"nothing to search for {given[0]!r}; give recordings, folders or an index after it")
    return given, list(arguments)


def _open_recording(file: str, rate: int | None, model_rate: int) -> "AudioInput":
    """Open what stands in for a microphone."""
    from asr.live.microphone import RawInput, ReadFile

    if file == "-":
        if rate is None:
            raise AsrError("standard input is raw audio here, so its sample rate is needed, such as --rate 16000")
        return RawInput(sys.stdin.buffer, rate)
    if rate is not None:
        raise AsrError("--rate describes raw standard input; give - as the file, or leave it out")
    return ReadFile(Path(file), model_rate)
