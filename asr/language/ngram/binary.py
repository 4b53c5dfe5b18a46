"""N-gram models in a compact file that is mapped into memory: it loads at once, and processes share it.

8 bytes     "ASRNGRAM"
8 bytes     length of the header, little-endian
header      JSON: version, order, and for each array its dtype, shape and offset
arrays      little-endian, each at a multiple of 64 bytes; the words as UTF-8 lines

Compact files hold scores, and word numbers if there are few enough, in 16 bits. They are a third smaller, but are
copied when they are loaded.
"""

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from asr.atomic import atomic_write
from asr.errors import ModelError
from asr.jit import Array
from asr.language.ngram.automaton import Automaton
from asr.language.ngram.model import UNKNOWN, NgramModel

_MAGIC = b"ASRNGRAM"
_VERSION = 2
_READABLE = (1, 2)  # version 1 had wider `first_arc`, and states of contexts that nothing continues
_ALIGNMENT = 64
_DTYPES = Automaton(*(np.dtype(code) for code in ("<f4", "<i4", "<f4", "<i4", "<i4", "<f4", "<i4")))  # type: ignore[arg-type]
_COMPACT = Automaton(*(np.dtype(code) for code in ("<f2", "<i4", "<f2", "<i4", "<u2", "<f2", "<i4")))  # type: ignore[arg-type]
_LEAST_SCORE = -1e4  # natural log; far below what an ARPA file may hold
_VERSION_1 = _DTYPES._replace(first_arc=np.dtype("<i8"))  # type: ignore[arg-type]
_MOST_COMPACT_WORDS = 1 << 16


def is_binary(path: Path | str) -> bool:
    """Whether a file is in this format.

    Raises:
        ModelError: If it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None


def write_binary(model: NgramModel, path: Path | str, *, compact: bool = False) -> None:
    """Write a model, whole or not at all; processes that have the old file mapped keep it.

    `compact` rounds natural logs to 11 bits; those above -20 change by less than 0.01.

    Raises:
        AsrError: If the file cannot be written.
    """
    dtypes = _COMPACT if compact else _DTYPES
    if len(model.words) > _MOST_COMPACT_WORDS:
        dtypes = dtypes._replace(arc_words=_DTYPES.arc_words)
    arrays = {name: getattr(model.automaton, name).astype(getattr(dtypes, name)) for name in Automaton._fields}
    arrays["words"] = np.frombuffer("\n".join(model.words).encode(), np.uint8)
    layout, offset = {}, 0
    for name, array in arrays.items():
        layout[name] = {"dtype": array.dtype.str, "shape": array.shape, "offset": offset}
        offset = _align(offset + array.nbytes)
    header = json.dumps({"version": _VERSION, "order": model.order, "arrays": layout, "size": offset}).encode()
    body = _align(len(_MAGIC) + 8 + len(header))
    with atomic_write(Path(path)) as partial, partial.open("wb") as file:
        file.write(_MAGIC + len(header).to_bytes(8, "little") + header)
        for name, array in arrays.items():
            file.seek(body + int(layout[name]["offset"]))
            file.write(array.tobytes())
        file.truncate(body + offset)


def read_binary(path: Path | str) -> NgramModel:
    """Map a model into memory.

    Raises:
        ModelError: If the file cannot be read, is cut short or broken.
    """
    try:
        with Path(path).open("rb") as file:
            # Copy on write, though nothing writes: compiled code takes only arrays that can be written.
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    start = len(_MAGIC) + 8
    length = int.from_bytes(content[len(_MAGIC) : start], "little")
    try:
        header, body = json.loads(content[start : start + length]), _align(start + length)
        if header["version"] not in _READABLE:
            raise ModelError(
                f"{path}: version {header['version']} of the format; this program reads up to {_VERSION}: "
                "update the program, or write the file again"
            )
        if len(content) < body + header["size"]:
            raise ModelError(f"{path}: {len(content)} bytes, expected {body + header['size']}: it is cut short")
        arrays = {name: _array(content, body, name, header["arrays"][name]) for name in ("words", *Automaton._fields)}
        words = arrays.pop("words").tobytes().decode().split("\n")
        model = NgramModel(words, int(header["order"]), Automaton(**arrays))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ModelError(f"{path}: broken: {error!r}; write it again from its ARPA file") from None
    _check(path, model)
    return model


def _align(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def _array(content: mmap.mmap, body: int, name: str, layout: dict[str, Any]) -> Array:
    dtype = np.dtype(np.uint8) if name == "words" else getattr(_DTYPES, name)
    readable = {code.str: code for code in (dtype, getattr(_COMPACT, name, dtype), getattr(_VERSION_1, name, dtype))}
    (count,) = layout["shape"]
    offset = layout["offset"]
    if layout["dtype"] not in readable or count < 0 or offset < 0 or offset % _ALIGNMENT:
        raise ValueError(f"{name} lies at {layout}")
    return np.frombuffer(content, readable[layout["dtype"]], count, body + offset).astype(dtype, copy=False)


def _check(path: Path | str, model: NgramModel) -> None:
    """Refuse arrays with which compiled code would read out of bounds, never end or use impossible probabilities.

    Each array is scanned once, which takes about 0.1 s for ten million n-grams.
    """
    automaton = model.automaton
    num_words, num_states, num_arcs = len(model.words), len(automaton.backoff), len(automaton.arc_words)
    sound = (
        UNKNOWN in model.words
        and 1 <= model.order <= num_states
        and num_words == len(automaton.word_scores) < num_states
        and num_states == len(automaton.suffix) == len(automaton.first_arc) - 1
        and len(automaton.arc_scores) == len(automaton.arc_states) == num_arcs
        and _within(automaton.first_arc, 0, num_arcs)
        and bool((automaton.first_arc[1:] >= automaton.first_arc[:-1]).all())
        and _within(automaton.suffix, 0, num_states - 1)
        # A shorter context has the lower number, so that backing off comes to an end.
        and bool((automaton.suffix[1:] < np.arange(1, num_states, dtype=np.int32)).all())
        and _within(automaton.arc_words, 0, num_words - 1)
        and _has_sorted_arcs(automaton)
        and _within(automaton.arc_states, 0, num_states - 1)
        and _within(automaton.word_scores, _LEAST_SCORE, 0)
        and _within(automaton.arc_scores, _LEAST_SCORE, 0)
        and _within(automaton.backoff, _LEAST_SCORE, -_LEAST_SCORE)
        and _is_layered(model)
    )
    if not sound:
        raise ModelError(f"{path}: broken: its arrays do not fit together; write it again from its ARPA file")


def _has_sorted_arcs(automaton: Automaton) -> bool:
    """Whether the arcs of each state are sorted by word, as `find_arc` expects."""
    falls = np.flatnonzero(automaton.arc_words[1:] <= automaton.arc_words[:-1]) + 1
    return bool(np.isin(falls, automaton.first_arc).all())


def _is_layered(model: NgramModel) -> bool:
    """Whether longer contexts are numbered in the order of the first arcs that lead to them."""
    end = len(model.words) + 1
    for layer in model.arc_layers():
        end = layer.states.stop + len(layer.followed)
        if not np.array_equal(model.automaton.arc_states[layer.followed], np.arange(layer.states.stop, end)):
            return False
    return end == len(model.automaton.backoff)


def _within(array: Array, low: float, high: float) -> bool:
    """Whether all values lie between two; NaN does not."""
    return len(array) == 0 or bool(low <= array.min() and array.max() <= high)
