"""Decoding options in, decoder and rescorer out."""

import functools
import threading
import unicodedata
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asr.config import DecoderSettings, ModelSettings, NormalizerSettings, RescoringSettings
from asr.decode.decoder import BeamDecoder
from asr.decode.rescoring import Rescorer
from asr.decode.scorer.external import LanguageModel
from asr.decode.scorer.hotwords import parse_hotword, parse_hotwords
from asr.decode.scorer.rnn import RnnLM
from asr.errors import AsrWarning, ConfigError
from asr.language.g2p import G2P
from asr.language.punctuator import PUNCTUATOR_FOLDER, Punctuator, is_punctuator_folder
from asr.language.rnn.model import load_rnn
from asr.recognize.language_models import find_language_model, find_rescorer, load_language_model
from asr.text.lexicon import Lexicon
from asr.text.normalize import normalize
from asr.text.phones import PhoneTokenizer
from asr.text.tokenizer import Tokenizer
from asr.transcript.written_text import TextWriter

DECODERS, NUMBERS = ("greedy", "beam"), ("words", "digits")
_PRONOUNCED, _SYMBOLS = "&@#*%\\/_", ("Sm", "Sc", "So")  # not accents


@dataclass(frozen=True)
class DecodingOptions:
    """How a model decodes; None leaves a choice to the model.

    Attributes:
        decoder: "greedy" or "beam"; by default beam search if there is a language model or another option needs it.
        beam_size: Prefixes kept from frame to frame.
        lm: A language model: n-grams, ARPA or binary, or the folder of a recurrent one.
        hotwords: Phrases to boost, as `phrase` or `phrase:weight`, or a mapping of phrases to weights.
        nbest: Hypotheses to return.
        rescore: The folder of a recurrent language model that rescores the hypotheses.
        punctuate: Whether the text has punctuation and capitals, for which the model needs a punctuator.
        numbers: "words", or "digits" to write numbers as people do; English only.
    """

    decoder: str | None = None
    beam_size: int | None = None
    lm: Path | None = None
    hotwords: Sequence[str] | Mapping[str, float] = ()
    nbest: int = 1
    rescore: Path | None = None
    punctuate: bool | None = None
    numbers: str | None = None

    @property
    def needs_beam(self) -> bool:
        """Whether an option requires beam search."""
        return bool(self.hotwords) or self.nbest > 1 or (self.beam_size, self.lm, self.rescore) != (None, None, None)


def build_decoder(
    tokenizer: Tokenizer,
    settings: DecoderSettings,
    *,
    language_model: LanguageModel | None = None,
    vocabulary: Sequence[str] | None = None,
    hotwords: Mapping[str, float] | Iterable[str] = (),
) -> BeamDecoder:
    """Build the beam search over a tokenizer's symbols.

    Raises:
        ConfigError: If the parts do not fit one another.
        TextError: If a hot word cannot be encoded.
    """
    return BeamDecoder(
        tokenizer.symbols,
        settings,
        language_model=language_model,
        unit="token" if isinstance(language_model, RnnLM) else "auto",
        vocabulary=vocabulary,
        hotwords=hotwords,
        pronunciations=tokenizer.pronunciations,
    )


def choose_decoder(
    folder: Path,
    tokenizer: Tokenizer,
    settings: DecoderSettings,
    options: DecodingOptions,
    normalizer: NormalizerSettings | None = None,
    *,
    precision: str = "auto",
) -> BeamDecoder | None:
    """Build the beam search that options and model folder call for; None if greedy decoding is enough.

    Greedy decoding is not enough for phones, which form words only by the lexicon.

    Args:
        folder: The model's.
        tokenizer: Must be able to encode the hot words.
        settings: Of the search, unless the options say otherwise.
        options: The user's.
        normalizer: As for `read_phrases`.
        precision: Of a recurrent language model; see `Recognizer`.

    Raises:
        ConfigError: If the options contradict one another.
        ModelError: If the language model is broken.
        TextError: If a hot word cannot be encoded.
    """
    if options.decoder is not None and options.decoder not in DECODERS:
        raise ConfigError(f"decoder {options.decoder}: no such decoder; there are: {', '.join(DECODERS)}")
    if options.decoder == "greedy":
        if options.needs_beam:
            raise ConfigError(
                "greedy decoding takes no beam size, language model, hot words or n-best; use beam search"
            )
        return None
    lm = options.lm or find_language_model(folder)
    has_model = lm is not None or find_rescorer(folder) is not None or tokenizer.pronunciations is not None
    if not has_model and options.decoder is None and not options.needs_beam:
        return None
    if options.beam_size is not None:
        settings = DecoderSettings(**settings.model_dump() | {"beam_size": options.beam_size})
    return build_decoder(
        tokenizer,
        settings,
        language_model=load_language_model(lm, tokenizer.symbols, precision=precision) if lm else None,
        hotwords=read_phrases(options, normalizer),
    )


def read_phrases(options: DecodingOptions, normalizer: NormalizerSettings | None) -> dict[str, float]:
    """Parse hot words and their weights; normalise the words like the model's transcripts if there is a normalizer.

    Raises:
        ConfigError: If a weight is not a number.
    """
    hotwords = parse_hotwords(options.hotwords)
    if normalizer is None:
        return hotwords
    return {normalize(phrase, normalizer) or phrase: weight for phrase, weight in hotwords.items()}


