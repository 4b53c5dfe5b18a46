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
from asr.language.ngram.counting import START_ID, UNKNOWN_ID, Counts, OnProgress, copy_row, count_ngrams, unpack
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
        sentences: Starts a pass over the sentences, each a list of words; there are two passes.
        order: Words in the longest n-grams.
        prune: For order 1, 2, ...: n-grams that occur at most this often are left out; the last
            number also holds for higher orders. The first must be 0.
        memory_bytes: For sorting; the words themselves need memory in addition.
        on_progress: Called from time to time.

    Raises:
        ConfigError: If order or prune make no sense.
        TextError: If there is no sentence.
    """
    thresholds = _check_thresholds(order, prune)
    with tempfile.TemporaryDirectory(prefix="asr-lm-", ignore_cleanup_errors=True) as folder:
        _load_compiled()
        scratch = Path(folder)
        chunk_ngrams = max(memory_bytes // _BYTES_PER_NGRAM, 1000)
        counts = count_ngrams(sentences, order, scratch, chunk_ngrams=chunk_ngrams, on_progress=on_progress)
        on_progress("estimating", 0)
        orders = _all_orders(counts, order, scratch)
        for index in range(order):
            _estimate_order(orders, index, thresholds[index], len(counts.words), scratch)
        finished = [
            _finish(table, thresholds[index], scratch / f"final{index + 1}") for index, table in enumerate(orders)
        ]
        yield NgramTables(counts.words, finished)


def discounts(count_of_counts: Sequence[int]) -> tuple[float, float, float] | None:
    """Compute discounts of n-grams seen once, twice and more often (Chen & Goodman 1998, equation 26).

    Args:
        count_of_counts: The number of n-grams seen once, twice, three and four times.

    Returns:
        None if these counts give no sensible discounts.
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
    if thresholds[0] != 0 and order == len(prune) == 1:
        raise ConfigError("unigrams cannot be pruned")
    if thresholds[0] != 0:
        raise ConfigError(f"prune begins with {thresholds[0]}; unigrams cannot be pruned, so begin with 0")
    if thresholds != sorted(thresholds):
        raise ConfigError(f"prune is {thresholds}; longer n-grams cannot be kept if shorter ones are not")
    return thresholds


def _all_orders(counts: Counts, order: int, scratch: Path) -> list[_Order]:
    """Derive the n-grams of every order, with adjusted counts, from those of the highest."""
    ngrams = _new_array(scratch / "padded", (len(counts.counts), order), np.int32)
    unpack(counts.keys, counts.bits, ngrams)
    adjusted = actual = counts.counts
    padded = [(ngrams, adjusted, actual)]
    for size in range(order - 1, 0, -1):
        rows = len(ngrams)
        shorter = (
            _new_array(scratch / f"ngrams{size}", (rows, size), np.int32),
            _new_array(scratch / f"adjusted{size}", (rows,), np.int64),
            _new_array(scratch / f"actual{size}", (rows,), np.int64),
        )
        used = _drop_first_words(ngrams, adjusted, actual, *shorter)
        ngrams, adjusted, actual = (array[:used] for array in shorter)
        padded.append((ngrams, adjusted, actual))
    orders = [_unigrams(*padded[-1], num_words=len(counts.words))]
    for size in range(2, order + 1):
        orders.append(_link(*padded[order - size], orders[-1], scratch / f"order{size}"))
    return orders


def _unigrams(ngrams: Array, adjusted: Array, actual: Array, num_words: int) -> _Order:
    """Return one row per word, in the order of the words; <s> and <unk> have no counts."""
    table = _Order(
        np.arange(num_words, dtype=np.int32)[:, None], *np.zeros((3, num_words), np.int64), *np.zeros((2, num_words))
    )
    table.adjusted[ngrams[:, 0]] = adjusted
    table.actual[ngrams[:, 0]] = actual
    table.adjusted[[UNKNOWN_ID, START_ID]] = 0
    return table


def _link(ngrams: Array, adjusted: Array, actual: Array, shorter: _Order, stem: Path) -> _Order:
    """Leave out n-grams with more than one <s>, and find the row of each one's suffix."""
    rows = len(adjusted)
    table = _Order(
        _new_array(Path(f"{stem}.ngrams"), ngrams.shape, np.int32),
        *(_new_array(Path(f"{stem}.{name}"), (rows,), np.int64) for name in ("adjusted", "actual", "suffixes")),
        *(_new_array(Path(f"{stem}.{name}"), (rows,), np.float64) for name in ("probs", "backoffs")),
    )
    used = _leave_out_padding(ngrams, adjusted, actual, shorter.ngrams, table.ngrams, *table[1:4])
    return _Order(*(array[:used] for array in table))


