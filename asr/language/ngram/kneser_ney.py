"""Interpolated modified Kneser-Ney estimation (Chen & Goodman 1998, section 4.1), as in KenLM's lmplz.

Memory is bounded by the number of n-grams that are sorted at a time; tables of n-grams are files that the
operating system maps into memory as they are needed (Heafield et al. 2013 stream them instead).
"""

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asr.config import SORT_BYTES
from asr.errors import ConfigError
from asr.jit import Array, jit, warm_up
from asr.language.ngram.counting import START_ID, Counts, OnProgress, copy_row, count_ngrams, new_array, unpack
from asr.language.ngram.model import NgramTables, OrderTable

logger = logging.getLogger(__name__)

# An unseen word keeps some probability even if no count is discounted.
_LEAST_BACKOFF = 1e-30
# KenLM's --discount_fallback, for texts too small or too regular to estimate discounts from.
_FALLBACK = (0.5, 1.0, 1.5)
_ROWS_AT_ONCE = 1 << 18  # of a finished table
_BYTES_PER_NGRAM = 100  # of a chunk, while it is counted (measured)


class _Order(NamedTuple):
    """The n-grams of one order, in suffix order; arrays on disk."""

    ngrams: Array  # (M, n) int32
    adjusted: Array  # (M,) int64, distinct words before it; how often it occurs in the highest order or after <s>
    actual: Array  # (M,) int64, how often it occurs
    suffixes: Array  # (M,) int64, row of the n-gram without its first word, one order below
    probs: Array  # (M,) float64
    backoffs: Array  # (M,) float64, probability left for words not seen after it


