"""Beam search over CTC log probabilities: `BeamDecoder` for whole utterances, `BeamStream` for streams.

    decoder = BeamDecoder(symbols, DecoderSettings(alpha=0.5, beta=1.0), language_model=model)
    best = decoder.decode(log_probs)[0]

Knows nothing of audio or networks. Scores are natural logs. A hypothesis' score is the log of
the summed probability of all its alignments, plus what language model and boosting add.
"""

import copy
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, get_args

import numpy as np

from asr.config import DecoderSettings
from asr.decode.batch import Utterance, decode_together, group_utterances, naming, new_results, search_whole
from asr.decode.kernel.frame import advance, plant
from asr.decode.kernel.memory import LIMITS, Search, new_search
from asr.decode.kernel.prefix_tree import agree, compact, count_open, forget_gains, trace
from asr.decode.kernel.scores import TOKEN_LEVEL, read_scores
from asr.decode.scorer.build import LanguageModel, Level, build_scorer, reweigh
from asr.decode.scorer.hotwords import read_hotwords
from asr.decode.scorer.word_trie import Pronunciations
from asr.decode.stream import UPKEEP_FRAMES, BeamStream, Hypothesis
from asr.decode.word_ends import pool_word_ends
from asr.errors import ConfigError
from asr.jit import Array, warm_up
from asr.language.ngram.model import NgramModel

__all__ = ["BeamDecoder", "BeamStream", "Hypothesis"]

