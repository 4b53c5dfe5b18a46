"""How text is found in what the network says: a person's choices in, decoder and rescorer out."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.atomic import atomic_write
from asr.config import DecoderSettings, NormalizerSettings, RescoringSettings
from asr.decode.decoder import BeamDecoder
from asr.decode.rescoring import Rescorer
from asr.decode.scorer.build import Unit
from asr.decode.scorer.external import LanguageModel
from asr.decode.scorer.hotwords import parse_hotwords
from asr.decode.scorer.rnn import RnnLM
from asr.errors import ConfigError
from asr.language import load
from asr.language.load import is_rnn_folder
from asr.language.ngram.binary import is_binary, write_binary
from asr.language.ngram.model import NgramModel
from asr.language.rnn.folder import load_rnn
from asr.model_files import copy_model_files
from asr.text.normalize import normalize
from asr.text.tokenizer import Tokenizer

# The language model of a model folder; the first that is there counts. Without a suffix: a recurrent one's folder.
LANGUAGE_MODELS = ("lm", "lm.bin", "lm.arpa.gz", "lm.arpa")
RESCORER = "rescore"  # the folder of the recurrent language model that reads again what the first pass found


@dataclass(frozen=True)
class DecodingOptions:
    """What a person may choose; None leaves it to the model.

    Attributes:
        decoder: "greedy" or "beam"; by default beam search where there is a language model or
            anything here asks for it.
        beam_size: Prefixes kept.
        lm: A language model: n-grams, ARPA or binary, or the folder of a recurrent one.
        hotwords: Phrases to expect, as `phrase` or `phrase:weight`.
        nbest: Readings wanted.
        rescore: The folder of a recurrent language model for a second pass.
    """

    decoder: str | None = None
    beam_size: int | None = None
    lm: Path | None = None
    hotwords: Sequence[str] = ()
    nbest: int = 1
    rescore: Path | None = None

    @property
    def needs_beam(self) -> bool:
        """Whether a choice makes sense for beam search only."""
        models = self.lm is not None or self.rescore is not None
        return self.beam_size is not None or models or bool(self.hotwords) or self.nbest > 1


def find_language_model(folder: Path) -> Path | None:
    """The language model that a model folder holds."""
    found = (folder / name for name in LANGUAGE_MODELS)
    return next((path for path in found if path.is_file() or is_rnn_folder(path)), None)


def find_rescorer(folder: Path) -> Path | None:
    """The recurrent language model that a model folder holds for a second pass."""
    return folder / RESCORER if is_rnn_folder(folder / RESCORER) else None


def load_language_model(path: Path, symbols: Sequence[str]) -> NgramModel | RnnLM:
    """A language model for the beam, n-grams or recurrent.

    Raises:
        ModelError: If it is broken, or a folder of something else.
        ConfigError: If a recurrent one has another alphabet than the symbols.
    """
    model = load.load_language_model(path)
    return model if isinstance(model, NgramModel) else RnnLM(model, symbols)


def keep_language_model(model: NgramModel | RnnLM, source: Path, folder: Path) -> None:
    """Make a language model, which was read from a source, the one that a model folder holds."""
    if isinstance(model, NgramModel):
        if is_binary(source):  # compact or not, as it is
            with atomic_write(folder / "lm.bin") as partial:
                shutil.copyfile(source, partial)
        else:
            write_binary(model, folder / "lm.bin")
        shutil.rmtree(folder / "lm", ignore_errors=True)
    else:
        copy_model_files(source, folder / "lm")


def unit_of(model: LanguageModel | None) -> Unit:
    """What a language model scores: a recurrent one tokens; n-grams tell by themselves."""
    return "token" if isinstance(model, RnnLM) else "auto"


def build_beam(
    folder: Path,
    tokenizer: Tokenizer,
    settings: DecoderSettings,
    decoding: DecodingOptions,
    normalizer: NormalizerSettings | None = None,
) -> BeamDecoder | None:
    """The beam search that a person and a model folder ask for; None where the best path is enough.

    That is not enough for phones, which only are words by the lexicon.

    Args:
        folder: The model's.
        tokenizer: Must spell the hot words.
        settings: Of the search, where the person chose nothing else.
        decoding: What the person chose.
        normalizer: As for `read_phrases`.

    Raises:
        ConfigError: If the choices contradict one another.
        ModelError: If the language model is broken.
        TextError: If a hot word cannot be spelled.
    """
    if decoding.decoder not in (None, "greedy", "beam"):
        raise ConfigError(f"--decoder {decoding.decoder}: no such decoder; there are: greedy, beam")
    if decoding.decoder == "greedy":
        if decoding.needs_beam:
            raise ConfigError(
                "greedy decoding takes no beam size, language model, hot words or n-best; use --decoder beam"
            )
        return None
    lm = decoding.lm or find_language_model(folder)
    has_model = lm is not None or find_rescorer(folder) is not None or tokenizer.pronunciations is not None
    if not has_model and decoding.decoder is None and not decoding.needs_beam:
        return None
    if decoding.beam_size is not None:
        settings = DecoderSettings(**settings.model_dump() | {"beam_size": decoding.beam_size})
    model = load_language_model(lm, tokenizer.symbols) if lm else None
    return BeamDecoder(
        tokenizer.symbols,
        settings,
        language_model=model,
        unit=unit_of(model),
        hotwords=read_phrases(decoding, normalizer),
        pronunciations=tokenizer.pronunciations,
    )


def read_phrases(decoding: DecodingOptions, normalizer: NormalizerSettings | None) -> dict[str, float]:
    """Hot words and their weights, normalised as the model's transcripts were, unless `normalizer` is None.

    Raises:
        ConfigError: If a weight is none.
    """
    hotwords = parse_hotwords(decoding.hotwords)
    if normalizer is None:
        return hotwords
    return {normalize(phrase, normalizer) or phrase: weight for phrase, weight in hotwords.items()}


def build_rescorer(
    folder: Path, tokenizer: Tokenizer, settings: RescoringSettings, decoding: DecodingOptions
) -> Rescorer | None:
    """The second pass that a person or a model folder asks for; None where there is none.

    The folder's own is left out where another language model is chosen, since its weights do not fit that.

    Raises:
        ModelError: If the recurrent language model is broken.
    """
    own = find_rescorer(folder) if decoding.lm is None and decoding.decoder != "greedy" else None
    path = decoding.rescore or own
    return Rescorer(load_rnn(path), tokenizer.decode, settings) if path else None
