"""Beam search over CTC log probabilities: `BeamDecoder` for whole utterances, `BeamStream` for streams.

    decoder = BeamDecoder(symbols, DecoderSettings(alpha=0.5, beta=1.0), language_model=model)
    best = decoder.decode(log_probs)[0]

Knows nothing of audio; in decode/, only scorer/rnn.py knows a network (a recurrent language model). Scores are natural
logs. A hypothesis' score is the log of the summed probability of all its alignments, plus the gains of language model
and boosting.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, get_args

import numpy as np

from asr.config import DecoderSettings
from asr.decode.batch import Utterance, decode_group, group_utterances, name_errors
from asr.decode.kernel.prefix_tree import drop_divergent
from asr.decode.parts import DecoderParts, Hypothesis, count_cores
from asr.decode.scorer.build import Unit, build_scorer, reweigh
from asr.decode.scorer.external import LanguageModel
from asr.decode.scorer.hotwords import parse_hotwords
from asr.decode.stream import UPKEEP_FRAMES, BeamStream, Distinct
from asr.errors import ConfigError
from asr.jit import Array, warm_up

__all__ = ["BeamDecoder", "BeamStream", "Hypothesis"]

_TOY = np.full((1, 2), np.log(0.5))  # log probabilities of one frame
_MAX_GROUP_FRAMES = UPKEEP_FRAMES - 1  # streams would drop old alternatives in longer utterances


class BeamDecoder:
    """Finds the most probable labellings of utterances.

    A decoder holds no utterance: it can serve any number at once, from any number of threads.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        settings: DecoderSettings | None = None,
        *,
        language_model: LanguageModel | None = None,
        unit: Unit = "auto",
        vocabulary: Sequence[str] | None = None,
        hotwords: Mapping[str, float] | Iterable[str] = (),
        pronunciations: Mapping[str, Sequence[tuple[int, ...]]] | None = None,
    ) -> None:
        """Prepare for decoding.

        Args:
            symbols: (V,) tokens as text, the blank first; a space or `▁` begins words.
            settings: None: the defaults.
            language_model: `NgramModel`, or any object with `start` and `score`.
            unit: Whether the model scores words or tokens; "auto" finds out for an `NgramModel`.
            vocabulary: The only words allowed besides those of hotwords with positive weight; None allows all.
            hotwords: Phrases with their weights, or `phrase[:weight]` items. Those of positive weight
                refund `unknown_score` once they are complete.
            pronunciations: Words and their pronunciations as tokens, each with a word-end symbol last; no other
                words can be decoded. None: words are spelled by the symbols' characters.

        Raises:
            ConfigError: If the parts do not fit one another.
            TextError: If the alphabet cannot spell a hot word.
        """
        if len(symbols) < 2:
            raise ConfigError(f"expected the blank and at least one more symbol, found {len(symbols)} symbols")
        if unit not in get_args(Unit):
            raise ConfigError(f"unit is {unit!r}; there are: {', '.join(get_args(Unit))}")
        settings = DecoderSettings() if settings is None else settings
        scorer = build_scorer(
            symbols,
            settings,
            language_model=language_model,
            unit=unit,
            vocabulary=vocabulary,
            hotwords=parse_hotwords(hotwords),
            pronunciations=pronunciations,
        )
        self.parts = DecoderParts(tuple(symbols), settings, language_model, scorer)

    @property
    def beam_size(self) -> int:
        """Prefixes kept from frame to frame."""
        return self.parts.settings.beam_size

    @property
    def language_model(self) -> LanguageModel | None:
        """The language model within the beam."""
        return self.parts.language_model

    def reweighted(self, **weights: float) -> "BeamDecoder":
        """Return this decoder with some settings changed; cheap, since the vocabulary is not prepared again.

        Hot words outside the vocabulary still refund the `unknown_score` that they were prepared for.
        """
        parts = self.parts
        settings = DecoderSettings(**parts.settings.model_dump() | weights)
        decoder = BeamDecoder.__new__(BeamDecoder)
        decoder.parts = DecoderParts(parts.symbols, settings, parts.language_model, reweigh(parts.scorer, settings))
        return decoder

    def start(self) -> BeamStream:
        """Start a stream: a search that takes log probabilities block by block."""
        _load_compiled_streams()
        return BeamStream(self.parts)

    def decode(self, log_probs: Any, nbest: int = 1) -> list[Hypothesis]:
        """Decode one utterance.

        Args:
            log_probs: (T, V) natural-log probabilities, blank first; anything that numpy takes as an array.
            nbest: Number of hypotheses, best first; fewer are returned if pruning leaves fewer, but at least one.

        Raises:
            ValueError: If the shape is wrong, a frame's probabilities do not sum to 1, or nbest is below 1.
            AsrError: If no labelling that vocabulary and language model allow has any probability.
        """
        return self.decode_batch([log_probs], nbest=nbest, num_threads=1)[0]

    def decode_batch(
        self,
        batch: Sequence[Any] | Array,
        lengths: Sequence[int] | None = None,
        *,
        nbest: int = 1,
        distinct: Distinct = tuple,
        num_threads: int | None = None,
    ) -> list[list[Hypothesis]]:
        """Decode many utterances on all cores; the results do not depend on their number.

        Args:
            batch: Utterances of (T, V) log probabilities, or an array (B, T, V).
            lengths: (B,) valid frames of each; None: all.
            nbest: As in `decode`.
            distinct: What these have to differ in, computed from their tokens; of equal ones, the best is returned.
            num_threads: None: one per core that this process may use.

        Raises:
            ValueError, AsrError: As `decode`, with the utterance's index.
        """
        if nbest < 1:
            raise ValueError(f"nbest is {nbest}; expected at least 1")
        num_threads = count_cores() if num_threads is None else num_threads
        if num_threads < 1:
            raise ValueError(f"num_threads is {num_threads}; expected at least 1, or None for one per core")
        utterances = self._name_utterances(batch, lengths)
        share = -(-sum(len(utterance.log_probs) for utterance in utterances) // num_threads)
        max_frames = _MAX_GROUP_FRAMES if nbest == 1 and not self.parts.scorer.lm.is_external else -1  # no groups
        groups = group_utterances(utterances, min(share, max_frames))
        decode = partial(self._decode, max_frames, nbest, distinct)
        if num_threads == 1 or len(groups) < 2:
            return [hypotheses for group in groups for hypotheses in decode(group)]
        with ThreadPoolExecutor(num_threads) as pool:
            return [hypotheses for decoded in pool.map(decode, groups) for hypotheses in decoded]

    def _name_utterances(self, batch: Sequence[Any] | Array, lengths: Sequence[int] | None) -> list[Utterance]:
        if lengths is not None and len(lengths) != len(batch):
            raise ValueError(f"{len(batch)} utterances came with {len(lengths)} lengths; expected one length each")
        utterances = []
        for index, log_probs in enumerate(batch):
            name = f"utterance {index}: " if len(batch) > 1 else ""
            with name_errors(name):
                valid = self.parts.check(log_probs)
                length = len(valid) if lengths is None else int(lengths[index])
                if not 0 <= length <= len(valid):
                    raise ValueError(f"a length of {length} frames came with log_probs of {len(valid)} frames")
                utterances.append(Utterance(valid[:length], name))
        return utterances

    def _decode(
        self, max_frames: int, nbest: int, distinct: Distinct, group: list[Utterance]
    ) -> list[list[Hypothesis]]:
        """Decode a group of utterances of at most `max_frames`, or a longer one by itself."""
        utterance = group[0]
        if len(utterance.log_probs) <= max_frames:
            _load_compiled()
            return decode_group(self.parts, group)
        stream = self.start()
        with name_errors(utterance.name):
            stream.feed(utterance.log_probs)
            hypotheses = stream.finish(nbest, distinct)
        stream.release()
        return [hypotheses]


@warm_up("beam search")
def _load_compiled() -> None:
    """Load the compiled search of whole utterances, or compile it if this machine has not yet."""
    decode_group(_toy_parts(), [Utterance(_TOY, "")])


@warm_up("beam search of streams")
def _load_compiled_streams() -> None:
    parts = _toy_parts()
    stream = BeamStream(parts)
    stream.feed(_TOY)
    stream.commit()
    stream.best(2)
    stream.release()
    drop_divergent(parts.acquire_buffers(), 0)  # the stream's


def _toy_parts() -> DecoderParts:
    settings = DecoderSettings(beam_size=1)
    scorer = build_scorer(("", "a"), settings, language_model=None, unit="auto", vocabulary=None, hotwords={})
    return DecoderParts(("", "a"), settings, None, scorer)