@contextmanager
def estimate(
    sentences: Callable[[], Iterable[list[str]]],
    order: int,
    *,
    prune: Sequence[int] = (),
    memory_bytes: int = SORT_BYTES,
    on_progress: OnProgress = lambda step, lines: None,
) -> Iterator[NgramTables]:
    """Estimate a model; its tables exist as long as the context.

    Args:
        sentences: Starts a pass over the sentences; there are two.
        prune: For order 1, 2, ...: n-grams that occur at most this often are left out; the last
            number also holds for higher orders. The first must be 0.
        memory_bytes: For sorting; the words themselves need memory in addition.

    Raises:
        ConfigError: If order or prune are invalid.
        TextError: If there is no sentence.
    """
    thresholds = _check_thresholds(order, prune)
    with tempfile.TemporaryDirectory(prefix="asr-lm-", ignore_cleanup_errors=True) as folder:
        _load_compiled()
        scratch = Path(folder)
        counts = count_ngrams(sentences, order, scratch, max(memory_bytes // _BYTES_PER_NGRAM, 1000), on_progress)
        on_progress("estimating", 0)
        orders = _all_orders(counts, order, scratch)
        for index, threshold in enumerate(thresholds):
            _estimate_order(orders, index, threshold, scratch)
        finished = [_finish(table, threshold, scratch) for table, threshold in zip(orders, thresholds, strict=True)]
        yield NgramTables(counts.words, finished)


def discounts(count_of_counts: Sequence[int]) -> tuple[float, float, float] | None:
    """Compute discounts of n-grams seen once, twice and more often (Chen & Goodman 1998, equation 26).

    Returns None if the numbers of n-grams seen once to four times give no sensible discounts.
    """
    one, two, three, four = count_of_counts
    if not one or not two or not three:
        return None
    y = one / (one + 2 * two)
    estimates = (1 - 2 * y * two / one, 2 - 3 * y * three / two, 3 - 4 * y * four / three)
    is_sensible = all(0 <= discount <= n for n, discount in enumerate(estimates, start=1))
    return estimates if is_sensible else None


def _check_thresholds(order: int, prune: Sequence[int]) -> list[int]:
    if not 1 <= order <= 10:
        raise ConfigError(f"the order is {order}; expected 1 to 10")
    if len(prune) > order:
        raise ConfigError(f"{len(prune)} pruning thresholds for order {order}; expected one for each order at most")
    if any(threshold < 0 for threshold in prune):
        raise ConfigError(f"prune is {' '.join(map(str, prune))}; expected numbers of 0 or more")
    thresholds = [*prune, *([prune[-1] if prune else 0] * (order - len(prune)))]
    if thresholds[0] != 0:
        raise ConfigError(f"prune begins with {thresholds[0]}; unigrams cannot be pruned, so begin with 0")
    if thresholds != sorted(thresholds):
        raise ConfigError(f"prune is {thresholds}; longer n-grams cannot be kept if shorter ones are not")
    return thresholds


def _all_orders(counts: Counts, order: int, scratch: Path) -> list[_Order]:
    """Derive the n-grams of every order, with adjusted counts, from those of the highest."""
    ngrams = new_array(scratch, (len(counts.counts), order), np.int32)
    unpack(counts.keys, counts.bits, ngrams)
    padded: list[tuple[Array, ...]] = [(ngrams, counts.counts, counts.counts)]
    for size in range(order - 1, 0, -1):
        rows = len(padded[-1][0])
        shorter = new_array(scratch, (rows, size), np.int32), *(new_array(scratch, (rows,), np.int64) for _ in range(2))
        used = _drop_first_words(padded[-1], shorter)
        padded.append(tuple(array[:used] for array in shorter))
    orders = [_unigrams(padded.pop(), len(counts.words))]
    while padded:
        orders.append(_link(padded.pop(), orders[-1], scratch))
    return orders


def _unigrams(padded: tuple[Array, ...], num_words: int) -> _Order:
    """Return one row per word, in the order of the words; <s> and <unk> have no counts."""
    ngrams, adjusted, actual = padded
    words = np.arange(num_words, dtype=np.int32)[:, None]
    table = _Order(words, *np.zeros((3, num_words), np.int64), *np.zeros((2, num_words)))
    table.adjusted[ngrams[:, 0]], table.actual[ngrams[:, 0]] = adjusted, actual
    table.adjusted[: START_ID + 1] = 0
    return table


def _link(padded: tuple[Array, ...], shorter: _Order, scratch: Path) -> _Order:
    """Leave out n-grams with more than one <s>, and find the row of each one's suffix."""
    dtypes = (np.int64, np.int64, np.int64, np.float64, np.float64)
    columns = (new_array(scratch, (len(padded[0]),), dtype) for dtype in dtypes)
    table = _Order(new_array(scratch, padded[0].shape, np.int32), *columns)
    used = _leave_out_padding(padded, shorter.ngrams, table)
    return _Order(*(array[:used] for array in table))


def _estimate_order(orders: list[_Order], index: int, threshold: int, scratch: Path) -> None:
    """Compute the probabilities of one order, and what their contexts leave for unseen words."""
    table = orders[index]
    count_of_counts = np.zeros(4, np.int64)
    counted = slice(START_ID + 1, None) if index == 0 else slice(None)
    _count_counts(table.adjusted[counted], count_of_counts)
    estimates = discounts(count_of_counts.tolist())
    if estimates is None and index > 0:  # letters are all frequent, and single words are discounted without harm
        logger.warning("%d-grams: too little text to estimate discounts; using %s", index + 1, _FALLBACK)
    by_count = np.array([0.0, *(estimates or _FALLBACK)])
    if index == 0:
        total = table.adjusted.sum()
        discounted = by_count[np.minimum(table.adjusted, 3)]
        left = discounted.sum() / total
        table.probs[:] = (table.adjusted - discounted) / total + left / (len(table.probs) - 1)
        table.probs[START_ID] = 1.0  # never predicted; log10 of 0 as KenLM writes it
        return
    contexts = orders[index - 1]
    _share_out(table, contexts, new_array(scratch, contexts.probs.shape, np.float64), by_count, threshold)


def _finish(table: _Order, threshold: int, scratch: Path) -> OrderTable:
    """Write the n-grams that are kept as log10, to files of their own."""
    parts = [slice(first, first + _ROWS_AT_ONCE) for first in range(0, len(table.probs), _ROWS_AT_ONCE)]
    # If nothing is pruned, <unk> and <s> stay, which do not occur.
    counts = [int((table.actual[part] > threshold).sum()) if threshold else len(table.actual[part]) for part in parts]
    final = OrderTable(
        new_array(scratch, (sum(counts), table.ngrams.shape[1]), np.int32),
        *(new_array(scratch, (sum(counts),), np.float32) for _ in range(2)),
    )
    used = 0
    for part, count in zip(parts, counts, strict=True):
        kept = table.actual[part] > threshold if threshold else slice(None)
        rows = slice(used, used + count)
        backoffs = table.backoffs[part][kept]
        # Nothing follows these n-grams, so nothing is left over: the weight is never used.
        backoffs = np.where(backoffs == 0, 1, backoffs)
        final.ngrams[rows] = table.ngrams[part][kept]
        final.scores[rows], final.backoffs[rows] = np.log10(table.probs[part][kept]), np.log10(backoffs)
        used += count
    return final


@warm_up("estimation of language models")
def _load_compiled() -> None:
    """Run on toy data, so that the message about compilation comes before the work."""
    keys, ngrams = np.zeros((1, 1), np.uint64), np.zeros((1, 1), np.int32)
    ones = np.ones(1, np.int64)
    unpack(keys, 2, ngrams)
    _drop_first_words((np.zeros((1, 2), np.int32), ones, ones), (ngrams, ones.copy(), ones.copy()))
    _count_counts(ones, np.zeros(4, np.int64))


@jit
def _drop_first_words(longer: tuple[Array, ...], shorter: tuple[Array, ...]) -> int:
    """Drop first words: count the words that stand before each shorter n-gram, and how often it occurs."""
    ngrams, _, actual = longer
    shorter_ngrams, shorter_adjusted, shorter_actual = shorter
    used = 0
    for row in range(len(ngrams)):
        # 1. A new row unless the shorter n-gram is that of the row before: those are neighbours in suffix order.
        same = row > 0
        for column in range(1, ngrams.shape[1]):
            if same and ngrams[row, column] != ngrams[row - 1, column]:
                same = False
        if not same:
            for column in range(1, ngrams.shape[1]):
                shorter_ngrams[used, column - 1] = ngrams[row, column]
            shorter_adjusted[used] = shorter_actual[used] = 0
            used += 1
        # 2. Its counts. Only <s> stands before <s>: n-grams that begin with it count by their occurrences.
        starts = shorter_ngrams[used - 1, 0] == START_ID
        shorter_adjusted[used - 1] += actual[row] if starts else 1
        shorter_actual[used - 1] += actual[row]
    return used


@jit
def _leave_out_padding(padded: tuple[Array, ...], shorter: Array, table: _Order) -> int:
    ngrams, adjusted, actual = padded
    used = suffix = 0
    for row in range(len(ngrams)):
        # 1. Skip n-grams of which more than one word is padding.
        if ngrams[row, 0] == START_ID and ngrams[row, 1] == START_ID:
            continue
        # 2. Find its suffix. Both are in suffix order, so suffixes come in the order of their rows.
        while not _ends_with(ngrams[row], shorter[suffix]):
            suffix += 1
        # 3. Copy the n-gram and its counts.
        copy_row(ngrams, row, table.ngrams, used)
        table.adjusted[used], table.actual[used], table.suffixes[used] = adjusted[row], actual[row], suffix
        used += 1
    return used


@jit
def _ends_with(ngram: Array, suffix: Array) -> bool:
    for column in range(len(suffix)):  # noqa: SIM110 - numba compiles no generators here
        if ngram[column + 1] != suffix[column]:
            return False
    return True


@jit
def _count_counts(adjusted: Array, count_of_counts: Array) -> None:
    for row in range(len(adjusted)):
        if 1 <= adjusted[row] <= 4:
            count_of_counts[adjusted[row] - 1] += 1


@jit
def _share_out(table: _Order, contexts: _Order, totals: Array, by_count: Array, threshold: int) -> None:
    """Discount each n-gram's share of its context's counts, and give the rest to the shorter n-gram."""
    # 1. The total count of each context, and what its discounts leave.
    for row in range(len(table.adjusted)):
        context = _find_context(contexts.ngrams, table.ngrams[row])
        count = table.adjusted[row]
        totals[context] += count
        # The whole count of a pruned n-gram is left for unseen words.
        contexts.backoffs[context] += count if table.actual[row] <= threshold else by_count[min(count, 3)]
    # 2. Its backoff weight: the share of the total that is left.
    for context in range(len(totals)):
        if totals[context] > 0:
            contexts.backoffs[context] = max(contexts.backoffs[context] / totals[context], _LEAST_BACKOFF)
    # 3. The probability of each n-gram: its discounted share, and that of its suffix times the backoff weight.
    for row in range(len(table.adjusted)):
        context = _find_context(contexts.ngrams, table.ngrams[row])
        count = table.adjusted[row]
        share = (count - by_count[min(count, 3)]) / totals[context]
        table.probs[row] = share + contexts.backoffs[context] * contexts.probs[table.suffixes[row]]


@jit
def _find_context(contexts: Array, ngram: Array) -> int:
    """Find the row of all but the last word of an n-gram, by bisection in suffix order."""
    low, high = 0, len(contexts) - 1
    while low < high:
        middle = (low + high) >> 1
        is_less = False
        for column in range(contexts.shape[1] - 1, -1, -1):
            if contexts[middle, column] != ngram[column]:
                is_less = contexts[middle, column] < ngram[column]
                break
        if is_less:
            low = middle + 1
        else:
            high = middle
    return low