_MIN_NODES = 1 << 12  # 0.4 MB
_SMALLEST = 1e-300
_WHOLE_FRAMES = UPKEEP_FRAMES - 1  # of utterances that streams would not stop in to decide what is old


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
        level: Level = "auto",
        vocabulary: Sequence[str] | None = None,
        hotwords: Mapping[str, float] | Iterable[str] = (),
        pronunciations: Pronunciations | None = None,
    ) -> None:
        """Prepare for decoding.

        Args:
            symbols: (V,) tokens as text, the blank first; a space or `▁` begins words.
            settings: Pruning and weights; None: the defaults.
            language_model: `NgramModel`, or any object with `start` and `score`.
            level: Whether the model scores words or tokens; "auto" finds out for an `NgramModel`.
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
        if level not in get_args(Level):
            raise ConfigError(f"level is {level!r}; there are: {', '.join(get_args(Level))}")
        settings = DecoderSettings() if settings is None else settings
        self.beam_size = settings.beam_size
        self.blank_penalty = settings.blank_penalty
        self.symbols = tuple(symbols)
        self.language_model = language_model
        self.limits = np.zeros(1, LIMITS)
        self.limits["beam_ratio"] = math.exp(-settings.beam_threshold)
        self.limits["token_floor"] = math.exp(-settings.token_threshold)
        self.limits["blank_skip"] = settings.blank_skip
        self.limits["max_tokens"] = len(symbols) if settings.max_tokens is None else settings.max_tokens
        self.fusion, self.spelling, self.first_phrase = build_scorer(
            symbols,
            language_model=language_model,
            level=level,
            alpha=settings.alpha,
            beta=settings.beta,
            unknown_score=settings.unknown_score,
            vocabulary=vocabulary,
            hotwords=read_hotwords(hotwords),
            pronunciations=pronunciations,
        )
        self.first_state = language_model.start() if isinstance(language_model, NgramModel) else 0
        self.marks: list[int] = np.flatnonzero(self.spelling.ends_word).tolist()
        self._spare: list[Search] = []  # memory of searches that are over, for the next ones
        self._most_spare = _count_cores()
        _load_compiled()

    def reweighted(
        self,
        *,
        alpha: float,
        beta: float,
        beam_size: int,
        unknown_score: float | None = None,
        blank_penalty: float | None = None,
    ) -> "BeamDecoder":
        """The same decoder with other weights; cheap, since the vocabulary is not prepared again.

        Hot words outside the vocabulary still give back the `unknown_score` that they were prepared for.
        """
        made = copy.copy(self)
        made.beam_size = beam_size
        made.blank_penalty = self.blank_penalty if blank_penalty is None else blank_penalty
        made._spare = []
        made.fusion = reweigh(self.fusion, alpha, beta, unknown_score)
        return made

    def start(self) -> "BeamStream":
        """A search that takes log probabilities as they come."""
        return BeamStream(self, self.take_search())

    def decode(self, log_probs: Any, nbest: int = 1) -> list[Hypothesis]:
        """Decode one utterance.

        Args:
            log_probs: (T, V) natural-log probabilities, blank first; anything that numpy takes as an array.
            nbest: Hypotheses wanted.

        Returns:
            At least one hypothesis, best first, and fewer than `nbest` where the beam holds fewer.

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
        num_threads: int | None = None,
    ) -> list[list[Hypothesis]]:
        """Decode many utterances on all cores; the results do not depend on how many.

        Args:
            batch: Utterances of (T, V) log probabilities, or an array (B, T, V).
            lengths: (B,) valid frames of each; None: all.
            nbest: Hypotheses wanted of each.
            num_threads: None: one for each core that this process may use.

        Raises:
            ValueError, AsrError: As `decode`, and which utterance it is.
        """
        if nbest < 1:
            raise ValueError(f"nbest is {nbest}; expected at least 1")
        num_threads = _count_cores() if num_threads is None else num_threads
        if num_threads < 1:
            raise ValueError(f"num_threads is {num_threads}; expected at least 1, or None for one a core")
        utterances = self._name_utterances(batch, lengths)
        if nbest == 1 and not self.fusion.external:
            share = -(-sum(len(one.log_probs) for one in utterances) // num_threads)
            groups, decode = group_utterances(utterances, min(share, _WHOLE_FRAMES)), self._decode_group
        else:
            groups, decode = [[one] for one in utterances], partial(self._decode_alone, nbest)
        if num_threads == 1 or len(groups) < 2:
            return [found for group in groups for found in decode(group)]
        with ThreadPoolExecutor(num_threads) as pool:
            return [found for decoded in pool.map(decode, groups) for found in decoded]

    def _name_utterances(self, batch: Sequence[Any] | Array, lengths: Sequence[int] | None) -> list[Utterance]:
        if lengths is not None and len(lengths) != len(batch):
            raise ValueError(f"{len(batch)} utterances came with {len(lengths)} lengths; expected one length each")
        utterances = []
        for place, log_probs in enumerate(batch):
            name = f"utterance {place}: " if len(batch) > 1 else ""
            with naming(name):
                cut = log_probs if lengths is None else _cut(log_probs, int(lengths[place]))
                utterances.append(Utterance(self.check(cut), name))
        return utterances

    def _decode_alone(self, nbest: int, group: list[Utterance]) -> list[list[Hypothesis]]:
        (utterance,) = group
        state = self.start()
        with naming(utterance.name):
            state.feed(utterance.log_probs)
            hypotheses = state.finish(nbest)
        self.keep_search(state.release())
        return [hypotheses]

    def _decode_group(self, group: list[Utterance]) -> list[list[Hypothesis]]:
        if len(group[0].log_probs) > _WHOLE_FRAMES:
            return self._decode_alone(1, group)
        return decode_together(self, group)

    def check(self, log_probs: Any) -> Array:
        """Log probabilities as an array (T, V).

        Raises:
            ValueError: If the shape is wrong.
        """
        log_probs = np.asarray(log_probs)
        if log_probs.ndim != 2 or log_probs.shape[1] != len(self.symbols):
            raise ValueError(f"expected log_probs of shape (frames, {len(self.symbols)}), found {log_probs.shape}")
        return log_probs

    def to_probs(self, log_probs: Array) -> Array:
        """What is searched: (T, V) float64 probabilities, those of marks shared, blanks made less probable."""
        shared = pool_word_ends(log_probs, self.marks)
        with np.errstate(over="ignore"):  # what is no log probability is told when its frame is searched
            # Exponentials of 32 bits are as exact as what networks say, and take a quarter of the time.
            probs = np.exp(shared, dtype=np.result_type(shared, np.float32)).astype(np.float64, order="C")
        if self.blank_penalty > 0:
            _penalize_blanks(probs, self.blank_penalty)
        return probs

    @property
    def _num_nodes(self) -> int:
        return max(_MIN_NODES, 32 * self.beam_size)

    def keep_search(self, search: Search) -> None:
        """Put the memory of a search that is over aside for the next, unless it has grown or there is enough."""
        if len(search.nodes) == self._num_nodes and len(self._spare) < self._most_spare:
            self._spare.append(search)

    def take_search(self) -> Search:
        """Memory for a search, which `plant` begins."""
        # What was used before is mapped already, which saves a tenth of a short utterance's time.
        try:
            return self._spare.pop()
        except IndexError:
            num_rows = self.beam_size if self.fusion.level == TOKEN_LEVEL else 0
            return new_search(self.beam_size, len(self.symbols), self.limits, num_rows, self._num_nodes)


def _penalize_blanks(block: Array, penalty: float) -> None:
    """Give less of the probabilities (T, V) to the blank; a frame's sum stays, so that a wrong one is still told."""
    totals = block.sum(axis=1, keepdims=True)
    block[:, 0] *= math.exp(-penalty)
    block *= totals / block.sum(axis=1, keepdims=True).clip(min=_SMALLEST)


@warm_up("beam search")
def _load_compiled() -> None:
    """Load the compiled search, or compile it where this machine has not yet."""
    limits = np.zeros(1, LIMITS)
    fusion, _, _ = build_scorer(
        ("", "a"),
        language_model=None,
        level="auto",
        alpha=0.0,
        beta=0.0,
        unknown_score=0.0,
        vocabulary=None,
        hotwords={},
    )
    search = new_search(1, 2, limits, 0, 4)
    plant(search, 0, 0)
    advance(search, fusion, np.full((1, 2), 0.5), 0)
    search_whole(search, fusion, np.full((1, 2), 0.5), np.ones(1, np.int64), 0, 0, 0, new_results(1, 1))
    read_scores(search, fusion, np.empty((1, 7)))
    compact(search)
    trace(search, 0)
    count_open(search)
    agree(search, 0)
    forget_gains(search)


def _cut(log_probs: Any, length: int) -> Any:
    if not 0 <= length <= len(log_probs):
        raise ValueError(f"a length of {length} frames came with log_probs of {len(log_probs)} frames")
    return log_probs[:length]


def _count_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
