"""Forced alignment: log probabilities and the tokens of a known text in, a span of frames for each token out.

A compiled Viterbi search finds the most probable path of the CTC topology (Graves et al. 2006) that spells the
tokens. Its states for the tokens "a b b" are

    state   0   1   2   3   4   5   6      even: blank, odd: token (state - 1) / 2
            -   a   -   b   -   b   -

and a frame moves a path by 0, 1 or, over a blank between different tokens, 2 states.

An hour of speech has 90 000 frames and as many states, so only states within `pruning` of the frame's best are kept,
as one band, and moves are stored for the band only. The paths of neighbouring states do not cross: state s + 1 at a
frame never comes from further left than state s, since both choose the better of the same candidates, and ties go to
the nearest. So where the paths of the band's lowest and highest state meet, all have met; up to there the path is
committed, and its moves are dropped. Without pruning the path is exact.

Knows nothing of words, text or seconds.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from asr.errors import AlignmentError
from asr.jit import Array, Record, jit, warm_up

BLANK = 0  # token of the CTC blank
# Natural log. A path this far behind the best never recovers, even if a page of the text was not read aloud; the band
# is a few hundred states wide.
PRUNING = 2000.0
EXACT_CELLS = 2**24  # searches whose moves fit into this many bytes are exact: two minutes of speech

_ROOM = 2**21  # moves that are stored before the path is committed; more if the paths do not meet
_LOST = -1

_PROGRESS = np.dtype([("low", np.int64), ("high", np.int64), ("num_frames", np.int64), ("num_moves", np.int64)])
_FRAME = np.dtype([("low", np.int64), ("first_move", np.int64)])


@dataclass(frozen=True)
class Alignment:
    """The positions of a text's tokens."""

    starts: Array  # (U,) first frame of each token
    ends: Array  # (U,) the one after its last
    log_probs: Array  # (U,) natural-log probability of each token at the most probable of its frames
    score: float  # natural-log probability of the whole path, blanks included
    num_frames: int


def required_frames(tokens: Sequence[int]) -> int:
    """Count the fewest frames that can spell the tokens: one each, and a blank between equal neighbours."""
    return len(tokens) + sum(first == second for first, second in pairwise(tokens))


def is_feasible(num_frames: int, tokens: Sequence[int]) -> bool:
    """Return whether any path of `num_frames` frames spells the tokens; if none does, the CTC loss is infinite."""
    return num_frames >= required_frames(tokens)


def align_tokens(log_probs: Array, tokens: Sequence[int] | Array) -> Alignment:
    """Find the most probable path that spells the tokens.

    Exact for up to two minutes of speech (`EXACT_CELLS`), pruned beyond.

    Args:
        log_probs: (T, V) natural-log probabilities, the blank first.
        tokens: (U,) token ids without blanks; may be empty.

    Raises:
        AlignmentError: If no path spells the tokens in T frames.
        ValueError: If a token is the blank or not in the vocabulary.
    """
    exact = len(log_probs) * (2 * len(tokens) + 1) <= EXACT_CELLS
    return align_stream([log_probs], tokens, pruning=math.inf if exact else PRUNING)


def align_stream(blocks: Iterable[Array], tokens: Sequence[int] | Array, *, pruning: float = PRUNING) -> Alignment:
    """Align like `align_tokens`, with log probabilities that arrive in blocks (T, V); none of them is kept for long."""
    aligner = Aligner(tokens, pruning=pruning)
    for block in blocks:
        aligner.feed(block)
    return aligner.finish()


