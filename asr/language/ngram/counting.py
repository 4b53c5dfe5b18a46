"""Counts the n-grams of texts of any size: sorted runs on disk, merged in pairs.

An n-gram is packed into a few 64-bit keys, its last word in the highest bits, so that sorted
n-grams are in suffix order: those that differ only in their first word are neighbours.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from asr.errors import TextError
from asr.jit import Array, jit
from asr.language.ngram.model import END, START, UNKNOWN

OnProgress: TypeAlias = Callable[[str, int], None]  # the current step, and the lines processed so far

UNKNOWN_ID, START_ID, END_ID = 0, 1, 2

_LINES_PER_REPORT = 100_000


class Counts(NamedTuple):
    """Distinct n-grams of the highest order, in suffix order; sentences are padded with `<s>`."""

    words: list[str]  # by number: <unk>, <s>, </s>, then the others, the most frequent first
    keys: Array  # (M, K) uint64
    counts: Array  # (M,) int64
    bits: int  # of a word in a key


def count_ngrams(
    sentences: Callable[[], Iterable[list[str]]], order: int, folder: Path, chunk_ngrams: int, on_progress: OnProgress
) -> Counts:
    """Count n-grams in two passes over a text: its words, then their n-grams.

    Runs of `chunk_ngrams` are sorted in memory; in the folder they take as much space as the n-grams of the text.

    Raises:
        TextError: If there is no sentence, or only one pass can be made.
    """
    words = _count_words(sentences(), on_progress)
    numbers = {word: number for number, word in enumerate(words)}
    bits = max(2, (len(words) - 1).bit_length())
    runs = []
    for index, chunk in enumerate(_number_chunks(sentences(), numbers, order, chunk_ngrams, on_progress)):
        runs.append(_save_run(folder / f"run{index}", *_count_chunk(chunk, order, bits)))
    if not runs:
        raise TextError("the text was empty on the second pass; give files, since a pipe can be read only once")
    for index in range(len(runs) - 1):
        runs.append(_merge_two(runs.pop(0), runs.pop(0), folder / f"merge{index}"))
    return Counts(words, *_load_run(runs[0]), bits)


def new_array(folder: Path, shape: tuple[int, ...], dtype: type) -> Array:
    """Return an array of zeros in a nameless file of the folder, which disappears with the array."""
    if 0 in shape:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.asarray(np.memmap(file, dtype, "w+", shape=shape))


@jit
def unpack(keys: Array, bits: int, ngrams: Array) -> None:
    """Write the word numbers of packed n-grams to `ngrams` (M, n)."""
    order = ngrams.shape[1]
    per_key = 63 // bits
    mask = (1 << bits) - 1
    for row in range(len(keys)):
        for distance in range(order):  # from the last word
            shift = bits * (per_key - 1 - distance % per_key)
            ngrams[row, order - 1 - distance] = (np.int64(keys[row, distance // per_key]) >> shift) & mask


@jit
def copy_row(source: Array, source_row: int, target: Array, row: int) -> None:
    """Copy a row (numba allocates when it assigns one)."""
    for column in range(source.shape[1]):
        target[row, column] = source[source_row, column]


def _count_words(sentences: Iterable[list[str]], on_progress: OnProgress) -> list[str]:
    counter: Counter[str] = Counter()
    for num_lines, words in enumerate(sentences, start=1):
        counter.update(words)
        if num_lines % _LINES_PER_REPORT == 0:
            on_progress("counting words", num_lines)
    if not counter:
        raise TextError("the text holds no word to estimate a language model from")
    counter.pop(UNKNOWN, None)
    # Equally frequent words are sorted by name, so that the model does not depend on the order of lines.
    return [UNKNOWN, START, END, *sorted(counter, key=lambda word: (-counter[word], word))]


def _number_chunks(
    sentences: Iterable[list[str]], numbers: dict[str, int], order: int, chunk_ngrams: int, on_progress: OnProgress
) -> Iterator[Array]:
    """Yield padded sentences as word numbers, one after another, about `chunk_ngrams` at a time."""
    padding = [START_ID] * (order - 1)
    chunk: list[int] = []
    for num_lines, words in enumerate(sentences, start=1):
        chunk += [*padding, *(numbers.get(word, UNKNOWN_ID) for word in words), END_ID]
        if len(chunk) >= chunk_ngrams:
            yield np.array(chunk, np.uint64)
            chunk = []
        if num_lines % _LINES_PER_REPORT == 0:
            on_progress("counting n-grams", num_lines)
    if chunk:
        yield np.array(chunk, np.uint64)


def _count_chunk(chunk: Array, order: int, bits: int) -> tuple[Array, Array]:
    """Return the distinct n-grams of a chunk as sorted keys, and the count of each."""
    ends = np.flatnonzero(chunk != START_ID)
    per_key = 63 // bits
    keys = np.zeros((len(ends), -(-order // per_key)), np.uint64)
    for distance in range(order):
        shift = np.uint64(bits * (per_key - 1 - distance % per_key))
        keys[:, distance // per_key] |= chunk[ends - distance] << shift
    if keys.shape[1] == 1:
        keys.sort(axis=0)
    else:
        keys = keys[np.lexsort(keys.T[::-1])]
    first = np.flatnonzero(np.append(True, (keys[1:] != keys[:-1]).any(axis=1)))
    return keys[first], np.diff(np.append(first, len(keys)))


def _save_run(stem: Path, keys: Array, counts: Array) -> tuple[Path, Path]:
    files = Path(f"{stem}.keys.npy"), Path(f"{stem}.counts.npy")
    np.save(files[0], keys)
    np.save(files[1], counts)
    return files


def _load_run(files: tuple[Path, Path]) -> tuple[Array, Array]:
    # Mapped for writing, though only read: compiled code takes writable arrays only.
    return np.asarray(np.load(files[0], mmap_mode="r+")), np.asarray(np.load(files[1], mmap_mode="r+"))


def _merge_two(first: tuple[Path, Path], second: tuple[Path, Path], stem: Path) -> tuple[Path, Path]:
    (keys, counts), (other_keys, other_counts) = _load_run(first), _load_run(second)
    room = len(counts) + len(other_counts)
    out = new_array(stem.parent, (room, keys.shape[1]), np.uint64)
    out_counts = new_array(stem.parent, (room,), np.int64)
    used = _merge(keys, counts, other_keys, other_counts, out, out_counts)
    for path in (*first, *second):
        path.unlink()
    return _save_run(stem, out[:used], out_counts[:used])


@jit
def _merge(keys: Array, counts: Array, other_keys: Array, other_counts: Array, out: Array, out_counts: Array) -> int:
    row = other_row = used = 0
    while row < len(keys) or other_row < len(other_keys):
        # 1. Compare the next n-grams of both runs; a run that has ended comes after the other.
        order = 0
        if row == len(keys) or other_row == len(other_keys):
            order = 1 if row == len(keys) else -1
        else:
            for column in range(keys.shape[1]):
                if keys[row, column] != other_keys[other_row, column]:
                    order = -1 if keys[row, column] < other_keys[other_row, column] else 1
                    break
        # 2. Copy the lower one; of equal ones, add the counts.
        out_counts[used] = 0
        if order <= 0:
            copy_row(keys, row, out, used)
            out_counts[used] += counts[row]
            row += 1
        if order >= 0:
            copy_row(other_keys, other_row, out, used)
            out_counts[used] += other_counts[other_row]
            other_row += 1
        used += 1
    return used
