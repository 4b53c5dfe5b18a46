"""The search over one utterance or stream: blocks of log probabilities in, hypotheses out.

The compiled search (search.py) works on a `Search`; here its memory is kept bounded, what it
asks for is fetched, and its results are read out.
"""

import copy
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from asr.decode.kernel.frame import DEAD, DONE, FULL, NOT_NORMALIZED, WANTED, advance, plant
from asr.decode.kernel.memory import NONE, Search
from asr.decode.kernel.prefix_tree import agree, compact, count_open, forget_gains, trace
from asr.decode.kernel.scores import TOKEN_LEVEL, read_scores
from asr.decode.scorer.batch_external import BatchExternalScorer, is_batch_language_model
from asr.decode.scorer.external import ExternalScorer
from asr.errors import AsrError
from asr.jit import Array

if TYPE_CHECKING:
    from asr.decode.decoder import BeamDecoder

# At every so many frames of a stream, however it is cut into blocks, alternatives that differ
# more than so many tokens ago are decided; so memory stays bounded.
UPKEEP_FRAMES = 1024
_MAX_OPEN = 250


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One labelling of an utterance; `score` is the sum of its three parts, natural logs."""

    tokens: tuple[int, ...]
    frames: tuple[int, ...]  # at which the most probable alignment enters each token
    score: float
    acoustic: float  # summed over alignments
    language: float  # weighted, insertion bonus included
    boost: float


class BeamStream:
    """The search over one stream of frames.

    Between blocks it costs nothing. Its memory stays bounded for streams of any length as long
    as `settle` is called now and then; without it, only the settled tokens themselves add up.
    """

    def __init__(self, decoder: "BeamDecoder", search: Search, *, planted: bool = False) -> None:
        """Use `BeamDecoder.start`. The memory of `search` is this state's alone; planted: it has begun already."""
        self.decoder = decoder
        self._search = search
        self._asker = _make_asker(decoder) if decoder.fusion.external else None
        if not planted:
            plant(self._search, self._asker.start() if self._asker else decoder.first_state, decoder.first_phrase)
        self._settled: list[tuple[Array, Array]] = []
        self._finished = False

    @property
    def num_frames(self) -> int:
        """Frames fed so far."""
        return int(self._search.progress["frame"][0])

    @property
    def num_bytes(self) -> int:
        """Memory that the search takes; with `settle`, it does not grow with the stream."""
        arrays = [*self._search, *(array for settled in self._settled for array in settled)]
        return sum(array.nbytes for array in arrays)

    def feed(self, log_probs: Any) -> None:
        """Search on through the next frames; how frames are cut into blocks changes nothing.

        Args:
            log_probs: (T, V) natural-log probabilities, blank first.

        Raises:
            ValueError, AsrError: As `BeamDecoder.decode`.
        """
        if self._finished:
            raise ValueError("this search is finished; start another for the next utterance")
        log_probs = self.decoder.check(log_probs)
        first = 0
        while first < len(log_probs):
            last = first + UPKEEP_FRAMES - self.num_frames % UPKEEP_FRAMES
            self.search_on(self.decoder.to_probs(log_probs[first:last]))
            if self.num_frames % UPKEEP_FRAMES == 0:
                self._decide_old()
            first = last

    def search_on(self, block: Array, frame: int = 0) -> None:
        """Search through a block (T, V) of float64 probabilities, from a frame on."""
        while True:
            status, frame = advance(self._search, self.decoder.fusion, block, frame)
            if status == DONE:
                return
            if status == FULL:
                self._make_room()
            elif status == WANTED and self._asker:
                self._asker.answer(self._search, self.decoder.fusion)
            elif status == NOT_NORMALIZED:
                raise ValueError(self._describe_sum(block[frame]))
            elif status == DEAD:
                raise AsrError(
                    f"frame {self.num_frames}: nothing that vocabulary and language model allow has any probability"
                )

    def fork(self) -> "BeamStream":
        """The same search once more, to see where frames would lead that may not come; this one stays as it is."""
        made = copy.copy(self)
        made._search = Search(*(array.copy() for array in self._search))
        made._settled = list(self._settled)
        made._asker = self._asker.fork() if self._asker else None
        return made

    def best(self, nbest: int = 1) -> list[Hypothesis]:
        """The best hypotheses of what has been fed, as if more were to come: an open last word is not scored yet."""
        return self._hypotheses(self._scores(closed=False), nbest)

    def finish(self, nbest: int = 1) -> list[Hypothesis]:
        """The best hypotheses of the whole utterance: last words end, unfinished phrases give their credit back."""
        self._finished = True
        scores = self._scores(closed=True)
        if scores[:, 3].max() > -math.inf:
            return self._hypotheses(scores, nbest)
        impossible = self._last_words_are_impossible(len(scores))
        if not impossible.all():
            # A language model allows no end after any of the last words, which are then better than nothing.
            scores[:, 3] = np.where(impossible, -math.inf, 0.0)
            return self._hypotheses(scores, nbest)
        # The utterance broke off within a word. Of what no word is, nothing is left.
        scores[:, 3] = 0.0
        different: dict[tuple[int, ...], Hypothesis] = {}
        for cut in map(self._cut_last_word, self._hypotheses(scores, nbest)):
            different.setdefault(cut.tokens, cut)  # of those that are alike now, the first is the best
        return list(different.values())

    def _last_words_are_impossible(self, num_entries: int) -> Array:
        """(N,) whether vocabulary or language model rule out the last word of each member of the beam."""
        node_ids = self._search.entries["node"][int(self._search.progress["side"][0]), :num_entries]
        found: Array = np.isneginf(self._search.nodes["word_gain"][node_ids])
        return found

    def _cut_last_word(self, hypothesis: Hypothesis) -> Hypothesis:
        """Without the letters after the last word that is whole; what was handed over before stays."""
        fusion = self.decoder.fusion
        ends = [
            place + int(fusion.ends_word[token])
            for place, token in enumerate(hypothesis.tokens)
            if fusion.starts_word[token] or fusion.ends_word[token]
        ]
        end = ends[-1] if ends else 0
        return replace(hypothesis, tokens=hypothesis.tokens[:end], frames=hypothesis.frames[:end])

    def release(self) -> Search:
        """The memory of a finished search, for another to use."""
        return self._search

    def settle(self) -> tuple[list[int], list[int]]:
        """Hand over, once, the tokens and frames that no later frame can change; later results go without them."""
        self._compact()
        settled, self._settled = self._settled, []
        return [t for tokens, _ in settled for t in tokens.tolist()], [
            f for _, frames in settled for f in frames.tolist()
        ]

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

    def _scores(self, *, closed: bool) -> Array:
        """(N, 6): the score so far, its language and boost parts, what comes to both, and a missing mark or NONE.

        What comes is what the utterance's end brings, or, unless `closed`, the credit of open phrases.
        """
        search, fusion = self._search, self.decoder.fusion
        progress = search.progress[0]
        scores = np.empty((int(progress["num_entries"]), 7))
        read_scores(search, fusion, scores)
        if not closed:
            scores[:, 3], scores[:, 6] = 0.0, NONE
            scores[:, 4] = scores[:, 5]
        elif self._asker:
            node_ids = search.entries["node"][int(progress["side"]), : len(scores)]
            scores[:, 3] = self._asker.closing_gains(search, fusion, node_ids)
        return scores[:, [0, 1, 2, 3, 4, 6]]

    def _hypotheses(self, scores: Array, nbest: int) -> list[Hypothesis]:
        """The best members of the beam."""
        if nbest < 1:
            raise ValueError(f"nbest is {nbest}; expected at least 1")
        totals = scores[:, 0] + scores[:, 3] + scores[:, 4]
        order = np.argsort(-totals, kind="stable").tolist() if nbest > 1 else [int(totals.argmax())]
        settled_tokens = [t for tokens, _ in self._settled for t in tokens.tolist()]
        settled_frames = [f for _, frames in self._settled for f in frames.tolist()]
        found: dict[tuple[int, ...], Hypothesis] = {}  # a last word's mark may have been heard or not: the best counts
        for slot in order:
            if len(found) == nbest:
                break
            score, language, boost, language_end, boost_end, mark = scores[slot].tolist()
            if language_end == -math.inf:
                continue
            tokens, frames = trace(self._search, slot)
            last = () if mark == NONE else (int(mark),)
            hypothesis = Hypothesis(
                tokens=(*settled_tokens, *tokens.tolist(), *last),
                frames=(*settled_frames, *frames.tolist(), *(self.num_frames - 1 for _ in last)),
                score=score + language_end + boost_end,
                acoustic=score - language - boost,
                language=language + language_end,
                boost=boost + boost_end,
            )
            found.setdefault(hypothesis.tokens, hypothesis)
        return list(found.values())


def _make_asker(decoder: "BeamDecoder") -> ExternalScorer | BatchExternalScorer:
    model = decoder.language_model
    if is_batch_language_model(model) and decoder.fusion.level == TOKEN_LEVEL:
        return BatchExternalScorer(model, len(decoder.symbols))
    return ExternalScorer(model, decoder.symbols)
