"""Text files in, a language model file out; and how well it predicts other text."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from asr.atomic import check_writable
from asr.config import NormalizerSettings
from asr.errors import ConfigError, TextError
from asr.files import read_lines
from asr.language.ngram import prune as pruning
from asr.language.ngram.interpolate import find_weights, mix
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import UNKNOWN, NgramModel, Perplexity, load_ngram, save_ngram
from asr.language.rnn.likelihood import Likelihood, measure_rnn
from asr.language.rnn.model import is_rnn_folder
from asr.language.text_files import SPACE, Unit, read_sentences
from asr.text.lexicon import VARIANT
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
    vocabulary: Path | None = None,
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
        vocabulary: The words to know, each the first of a line, as in a lexicon; others count as unknown. None: all.

    Raises:
        TextError: If a text cannot be read or holds nothing.
        ConfigError: If the settings make no sense.
        AsrError: If the file cannot be written.
    """
    checked = _check_unit(unit)
    _check_output(output)
    if vocabulary is not None and checked == "char":
        raise ConfigError("--vocabulary limits words; a model of characters has none")
    known = None if vocabulary is None else _read_vocabulary(vocabulary)
    with console.status("reading") as status:

        def report(what: str, num_lines: int) -> None:
            status.update(f"{what}: {num_lines:,} lines" if num_lines else what)

        with estimate(
            lambda: _limit(_sentences(texts, checked, normalizer), known),
            order,
            prune=prune,
            memory_bytes=memory_bytes,
            report=report,
        ) as tables:
            status.update("writing")
            save_ngram(tables, output)
            counts = ", ".join(f"{len(table.scores):,} {n}-grams" for n, table in enumerate(tables.orders, start=1))
    console.print(f"{output}: {counts}", highlight=False, soft_wrap=True)


def mix_language_models(
    models: Sequence[Path],
    output: Path,
    *,
    weights: Sequence[float] | None,
    dev: Sequence[Path],
    normalizer: NormalizerSettings | None,
    console: Console,
) -> None:
    """Mix n-gram models and write the mixture.

    Args:
        models: Two or more.
        output: As for `build_language_model`.
        weights: One each; None: those by which the mixture predicts `dev` best.
        dev: UTF-8 text, a sentence a line; of the kind that the mixture is for.
        normalizer: What is done to each line of `dev` first; None: nothing.
        console: Told of the weights, and how well the mixture predicts `dev`.

    Raises:
        ModelError, TextError: If a model or a text cannot be read.
        ConfigError: If there are too few models, weights that make no sense, or neither weights nor text.
        AsrError: If the file cannot be written.
    """
    _check_output(output)
    if len(models) < 2:
        raise ConfigError("one language model alone cannot be mixed; give two or more")
    if weights is None and not dev:
        raise ConfigError(
            "nothing says how to weight the language models; give --dev TEXT, which finds it, or --weights"
        )
    loaded = [_load(path) for path in models]
    sentences = list(_sentences(dev, _common_unit(models, loaded), normalizer))
    with console.status("mixing"):
        shares = find_weights(loaded, sentences) if weights is None else weights
        mixture = mix(loaded, shares)
        save_ngram(mixture, output)
    told = ", ".join(f"{path} {share:.3g}" for path, share in zip(models, shares, strict=True))
    if sentences:
        told += f"; perplexity {mixture.perplexity(sentences).perplexity_known:.1f} of words that it knows"
    console.print(f"{output}: {told}", highlight=False, soft_wrap=True)


def _common_unit(paths: Sequence[Path], models: Sequence[NgramModel]) -> Unit:
    units = [_find_unit(model) for model in models]
    if len(set(units)) > 1:
        told = ", ".join(f"{path} predicts {unit}s" for path, unit in zip(paths, units, strict=True))
        raise ConfigError(f"{told}; models of words and of characters cannot be mixed")
    return units[0]