def prepare_phrases(
    options: DecodingOptions, normalizer: NormalizerSettings, tokenizer: Tokenizer
) -> tuple[DecodingOptions, Tokenizer]:
    """Prepare hot words, and a tokenizer that knows their words; warn about those that will not do what was asked.

    Returns:
        The options without phrases that cannot be spelled, and the tokenizer with pronunciations of their words.

    Raises:
        ConfigError: If a weight is not within its limits.
    """
    if not options.hotwords:
        return options, tokenizer
    given = options.hotwords.items() if isinstance(options.hotwords, Mapping) else map(parse_hotword, options.hotwords)
    phrases: dict[str, float] = {}
    for original, weight in given:
        phrase = normalize(original, normalizer) or original
        if lost := find_lost_symbols(original, normalizer):
            _warn(
                f"hot word {original!r}: expected as {phrase!r}, without {' '.join(lost)}; write it as it is pronounced"
            )
        if phrase in phrases:
            _warn(f"hot word {original!r} is given twice; the last weight counts: {weight:g}")
        phrases[phrase] = weight
    tokenizer = add_oov_words(tokenizer, " ".join(phrases).split())
    for phrase in list(phrases):
        if unknown := find_unspellable(phrase, tokenizer):
            lack = "alphabet has no" if tokenizer.pronunciations is None else "lexicon has no pronunciation of"
            _warn(f"hot word {phrase!r} is left out: the {lack} {' '.join(unknown)}; write it as the model would")
            del phrases[phrase]
    return replace(options, hotwords=phrases), tokenizer


def find_unspellable(phrase: str, tokenizer: Tokenizer) -> list[str]:
    """Return characters of a normalised phrase that are in no token, or words without a pronunciation."""
    if tokenizer.pronunciations is not None:
        return sorted({word for word in phrase.split() if word not in tokenizer.pronunciations})
    return sorted(set(phrase) - set("".join(tokenizer.symbols[1:])) - {" "})


def find_lost_symbols(phrase: str, normalizer: NormalizerSettings) -> list[str]:
    """Return symbols that people pronounce, such as + and &, and that normalisation drops."""
    if not normalizer.strip_punctuation:
        return []
    kept = normalize(phrase, normalizer.model_copy(update={"strip_punctuation": False}))
    symbols = dict.fromkeys(
        symbol for symbol in kept if symbol in _PRONOUNCED or unicodedata.category(symbol) in _SYMBOLS
    )
    return list(symbols)


def _warn(message: str) -> None:
    warnings.warn(AsrWarning(message), stacklevel=4)


def build_rescorer(
    folder: Path,
    tokenizer: Tokenizer,
    settings: RescoringSettings,
    options: DecodingOptions,
    *,
    precision: str = "auto",
) -> Rescorer | None:
    """Build the rescorer that options or model folder call for, to compute with a precision; None if there is none.

    The folder's is not used with another language model in the beam, since its weights do not fit that one.

    Raises:
        ModelError: If the recurrent language model is broken.
    """
    uses_folder = options.lm is None and options.decoder != "greedy"
    path = options.rescore or (find_rescorer(folder) if uses_folder else None)
    return Rescorer(load_rnn(path, precision=precision), tokenizer.decode, settings) if path else None


def build_writer(folder: Path, settings: ModelSettings, options: DecodingOptions) -> TextWriter | None:
    """Build what writes words out with marks, capitals and numbers; None if they are shown as they are recognised.

    Raises:
        ConfigError: If the options ask for marks and the model has no punctuator, or for numbers of another language
            than English.
        ModelError: If the punctuator is broken.
    """
    has_punctuator = is_punctuator_folder(folder / PUNCTUATOR_FOLDER)
    if options.punctuate and not has_punctuator:
        raise ConfigError(f"{folder}: the model has no punctuator; leave out the option that asks for punctuation")
    punctuate = settings.written.punctuate if options.punctuate is None else options.punctuate
    punctuator = Punctuator.load(folder / PUNCTUATOR_FOLDER) if punctuate and has_punctuator else None
    numbers = options.numbers or settings.written.numbers
    check_numbers(numbers, settings.normalizer)
    if punctuator is None and numbers == "words":
        return None
    return TextWriter(punctuator.start if punctuator is not None else None, numbers == "digits")


def check_numbers(numbers: str, normalizer: NormalizerSettings) -> None:
    """Check how numbers are to be written. Raises ConfigError if there is no such way, or not in this language."""
    if numbers not in NUMBERS:
        raise ConfigError(f"numbers {numbers}: no such choice; there are: {', '.join(NUMBERS)}")
    language = normalizer.language or normalizer.spell_out_numbers or "en"
    if numbers == "digits" and language[:2] != "en":
        raise ConfigError(f"numbers digits: written in English only, and this model's language is {language}")


def add_oov_words(tokenizer: Tokenizer, words: Iterable[str]) -> Tokenizer:
    """Add out-of-vocabulary words to a phone tokenizer, with g2p pronunciations if g2p finds any.

    The given tokenizer does not change, and is returned if there is nothing to add.
    """
    if not isinstance(tokenizer, PhoneTokenizer):
        return tokenizer
    if not (unknown := [word for word in dict.fromkeys(words) if word not in tokenizer.pronunciations]):
        return tokenizer
    g2p = train_g2p(tokenizer.lexicon)
    guesses = {word: g2p.guess(word) for word in unknown}
    return tokenizer.with_words({word: phones for word, phones in guesses.items() if phones is not None})


def train_g2p(lexicon: Lexicon) -> G2P:
    """Return what pronounces words that a lexicon lacks; for the last lexicons it is kept."""
    with _g2p_lock:
        return _train_g2p(lexicon)


_g2p_lock = threading.Lock()  # training takes seconds: clients that come together train once
_train_g2p = functools.lru_cache(maxsize=2)(G2P)
