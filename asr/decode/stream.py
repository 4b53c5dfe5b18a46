"""The search over one utterance or stream: blocks of log probabilities in, hypotheses out.

The compiled search (kernel/) works on `SearchBuffers`; here their size is kept bounded, and gains are filled in.
"""

import copy
import math
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from asr.decode.kernel.frame import DEAD, DONE, FULL, NOT_NORMALIZED, PENDING, init_search, search_frames
from asr.decode.kernel.memory import NONE, RESIZED, SearchBuffers, copy_search
from asr.decode.kernel.nbest import list_paths
from asr.decode.kernel.prefix_tree import clear_gains, compact, drop_divergent, trace_back
from asr.decode.kernel.scores import score_beam
from asr.decode.parts import DecoderParts, Hypothesis, make_hypothesis
from asr.decode.scorer.external import make_external_lm
from asr.errors import AsrError
from asr.jit import Array, pack

Distinct: TypeAlias = Callable[[tuple[int, ...]], Hashable]

# Every UPKEEP_FRAMES frames of a stream, however it is cut into blocks, alternatives that differ
# more than _MAX_OPEN tokens back are dropped; so memory stays bounded.
UPKEEP_FRAMES = 1024
_MAX_OPEN = 250
_PATHS_PER_HYPOTHESIS = 8  # that are looked at, since many differ in pronunciation only
# Tokens are committed in spite of alternatives that have less than this of the probability of what is committed (a
# natural log), since confidences take no notice of so little (recognize/confidence.py), or that are older (in frames):
# no later frame decides between them.
_LEAST_RATIO, _OPEN_FRAMES = -3.0, 100


