"""Whole utterances, many in one call of the compiled search.

Handing a search and a fusion over to compiled code, and reading results out piece by piece, takes longer than searching
a short utterance. So here a batch of utterances is searched, and the best hypothesis of each read, without coming back;
where the interpreter is needed after all, `BeamStream` takes over at that frame.
"""

# mypy: disable-error-code="no-any-return"
# Elements of arrays have no type that mypy knows; numba checks them.

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from asr.decode.kernel.frame import DONE, advance, plant
from asr.decode.kernel.memory import NONE, Search
from asr.decode.kernel.prefix_tree import count_tokens, write_path
from asr.decode.kernel.scores import Scorer, read_score
from asr.decode.stream import BeamStream, Hypothesis
from asr.errors import AsrError
from asr.jit import Array, Record, jit

if TYPE_CHECKING:
    from asr.decode.decoder import BeamDecoder

# The best hypothesis of an utterance, scores in natural logs; all zero where the interpreter took over.
BEST = np.dtype(
    [
        ("num_tokens", np.int32),
        ("mark", np.int32),  # that ends a last word and was not heard, or NONE
        ("score", np.float64),
        ("acoustic", np.float64),
        ("language", np.float64),
        ("boost", np.float64),
    ],
    align=True,
)


class Results(NamedTuple):
    """The best hypotheses of a batch of utterances, which lie one after another."""

    best: Array  # (N,) BEST
    tokens: Array  # (T,) int32; an utterance's begin where its frames do
    frames: Array  # (T,) int32, the frame of each token
    scores: Array  # (2, 7) float64 scratch


class Utterance(NamedTuple):
    """What is decoded, and what errors begin with: its place in the batch, or nothing where it is the only one."""

    log_probs: Array  # (T, V)
    name: str


def group_utterances(utterances: Iterable[Utterance], num_frames: int) -> list[list[Utterance]]:
    """Neighbours of one precision together, up to so many frames (a longer one by itself)."""
    groups: list[list[Utterance]] = []
    room = 0
    for one in utterances:
        room -= len(one.log_probs)
        if room < 0 or not groups or one.log_probs.dtype != groups[-1][0].log_probs.dtype:
            groups.append([])
            room = num_frames - len(one.log_probs)
        groups[-1].append(one)
    return groups


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Have errors within begin with the name of the utterance."""
    try:
        yield
    except (ValueError, AsrError) as error:
        raise type(error)(f"{name}{error}") from None


def decode_together(decoder: "BeamDecoder", group: Sequence[Utterance]) -> list[list[Hypothesis]]:
    """The best hypothesis of each utterance."""
    block = decoder.to_probs(np.concatenate([one.log_probs for one in group]))
    ends = np.cumsum([len(one.log_probs) for one in group], dtype=np.int64)
    results = new_results(len(group), len(block))
    taken_over: dict[int, list[Hypothesis]] = {}
    search, index = decoder.take_search(), -1
    while True:
        index, frame = search_whole(
            search, decoder.fusion, block, ends, index + 1, decoder.first_state, decoder.first_phrase, results
        )
        if index == len(group):
            break
        state = BeamStream(decoder, search, planted=True)
        with naming(group[index].name):
            state.search_on(block[ends[index] - len(group[index].log_probs) : ends[index]], frame)
            taken_over[index] = state.finish()
        decoder.keep_search(state.release())
        search = decoder.take_search()  # not the same where it has grown: what comes before changes nothing
    decoder.keep_search(search)
    found = enumerate(_read_results(results, ends))
    return [taken_over.get(place, [hypothesis]) for place, hypothesis in found]


def new_results(num_utterances: int, num_frames: int) -> Results:
    """Room for what is found."""
    tokens, frames = np.empty((2, num_frames), np.int32)
    return Results(np.zeros(num_utterances, BEST), tokens, frames, np.empty((2, 7)))


def _read_results(results: Results, ends: Array) -> Iterator[Hypothesis]:
    """The hypothesis of each utterance, which ends at these frames (N,) of the batch."""
    tokens, frames, first = results.tokens.tolist(), results.frames.tolist(), 0
    for (count, mark, *scores), end in zip(results.best.tolist(), ends.tolist(), strict=True):
        marks = () if mark == NONE else (mark,)
        heard, entered = tokens[first : first + count], frames[first : first + count]
        yield Hypothesis((*heard, *marks), (*entered, *(end - first - 1 for _ in marks)), *scores)
        first = end


@jit
def search_whole(
    search: Search,
    fusion: Scorer,
    block: Array,
    ends: Array,
    first: int,
    state: int,
    phrase: int,
    results: Results,
) -> tuple[int, int]:
    """Search utterances from the `first` on, each from the empty prefix.

    Args:
        search: Memory for one utterance at a time.
        fusion: Language model, vocabulary and phrases.
        block: (T, V) float64 probabilities of all, one after another.
        ends: (N,) where each ends in `block`.
        first: The first that is not searched yet.
        state: Of the language model, at the beginning.
        phrase: Boosting state at the beginning.
        results: To be written to.

    Returns:
        The utterance that the interpreter has to go on with, and at which of its frames; N and 0 after the last.
    """
    for index in range(first, len(ends)):
        start = ends[index - 1] if index > 0 else 0
        plant(search, state, phrase)
        status, frame = advance(search, fusion, block[start : ends[index]], 0)
        if status != DONE:
            return index, frame
        slot = _find_best(search, fusion, results.scores)
        if slot == NONE:
            return index, frame
        length = count_tokens(search, slot)
        write_path(search, slot, results.tokens[start : start + length], results.frames[start : start + length])
        _tell(results.scores[0], length, results.best[index])
    return len(ends), 0


@jit
def _find_best(search: Search, fusion: Scorer, scores: Array) -> int:
    """The best member of the beam, should the utterance end here, its scores in the first row; NONE: none may end."""
    best, best_slot = -math.inf, NONE
    for slot in range(search.progress[0].num_entries):
        read_score(search, fusion, slot, scores[1])
        total = scores[1, 0] + scores[1, 3] + scores[1, 4]
        if total > best:
            best, best_slot = total, slot
            for part in range(scores.shape[1]):
                scores[0, part] = scores[1, part]
    return best_slot


@jit
def _tell(scores: Array, num_tokens: int, best: Record) -> None:
    best.num_tokens, best.mark = num_tokens, int(scores[6])
    best.score = scores[0] + scores[3] + scores[4]
    best.acoustic = scores[0] - scores[1] - scores[2]
    best.language = scores[1] + scores[3]
    best.boost = scores[2] + scores[4]
