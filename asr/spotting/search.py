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

# Frames after the end of a candidate at which it is final: later paths that overlap with it and score higher are rare.
HOLD = 10
_ROOM = 256  # candidates of one block for which there is room at first

_CANDIDATE = np.dtype(
    [("sequence", np.int64), ("start", np.int64), ("end", np.int64), ("score", np.float64)], align=True
)
_PENDING = np.dtype([("start", np.int64), ("end", np.int64), ("score", np.float64)], align=True)
_PROGRESS = np.dtype([("frame", np.int64), ("num_candidates", np.int64)])


class States(NamedTuple):
    """The CTC states of all sequences of labels, one after the other; compiled code takes all of it."""

    labels: Array  # (N,) int32 columns of log probabilities; the blank between two labels
    skips: Array  # (N,) bool, whether a path may come from the label before, past the blank
    bounds: Array  # (M + 1,) int64, the first state of each sequence
    firsts: Array  # (M,) int64, of each sequence the state of its first label that is no boundary
    ends: Array  # (M,) bool, whether the last label is a boundary
    floors: Array  # (M,) float64, the score that a candidate must exceed


@dataclass(frozen=True)
class Candidate:
    """Where a sequence may have been said.

    Attributes:
        sequence: Its number.
        start: The first frame of its first label that is no boundary.
        end: The frame after its last label.
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
    return States(
        np.array(labels, np.int32),
        np.array(skips, np.bool_),
        np.array(bounds, np.int64),
        np.array(firsts, np.int64),
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
        self._starts = np.zeros(num_states, np.int64)
        # The boundary before the first frame.
        first_states = states.bounds[:-1]
        self._scores[first_states[states.firsts > first_states]] = 0.0
        self._pending = np.zeros(num_sequences, _PENDING)
        self._pending["score"] = -math.inf
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
            first = _search(ratios, first, self._states, self._scores, self._starts, self._pending, *self._buffers)
            found += self._take_found()
        return found

    def finish(self) -> list[Candidate]:
        """End the utterance; return the candidates that were not final before."""
        _finish(self._states, self._scores, self._starts, self._pending, *self._buffers)
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
    pending, found = np.zeros(1, _PENDING), np.zeros(4, _CANDIDATE)
    scores, starts = np.zeros(1), np.zeros(1, np.int64)
    _search(np.zeros((1, 2), np.float32), 0, states, scores, starts, pending, found, progress)
    _finish(states, scores, starts, pending, found, progress)


@jit
def _search(
    ratios: Array,
    first: int,
    states: States,
    scores: Array,
    starts: Array,
    pending: Array,
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
            low, high = states.bounds[sequence], states.bounds[sequence + 1]
            # 1. Move the paths of the sequence by a frame.
            _step(ratios[index], frame, states, scores, starts, low, high, states.firsts[sequence])
            # 2. Keep the best of overlapping paths that end here or ended before.
            score = scores[high - 1]
            waiting = pending[sequence]
            if score > states.floors[sequence]:
                _offer(sequence, starts[high - 1], frame + 1, score, waiting, found, progress)
            # 3. A candidate is final some frames after its end.
            if waiting.score > -math.inf and frame + 1 - waiting.end >= HOLD:
                _release(sequence, waiting, found, progress)
        progress.frame += 1
    return len(ratios)


@jit
def _step(
    frame_ratios: Array, frame: int, states: States, scores: Array, starts: Array, low: int, high: int, first: int
) -> None:
    """Move the paths in states `low` to `high` by a frame, in place, from the last state to the first."""
    for state in range(high - 1, low - 1, -1):
        # 1. Stay, step, or skip the blank.
        score, start = scores[state], starts[state]
        enters = False
        if state > low and scores[state - 1] > score:
            score, start = scores[state - 1], starts[state - 1]
            enters = True
        if state > low + 1 and states.skips[state] and scores[state - 2] > score:
            score, start = scores[state - 2], starts[state - 2]
            enters = True
        # 2. A path may begin at any frame.
        if state == low and score < 0.0:
            score = 0.0
            enters = True
        scores[state] = score + frame_ratios[states.labels[state]]
        starts[state] = frame if enters and state == first else start


@jit
def _offer(sequence: int, start: int, end: int, score: float, waiting: Record, found: Array, progress: Record) -> None:
    """Let a path wait to be final; it replaces an overlapping one that scores less."""
    if waiting.score > -math.inf and start >= waiting.end:
        _release(sequence, waiting, found, progress)
    if score > waiting.score:
        waiting.start, waiting.end, waiting.score = start, end, score


@jit
def _release(sequence: int, waiting: Record, found: Array, progress: Record) -> None:
    candidate = found[progress.num_candidates]
    candidate.sequence, candidate.score = sequence, waiting.score
    candidate.start, candidate.end = waiting.start, waiting.end
    progress.num_candidates += 1
    waiting.score = -math.inf


@jit
def _finish(states: States, scores: Array, starts: Array, pending: Array, found: Array, progress_row: Array) -> None:
    """Make all candidates final, and those whose last boundary is the end of the utterance."""
    progress = progress_row[0]
    for sequence in range(len(states.floors)):
        high = states.bounds[sequence + 1]
        waiting = pending[sequence]
        if states.ends[sequence]:
            for state in range(max(high - 3, states.firsts[sequence]), high - 1):
                if scores[state] > states.floors[sequence]:
                    _offer(sequence, starts[state], progress.frame, scores[state], waiting, found, progress)
        if waiting.score > -math.inf:
            _release(sequence, waiting, found, progress)