class Aligner:
    """Aligns log probabilities block by block.

    Args:
        tokens: (U,) token ids without blanks.
        pruning: Natural log; states this far behind the best of their frame are dropped.
    """

    def __init__(self, tokens: Sequence[int] | Array, *, pruning: float = PRUNING) -> None:
        _load_compiled()
        self._tokens = np.asarray(tokens, dtype=np.int64).reshape(-1)
        self._pruning = float(pruning)
        self._scores = np.full(2 * len(self._tokens) + 1, -math.inf)
        self._scores[0] = 0.0  # before the first frame: the path may stay in the blank or step to the first token
        self._progress = np.zeros(1, dtype=_PROGRESS)
        self._progress["high"] = 1
        self._moves = np.empty(_ROOM, dtype=np.uint8)
        self._frames = np.empty(_ROOM // 16, dtype=_FRAME)
        # (T, V) log probabilities of frames that are not committed; V is 0 before the first block
        self._pending = np.empty((0, 0), np.float32)
        self._path: list[Array] = []  # committed states
        self._emissions: list[Array] = []  # and their log probabilities

    def feed(self, log_probs: Array) -> None:
        """Continue the search with a block (T, V); T may be 0.

        Raises:
            AlignmentError: If no path has any probability.
            ValueError: If a token is the blank or not in the vocabulary.
        """
        log_probs = np.ascontiguousarray(log_probs, dtype=np.float32)
        vocab_size = log_probs.shape[1]
        if self._pending.shape[1] == 0:
            invalid = self._tokens[(self._tokens == BLANK) | (self._tokens < 0) | (self._tokens >= vocab_size)]
            if len(invalid):
                raise ValueError(f"token {invalid[0]} cannot be aligned; expected 1 to {vocab_size - 1}")
            self._pending = log_probs[:0]
        self._pending = np.concatenate([self._pending, log_probs])
        frame = 0
        while frame < len(log_probs):
            frame = _search_frames(log_probs, frame, self._tokens, self._pruning, self._scores, *self._buffers)
            if frame == _LOST:
                raise _does_not_fit("no path has any probability there", self._num_frames)
            if frame < len(log_probs):
                self._make_room()

    def finish(self) -> Alignment:
        """Return the alignment of everything that was fed.

        Raises:
            AlignmentError: If no path spells the tokens to their end.
        """
        num_frames, needed = self._num_frames, required_frames(self._tokens.tolist())
        if num_frames < needed:
            raise AlignmentError(
                f"the recording is too short for the text: {num_frames} frames, "
                f"and {len(self._tokens)} tokens need {needed}; is it the text of another recording?"
            )
        if num_frames == 0:
            empty = np.zeros(0, dtype=np.int64)
            return Alignment(empty, empty, np.zeros(0), 0.0, 0)
        last = len(self._scores) - 1
        if last > 0 and self._scores[last - 1] > self._scores[last]:
            last -= 1  # it ends in the last token rather than in the blank after it
        score = float(self._scores[last])
        if score == -math.inf:
            raise _does_not_fit("it ends before the text does", num_frames)
        self._commit(int(self._progress["num_frames"][0]) - 1, last)
        return self._collect(score)

    @property
    def _buffers(self) -> tuple[Array, Array, Record]:
        return self._moves, self._frames, self._progress

    @property
    def _num_frames(self) -> int:
        """Number of frames that were searched, committed or not."""
        return sum(map(len, self._path)) + int(self._progress["num_frames"][0])

    def _make_room(self) -> None:
        """Commit what all paths agree on; if that frees less than half the room, double it."""
        frame, state = _find_agreement(self._scores, *self._buffers)
        if frame >= 0:
            self._commit(frame, state)
        progress = self._progress[0]
        while 2 * (progress["num_moves"] + progress["high"] + 2 - progress["low"]) > len(self._moves):
            self._moves = np.concatenate([self._moves, np.empty_like(self._moves)])
        if 2 * progress["num_frames"] > len(self._frames):
            self._frames = np.concatenate([self._frames, np.empty_like(self._frames)])

    def _commit(self, frame: int, state: int) -> None:
        """Trace the path that ends in a state at a frame, and drop the moves up to there."""
        path = np.empty(frame + 1, dtype=np.int64)
        _trace(path, state, self._moves, self._frames)
        labels = np.append(self._tokens, BLANK)[np.where(path % 2, path // 2, -1)]
        self._path.append(path)
        self._emissions.append(self._pending[np.arange(len(path)), labels])
        self._pending = self._pending[len(path) :].copy()
        self._drop_frames(len(path))

    def _drop_frames(self, count: int) -> None:
        """Drop the first `count` frames and move the others up."""
        progress = self._progress[0]
        frames, num_moves = self._frames[count : progress["num_frames"]].copy(), progress["num_moves"]
        dropped = frames["first_move"][0] if len(frames) else num_moves
        frames["first_move"] -= dropped
        self._frames[: len(frames)] = frames
        self._moves[: num_moves - dropped] = self._moves[dropped:num_moves].copy()
        progress["num_frames"] -= count
        progress["num_moves"] -= dropped

    def _collect(self, score: float) -> Alignment:
        path = np.concatenate(self._path)  # states never decrease, so they can be searched
        states = np.arange(1, len(self._scores), 2)
        starts, ends = np.searchsorted(path, states, "left"), np.searchsorted(path, states, "right")
        spans = np.stack([starts, ends], axis=1).reshape(-1)
        emissions = np.append(np.concatenate(self._emissions), -math.inf)  # a span may end with the recording
        highest = np.maximum.reduceat(emissions, spans)[::2] if len(spans) else np.zeros(0)
        return Alignment(starts, ends, highest, score, len(path))


@warm_up("alignment")
def _load_compiled() -> None:
    scores, progress = np.array([0.0, -math.inf, -math.inf]), np.zeros(1, dtype=_PROGRESS)
    progress["high"] = 1
    moves, frames = np.empty(16, dtype=np.uint8), np.empty(4, dtype=_FRAME)
    _search_frames(np.zeros((2, 2), np.float32), 0, np.ones(1, np.int64), math.inf, scores, moves, frames, progress)
    _find_agreement(scores, moves, frames, progress)
    _trace(np.empty(2, np.int64), 2, moves, frames)


def _does_not_fit(reason: str, frame: int) -> AlignmentError:
    return AlignmentError(
        f"the text does not fit the recording: {reason} (frame {frame}); "
        "check that it is the text of this recording, from its first word to its last"
    )


@jit
def _search_frames(
    log_probs: Array,
    first: int,
    tokens: Array,
    pruning: float,
    scores: Array,
    moves: Array,
    frames: Array,
    progress_row: Array,
) -> int:
    """Search frames of a block from `first`; return the first without room for its moves, or T, or _LOST."""
    progress = progress_row[0]
    for frame in range(first, len(log_probs)):
        # 1. Widen the band by the states that a frame can reach; it starts and ends with a blank.
        low, high = progress.low, min(progress.high + 2, len(scores))
        if progress.num_moves + high - low > len(moves) or progress.num_frames == len(frames):
            return frame
        # 2. Move its states, and store their moves.
        entry = frames[progress.num_frames]
        entry.low, entry.first_move = low, progress.num_moves
        best = _step_frame(log_probs[frame], tokens, scores, low, high, moves[progress.num_moves :])
        if best == -math.inf:
            return _LOST
        progress.num_frames += 1
        progress.num_moves += high - low
        # 3. Narrow it by the pairs of states at both ends that have fallen too far behind.
        floor = best - pruning
        while scores[low] <= floor and scores[low + 1] <= floor:
            scores[low] = scores[low + 1] = -math.inf
            low += 2
        while scores[high - 1] <= floor and scores[high - 2] <= floor:
            scores[high - 1] = scores[high - 2] = -math.inf
            high -= 2
        progress.low, progress.high = low, high
    return len(log_probs)


@jit
def _step_frame(log_probs: Array, tokens: Array, scores: Array, low: int, high: int, moves: Array) -> float:
    """Move the band's states by a frame, in place, from the last to the first; return the best score.

    The band starts and ends with a blank. Processing a token and the blank after it together,
    without branches, is 3 times as fast as state by state (measured).
    """
    blank_log_prob = log_probs[BLANK]
    best = -math.inf
    for blank in range(high - 1, low, -2):
        # 1. The scores from which the blank and the token before it can be reached.
        token = tokens[blank // 2 - 1]
        from_blank, from_token, from_blank_before = scores[blank], scores[blank - 1], scores[blank - 2]
        from_token_before = -math.inf
        if blank > 2 and tokens[blank // 2 - 2] != token:
            from_token_before = scores[blank - 3]
        # 2. The blank: stay, or step from the token.
        steps = from_token > from_blank
        scores[blank] = (from_token if steps else from_blank) + blank_log_prob
        moves[blank - low] = steps
        # 3. The token: stay, step from the blank before it, or skip that blank.
        steps = from_blank_before > from_token
        score = from_blank_before if steps else from_token
        skips = from_token_before > score
        score = (from_token_before if skips else score) + log_probs[token]
        scores[blank - 1] = score
        moves[blank - 1 - low] = 2 if skips else steps
        best = max(best, scores[blank], score)
    # 4. The band's first blank can only stay.
    scores[low] += blank_log_prob
    moves[0] = 0
    return max(best, scores[low])


@jit
def _find_agreement(scores: Array, moves: Array, frames: Array, progress_row: Array) -> tuple[int, int]:
    """Return the last frame at which the paths of all states meet, and their state there; -1 if they do not."""
    progress = progress_row[0]
    # 1. The first and the last state of the band that a path reaches.
    lowest, highest = progress.low, progress.high - 1
    while scores[lowest] == -math.inf:
        lowest += 1
    while scores[highest] == -math.inf:
        highest -= 1
    # 2. Trace both back until they meet.
    for frame in range(progress.num_frames - 1, -1, -1):
        if lowest == highest:
            return frame, lowest
        entry = frames[frame]
        lowest -= moves[entry.first_move + lowest - entry.low]
        highest -= moves[entry.first_move + highest - entry.low]
    return -1, 0


@jit
def _trace(path: Array, state: int, moves: Array, frames: Array) -> None:
    """Set the states of the path that ends in a state."""
    for frame in range(len(path) - 1, -1, -1):
        path[frame] = state
        entry = frames[frame]
        state -= moves[entry.first_move + state - entry.low]
