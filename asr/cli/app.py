"""The `asr` command: its sub-commands in the order of `asr --help`, global options, and errors as one line.

Each command is one short function. Heavy libraries are imported where they are used, so that
`asr --help` answers at once. Results go to standard output, everything else to standard error.
"""

import sys
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Annotated, NoReturn

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

_SPEECH, _WORDS = "Recognise speech", "Language models and lexicons"


def _add(parent: typer.Typer, commands: Sequence[Callable[..., None]], panel: str | None = None) -> None:
    for command in commands:
        kind = ResumableCommand if "resume" in signature(command).parameters else None
        parent.command(cls=kind, rich_help_panel=panel)(command)


_add(
    app,
    [recognize.transcribe, live.mic, live.serve, recognize.align, recognize.plot, recognize.models, recognize.export],
    _SPEECH,
)
_add(app, training.COMMANDS, "Train a model")
_add(app, [language.lexicon], _WORDS)
_add(language_app, language.COMMANDS)
app.add_typer(language_app, name="lm", rich_help_panel=_WORDS)


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
        _end_with(error)
    except ModuleNotFoundError as error:
        from asr.cli.extras import explain_missing

        explained = explain_missing(error, sys.argv[1:])
        if explained is None:
            raise
        _end_with(explained)
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except BrokenPipeError:
        sys.exit(1)


def _end_with(error: AsrError) -> NoReturn:
    label = "[yellow]stopped:[/]" if error.exit_status == STOPPED else "[bold red]error:[/]"
    console.print(f"{label} {escape(str(error))}", soft_wrap=True, highlight=False)
    sys.exit(error.exit_status)
