"""What a decoder is made of, and what it returns: shared by streams, batches and the decoder itself."""

import math
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from asr.config import DecoderSettings
from asr.decode.kernel.memory import LIMITS, NONE, SearchBuffers, new_buffers
from asr.decode.kernel.scores import TOKEN_LEVEL, Scorer
from asr.decode.scorer.external import LanguageModel
from asr.decode.word_ends import pool_word_ends
from asr.jit import Array, pack
from asr.language.ngram.model import NgramModel

_MIN_NODES = 1 << 12  # 0.4 MB
_SMALLEST = 1e-300


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One labelling of an utterance; `score` is the sum of its three parts, natural logs."""

    tokens: tuple[int, ...]
    frames: tuple[int, ...]  # at which the most probable alignment enters each token
    score: float
    acoustic: float  # summed over alignments
    language: float  # weighted, insertion bonus included
    boost: float


def make_hypothesis(scores: list[float], tokens: list[int], frames: list[int], num_frames: int) -> Hypothesis:
    """Make a hypothesis from its scores, as of `score_hypothesis`, and the number of frames that were searched."""
    score, language, boost, language_end, boost_end, _, word_end = scores
    num_missing = int(word_end != NONE)  # the last frame has to end the last word
    return Hypothesis(
        tokens=(*tokens, *(int(word_end),) * num_missing),
        frames=(*frames, *(num_frames - 1,) * num_missing),
        score=score + language_end + boost_end,
        acoustic=score - language - boost,
        language=language + language_end,
        boost=boost + boost_end,
    )


@dataclass
class DecoderParts:
    """The parts of a decoder. Threads share them; only the spare buffers change."""

    symbols: tuple[str, ...]
    settings: DecoderSettings
    language_model: LanguageModel | None
    scorer: Scorer
    _spare: list[SearchBuffers] = field(default_factory=list, init=False)  # of finished searches, for the next ones

    def __post_init__(self) -> None:
        settings = self.settings
        beam_ratio, token_floor = math.exp(-settings.beam_threshold), math.exp(-settings.token_threshold)
        max_tokens = settings.max_tokens or len(self.symbols)
        self.limits = np.array([(beam_ratio, token_floor, settings.blank_skip, max_tokens)], LIMITS)
        self.packed_scorer = pack(self.scorer)
        self.start_state = self.language_model.start() if isinstance(self.language_model, NgramModel) else 0
        self._max_spare, self._num_nodes = count_cores(), max(_MIN_NODES, 32 * settings.beam_size)
        self.word_ends: list[int] = np.flatnonzero(self.scorer.tokens.ends_word).tolist()

    def check(self, log_probs: Any) -> Array:
        """Return log probabilities as an array (T, V). Raises ValueError if the shape is wrong."""
        log_probs = np.asarray(log_probs)
        if log_probs.ndim != 2 or log_probs.shape[1] != len(self.symbols):
            raise ValueError(f"expected log_probs of shape (frames, {len(self.symbols)}), found {log_probs.shape}")
        return log_probs

    def to_probs(self, log_probs: Array) -> Array:
        """Return the (T, V) float64 probabilities to search: word ends pooled, blanks penalised."""
        pooled = pool_word_ends(log_probs, self.word_ends)
        with np.errstate(over="ignore"):  # the search reports values that are no log probabilities
            # 32-bit exponentials are as exact as a network's output, and take a quarter of the time.
            probs = np.exp(pooled, dtype=np.result_type(pooled, np.float32)).astype(np.float64, order="C")
        if self.settings.blank_penalty > 0:
            totals = probs.sum(axis=1, keepdims=True)  # they are kept, so that a wrong one is still noticed
            probs[:, 0] *= math.exp(-self.settings.blank_penalty)
            probs *= totals / probs.sum(axis=1, keepdims=True).clip(min=_SMALLEST)
        return probs

    def acquire_buffers(self) -> SearchBuffers:
        """Return buffers for a search, which `init_search` then begins."""
        # Buffers that were used before are mapped already, which saves a tenth of a short utterance's time.
        try:
            return self._spare.pop()
        except IndexError:
            beam_size = self.settings.beam_size
            num_rows = beam_size if self.scorer.lm_level == TOKEN_LEVEL else 0
            return new_buffers(beam_size, len(self.symbols), self.limits, num_rows, self._num_nodes)

    def release_buffers(self, search: SearchBuffers) -> None:
        """Keep the buffers of a finished search for another, unless they have grown or there are enough."""
        if len(search.nodes) == self._num_nodes and len(self._spare) < self._max_spare:
            self._spare.append(search)


def count_cores() -> int:
    """Count the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
