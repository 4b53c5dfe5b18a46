"""Commands about words: `asr lexicon`, and `asr lm` with its sub-commands."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from asr.cli import options
from asr.cli.console import reporter
from asr.config import COMPLETIONS, SORT_BYTES, NormalizerSettings
from asr.errors import AsrError

_GIGABYTE = 1 << 30


def lexicon(
    dictionary: Annotated[
        Path, Argument(metavar="DICTIONARY", help="Words and phones, one per line, such as cmudict.dict.")
    ],
    texts: options.Texts,
    output: Annotated[Path, Option("--output", "-o", help="Lexicon to write.")],
    least: Annotated[int, Option(min=1, help="Leave out words that occur less often than this.")] = 1,
    exceptions: Annotated[
        Path | None, Option(help="Lexicon that fixes pronunciations; all others are guessed, despite the dictionary.")
    ] = None,
    base: Annotated[Path | None, Option(help="Lexicon, such as a model's, to which missing words are added.")] = None,
    raw: options.Raw = False,
    numbers: options.Numbers = None,
) -> None:
    """Write a lexicon of a text's words: pronunciations from a dictionary, or guessed."""
    from asr.language.lexicon_builder import build_lexicon

    normalizer = _text_normalizer(raw, numbers)
    count, guessed, lost = build_lexicon(
        dictionary, texts, output, least=least, normalizer=normalizer, exceptions=exceptions, base=base
    )
    parts = [f"{output}: {count:,} words"]
    for words, outcome in ((guessed, "pronounced by guess"), (lost, "left out")):
        if words:
            parts.append(f"{len(words):,} {outcome}, such as {', '.join(words[:5])}")
    reporter.line("; ".join(parts))


def estimate(
    texts: options.Texts,
    output: options.NgramOutput,
    order: Annotated[int, Option(min=1, help="Length of the longest n-grams.")] = 3,
    prune: Annotated[str, Option(help="Drop n-grams that occur at most this often, by order, such as '0 1 1'.")] = "0",
    unit: Annotated[str, Option(help="What the model predicts: word or char.")] = "word",
    memory: Annotated[float, Option(min=0.01, help="Gigabytes of memory for sorting.")] = SORT_BYTES / _GIGABYTE,
    vocabulary: Annotated[
        Path | None, Option(help="Limit the model to the first words of this file's lines, such as a lexicon's.")
    ] = None,
    raw: options.Raw = False,
    numbers: options.Numbers = None,
    kind: options.OldKind = None,
) -> None:
    """Estimate an n-gram language model from text, with modified Kneser-Ney smoothing."""
    from asr.jobs.language_models import build_language_model

    build_language_model(
        texts,
        output,
        order=order,
        prune=options.parse_numbers(prune, "pruning thresholds", int),
        unit=unit,
        normalizer=_text_normalizer(raw, numbers),
        memory_bytes=int(memory * _GIGABYTE),
        reporter=reporter,
        vocabulary=vocabulary,
    )


def train(
    texts: options.Texts,
    output: Annotated[Path, Option("--output", "-o", help="Model folder to write.")],
    config: Annotated[Path | None, Option(help="YAML file of settings; see conf/.")] = None,
    overrides: Annotated[list[str] | None, Option("--set", metavar="KEY.PATH=VALUE", help="Change a setting.")] = None,
    dev: Annotated[list[Path] | None, Option(help="Development text; repeatable. Default: part of TEXT.")] = None,
    base: Annotated[Path | None, Option("--from", help="Start from the weights of this model, to adapt it.")] = None,
    resume: options.Resume = "no",
    raw: options.Raw = False,
    numbers: options.Numbers = None,
    kind: options.OldKind = None,
) -> None:
    """Train a recurrent language model on text."""
    from asr.config import LanguageConfig
    from asr.jobs.language_models import ENDINGS

    if output.name.endswith(ENDINGS):
        raise AsrError(f"{output}: a recurrent model is a folder; for n-grams use asr lm estimate")
    _text_normalizer(raw, numbers)  # refuses contradictions
    normalizer = ["normalizer=null"] if raw else [f"normalizer.spell_out_numbers='{numbers}'"] if numbers else []
    settings = LanguageConfig.load(config, [*(overrides or []), *normalizer])
    mode = options.parse_resume(resume)

    from asr.train.rnn_lm import train_language_model

    train_language_model(texts, output, settings, dev=dev or (), base=base, resume=mode, reporter=reporter)


