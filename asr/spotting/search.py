"""The search for phrases in log probabilities, by dynamic programming over the CTC states of each.

A phrase is compared with what else could be there, as a keyword model with a filler model (Szöke et al. 2005). With CTC
any sequence of tokens is a filler, and its best path takes the most probable token of each frame. So the score of a
phrase over some frames is the log probability of its best path minus the sum of the frames' highest log probabilities:
0 if the most probable path of the network spells the phrase, less otherwise. Paths may start and end at any frame.

    boundary  p1  blank  p2  blank  ...  boundary       the states of a phrase of labels p1, p2, ...

Before the first frame of an utterance and after its last one there is a boundary between words. Knows nothing of text
or audio.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from asr.alignment import BLANK
from asr.jit import Array, Record, jit, warm_up

# Frames after the end of a path at which its candidate is final: later ones that overlap and score higher are rare.
HOLD = 10
_ROOM = 256  # candidates of one block for which there is room at first

_CANDIDATE = np.dtype(
    [("sequence", np.int64), ("start", np.int64), ("end", np.int64), ("score", np.float64)], align=True
)
# `path_end` is the frame after the last boundary.
_WAITING = np.dtype([("start", np.int64), ("end", np.int64), ("path_end", np.int64), ("score", np.float64)], align=True)
_PROGRESS = np.dtype([("frame", np.int64), ("num_candidates", np.int64)])


class States(NamedTuple):
    """The CTC states of all sequences of labels, one after the other; compiled code takes all of it."""

    labels: Array  # (N,) int32 columns of log probabilities; the blank between two labels
    skips: Array  # (N,) bool, whether a path may come from the label before, past the blank
    bounds: Array  # (M + 1,) int64, the first state of each sequence
    firsts: Array  # (M,) int64, of each sequence the state of its first label that is no boundary
    lasts: Array  # (M,) int64, the state of its last label that is no boundary
    ends: Array  # (M,) bool, whether the last label is a boundary
    floors: Array  # (M,) float64, the score that a candidate must exceed


@dataclass(frozen=True)
class Candidate:
    """Where a sequence may have been said.

    Attributes:
        sequence: Its number.
        start: The first frame of its first label that is no boundary.
        end: The frame after its last label that is no boundary.
        score: Natural log, at most 0.
    """

    sequence: int
    start: int
    end: int
    score: float


def make_states(sequences: Sequence[Sequence[int]], boundary: int, floors: Sequence[float]) -> States:
    """Lay out the states of sequences of labels, of which each has one that is no boundary.

    Args:
        sequences: Columns of log probabilities, without blanks.
        boundary: The column of the boundary between words.
        floors: The score that candidates of each sequence must exceed.
    """
    labels: list[int] = []
    skips: list[bool] = []
    bounds = [0]
    for sequence in sequences:
        for index, label in enumerate(sequence):
            labels += [BLANK, label] if index else [label]
            skips += [False, sequence[index - 1] != label] if index else [False]
        bounds.append(len(labels))
    firsts = [bound + 2 * (sequence[0] == boundary) for bound, sequence in zip(bounds[:-1], sequences, strict=True)]
    lasts = [bound - 1 - 2 * (sequence[-1] == boundary) for bound, sequence in zip(bounds[1:], sequences, strict=True)]
    return States(
        np.array(labels, np.int32),
        np.array(skips, np.bool_),
        np.array(bounds, np.int64),
        np.array(firsts, np.int64),
        np.array(lasts, np.int64),
        np.array([sequence[-1] == boundary for sequence in sequences], np.bool_),
        np.array(floors, np.float64),
    )


class PhraseSearch:
    """Searches one utterance, block by block. Of overlapping candidates of a sequence it returns the best."""

    def __init__(self, states: States) -> None:
        _load_compiled()
        self._states = states
        num_states, num_sequences = len(states.labels), len(states.floors)
        self._scores = np.full(num_states, -math.inf)
        self._spans = np.zeros((num_states, 2), np.int64)  # of each path, the start and end of a candidate
        # The boundary before the first frame.
        first_states = states.bounds[:-1]
        self._scores[first_states[states.firsts > first_states]] = 0.0
        self._waiting_rows = np.zeros(num_sequences, _WAITING)
        self._waiting_rows["score"] = -math.inf
        self._found = np.zeros(max(_ROOM, 2 * num_sequences), _CANDIDATE)
        self._progress = np.zeros(1, _PROGRESS)

    def feed(self, ratios: Array) -> list[Candidate]:
        """Search (T, V + 1) log probabilities, from each of which the highest of its frame was subtracted.

        Returns:
            The candidates that are final now.
        """
        ratios = np.ascontiguousarray(ratios, np.float32)
        found: list[Candidate] = []
        first = 0
        while first < len(ratios):
            first = _search(ratios, first, self._states, self._scores, self._spans, self._waiting_rows, *self._buffers)
            found += self._take_found()
        return found

    def finish(self) -> list[Candidate]:
        """End the utterance; return the candidates that were not final before."""
        _finish(self._states, self._scores, self._spans, self._waiting_rows, *self._buffers)
        return self._take_found()

    @property
    def _buffers(self) -> tuple[Array, Array]:
        return self._found, self._progress

    def _take_found(self) -> list[Candidate]:
        count = int(self._progress["num_candidates"][0])
        self._progress["num_candidates"] = 0
        return [Candidate(*values) for values in self._found[:count].tolist()]


def search_phrases(ratios: Array, states: States) -> list[Candidate]:
    """Search a whole utterance; see `PhraseSearch.feed`."""
    search = PhraseSearch(states)
    return [*search.feed(ratios), *search.finish()]


@warm_up("search for phrases")
def _load_compiled() -> None:
    states = make_states([(1,)], 1, [0.0])
    progress = np.zeros(1, _PROGRESS)
    waiting_rows, found = np.zeros(1, _WAITING), np.zeros(4, _CANDIDATE)
    scores, spans = np.zeros(1), np.zeros((1, 2), np.int64)
    _search(np.zeros((1, 2), np.float32), 0, states, scores, spans, waiting_rows, found, progress)
    _finish(states, scores, spans, waiting_rows, found, progress)


@jit
def _search(
    ratios: Array,
    first: int,
    states: States,
    scores: Array,
    spans: Array,
    waiting_rows: Array,
    found: Array,
    progress_row: Array,
) -> int:
    """Search frames of a block from `first`; return the first for whose candidates there is no room, or T."""
    progress = progress_row[0]
    num_sequences = len(states.floors)
    for index in range(first, len(ratios)):
        if progress.num_candidates + num_sequences > len(found):
            return index
        frame = progress.frame
        for sequence in range(num_sequences):
            # 1. Move the paths of the sequence by a frame.
            _step(ratios[index], frame, states, scores, spans, sequence)
            # 2. Keep the best of overlapping paths that end here or ended before.
            last = states.bounds[sequence + 1] - 1
            waiting = waiting_rows[sequence]
            if scores[last] > states.floors[sequence]:
                _offer(sequence, spans[last], frame + 1, scores[last], waiting, found, progress)
            # 3. A candidate is final some frames after its end.
            if waiting.score > -math.inf and frame + 1 - waiting.path_end >= HOLD:
                _release(sequence, waiting, found, progress)
        progress.frame += 1
    return len(ratios)


@jit
def _step(frame_ratios: Array, frame: int, states: States, scores: Array, spans: Array, sequence: int) -> None:
    """Move the paths of a sequence by a frame, in place, from its last state to its first."""
    low, high = states.bounds[sequence], states.bounds[sequence + 1]
    for state in range(high - 1, low - 1, -1):
        # 1. Stay, step, or skip the blank.
        source, score = state, scores[state]
        if state > low and scores[state - 1] > score:
            source, score = state - 1, scores[state - 1]
        if state > low + 1 and states.skips[state] and scores[state - 2] > score:
            source, score = state - 2, scores[state - 2]
        # 2. A path may begin at any frame.
        begins = state == low and score < 0.0
        if begins:
            score = 0.0
        scores[state] = score + frame_ratios[states.labels[state]]
        # 3. The candidate starts with its first label and ends with its last.
        spans[state, 0], spans[state, 1] = spans[source, 0], spans[source, 1]
        if state == states.firsts[sequence] and (begins or source != state):
            spans[state, 0] = frame
        if state == states.lasts[sequence]:
            spans[state, 1] = frame + 1


@jit
def _offer(
    sequence: int, span: Array, path_end: int, score: float, waiting: Record, found: Array, progress: Record
) -> None:
    """Let a path wait to be final; it replaces an overlapping one that scores less."""
    if waiting.score > -math.inf and span[0] >= waiting.path_end:
        _release(sequence, waiting, found, progress)
    if score > waiting.score:
        waiting.start, waiting.end, waiting.path_end, waiting.score = span[0], span[1], path_end, score


@jit
def _release(sequence: int, waiting: Record, found: Array, progress: Record) -> None:
    candidate = found[progress.num_candidates]
    candidate.sequence, candidate.score = sequence, waiting.score
    candidate.start, candidate.end = waiting.start, waiting.end
    progress.num_candidates += 1
    waiting.score = -math.inf


@jit
def _finish(
    states: States, scores: Array, spans: Array, waiting_rows: Array, found: Array, progress_row: Array
) -> None:
    """Make all candidates final, and those whose last boundary is the end of the utterance."""
    progress = progress_row[0]
    for sequence in range(len(states.floors)):
        high = states.bounds[sequence + 1]
        waiting = waiting_rows[sequence]
        if states.ends[sequence]:
            for state in range(max(high - 3, states.firsts[sequence]), high - 1):
                if scores[state] > states.floors[sequence]:
                    _offer(sequence, spans[state], progress.frame, scores[state], waiting, found, progress)
        if waiting.score > -math.inf:
            _release(sequence, waiting, found, progress)
