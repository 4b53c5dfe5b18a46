"""The `asr` command: its sub-commands in the order of `asr --help`, global options, and errors as one line.

Each command is one short function without logic. Heavy libraries are imported where they are used, so that
`asr --help` answers at once. Results go to standard output, everything else to standard error.
"""

import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.markup import escape
from typer import Option

from asr import __version__
from asr.cli import language, live, recognize, training
from asr.cli.console import console
from asr.cli.options import ResumableCommand
from asr.errors import STOPPED, AsrError

app = typer.Typer(
    help="Recognise speech, and train models on your own recordings.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
language_app = typer.Typer(
    help="Estimate, train, measure and query language models.", no_args_is_help=True, pretty_exceptions_enable=False
)

_RECOGNISE, _TRAIN, _LANGUAGE = "Recognise speech", "Train a model", "Language models and lexicons"
_COMMANDS: dict[str, list[Callable[..., None]]] = {
    _RECOGNISE: [recognize.transcribe, live.mic, live.serve, recognize.align, recognize.plot, recognize.models],
    _TRAIN: [
        training.prepare,
        training.doctor,
        training.train,
        training.evaluate,
        training.tune,
        training.calibrate,
        training.quantize,
    ],
    _LANGUAGE: [language.lexicon],
}
_LANGUAGE_COMMANDS: list[Callable[..., None]] = [
    language.estimate,
    language.train,
    language.score,
    language.mix,
    language.prune,
    language.generate,
    language.complete,
]
_RESUMABLE = (training.train, language.train)


def _add(parent: typer.Typer, command: Callable[..., None], panel: str | None = None) -> None:
    parent.command(cls=ResumableCommand if command in _RESUMABLE else None, rich_help_panel=panel)(command)


for _panel, _commands in _COMMANDS.items():
    for _command in _commands:
        _add(app, _command, _panel)
for _command in _LANGUAGE_COMMANDS:
    _add(language_app, _command)
app.add_typer(language_app, name="lm", rich_help_panel=_LANGUAGE)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"asr {__version__}")
        raise typer.Exit


@app.callback()
def take_global_options(
    version: Annotated[
        bool, Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Global options."""


def main() -> None:
    """Run the command line; errors that users can fix end as one line, not as a stack trace."""
    try:
        app()
    except AsrError as error:
        label = "[yellow]stopped:[/]" if error.exit_status == STOPPED else "[bold red]error:[/]"
        console.print(f"{label} {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except BrokenPipeError:
        sys.exit(1)
