"""Text files in, a language model file out; and how well it predicts other text."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from asr.config import NormalizerSettings
from asr.errors import ConfigError
from asr.language.counting import Unit, read_sentences
from asr.language.kneser_ney import estimate
from asr.language.measuring import Likelihood, measure_rnn
from asr.language.ngram import Perplexity, load_ngram, save_ngram
from asr.language.rnn import is_rnn_folder
from asr.text.normalize import normalize

UNITS: tuple[Unit, ...] = ("word", "char")
ENDINGS = (".arpa", ".arpa.gz", ".bin")


def build_language_model(
    texts: Sequence[Path],
    output: Path,
    *,
    order: int,
    prune: Sequence[int],
    unit: str,
    normalizer: NormalizerSettings | None,
    memory_bytes: int,
    console: Console,
) -> None:
    """Estimate a language model from text files and write it.

    Args:
        texts: UTF-8 text, a sentence a line; `.gz` and `.xz` are decompressed.
        output: `.arpa` and `.arpa.gz` are written as ARPA, `.bin` in the binary form.
        order: Words in the longest n-grams.
        prune: See `estimate`.
        unit: What is predicted: "word" or "char".
        normalizer: What is done to each line first; None: nothing.
        memory_bytes: For sorting; the words come on top.
        console: Told of progress.

    Raises:
        TextError: If a text cannot be read or holds nothing.
        ConfigError: If the settings make no sense.
        AsrError: If the file cannot be written.
    """
    checked = _check_unit(unit)
    if not output.name.endswith(ENDINGS):
        raise ConfigError(f"--output {output}: expected a name that ends in {', '.join(ENDINGS)}")
    with console.status("reading") as status:

        def report(what: str, num_lines: int) -> None:
            status.update(f"{what}: {num_lines:,} lines" if num_lines else what)

        with estimate(
            lambda: _sentences(texts, checked, normalizer), order, prune=prune, memory_bytes=memory_bytes, report=report
        ) as tables:
            status.update("writing")
            save_ngram(tables, output)
            counts = ", ".join(f"{len(table.scores):,} {n}-grams" for n, table in enumerate(tables.orders, start=1))
    console.print(f"{output}: {counts}", highlight=False, soft_wrap=True)


def measure_language_model(
    texts: Sequence[Path], model: Path, *, unit: str, normalizer: NormalizerSettings | None
) -> Perplexity | Likelihood:
    """How well a language model predicts text files; a recurrent one reads them as its own settings say.

    Raises:
        ModelError, TextError: If the model or a text cannot be read.
    """
    if is_rnn_folder(model):
        return measure_rnn(texts, model)
    sentences = _sentences(texts, _check_unit(unit), normalizer)
    return load_ngram(model).perplexity(sentences)


def parse_thresholds(text: str) -> list[int]:
    """Read pruning thresholds such as "0 1 1" or "0,1,1".

    Raises:
        ConfigError: If they are not whole numbers.
    """
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise ConfigError(f"--prune {text}: expected whole numbers, such as '0 1 1'") from None


def _check_unit(unit: str) -> Unit:
    for known in UNITS:
        if unit == known:
            return known
    raise ConfigError(f"--unit {unit}: no such unit; there are: {', '.join(UNITS)}")


def _sentences(texts: Sequence[Path], unit: Unit, normalizer: NormalizerSettings | None) -> Iterator[list[str]]:
    if normalizer is None:
        return read_sentences(texts, unit)
    return read_sentences(texts, unit, lambda line: normalize(line, normalizer))