def prune_language_model(model: Path, output: Path, *, keep: int, console: Console) -> None:
    """Write a smaller model that predicts much as this one; `.bin` files in their compact form.

    Args:
        model: An n-gram model.
        output: As for `build_language_model`.
        keep: See `prune`.
        console: Told how large it was and is.

    Raises:
        ModelError: If the model cannot be read.
        ConfigError: If keep is negative, or the name of the output wrong.
        AsrError: If the file cannot be written.
    """
    _check_output(output)
    whole = _load(model)
    with console.status("pruning"):
        pruned = pruning.prune(whole, keep)
        save_ngram(pruned, output, compact=True)
    before, after = (f"{len(one.automaton.arc_words):,}" for one in (whole, pruned))
    console.print(
        f"{output}: {after} of {before} n-grams of two words and more, {output.stat().st_size / 1e6:.1f} MB",
        highlight=False,
        soft_wrap=True,
    )


def measure_language_model(
    texts: Sequence[Path], model: Path, *, unit: str | None, normalizer: NormalizerSettings | None
) -> Perplexity | Likelihood:
    """How well a language model predicts text files; a recurrent one reads them as its own settings say.

    Args:
        texts: UTF-8 text, a sentence a line.
        model: A file of n-grams, or a recurrent model's folder.
        unit: What n-grams are of, "word" or "char"; None: what the model's own words are.
        normalizer: What is done to each line first; None: nothing.

    Raises:
        ModelError, TextError: If the model or a text cannot be read.
        ConfigError: If there is no such unit.
    """
    if is_rnn_folder(model):
        return measure_rnn(texts, model)
    checked = None if unit is None else _check_unit(unit)
    ngram = load_ngram(model)
    return ngram.perplexity(_sentences(texts, checked or _find_unit(ngram), normalizer))


def parse_thresholds(text: str) -> list[int]:
    """Read pruning thresholds such as "0 1 1" or "0,1,1".

    Raises:
        ConfigError: If they are not whole numbers.
    """
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise ConfigError(f"--prune {text}: expected whole numbers, such as '0 1 1'") from None


def parse_weights(text: str) -> list[float]:
    """Read weights such as "0.6 0.4" or "0.6,0.4".

    Raises:
        ConfigError: If they are no numbers.
    """
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise ConfigError(f"--weights {text}: expected numbers, such as '0.6 0.4'") from None


def _check_output(path: Path) -> None:
    if not path.name.endswith(ENDINGS):
        raise ConfigError(f"--output {path}: expected a name that ends in {', '.join(ENDINGS)}")
    check_writable(path)


def _load(path: Path) -> NgramModel:
    if is_rnn_folder(path):
        raise ConfigError(f"{path}: a recurrent language model; only n-gram models can be mixed and pruned")
    return load_ngram(path)


def _check_unit(unit: str) -> Unit:
    for known in UNITS:
        if unit == known:
            return known
    raise ConfigError(f"--unit {unit}: no such unit; there are: {', '.join(UNITS)}")


def _find_unit(model: NgramModel) -> Unit:
    # Words may all be single characters, too, as in Chinese; only models of characters predict spaces.
    return "char" if model.is_of_characters and SPACE in model.words else "word"


def _read_vocabulary(path: Path) -> frozenset[str]:
    words = frozenset(VARIANT.sub("", line.split()[0]) for line in read_lines(path) if line.strip())
    if not words:
        raise TextError(f"{path}: holds no word; expected one at the beginning of each line")
    return words


def _limit(sentences: Iterable[list[str]], known: frozenset[str] | None) -> Iterator[list[str]]:
    for words in sentences:
        yield words if known is None else [word if word in known else UNKNOWN for word in words]


def _sentences(texts: Sequence[Path], unit: Unit, normalizer: NormalizerSettings | None) -> Iterator[list[str]]:
    if normalizer is None:
        return read_sentences(texts, unit)
    return read_sentences(texts, unit, lambda line: normalize(line, normalizer))
