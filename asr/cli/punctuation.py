"""Commands about marks and capitals: `asr punctuate`, and `asr lm punctuate` with its sub-commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from asr.cli import options
from asr.cli.console import reporter
from asr.config import DEFAULT_MODEL

if TYPE_CHECKING:
    from asr.evaluate.punctuation import Score

PunctuatorName = Annotated[
    str, Option("--model", "-m", envvar="ASR_MODEL", help="Punctuator's folder, or model that has one.")
]
PunctuatedTexts = Annotated[
    list[Path],
    Argument(metavar="TEXT", help="Text with case and punctuation (also .gz, .xz). TEXT:8 counts a file 8 times."),
]


def punctuate(
    path: Annotated[str, Argument(metavar="FILE", help="Text, one per line; - for standard input.")],
    model: PunctuatorName = DEFAULT_MODEL,
    numbers: options.NumberStyle = None,
) -> None:
    """Add punctuation and capitals to text."""
    from asr.jobs.punctuate import load_punctuator, punctuate_lines, read_input

    punctuator, settings = load_punctuator(model)
    for line in punctuate_lines(read_input(path), punctuator, numbers=numbers or settings.numbers):
        typer.echo(line)


def train(
    texts: PunctuatedTexts,
    dev: Annotated[list[Path], Option(help="Development text; repeatable.")],
    output: Annotated[Path, Option("--output", "-o", help="Punctuator's folder to write.")],
    config: Annotated[Path | None, Option(help="YAML file of settings; see conf/punctuator.yaml.")] = None,
    overrides: Annotated[list[str] | None, Option("--set", metavar="KEY.PATH=VALUE", help="Change a setting.")] = None,
    resume: options.Resume = "no",
) -> None:
    """Train a network that adds punctuation and capitals."""
    from asr.config import PunctuatorConfig

    settings = PunctuatorConfig.load(config, overrides or ())
    mode = options.parse_resume(resume)

    from asr.train.punctuator.run import train_punctuator

    train_punctuator(texts, output, settings, dev=dev, resume=mode, reporter=reporter)


def evaluate(
    texts: PunctuatedTexts,
    model: PunctuatorName = DEFAULT_MODEL,
) -> None:
    """Measure how well marks and capitals of a text are found: precision, recall and F1."""
    from asr.evaluate.punctuation import evaluate_text
    from asr.jobs.punctuate import load_punctuator

    result = evaluate_text(texts, load_punctuator(model)[0])
    typer.echo(f"words\t{result.num_words}")
    typer.echo(f"lines left out\t{result.left_out}")
    typer.echo("system\twhat\tprecision\trecall\tF1")
    for system, scores in result.systems.items():
        for one in scores:
            typer.echo(_describe(system, one))


def _describe(system: str, one: "Score") -> str:
    return f"{system}\t{one.name}\t{one.precision:.4f}\t{one.recall:.4f}\t{one.f1:.4f}"


COMMANDS = (train, evaluate)  # of `asr lm punctuate`
