"""KenLM's binary tries in, tables of n-grams out: what `build_binary trie` writes, quantised or not.

A file holds hashes of words, not necessarily the words, so these are given. Its tries are read backwards: the parent
of an n-gram is the n-gram without its first word. The layout is that of the public repository kpu/kenlm: lm/
binary_format.cc, search_trie.cc, trie.cc, bhiksha.cc (pointers of which the high bits lie in a table) and quantize.hh.
Scores are log10, as in ARPA.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asr.errors import ModelError
from asr.jit import Array
from asr.language.ngram.model import END, START, UNKNOWN, NgramTables, OrderTable

_MAGIC = b"mmap lm http://kheafield.com/code format version 5\n\0"
_SANITY = 88  # bytes, with the magic
_TRIES = {2: (False, False), 3: (True, False), 4: (False, True), 5: (True, True)}  # quantised, with tables of pointers
_UNIGRAM = [("prob", "<f4"), ("backoff", "<f4"), ("next", "<u8")]
_MASK = (1 << 64) - 1
_MOST_ORDERS = 16


class Trie(NamedTuple):
    """A file's n-grams, and where they end in it."""

    tables: NgramTables
    end: int


@dataclass
class _Layout:
    """Sizes of a file; counts of n-grams, the shortest first."""

    content: bytes
    counts: list[int]
    is_quantized: bool
    has_tables: bool
    position: int  # of what is read next
    prob_bits: int = 31
    backoff_bits: int = 32
    pointer_bits: int = 0  # most high bits of pointers that lie in tables

    def read(self, dtype: str, count: int) -> Array:
        """Return the next numbers."""
        array = np.frombuffer(self.content, np.dtype(dtype), count, self.position)
        self.position += array.nbytes
        return array


def is_kenlm(content: bytes) -> bool:
    """Whether a file is one of KenLM."""
    return content.startswith(_MAGIC)


def find_end(content: bytes, path: Path) -> int:
    """Return where the n-grams of a file end. Raises ModelError as `read_trie`."""
    return read_trie(content, (), path).end


def read_trie(content: bytes, words: Iterable[str], path: Path) -> Trie:
    """Read a file's n-grams.

    Args:
        content: The file.
        words: Those that may occur; n-grams with others are left out.
        path: Named in errors.

    Raises:
        ModelError: If it is another file, another kind of KenLM's, or broken.
    """
    try:
        layout = _read_header(content, path)
        hashes = layout.read("<u8", 1 + layout.counts[0])
        names = name_words(hashes[1 : 1 + int(hashes[0])], words)
        return Trie(_drop_unnamed(names, list(_read_orders(layout, len(names)))), layout.position)
    except (struct.error, ValueError, IndexError, OverflowError, MemoryError) as error:
        raise ModelError(f"{path}: broken: {error}") from None


