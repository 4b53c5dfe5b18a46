"""Whole utterances, many in one call of the compiled search.

Passing search buffers and a scorer to compiled code, and reading results piece by piece, takes longer than searching
a short utterance. So here a batch of utterances is searched, and the best hypothesis of each written, in one call;
if the interpreter is needed after all, a `BeamStream` takes over at that frame.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from asr.decode.kernel.frame import DONE, init_search, search_frames
from asr.decode.kernel.memory import NONE, SearchBuffers
from asr.decode.kernel.prefix_tree import count_tokens, write_path
from asr.decode.kernel.scores import Scorer, score_hypothesis
from asr.decode.parts import DecoderParts, Hypothesis, make_hypothesis
from asr.decode.stream import BeamStream
from asr.errors import AsrError
from asr.jit import Array, jit


class Results(NamedTuple):
    """The best hypotheses of a batch of utterances, one after another; zeros if a stream took over."""

    num_tokens: Array  # (N,) int32
    tokens: Array  # (T,) int32; an utterance's begin at its first frame's index
    frames: Array  # (T,) int32, the frame of each token
    scores: Array  # (N + 1, 7) float64, as of `score_hypothesis`; the last row is scratch


class Utterance(NamedTuple):
    """Log probabilities, and the prefix of errors: the index in the batch, or nothing for a single utterance."""

    log_probs: Array  # (T, V)
    name: str


def group_utterances(utterances: Iterable[Utterance], num_frames: int) -> list[list[Utterance]]:
    """Group neighbours of one precision, at most `num_frames` frames together; a longer utterance is a group itself."""
    groups: list[list[Utterance]] = []
    room = 0
    for utterance in utterances:
        room -= len(utterance.log_probs)
        if room < 0 or not groups or utterance.log_probs.dtype != groups[-1][0].log_probs.dtype:
            groups.append([])
            room = num_frames - len(utterance.log_probs)
        groups[-1].append(utterance)
    return groups


@contextmanager
def name_errors(name: str) -> Iterator[None]:
    """Have errors within begin with the name of the utterance."""
    try:
        yield
    except (ValueError, AsrError) as error:
        raise type(error)(f"{name}{error}") from None


def decode_group(parts: DecoderParts, group: Sequence[Utterance]) -> list[list[Hypothesis]]:
    """Return the best hypothesis of each utterance."""
    block = parts.to_probs(np.concatenate([utterance.log_probs for utterance in group]))  # (T, V)
    ends = np.cumsum([len(utterance.log_probs) for utterance in group], dtype=np.int64)
    tokens, frames = np.empty((2, len(block)), np.int32)
    results = Results(np.zeros(len(group), np.int32), tokens, frames, np.zeros((len(group) + 1, 7)))
    taken_over: dict[int, list[Hypothesis]] = {}
    search, index = parts.acquire_buffers(), -1
    while True:
        index, frame = search_batch(search, parts.packed_scorer, block, ends, index + 1, parts.start_state, results)
        if index == len(group):
            break
        stream = BeamStream(parts, search)
        with name_errors(group[index].name):
            stream.search_block(block[ends[index] - len(group[index].log_probs) : ends[index]], frame)
            taken_over[index] = stream.finish()
        stream.release()
        search = parts.acquire_buffers()  # others if the stream's have grown; the next utterance needs nothing of them
    parts.release_buffers(search)
    hypotheses = enumerate(_read_results(results, ends))
    return [taken_over.get(index, [hypothesis]) for index, hypothesis in hypotheses]


def _read_results(results: Results, ends: Array) -> Iterator[Hypothesis]:
    """Yield the hypothesis of each utterance; `ends` (N,) is where their frames end in the batch."""
    tokens, frames, first = results.tokens.tolist(), results.frames.tolist(), 0
    for scores, count, end in zip(results.scores.tolist(), results.num_tokens.tolist(), ends.tolist(), strict=False):
        yield make_hypothesis(scores, tokens[first : first + count], frames[first : first + count], end - first)
        first = end


@jit
def search_batch(
    search: SearchBuffers, scorer: Scorer, block: Array, ends: Array, first: int, state: int, results: Results
) -> tuple[int, int]:
    """Search utterances from the `first` on, each from the empty prefix, and write the results.

    Args:
        search: Buffers for one utterance at a time.
        scorer: What language model, lexicon and phrases add.
        block: (T, V) float64 probabilities of all utterances, one after another.
        ends: (N,) where each ends in `block`.
        first: The first utterance not searched yet.
        state: The language model's, at the beginning.
        results: To be written to.

    Returns:
        The utterance that the interpreter has to continue, and at which of its frames; N and 0 after the last.
    """
    for utterance in range(first, len(ends)):
        # 1. Search the utterance.
        start = ends[utterance - 1] if utterance > 0 else 0
        init_search(search, state, scorer.phrases.start)
        status, frame = search_frames(search, scorer, block[start : ends[utterance]], 0)
        if status != DONE:
            return utterance, frame
        # 2. Find its best hypothesis.
        index = _find_best(search, scorer, results.scores[utterance], results.scores[len(ends)])
        if index == NONE:
            return utterance, frame
        # 3. Write it.
        length = count_tokens(search, search.beams[search.progress[0].side, index].node)
        write_path(search, index, results.tokens[start : start + length], results.frames[start : start + length])
        results.num_tokens[utterance] = length
    return len(ends), 0


@jit
def _find_best(search: SearchBuffers, scorer: Scorer, best_scores: Array, scores: Array) -> int:
    """Return the best member of the beam if the utterance ends here, and write its scores; NONE if none may."""
    best, best_index = -math.inf, NONE
    for index in range(search.progress[0].num_hypotheses):
        score_hypothesis(search, scorer, index, scores)
        total = scores[0] + scores[3] + scores[4]
        if total > best:
            best, best_index = total, index
            for part in range(len(scores)):
                best_scores[part] = scores[part]
    return best_index
