"""Beam search over CTC log probabilities: `BeamDecoder` for whole utterances, `BeamState` for streams.

    decoder = BeamDecoder(symbols, beam_size=64, language_model=model, alpha=0.5, beta=1.0)
    best = decoder.decode(log_probs)[0]

Knows nothing of audio or networks. Scores are natural logs. A hypothesis' score is the log of
the summed probability of all its alignments, plus what language model and boosting add.
"""

import copy
import functools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from asr.compiled import Array, announce_compilation
from asr.decode.asking import Asker
from asr.decode.blend import LanguageModel, Level, build_fusion, reweigh
from asr.decode.fusion import TOKEN_LEVEL, read_scores
from asr.decode.hotwords import read_hotwords
from asr.decode.layout import LIMITS, new_search
from asr.decode.search import DEAD, DONE, FULL, NOT_NORMALIZED, WANTED, advance, plant
from asr.decode.tree import agree, compact, count_open, forget_gains, trace
from asr.errors import AsrError, ConfigError
from asr.language.ngram import NgramModel

_MIN_NODES = 1 << 12
# At every so many frames of a stream, however it is cut into blocks, alternatives that differ
# more than so many tokens ago are decided; so memory stays bounded.
_UPKEEP_FRAMES = 1024
_MAX_OPEN = 250
_MAX_BEAM = 1 << 20  # which takes 1 GB for each utterance that is decoded at a time
_MAX_BONUS = 100.0  # natural log, for a word; more would overflow


@dataclass(frozen=True)
class Hypothesis:
    """One labelling of an utterance; `score` is the sum of its three parts, natural logs."""

    tokens: tuple[int, ...]
    frames: tuple[int, ...]  # at which the most probable alignment enters each token
    score: float
    acoustic: float  # summed over alignments
    language: float  # weighted, insertion bonus included
    boost: float


class BeamDecoder:
    """Finds the most probable labellings of utterances.

    A decoder holds no utterance: it can serve any number at once, from any number of threads.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        beam_size: int = 64,
        beam_threshold: float = 10.0,
        max_tokens: int | None = None,
        token_threshold: float = 6.0,
        blank_skip: float = 0.9999,
        language_model: LanguageModel | None = None,
        level: Level = "auto",
        alpha: float = 0.5,
        beta: float = 1.0,
        unknown_score: float = -8.0,
        vocabulary: Sequence[str] | None = None,
        hotwords: Mapping[str, float] | Iterable[str] = (),
    ) -> None:
        """Prepare for decoding.

        Args:
            symbols: (V,) tokens as text, the blank first; a space or `▁` begins words.
            beam_size: Prefixes kept from frame to frame.
            beam_threshold: Prefixes whose score falls so far behind the best one's are dropped;
                `inf` keeps all.
            max_tokens: Tokens a frame, the most probable ones, that may extend a prefix; None: all.
            token_threshold: Tokens with a log probability below minus this extend no prefix;
                `inf` lets all.
            blank_skip: A frame whose blank has at least this probability is taken as blank for
                certain; more than 1 takes none so.
            language_model: `NgramModel`, or any object with `start` and `score`.
            level: Whether the model scores words or tokens; "auto" finds out for an `NgramModel`.
            alpha: Weight of the language model's log probabilities.
            beta: Added for each word (model of words) or token (model of tokens).
            unknown_score: Added for each word that the language model does not know.
            vocabulary: The only words allowed, next to those of hotwords; None allows all.
            hotwords: Phrases with their weights, or `phrase[:weight]` items.

        Raises:
            ConfigError: If a setting is out of range, or the parts do not fit one another.
            TextError: If the alphabet cannot spell a hot word.
        """
        _check_pruning(len(symbols), beam_size, beam_threshold, max_tokens, token_threshold, blank_skip)
        _check_weights(level, alpha, beta, unknown_score)
        self.beam_size = beam_size
        self.symbols = tuple(symbols)
        self.language_model = language_model
        self.limits = np.zeros(1, LIMITS)
        self.limits["beam_ratio"] = math.exp(-beam_threshold)
        self.limits["token_floor"] = math.exp(-token_threshold)
        self.limits["blank_skip"] = blank_skip
        self.limits["max_tokens"] = len(symbols) if max_tokens is None else max_tokens
        self.fusion, self.spelling, self.first_phrase = build_fusion(
            symbols,
            language_model=language_model,
            level=level,
            alpha=alpha,
            beta=beta,
            unknown_score=unknown_score,
            vocabulary=vocabulary,
            hotwords=read_hotwords(hotwords),
        )
        _load_compiled()

    def reweighted(self, *, alpha: float, beta: float, beam_size: int) -> "BeamDecoder":
        """The same decoder with other weights; cheap, since the vocabulary is not prepared again."""
        made = copy.copy(self)
        made.beam_size = beam_size
        made.fusion = reweigh(self.fusion, alpha, beta)
        return made

    def start(self) -> "BeamState":
        """A search that takes log probabilities as they come."""
        return BeamState(self)

    def decode(self, log_probs: Any, nbest: int = 1) -> list[Hypothesis]:
        """Decode one utterance.

        Args:
            log_probs: (T, V) natural-log probabilities, blank first; anything that numpy takes as an array.
            nbest: Hypotheses wanted.

        Returns:
            At least one hypothesis, best first, and fewer than `nbest` where the beam holds fewer.

        Raises:
            ValueError: If the shape is wrong, a frame's probabilities do not sum to 1, or nbest is below 1.
            AsrError: If no labelling that the vocabulary allows has any probability.
        """
        state = self.start()
        state.feed(log_probs)
        return state.finish(nbest)

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
            ValueError, AsrError: As `decode`.
        """
        if lengths is not None and len(lengths) != len(batch):
            raise ValueError(f"{len(batch)} utterances came with {len(lengths)} lengths; expected one length each")
        if lengths is not None:
            batch = [_cut(log_probs, int(length)) for log_probs, length in zip(batch, lengths, strict=True)]
        num_threads = num_threads or _count_cores()
        if num_threads == 1 or len(batch) < 2:
            return [self.decode(log_probs, nbest) for log_probs in batch]
        with ThreadPoolExecutor(num_threads) as pool:
            return list(pool.map(lambda log_probs: self.decode(log_probs, nbest), batch))


