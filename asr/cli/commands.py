"""The sub-commands of `asr` in the order of `asr --help`, and global options.

Each command is one short function. Heavy libraries are imported where they are used, so that
`asr --help` answers at once. Results go to standard output, everything else to standard error.
"""

import shutil
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Annotated, Any

import typer
from typer import Option

from asr import __version__
from asr.cli import language, live, punctuation, recognize, spotting, training
from asr.cli.options import ResumableCommand

_WIDE = 80  # columns; in fewer the tables of the help would cut off the names of options


def _layout() -> dict[str, Any]:
    """Return how the help is laid out: on narrow terminals as plain paragraphs."""
    columns = shutil.get_terminal_size().columns
    if columns >= _WIDE:
        return {}
    return {"rich_markup_mode": None, "context_settings": {"terminal_width": max(columns, _WIDE // 4)}}


app = typer.Typer(
    help="Recognise speech, and train models on your own recordings.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    **_layout(),
)
language_app = typer.Typer(
    help="Estimate, train, measure and query language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    **_layout(),
)
import_app = typer.Typer(
    help="Import models that other programs trained.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    **_layout(),
)

punctuate_app = typer.Typer(
    help="Train and measure networks that add punctuation and capitals.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    **_layout(),
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
_add(app, [spotting.find, spotting.index, spotting.listen], "Find phrases")
_add(app, training.COMMANDS, "Train a model")
_add(app, [punctuation.punctuate, language.lexicon], _WORDS)
_add(language_app, language.COMMANDS)
_add(punctuate_app, punctuation.COMMANDS)
language_app.add_typer(punctuate_app, name="punctuate")
app.add_typer(language_app, name="lm", rich_help_panel=_WORDS)
for _name, _command in recognize.IMPORTS.items():
    import_app.command(_name)(_command)
app.add_typer(import_app, name="import", rich_help_panel=_SPEECH)


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