def _read_header(content: bytes, path: Path) -> _Layout:
    if not is_kenlm(content):
        raise ModelError(f"{path}: not a binary file of KenLM, version 5")
    order, _, kind, _, _ = struct.unpack_from("<B3xfIB3xI", content, _SANITY)
    if kind not in _TRIES or not 2 <= order <= _MOST_ORDERS:
        raise ModelError(f"{path}: not a trie of KenLM (kind {kind}, order {order}); give the ARPA file instead")
    start = _SANITY + struct.calcsize("<B3xfIB3xI")
    counts = list(struct.unpack_from(f"<{order}Q", content, start))
    if sum(counts) > 8 * len(content):
        raise ValueError(f"{sum(counts)} n-grams in {len(content)} bytes")
    return _Layout(content, counts, *_TRIES[kind], position=-(-(start + 8 * order) // 8) * 8)


def _read_orders(layout: _Layout, num_words: int) -> Iterator[OrderTable]:
    """Yield the n-grams of each order; words are counted as in the file."""
    order, counts = len(layout.counts), layout.counts
    bins = _read_bins(layout, order)
    unigrams = layout.read("V16", counts[0] + 2)[: counts[0] + 1].view(
        [("prob", "<f4"), ("backoff", "<f4"), ("next", "<u8")]
    )
    if order > 2 and layout.has_tables:
        version, layout.pointer_bits = layout.content[layout.position], layout.content[layout.position + 1]
        if version != 0:
            raise ValueError(f"version {version} of tables of pointers")
    ngrams = np.arange(num_words, dtype=np.int32)[:, None]
    yield OrderTable(ngrams, unigrams["prob"][:num_words], unigrams["backoff"][:num_words])
    follow = unigrams["next"][: num_words + 1].astype(np.int64)
    for length in range(2, order + 1):
        entries = _read_entries(layout, length, bins[length - 2])
        sizes = np.diff(follow)
        if (sizes < 0).any() or follow[0] != 0 or follow[-1] > len(entries.words):
            raise ValueError(f"pointers to {length}-grams do not rise")
        parents = np.repeat(np.arange(len(sizes)), sizes)
        ngrams = np.column_stack([entries.words[: len(parents)], ngrams[parents]]).astype(np.int32)
        yield OrderTable(ngrams, entries.probs[: len(parents)], entries.backoffs[: len(parents)])
        follow = entries.follow[: len(parents) + 1]


def _read_bins(layout: _Layout, order: int) -> list[tuple[Array | None, Array | None]]:
    """Read the values of quantised scores, for orders of 2 and more: probabilities and backoffs."""
    if not layout.is_quantized:
        return [(None, None)] * (order - 1)
    version, layout.prob_bits, layout.backoff_bits = layout.content[layout.position : layout.position + 3]
    if version != 2:
        raise ValueError(f"version {version} of quantisation")
    layout.position += 8
    bins: list[tuple[Array | None, Array | None]] = []
    for length in range(2, order + 1):
        probs = layout.read("<f4", 1 << layout.prob_bits)
        bins.append((probs, layout.read("<f4", 1 << layout.backoff_bits) if length < order else None))
    return bins


class _Entries(NamedTuple):
    words: Array
    probs: Array
    backoffs: Array
    follow: Array  # (M + 1,) first n-gram of the next order that each continues; empty for the last order


def _read_entries(layout: _Layout, length: int, bins: tuple[Array | None, Array | None]) -> _Entries:
    """Read the packed n-grams of an order: word, backoff and probability, pointer."""
    counts, is_last = layout.counts, length == len(layout.counts)
    count, word_bits = counts[length - 1], counts[0].bit_length()
    score_bits = layout.prob_bits + (0 if is_last else layout.backoff_bits)
    inline, table = (0, None) if is_last else _read_pointers(layout, count, counts[length])
    total = word_bits + score_bits + inline
    start = layout.position
    layout.position += ((1 + count) * total + 7) // 8 + 8
    if layout.position > len(layout.content):
        raise ValueError(f"cut short among the {length}-grams")
    base = np.arange(count + 1, dtype=np.int64) * total

    def unpack(offset: int, bits: int, size: int = count) -> Array:
        return _unpack(layout.content, start, base[:size] + offset, bits)

    words = unpack(0, word_bits)
    if bins[0] is not None:
        shift = 0 if is_last else layout.backoff_bits
        probs = bins[0][unpack(word_bits + shift, layout.prob_bits)]
        backoffs = np.zeros(count, np.float32) if bins[1] is None else bins[1][unpack(word_bits, layout.backoff_bits)]
    else:
        probs = -unpack(word_bits, 31).astype(np.uint32).view(np.float32)
        packed = np.zeros(count, np.uint32) if is_last else unpack(word_bits + 31, 32).astype(np.uint32)
        backoffs = packed.view(np.float32)
    follow = np.empty(0, np.int64)
    if not is_last:
        follow = unpack(word_bits + score_bits, inline, count + 1).astype(np.int64)
        if table is not None:
            follow |= (np.searchsorted(table, np.arange(count + 1), side="right") - 1) << inline
    return _Entries(words.astype(np.int64), probs, backoffs, follow)


def _read_pointers(layout: _Layout, count: int, most: int) -> tuple[int, Array | None]:
    """Return the bits of pointers that lie among n-grams, and the table of the others: where each high part begins."""
    bits = most.bit_length()
    if not layout.has_tables:
        return bits, None
    # KenLM's choice: the number of bits for which table and pointers are the smallest.
    options = range(min(bits, layout.pointer_bits) + 1)
    chopped = min(options, key=lambda chop: (most >> (bits - chop)) * 64 - (count + 1) * chop)
    size = (most >> (bits - chopped)) + 1
    before = layout.position
    layout.position = -(-before // 8) * 8 + 8  # a header
    table = layout.read("<u8", size).astype(np.int64)
    layout.position = before + 8 * (1 + size) + 7
    return bits - chopped, table


def _unpack(content: bytes, start: int, bit_positions: Array, bits: int) -> Array:
    """Return the numbers of some bits, at most 57, at positions counted from a byte."""
    if bits == 0:
        return np.zeros(len(bit_positions), np.uint64)
    data = np.frombuffer(content, np.uint8)
    first = start + (bit_positions >> 3)
    value = np.zeros(len(bit_positions), np.uint64)
    for byte in range(8):
        at = np.minimum(first + byte, len(data) - 1)
        value |= data[at].astype(np.uint64) << np.uint64(8 * byte)
    return (value >> (bit_positions & 7).astype(np.uint64)) & np.uint64((1 << bits) - 1)


def name_words(hashes: Array, words: Iterable[str]) -> list[str | None]:
    """Return the words of a file by their numbers; None where none of the given ones has the hash."""
    known: Mapping[int, str] = {hash_word(word.encode()): word for word in (START, END, *words)}
    return [UNKNOWN, *(known.get(number) for number in hashes.tolist())]


def hash_word(word: bytes) -> int:
    """Return KenLM's hash of a word: MurmurHash64A, with the seed 0 (Austin Appleby)."""
    multiplier = 0xC6A4A7935BD1E995
    mixed = len(word) * multiplier & _MASK
    whole = len(word) // 8 * 8
    for (part,) in struct.iter_unpack("<Q", word[:whole]):
        part = part * multiplier & _MASK
        part = (part ^ part >> 47) * multiplier & _MASK
        mixed = (mixed ^ part) * multiplier & _MASK
    if rest := word[whole:]:
        mixed = (mixed ^ int.from_bytes(rest, "little")) * multiplier & _MASK
    mixed = (mixed ^ mixed >> 47) * multiplier & _MASK
    return mixed ^ mixed >> 47


def _drop_unnamed(names: list[str | None], orders: list[OrderTable]) -> NgramTables:
    """Leave out n-grams with words that have no name, or without a probability, and number the others anew."""
    is_named = np.array([name is not None for name in names])
    numbers = np.cumsum(is_named, dtype=np.int32) - 1
    kept = []
    for ngrams, scores, backoffs in orders:
        if len(ngrams) and ngrams.max() >= len(names):
            raise ValueError("an n-gram has a word that is not there")
        rows = is_named[ngrams].all(axis=1) & np.isfinite(scores)
        kept.append(OrderTable(numbers[ngrams[rows]], scores[rows], backoffs[rows] + np.float32(0)))
    return NgramTables([name for name in names if name is not None], kept)