class BeamStream:
    """The search over one stream of frames; `BeamDecoder.start` makes one.

    Between blocks it costs nothing. Its memory stays bounded for streams of any length as long
    as `commit` is called now and then; without it, only the committed tokens themselves add up.
    """

    def __init__(self, parts: DecoderParts, search: SearchBuffers | None = None) -> None:
        """Continue a search that has begun, or begin a new one."""
        self._parts = parts
        self._use(parts.acquire_buffers() if search is None else search)
        self._external = make_external_lm(parts.language_model, parts.symbols, parts.scorer)
        if search is None:
            init_search(self._search, parts.start_state, parts.scorer.phrases.start)
        self._committed: tuple[list[int], list[int]] = ([], [])  # tokens and their frames
        self._is_finished = False

    @property
    def num_frames(self) -> int:
        """Frames fed so far."""
        return int(self._search.progress["frame"][0])

    @property
    def num_bytes(self) -> int:
        """Memory of the search, without committed tokens; it does not grow with the stream."""
        return sum(array.nbytes for array in self._search)

    def feed(self, log_probs: Any) -> None:
        """Search the next (T, V) log probabilities; the result does not depend on how frames are cut into blocks.

        Raises:
            ValueError, AsrError: As `BeamDecoder.decode`.
        """
        if self._is_finished:
            raise ValueError("this search is finished; start another for the next utterance")
        log_probs = self._parts.check(log_probs)
        first = 0
        while first < len(log_probs):
            last = first + UPKEEP_FRAMES - self.num_frames % UPKEEP_FRAMES
            self.search_block(self._parts.to_probs(log_probs[first:last]))
            if self.num_frames % UPKEEP_FRAMES == 0:
                self._drop_old_alternatives()
            first = last

    def search_block(self, block: Array, frame: int = 0) -> None:
        """Search a block (T, V) of float64 probabilities, from a frame on."""
        while True:
            status, frame = search_frames(self._packed_search, self._parts.packed_scorer, block, frame)
            if status == DONE:
                return
            if status == FULL:
                self._make_room()
            elif status == PENDING and self._external:
                self._external.fill_pending(self._search, self._parts.scorer)
            elif status == NOT_NORMALIZED:
                raise ValueError(self._describe_sum(block[frame]))
            elif status == DEAD:
                raise AsrError(
                    f"frame {self.num_frames}: nothing that vocabulary and language model allow has any probability"
                )

    def fork(self, *, beam_threshold: float = math.inf) -> "BeamStream":
        """Return a copy, to preview frames that may not come; this stream is unchanged.

        Args:
            beam_threshold: If it is lower than that of the settings, the copy prunes by it.
        """
        fork = copy.copy(self)
        fork._use(copy_search(self._search))
        ratio = fork._search.limits["beam_ratio"]
        ratio[:] = np.maximum(ratio, math.exp(-beam_threshold))
        fork._committed = (list(self._committed[0]), list(self._committed[1]))
        fork._external = self._external.fork() if self._external else None
        return fork

    def best(self, nbest: int = 1) -> list[Hypothesis]:
        """Return the best hypotheses so far, as if more frames followed: an open last word is not scored yet."""
        return self._rank(self._scores(is_final=False), nbest)

    def finish(self, nbest: int = 1, distinct: Distinct = tuple) -> list[Hypothesis]:
        """Return the best hypotheses of the utterance: last words end, incomplete phrases lose their credit.

        Args:
            nbest: At most so many.
            distinct: What these have to differ in, computed from their tokens; of equal ones, the best is returned.
        """
        self._is_finished = True
        scores = self._scores(is_final=True)
        if scores[:, 3].max() > -math.inf:
            return self._rank(scores, nbest, distinct)
        # Vocabulary or language model rule out a prefix's last word.
        is_impossible = np.isneginf(self._search.nodes["word_gain"][self._node_ids()])  # (N,)
        if not is_impossible.all():
            # A language model allows no end after any of the last words, which are then better than nothing.
            scores[:, 3] = np.where(is_impossible, -math.inf, 0.0)
            return self._rank(scores, nbest, distinct)
        # The utterance broke off within a word: the incomplete word is dropped, and equal texts are returned once.
        scores[:, 3] = 0.0
        return self._rank(scores, nbest, distinct, cuts_last_word=True)

    def release(self) -> None:
        """Let another search use this finished one's buffers."""
        self._parts.release_buffers(self._search)

    def commit(self) -> tuple[list[int], list[int]]:
        """Return, once, the tokens and frames that no later frame can change; later results leave them out."""
        self._compact(_LEAST_RATIO, self.num_frames - _OPEN_FRAMES)
        committed, self._committed = self._committed, ([], [])
        return committed

    def _node_ids(self) -> Array:
        """(N,) the prefixes of the beam."""
        progress = self._search.progress[0]
        return self._search.beams["node"][int(progress["side"]), : int(progress["num_hypotheses"])]

    def _cut_last_word(self, hypothesis: Hypothesis) -> Hypothesis:
        """Drop the letters after the last complete word; committed tokens stay."""
        tokens = self._parts.scorer.tokens
        ends = [
            index + int(tokens.ends_word[token])
            for index, token in enumerate(hypothesis.tokens)
            if tokens.starts_word[token] or tokens.ends_word[token]
        ]
        end = ends[-1] if ends else 0
        return replace(hypothesis, tokens=hypothesis.tokens[:end], frames=hypothesis.frames[:end])

    def _use(self, search: SearchBuffers) -> None:
        self._search, self._packed_search = search, pack(search)

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
        search, progress = self._search, self._search.progress[0]
        if max(int(progress[f"num_{name}"]) for name in RESIZED) > len(search.nodes) // 2:
            grown = {name: np.resize(getattr(search, name), 2 * len(search.nodes)) for name in RESIZED}
            self._use(search._replace(**grown))

    def _drop_old_alternatives(self) -> None:
        self._compact()
        if drop_divergent(self._search, _MAX_OPEN):
            self._compact(math.inf)

    def _compact(self, least: float = -math.inf, oldest: int = 0) -> None:
        scorer = self._parts.scorer
        parts = compact(self._search, scorer.tokens, whole_words=scorer.trie.is_closed, least=least, oldest=oldest)
        tokens, frames = (array.tolist() for array in parts)
        self._committed[0].extend(tokens)
        self._committed[1].extend(frames)
        if self._external:
            self._external.commit(tokens)
            used = self._search.nodes[: int(self._search.progress["num_nodes"][0])]
            used["state"] = self._external.renumber(used["state"])
            clear_gains(self._search)

    def _scores(self, *, is_final: bool) -> Array:
        """(N, 7) scores as of `score_hypothesis`; unless `is_final`, the gain at the end is the credit of phrases."""
        search, scorer = self._search, self._parts.scorer
        scores = np.empty((int(search.progress["num_hypotheses"][0]), 7))
        score_beam(self._packed_search, self._parts.packed_scorer, scores)
        if not is_final:
            scores[:, 3], scores[:, 4], scores[:, 6] = 0.0, scores[:, 5], NONE
        elif self._external:
            scores[:, 3] = self._external.closing_gains(search, scorer, self._node_ids())
        return scores

    def _rank(
        self, scores: Array, nbest: int, distinct: Distinct = tuple, *, cuts_last_word: bool = False
    ) -> list[Hypothesis]:
        """Return the best hypotheses by the (N, 7) scores of the members of the beam; see `finish`."""
        if nbest < 1:
            raise ValueError(f"nbest is {nbest}; expected at least 1")
        totals = scores[:, 0] + scores[:, 3] + scores[:, 4]
        if nbest == 1:
            best = int(totals.argmax())
            hypothesis = self._make_hypothesis(scores[best], *trace_back(self._search, best))
            return [self._cut_last_word(hypothesis) if cuts_last_word else hypothesis]
        hypotheses: dict[Hashable, Hypothesis] = {}  # with and without a last word end: the better one counts
        for path in list_paths(self._search, totals, max(_PATHS_PER_HYPOTHESIS * nbest, len(scores))):
            change = (path.score - totals[path.member], path.language, path.boost, 0.0, 0.0, 0.0, 0.0)
            hypothesis = self._make_hypothesis(scores[path.member] + change, path.tokens, path.frames)
            hypothesis = self._cut_last_word(hypothesis) if cuts_last_word else hypothesis
            hypotheses.setdefault(distinct(hypothesis.tokens), hypothesis)
            if len(hypotheses) == nbest:
                break
        return list(hypotheses.values())

    def _make_hypothesis(self, scores: Array, tokens: Array, frames: Array) -> Hypothesis:
        """Make a hypothesis from its scores (7,) and its tokens and frames (L,) after the committed ones."""
        before, frames_before = self._committed
        return make_hypothesis(
            scores.tolist(), [*before, *tokens.tolist()], [*frames_before, *frames.tolist()], self.num_frames
        )
