"""The n best hypotheses of a search, best first: the members of its beam, and all that their alternatives stand for.

A hypothesis follows a member of the beam back to the root, or leaves that path for an alternative on it
(recombine.py), and that path for another one, and so on. What follows the winner follows the alternative as well. Each
step is for the worse, so hypotheses come best first if the best path that is not written yet is always the next one.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from asr.decode.kernel.expand import best_backpointer
from asr.decode.kernel.memory import NONE, SearchBuffers
from asr.jit import Array, Record, jit
from asr.select import nth_largest

_AT_A_TIME = 16  # paths that one call writes
_MOST_OPEN = 4096  # paths that wait to be written; the worst are dropped if there are more

PATH = np.dtype(
    [
        ("score", np.float64),  # of the whole hypothesis; natural logs, as all of these
        ("language", np.float64),  # what alternatives add to the language score of the member of the beam
        ("boost", np.float64),  # and to the boost
        ("member", np.int32),  # of the beam, where it ends
        ("node", np.int32),  # where its own part ends
        ("backpointer", np.int32),  # of that node
        ("row", np.int32),  # of the path whose tokens follow, or NONE
        ("num_following", np.int32),  # these tokens
    ],
    align=True,
)


class Paths(NamedTuple):
    """Paths that wait to be written, and those that are."""

    open: Array  # (O,) PATH
    counts: Array  # (2,) int64, how many wait, and how many are written
    scratch: Array  # (O,) float64
    written: Array  # (N,) PATH
    lengths: Array  # (N,) int32; NONE: more tokens than frames, which cannot be
    tokens: Array  # (N, L) int32, each at the end of its row
    frames: Array  # (N, L) int32


class ListedPath(NamedTuple):
    """A hypothesis: where it ends, by how much its scores differ from those of a path without alternatives, tokens."""

    member: int
    score: float
    language: float
    boost: float
    tokens: Array  # (L,)
    frames: Array  # (L,)


def list_paths(search: SearchBuffers, scores: Array, most: int) -> Iterator[ListedPath]:
    """Yield at most `most` hypotheses, best first, from the scores (N,) of the members of the beam; -inf: left out."""
    length = _count_frames(search)
    paths = Paths(
        open=np.empty(max(_MOST_OPEN, 2 * len(scores)), PATH),
        counts=np.zeros(2, np.int64),
        scratch=np.empty(max(_MOST_OPEN, 2 * len(scores))),
        written=np.empty(most, PATH),
        lengths=np.empty(most, np.int32),
        tokens=np.empty((most, length), np.int32),
        frames=np.empty((most, length), np.int32),
    )
    _open_members(search, paths, scores)
    first = 0
    while first < most:
        _write_paths(search, paths, min(first + _AT_A_TIME, most))
        end = int(paths.counts[1])
        for row in (first + np.flatnonzero(paths.lengths[first:end] != NONE)).tolist():
            path, start = paths.written[row], length - int(paths.lengths[row])
            yield ListedPath(
                member=int(path["member"]),
                score=float(path["score"]),
                language=float(path["language"]),
                boost=float(path["boost"]),
                tokens=paths.tokens[row, start:],
                frames=paths.frames[row, start:],
            )
        if end < min(first + _AT_A_TIME, most):
            return
        first = end


@jit
def _count_frames(search: SearchBuffers) -> int:
    """Return the number of frames from the first token to the last, and so of tokens at most."""
    progress = search.progress[0]
    first, last = progress.frame, progress.frame - 1
    for index in range(progress.num_backpointers):
        frame = search.backpointers[index].frame
        first, last = min(first, frame), max(frame, last)
    return last - first + 1


@jit
def _open_members(search: SearchBuffers, paths: Paths, scores: Array) -> None:
    """Open the path of each member of the beam."""
    progress = search.progress[0]
    for index in range(progress.num_hypotheses):
        if scores[index] == -math.inf:
            continue
        hypothesis = search.beams[progress.side, index]
        path = paths.open[paths.counts[0]]
        paths.counts[0] += 1
        path.score, path.language, path.boost = scores[index], 0.0, 0.0
        path.member, path.node, path.backpointer = index, hypothesis.node, best_backpointer(hypothesis)
        path.row, path.num_following = NONE, 0


@jit
def _write_paths(search: SearchBuffers, paths: Paths, end: int) -> None:
    """Write the best open paths until `end` are written; each opens those that leave it."""
    while paths.counts[1] < end and paths.counts[0] > 0:
        # 1. Take the best one.
        best = 0
        for index in range(paths.counts[0]):
            if paths.open[index].score > paths.open[best].score:
                best = index
        row = paths.counts[1]
        paths.written[row] = paths.open[best]
        paths.counts[1] += 1
        paths.counts[0] -= 1
        paths.open[best] = paths.open[paths.counts[0]]
        # 2. Write it.
        _write_path(search, paths, row)


@jit
def _write_path(search: SearchBuffers, paths: Paths, row: int) -> None:
    """Write a path's tokens and frames from the last to the first, and open the paths that leave it."""
    path, tokens, frames = paths.written[row], paths.tokens[row], paths.frames[row]
    # 1. The tokens that it shares with the path that it has left.
    position = len(tokens)
    for _ in range(path.num_following):
        position -= 1
        tokens[position], frames[position] = paths.tokens[path.row, position], paths.frames[path.row, position]
    # 2. Its own.
    node_id, backpointer = path.node, path.backpointer
    while True:
        is_root = search.nodes[node_id].parent == NONE
        entered = NONE if is_root else search.backpointers[backpointer].frame
        left = frames[position] if position < len(tokens) else search.progress[0].frame
        alternative = search.nodes[node_id].first_alternative
        while alternative != NONE:
            # What the path left before they were the same would not have grown from the alternative as well.
            if entered <= search.alternatives[alternative].frame < left:
                _open_alternative(search, paths, search.alternatives[alternative], row, len(tokens) - position)
            alternative = search.alternatives[alternative].next
        if is_root or position == 0:
            break
        # An alternative may have entered its last token after its winner was followed by another one.
        position -= 1
        tokens[position], frames[position] = search.nodes[node_id].token, min(entered, left - 1)
        node_id, backpointer = search.nodes[node_id].parent, search.backpointers[backpointer].previous
    paths.lengths[row] = len(tokens) - position if is_root else NONE