class BeamState:
    """The search over one stream of frames.

    Between blocks it costs nothing. Its memory stays bounded for streams of any length as long
    as `settle` is called now and then; without it, only the settled tokens themselves add up.
    """

    def __init__(self, decoder: BeamDecoder) -> None:
        self.decoder = decoder
        num_rows = decoder.beam_size if decoder.fusion.level == TOKEN_LEVEL else 0
        num_nodes = max(_MIN_NODES, 8 * decoder.beam_size)
        self._search = new_search(decoder.beam_size, len(decoder.symbols), decoder.limits, num_rows, num_nodes)
        self._asker = Asker(decoder.language_model, decoder.symbols) if decoder.fusion.external else None
        plant(self._search, self._first_state(), decoder.first_phrase)
        self._settled: list[tuple[Array, Array]] = []
        self._finished = False

    @property
    def num_frames(self) -> int:
        """Frames fed so far."""
        return int(self._search.progress["frame"][0])

    def feed(self, log_probs: Any) -> None:
        """Search on through the next frames; how frames are cut into blocks changes nothing.

        Args:
            log_probs: (T, V) natural-log probabilities, blank first.

        Raises:
            ValueError, AsrError: As `BeamDecoder.decode`.
        """
        if self._finished:
            raise ValueError("this search is finished; start another for the next utterance")
        log_probs = np.asarray(log_probs)
        vocab_size = len(self.decoder.symbols)
        if log_probs.ndim != 2 or log_probs.shape[1] != vocab_size:
            raise ValueError(f"expected log_probs of shape (frames, {vocab_size}), found {log_probs.shape}")
        first = 0
        while first < len(log_probs):
            last = first + _UPKEEP_FRAMES - self.num_frames % _UPKEEP_FRAMES
            probs = np.exp(log_probs[first:last], dtype=np.float64)
            self._advance(np.ascontiguousarray(probs))
            if self.num_frames % _UPKEEP_FRAMES == 0:
                self._decide_old()
            first = last

    def best(self, nbest: int = 1) -> list[Hypothesis]:
        """The best hypotheses of what has been fed, as if more were to come: an open last word is not scored yet."""
        return self._hypotheses(self._scores(closed=False), nbest)

    def finish(self, nbest: int = 1) -> list[Hypothesis]:
        """The best hypotheses of the whole utterance: last words end, unfinished phrases give their credit back."""
        self._finished = True
        scores = self._scores(closed=True)
        if np.isneginf(scores[:, 3]).all():
            # The utterance broke off within a word: better that than nothing.
            scores[:, 3] = 0.0
        return self._hypotheses(scores, nbest)

    def settle(self) -> tuple[list[int], list[int]]:
        """Hand over, once, the tokens and frames that no later frame can change; later results go without them."""
        self._compact()
        settled, self._settled = self._settled, []
        return [t for tokens, _ in settled for t in tokens.tolist()], [
            f for _, frames in settled for f in frames.tolist()
        ]

    def _advance(self, probs: Array) -> None:
        frame = 0
        while True:
            status, frame = advance(self._search, self.decoder.fusion, probs, frame)
            if status == DONE:
                return
            if status == FULL:
                self._make_room()
            elif status == WANTED and self._asker:
                self._asker.answer(self._search, self.decoder.fusion)
            elif status == NOT_NORMALIZED:
                raise ValueError(self._describe_sum(probs[frame]))
            elif status == DEAD:
                raise AsrError(f"frame {self.num_frames}: nothing that the vocabulary allows has any probability")

    def _describe_sum(self, probs: Array) -> str:
        total = float(probs.sum())
        if math.isnan(total):
            return f"frame {self.num_frames} holds NaN; the network or its input is broken"
        return (
            f"the probabilities of frame {self.num_frames} sum to {total:.4g}, not 1; "
            "pass natural-log probabilities, such as log_softmax returns"
        )

    def _make_room(self) -> None:
        self._compact()
        progress = self._search.progress[0]
        if max(int(progress["num_nodes"]), int(progress["num_marks"])) > len(self._search.nodes) // 2:
            self._search = self._search._replace(
                nodes=np.concatenate([self._search.nodes, np.empty_like(self._search.nodes)]),
                marks=np.concatenate([self._search.marks, np.empty_like(self._search.marks)]),
            )

    def _decide_old(self) -> None:
        self._compact()
        if count_open(self._search) > _MAX_OPEN:
            agree(self._search, _MAX_OPEN // 2)
            self._compact()

    def _compact(self) -> None:
        tokens, frames = compact(self._search)
        if len(tokens):
            self._settled.append((tokens, frames))
        if self._asker:
            self._asker.settle(tokens.tolist())
            used = self._search.nodes[: int(self._search.progress["num_nodes"][0])]
            used["state"] = self._asker.keep(used["state"])
            forget_gains(self._search)

    def _first_state(self) -> int:
        if self._asker:
            return self._asker.start()
        model = self.decoder.language_model
        return model.start() if isinstance(model, NgramModel) else 0

    def _scores(self, *, closed: bool) -> Array:
        """See `read_scores`; without what the utterance's end brings unless `closed`."""
        search, fusion = self._search, self.decoder.fusion
        progress = search.progress[0]
        scores = np.zeros((int(progress["num_entries"]), 5))
        read_scores(search, fusion, scores)
        if not closed:
            scores[:, 3:] = 0.0
        elif self._asker:
            for slot, node_id in enumerate(search.entries["node"][int(progress["side"]), : len(scores)]):
                scores[slot, 3] = self._asker.closing_gain(search, fusion, node_id)
        return scores

    def _hypotheses(self, scores: Array, nbest: int) -> list[Hypothesis]:
        """The best members of the beam."""
        if nbest < 1:
            raise ValueError(f"nbest is {nbest}; expected at least 1")
        totals = scores[:, 0] + scores[:, 3] + scores[:, 4]
        order = np.argsort(-totals, kind="stable")[:nbest]
        settled_tokens = [t for tokens, _ in self._settled for t in tokens.tolist()]
        settled_frames = [f for _, frames in self._settled for f in frames.tolist()]
        hypotheses = []
        for slot in order.tolist():
            score, language, boost, language_end, boost_end = scores[slot].tolist()
            if language_end == -math.inf:
                continue
            tokens, frames = trace(self._search, slot)
            hypotheses.append(
                Hypothesis(
                    tokens=(*settled_tokens, *tokens.tolist()),
                    frames=(*settled_frames, *frames.tolist()),
                    score=score + language_end + boost_end,
                    acoustic=score - language - boost,
                    language=language + language_end,
                    boost=boost + boost_end,
                )
            )
        return hypotheses


@functools.cache
def _load_compiled() -> None:
    """Load the compiled search, or compile it where this machine has not yet."""
    limits = np.zeros(1, LIMITS)
    fusion, _, _ = build_fusion(
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
    with announce_compilation("beam search"):
        plant(search, 0, 0)
        advance(search, fusion, np.full((1, 2), 0.5), 0)
        read_scores(search, fusion, np.empty((1, 5)))
        compact(search)
        trace(search, 0)
        count_open(search)
        agree(search, 0)
        forget_gains(search)


def _check_pruning(
    vocab_size: int,
    beam_size: int,
    beam_threshold: float,
    max_tokens: int | None,
    token_threshold: float,
    blank_skip: float,
) -> None:
    if vocab_size < 2:
        raise ConfigError(f"expected the blank and at least one more symbol, found {vocab_size} symbols")
    if not 1 <= beam_size <= _MAX_BEAM:
        raise ConfigError(f"beam_size is {beam_size}; expected 1 to {_MAX_BEAM}")
    if not beam_threshold > 0 or not token_threshold > 0:
        raise ConfigError(
            f"beam_threshold is {beam_threshold}, token_threshold {token_threshold}; expected natural logs above 0"
        )
    if max_tokens is not None and max_tokens < 1:
        raise ConfigError(f"max_tokens is {max_tokens}; expected at least 1, or None for all")
    if not blank_skip > 0:
        raise ConfigError(
            f"blank_skip is {blank_skip}; expected a probability above 0, or more than 1 to skip no frame"
        )


def _check_weights(level: str, alpha: float, beta: float, unknown_score: float) -> None:
    if level not in get_args(Level):
        raise ConfigError(f"level is {level!r}; there are: {', '.join(get_args(Level))}")
    if not 0 <= alpha < math.inf:
        raise ConfigError(f"alpha is {alpha}; expected a number of at least 0")
    if not abs(beta) <= _MAX_BONUS or not abs(unknown_score) <= _MAX_BONUS:
        raise ConfigError(
            f"beta is {beta}, unknown_score {unknown_score}; expected natural logs within ±{_MAX_BONUS:g}"
        )


def _cut(log_probs: Any, length: int) -> Any:
    if not 0 <= length <= len(log_probs):
        raise ValueError(f"a length of {length} frames came with log_probs of {len(log_probs)} frames")
    return log_probs[:length]


def _count_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
