"""Options that several commands share: names, limits and help, and what turns them into objects.

Defaults come from the settings classes. Options whose default is None leave the choice to the model or the library.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeVar, cast

from typer import Argument, Option
from typer.core import TyperCommand

from asr.config import SubtitleSettings
from asr.errors import AsrError, TrainingInterrupted
from asr.recognize.streaming.endpoints import Endpoints

if TYPE_CHECKING:
    from asr.recognize.options import DecodingOptions
    from asr.signal.channels import ChannelChoice

SUBTITLES = SubtitleSettings()
ENDPOINTS = Endpoints()

# Models and machines
ModelName = Annotated[
    str, Option("--model", "-m", envvar="ASR_MODEL", help="Folder, name from `asr models`, or exported file.")
]
Device = Annotated[str, Option(help="Where the network runs: auto, cpu, cuda or cuda:N.")]
PrecisionName = Annotated[str, Option("--precision", help="int8 or fp32, on a GPU bf16 or fp32; auto: the fastest.")]

# Decoding
DecoderName = Annotated[str | None, Option("--decoder", help="greedy, or beam (the default with a language model).")]
BeamSize = Annotated[int | None, Option(min=1, help="Hypotheses that beam search keeps. Default: the model's setting.")]
LanguageModel = Annotated[
    Path | None,
    Option("--lm", help="N-gram file (ARPA or binary), or a recurrent model's folder. Default: the model's, if any."),
]
Rescore = Annotated[Path | None, Option(help="Folder of a recurrent language model that rescores the best hypotheses.")]
Hotwords = Annotated[
    list[str] | None,
    Option("--hotword", metavar="PHRASE[:WEIGHT]", help="Word or phrase to expect, perhaps weighted; repeatable."),
]

# How text is written out
Punctuate = Annotated[
    bool | None,
    Option("--punctuate/--no-punctuate", show_default=False, help="Marks and capitals. Default: the model's setting."),
]
NumberStyle = Annotated[
    str | None,
    Option("--numbers", metavar="words|digits", help="How numbers are written (English). Default: the model's."),
]

# Audio in, text out
Formats = Annotated[
    list[str], Option("--format", "-f", help="txt, json, srt, vtt, tsv, ctm or textgrid; several with commas.")
]
RawRate = Annotated[
    int | None,
    Option(min=100, max=1_000_000, help="Sample rate in Hz, if standard input is raw signed 16-bit samples."),
]
RawChannels = Annotated[int, Option(min=1, max=128, help="Number of channels of raw standard input.")]
ChannelName = Annotated[
    str, Option("--channel", metavar="mix|N|each", help="All mixed, one, from 0, or each by itself, as in calls.")
]
OutputDir = Annotated[
    str | None,
    Option("--output-dir", "-o", help="Folder or URL for files, instead of standard output; keeps subfolders."),
]
MaxLineLength = Annotated[int, Option(min=1, help="Subtitles: characters per line.")]
MaxLines = Annotated[int, Option(min=1, help="Subtitles: lines on screen at once.")]

# Live streams
ChunkSeconds = Annotated[float, Option(min=0.04, help="Seconds of audio processed at a time.")]
RightSeconds = Annotated[float, Option(min=0, help="Seconds of look-ahead before text becomes final.")]
PauseSeconds = Annotated[float, Option(help="Seconds of silence that end an utterance.")]
LongestSeconds = Annotated[float, Option(help="Seconds after which an utterance ends at the next short pause.")]

# Text, corpora and what is made of them
Manifests = Annotated[
    list[str],
    Argument(metavar="MANIFEST", help="Manifests, as written by `asr prepare` or `asr shard`; or their URLs."),
]
Texts = Annotated[
    list[Path],
    Argument(metavar="TEXT", help="Text files (also .gz, .xz), one sentence per line. TEXT:8 counts a file 8 times."),
]
NgramOutput = Annotated[Path, Option("--output", "-o", help="File to write: NAME.arpa, NAME.arpa.gz or NAME.bin.")]
RnnFolder = Annotated[Path, Argument(help="Folder of a recurrent language model.", metavar="LM")]
Raw = Annotated[bool, Option(help="Leave the text unchanged: keep case and punctuation.")]
Numbers = Annotated[
    str | None,
    Option("--spell-out-numbers", metavar="LANGUAGE", help="Spell out numbers in this language, such as en."),
]

# Training
_RESUME_HELP = "Continue an interrupted run. auto: continue it, or begin one, or do nothing if it is complete."
Resume = Annotated[str, Option("--resume", metavar="[auto]", show_default=False, help=_RESUME_HELP)]


_Number = TypeVar("_Number", int, float)


class ResumableCommand(TyperCommand):
    """A command whose `--resume` takes the value `auto` or none.

    Typer's options take a value always or never, so a bare `--resume` would swallow the next argument.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments once every `--resume` has a value."""
        return super().parse_args(ctx, complete_resume(args))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; if it is interrupted, name the option that continues it."""
        try:
            return super().invoke(ctx)
        except TrainingInterrupted as error:
            raise TrainingInterrupted(f"{error} (--resume)") from None


def complete_resume(arguments: Sequence[str]) -> list[str]:
    """Give every `--resume` a value: auto if that comes next, else yes; `--no-resume` means no."""
    options = list(arguments[: arguments.index("--")]) if "--" in arguments else list(arguments)
    complete: list[str] = []
    for argument in options:
        if argument == "auto" and complete and complete[-1] == "--resume=yes":
            complete[-1] = "--resume=auto"
        else:
            complete.append({"--resume": "--resume=yes", "--no-resume": "--resume=no"}.get(argument, argument))
    return [*complete, *arguments[len(options) :]]


def parse_resume(value: str) -> bool | Literal["auto"]:
    """Return what `--resume` asks for. Raises AsrError if it is neither `auto` nor without a value."""
    if value == "auto":
        return "auto"
    if value not in ("yes", "no"):
        raise AsrError(f"--resume={value}: expected --resume or --resume auto")
    return value == "yes"


def is_started_by_torchrun() -> bool:
    """Return whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def start_torchrun(nodes: int, node_rank: int, master: str, devices: int, restarts: int) -> NoReturn:
    """Become torchrun, which starts this command once for each process of this machine.

    With restarts, all machines begin again from the last checkpoint, as soon as there are as many as before: with
    fewer, other weights would come out.

    Raises:
        AsrError: If the numbers of machines or the master's address cannot be right.
    """
    host, _, port = master.rpartition(":")
    if nodes == 1:
        raise AsrError("--node-rank and --restarts are for several machines; give their number, such as --nodes 2")
    if node_rank >= nodes:
        raise AsrError(f"--node-rank {node_rank}: machines are numbered from 0 to {nodes - 1}")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise AsrError(f"--master {master}: expected HOST:PORT, such as node0:29500, with a port from 1 to 65535")
    command = [sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes}", f"--nproc-per-node={devices}"]
    command += [f"--node-rank={node_rank}", f"--master-addr={host}", f"--master-port={port}"]
    if restarts:
        command += [f"--max-restarts={restarts}", "--rdzv-backend=c10d", f"--rdzv-endpoint={master}"]
        command += ["--rdzv-id=asr"]
    arguments = _without_machines(sys.argv[1:]) + (
        ["--resume", "auto"] if restarts and "--resume" not in sys.argv else []
    )
    os.execv(sys.executable, [*command, "-m", "asr", *arguments])


