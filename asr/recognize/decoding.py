"""How text is found in what the network says: a person's choices in, a decoder out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.config import DecoderSettings
from asr.decode.beam import BeamDecoder
from asr.errors import ConfigError
from asr.language.ngram import load_ngram

# The language model of a model folder; the first that is there counts.
LANGUAGE_MODELS = ("lm.bin", "lm.arpa.gz", "lm.arpa")


@dataclass(frozen=True)
class Decoding:
    """What a person may choose; None leaves it to the model.

    Attributes:
        decoder: "greedy" or "beam"; by default beam search where there is a language model or
            anything here asks for it.
        beam_size: Prefixes kept.
        lm: A language model, ARPA or binary.
        hotwords: Phrases to expect, as `phrase` or `phrase:weight`.
        nbest: Readings wanted.
    """

    decoder: str | None = None
    beam_size: int | None = None
    lm: Path | None = None
    hotwords: Sequence[str] = ()
    nbest: int = 1

    @property
    def needs_beam(self) -> bool:
        """Whether a choice makes sense for beam search only."""
        return self.beam_size is not None or self.lm is not None or bool(self.hotwords) or self.nbest > 1


def find_language_model(folder: Path) -> Path | None:
    """The language model that a model folder holds."""
    return next((folder / name for name in LANGUAGE_MODELS if (folder / name).is_file()), None)


def build_beam(
    folder: Path, symbols: Sequence[str], settings: DecoderSettings, decoding: Decoding
) -> BeamDecoder | None:
    """The beam search that a person and a model folder ask for; None where the best path is enough.

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
    if lm is None and decoding.decoder is None and not decoding.needs_beam:
        return None
    chosen = settings.model_dump()
    if decoding.beam_size is not None:
        chosen["beam_size"] = decoding.beam_size
    model = load_ngram(lm) if lm else None
    return BeamDecoder(symbols, language_model=model, hotwords=decoding.hotwords, **chosen)