def _estimate_order(orders: list[_Order], index: int, threshold: int, num_words: int, scratch: Path) -> None:
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
        left = by_count[np.minimum(table.adjusted, 3)].sum() / total
        table.probs[:] = (table.adjusted - by_count[np.minimum(table.adjusted, 3)]) / total + left / (num_words - 1)
        table.probs[START_ID] = 1.0  # never predicted; log10 of 0 as KenLM writes it
        return
    contexts = orders[index - 1]
    totals = _new_array(scratch / f"totals{index + 1}", contexts.probs.shape, np.float64)
    _share_out(table, contexts, totals, by_count, threshold)


def _finish(table: _Order, threshold: int, stem: Path) -> OrderTable:
    """Write the n-grams that are kept as log10, to files of their own."""
    parts = [slice(first, first + _ROWS_AT_ONCE) for first in range(0, len(table.probs), _ROWS_AT_ONCE)]
    # If nothing is pruned, <unk> and <s> stay, which do not occur.
    counts = [int((table.actual[part] > threshold).sum()) if threshold else len(table.actual[part]) for part in parts]
    final = OrderTable(
        _new_array(Path(f"{stem}.ngrams"), (sum(counts), table.ngrams.shape[1]), np.int32),
        *(_new_array(Path(f"{stem}.{name}"), (sum(counts),), np.float32) for name in ("scores", "backoffs")),
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


def _new_array(path: Path, shape: tuple[int, ...], dtype: type) -> Array:
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.asarray(np.lib.format.open_memmap(path, "w+", dtype, shape))


@warm_up("estimation of language models")
def _load_compiled() -> None:
    """Run on toy data, so that the message about compilation comes before the work."""
    keys, ngrams = np.zeros((1, 1), np.uint64), np.zeros((1, 1), np.int32)
    ones = np.ones(1, np.int64)
    unpack(keys, 2, ngrams)
    _drop_first_words(np.zeros((1, 2), np.int32), ones, ones, ngrams.copy(), ones.copy(), ones.copy())
    _count_counts(ones, np.zeros(4, np.int64))


@jit
def _drop_first_words(
    ngrams: Array, adjusted: Array, actual: Array, shorter: Array, shorter_adjusted: Array, shorter_actual: Array
) -> int:
    """Drop first words: count the words that stand before each shorter n-gram, and how often it occurs."""
    used = 0
    for row in range(len(ngrams)):
        same = row > 0
        for column in range(1, ngrams.shape[1]):
            if same and ngrams[row, column] != ngrams[row - 1, column]:
                same = False
        if not same:
            for column in range(1, ngrams.shape[1]):
                shorter[used, column - 1] = ngrams[row, column]
            shorter_adjusted[used] = shorter_actual[used] = 0
            used += 1
        # Only <s> stands before <s>: n-grams that begin with it count by their occurrences.
        starts = shorter[used - 1, 0] == START_ID
        shorter_adjusted[used - 1] += actual[row] if starts else 1
        shorter_actual[used - 1] += actual[row]
    return used


@jit
def _leave_out_padding(
    ngrams: Array,
    adjusted: Array,
    actual: Array,
    shorter: Array,
    kept: Array,
    kept_adjusted: Array,
    kept_actual: Array,
    suffixes: Array,
) -> int:
    used = suffix = 0
    for row in range(len(ngrams)):
        if ngrams[row, 0] == START_ID and ngrams[row, 1] == START_ID:
            continue
        # Both are in suffix order, so suffixes come in the order of their rows.
        while not _ends_with(ngrams[row], shorter[suffix]):
            suffix += 1
        copy_row(ngrams, row, kept, used)
        kept_adjusted[used], kept_actual[used], suffixes[used] = adjusted[row], actual[row], suffix
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
    for row in range(len(table.adjusted)):
        context = _find_context(contexts.ngrams, table.ngrams[row])
        count = table.adjusted[row]
        totals[context] += count
        # The whole count of a pruned n-gram is left for unseen words.
        contexts.backoffs[context] += count if table.actual[row] <= threshold else by_count[min(count, 3)]
    for context in range(len(totals)):
        if totals[context] > 0:
            contexts.backoffs[context] = max(contexts.backoffs[context] / totals[context], _LEAST_BACKOFF)
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