@jit
def _open_alternative(search: SearchBuffers, paths: Paths, alternative: Record, row: int, num_following: int) -> None:
    """Open the path that leaves a written one for an alternative."""
    # 1. Make room.
    if paths.counts[0] == len(paths.open):
        _drop_worst(paths)
    # 2. Append the path.
    origin, path = paths.written[row], paths.open[paths.counts[0]]
    paths.counts[0] += 1
    winner, node = search.nodes[alternative.winner], search.nodes[alternative.node]
    path.score = origin.score + alternative.log_ratio
    path.language = origin.language + node.language - winner.language
    path.boost = origin.boost + node.boost - winner.boost
    path.member, path.node, path.backpointer = origin.member, alternative.node, alternative.backpointer
    path.row, path.num_following = row, num_following


@jit
def _drop_worst(paths: Paths) -> None:
    """Drop the worse half of the open paths."""
    # 1. The median.
    for index in range(paths.counts[0]):
        paths.scratch[index] = paths.open[index].score
    least = nth_largest(paths.scratch, paths.counts[0], paths.counts[0] // 2)
    # 2. Keep those above it, and of those that equal it as many as fit.
    count, most = 0, paths.counts[0] // 2
    for index in range(paths.counts[0]):
        if paths.open[index].score >= least and count < most:
            paths.open[count] = paths.open[index]
            count += 1
    paths.counts[0] = count