def _without_machines(arguments: Sequence[str]) -> list[str]:
    """Leave out the options that torchrun now has: it takes them for its own, wherever they are."""
    names = ("--nodes", "--node-rank", "--master", "--restarts")
    kept: list[str] = []
    is_value = False
    for argument in arguments:
        if not (is_value or argument in names or argument.startswith(tuple(f"{name}=" for name in names))):
            kept.append(argument)
        is_value = argument in names
    return kept


def parse_numbers(text: str, name: str, number: type[_Number]) -> list[_Number]:
    """Read numbers such as "0 1 1" or "0.6,0.4". Raises AsrError with their name if that fails."""
    try:
        return [number(part) for part in text.replace(",", " ").split()]
    except ValueError:
        expected = "whole numbers, such as '0 1 1'" if number is int else "numbers, such as '0.6 0.4'"
        raise AsrError(f"{name} {text}: expected {expected}") from None


def parse_channel(text: str) -> "ChannelChoice":
    """Return what `--channel` asks for. Raises AsrError if it is neither a number nor mix or each."""
    if text in ("mix", "each"):
        return cast(Literal["mix", "each"], text)
    if not (text.isascii() and text.isdigit()):
        raise AsrError(f"--channel {text}: expected mix, each, or the number of a channel, from 0")
    return int(text)


def decoding_options(**choices: Any) -> "DecodingOptions":
    """Gather the decoding options that were given; the others keep the defaults of `DecodingOptions`."""
    from asr.recognize.options import DecodingOptions

    return DecodingOptions(**{name: value for name, value in choices.items() if value is not None})
