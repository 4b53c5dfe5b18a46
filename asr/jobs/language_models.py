"""Text files in, a language model file out; and how well it predicts other text.

n-gram models are estimated, mixed and pruned without loading torch.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from asr.atomic import check_writable
from asr.config import NormalizerSettings
from asr.errors import ConfigError, TextError
from asr.files import read_lines
from asr.language.load import is_rnn_folder, load_language_model, load_ngram, save_ngram
from asr.language.ngram import prune as pruning
from asr.language.ngram.interpolate import find_weights, mix
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import UNKNOWN, NgramModel, Perplexity
from asr.language.text_files import SPACE, Unit, read_sentences, read_text
from asr.reporter import SILENT, Reporter
from asr.text.lexicon import VARIANT
from asr.text.normalize import normalize

if TYPE_CHECKING:
    from asr.language.rnn.model import Likelihood

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
    vocabulary: Path | None = None,
    reporter: Reporter = SILENT,
) -> None:
    """Estimate an n-gram model from text files (see `read_sentences`) and write it.

    Args:
        output: `.arpa` and `.arpa.gz` are written as ARPA, `.bin` in the binary format.
        order, prune, memory_bytes: See `estimate`.
        unit: What the model predicts: "word" or "char".
        normalizer: Applied to each line first; None: nothing.
        vocabulary: A file whose lines each begin with a word, such as a lexicon; other words count as unknown.
            None: all words are known.

    Raises:
        TextError: If a text cannot be read or holds nothing.
        ConfigError: If the settings are invalid.
        AsrError: If the file cannot be written.
    """
    checked = _check_unit(unit)
    _check_output(output)
    if vocabulary is not None and checked == "char":
        raise ConfigError("a vocabulary limits words; a model of characters has none")
    known_words = None if vocabulary is None else _read_vocabulary(vocabulary)

    def sentences() -> Iterator[list[str]]:
        for words in _sentences(texts, checked, normalizer):
            yield words if known_words is None else [word if word in known_words else UNKNOWN for word in words]

    with reporter.progress("estimating", transient=True) as bar:

        def show(step: str, lines: int) -> None:
            bar.update(lines, f"{step}: {lines:,} lines" if lines else step)

        with estimate(sentences, order, prune=prune, memory_bytes=memory_bytes, on_progress=show) as tables:
            save_ngram(tables, output)
            counts = ", ".join(f"{len(table.scores):,} {n}-grams" for n, table in enumerate(tables.orders, start=1))
    reporter.line(f"{output}: {counts}")


def mix_language_models(
    models: Sequence[Path],
    output: Path,
    *,
    weights: Sequence[float] | None,
    dev: Sequence[Path],
    normalizer: NormalizerSettings | None,
    reporter: Reporter = SILENT,
) -> None:
    """Interpolate n-gram models and write the mixture.

    Args:
        models: Two or more.
        output, normalizer: As for `build_language_model`.
        weights: One for each model; None: those with which the mixture predicts `dev` best.
        dev: Text of the kind that the mixture is for.

    Raises:
        ModelError, TextError: If a model or a text cannot be read.
        ConfigError: If there are too few models, invalid weights, or neither weights nor text.
        AsrError: If the file cannot be written.
    """
    _check_output(output)
    if len(models) < 2:
        raise ConfigError("one language model alone cannot be mixed; give two or more")
    if weights is None and not dev:
        raise ConfigError("nothing says how to weight the language models; give text to predict, or the weights")
    ngrams = [_load(path) for path in models]
    sentences = list(_sentences(dev, _common_unit(models, ngrams), normalizer))
    with reporter.progress("mixing", transient=True):
        shares = find_weights(ngrams, sentences) if weights is None else weights
        mixture = mix(ngrams, shares)
        save_ngram(mixture, output)
    report = ", ".join(f"{path} {share:.3g}" for path, share in zip(models, shares, strict=True))
    if sentences:
        report += f"; perplexity {mixture.perplexity(sentences).perplexity_known:.1f} for known words"
    reporter.line(f"{output}: {report}")


def prune_language_model(model: Path, output: Path, *, keep: int, reporter: Reporter = SILENT) -> None:
    """Write a smaller n-gram model whose predictions differ little; `.bin` files in their compact form.

    See `build_language_model` for `output`, and `prune` for `keep`.

    Raises:
        ModelError: If the model cannot be read.
        ConfigError: If keep is negative, or the name of the output wrong.
        AsrError: If the file cannot be written.
    """
    _check_output(output)
    original = _load(model)
    with reporter.progress("pruning", transient=True):
        pruned = pruning.prune(original, keep)
        save_ngram(pruned, output, compact=True)
    before, after = (f"{len(ngram.automaton.arc_words):,}" for ngram in (original, pruned))
    megabytes = output.stat().st_size / 1e6
    reporter.line(f"{output}: {after} of {before} n-grams of two words and more, {megabytes:.1f} MB")


def measure_language_model(
    texts: Sequence[Path], model: Path, *, unit: str | None, normalizer: NormalizerSettings | None
) -> "Perplexity | Likelihood":
    """Measure how well a language model, n-gram or recurrent, predicts text files.

    Recurrent models prepare the text by their own settings. If `unit` is None, the words of an n-gram model suggest
    whether they are words or characters.

    Raises:
        ModelError, TextError: If the model or a text cannot be read.
        ConfigError: If there is no such unit.
    """
    checked = None if unit is None else _check_unit(unit)
    language_model = load_language_model(model)
    if isinstance(language_model, NgramModel):
        return language_model.perplexity(_sentences(texts, checked or _find_unit(language_model), normalizer))
    return language_model.measure(read_text(texts, language_model.settings))


def _check_output(path: Path) -> None:
    if not path.name.endswith(ENDINGS):
        raise ConfigError(f"output {path}: expected a name that ends in {', '.join(ENDINGS)}")
    check_writable(path)


def _load(path: Path) -> NgramModel:
    if is_rnn_folder(path):
        raise ConfigError(f"{path}: a recurrent language model; only n-gram models can be mixed and pruned")
    return load_ngram(path)


def _check_unit(unit: str) -> Unit:
    if unit not in get_args(Unit):
        raise ConfigError(f"unit {unit}: no such unit; there are: {', '.join(get_args(Unit))}")
    return cast(Unit, unit)


def _find_unit(model: NgramModel) -> Unit:
    # Words may also be single characters, as in Chinese; only models of characters predict spaces.
    return "char" if model.is_of_characters and SPACE in model.words else "word"


def _common_unit(paths: Sequence[Path], models: Sequence[NgramModel]) -> Unit:
    units = [_find_unit(model) for model in models]
    if len(set(units)) > 1:
        predictions = ", ".join(f"{path} predicts {unit}s" for path, unit in zip(paths, units, strict=True))
        raise ConfigError(f"{predictions}; models of words and of characters cannot be mixed")
    return units[0]


def _read_vocabulary(path: Path) -> frozenset[str]:
    words = frozenset(VARIANT.sub("", line.split()[0]) for line in read_lines(path) if line.strip())
    if not words:
        raise TextError(f"{path}: holds no word; expected one at the beginning of each line")
    return words


def _sentences(texts: Sequence[Path], unit: Unit, normalizer: NormalizerSettings | None) -> Iterator[list[str]]:
    return read_sentences(texts, unit, str if normalizer is None else lambda line: normalize(line, normalizer))