def score(
    model: Annotated[Path, Argument(help="N-gram model file, or a recurrent language model's folder.", metavar="LM")],
    texts: options.Texts,
    unit: Annotated[str | None, Option(help="word or char. Default: what the n-grams are made of.")] = None,
    raw: options.Raw = False,
    numbers: options.Numbers = None,
) -> None:
    """Measure how well a language model predicts text (perplexity).

    Recurrent models normalise the text by their own settings.
    """
    from asr.jobs.language_models import measure_language_model

    result = measure_language_model(texts, model, unit=unit, normalizer=_text_normalizer(raw, numbers))
    for name, value in result._asdict().items():
        typer.echo(f"{name}\t{value:g}" if isinstance(value, float) else f"{name}\t{value}")


def mix(
    models: Annotated[list[Path], Argument(help="Two or more n-gram models.", metavar="LM")],
    output: options.NgramOutput,
    dev: Annotated[list[Path] | None, Option(help="Text of the target domain, to fit weights to; repeatable.")] = None,
    weights: Annotated[str | None, Option(help="Weights, one per model, instead of --dev, such as '0.6 0.4'.")] = None,
    raw: options.Raw = False,
    numbers: options.Numbers = None,
) -> None:
    """Interpolate n-gram models, such as a small one of your domain and a large general one."""
    from asr.jobs.language_models import mix_language_models

    shares = None if weights is None else options.parse_numbers(weights, "weights", float)
    normalizer = _text_normalizer(raw, numbers)
    mix_language_models(models, output, weights=shares, dev=dev or (), normalizer=normalizer, reporter=reporter)


def prune(
    model: Annotated[Path, Argument(help="N-gram model.", metavar="LM")],
    output: options.NgramOutput,
    keep: Annotated[int, Option(min=0, help="Number of n-grams to keep, not counting single words.")],
) -> None:
    """Shrink an n-gram model by dropping the n-grams that matter least to its predictions."""
    from asr.jobs.language_models import prune_language_model

    prune_language_model(model, output, keep=keep, reporter=reporter)


def generate(
    model: options.RnnFolder,
    prompt: Annotated[str, Option(help="Text to continue.")] = "",
    length: Annotated[int, Option(min=0, help="Number of tokens to write.")] = 500,
    temperature: Annotated[float, Option(help="Below 1 favours likely tokens; 0 always picks the likeliest.")] = 1,
    top_p: Annotated[float, Option(help="Sample from the likeliest tokens with this total probability.")] = 1,
    seed: Annotated[int, Option(help="Random seed; the same seed writes the same text.")] = 1,
) -> None:
    """Generate text with a recurrent language model."""
    from asr.language.rnn.generate import generate
    from asr.language.rnn.model import load_rnn

    pieces = generate(load_rnn(model), prompt=prompt, length=length, temperature=temperature, top_p=top_p, seed=seed)
    typer.echo(prompt, nl=False)
    for piece in pieces:
        typer.echo(piece, nl=False)
    typer.echo()


def complete(
    model: options.RnnFolder,
    text: Annotated[str, Argument(help="Beginning of a text; end it with a space to get a new word.")],
    count: Annotated[int, Option(min=1, help="Number of words to show.")] = COMPLETIONS,
) -> None:
    """Show the likeliest next words with their probabilities."""
    from asr.language.rnn.complete import complete
    from asr.language.rnn.model import load_rnn

    for word, probability in complete(load_rnn(model), text, count=count):
        typer.echo(f"{probability:.4f}\t{word}")


def _text_normalizer(raw: bool, numbers: str | None) -> NormalizerSettings | None:
    """Return how text is normalised; None leaves it unchanged.

    Raises:
        AsrError: If the options contradict each other, or numbers cannot be spelled out in that language.
    """
    from asr.text.normalize import normalize

    if raw and numbers is not None:
        raise AsrError("--raw leaves text unchanged and --spell-out-numbers changes it; leave one out")
    settings = NormalizerSettings(spell_out_numbers=numbers)
    normalize("1", settings)  # fails now if the language is unknown
    return None if raw else settings


COMMANDS = (estimate, train, score, mix, prune, generate, complete)  # of `asr lm`
