"""N-gram models in a compact file that is mapped into memory: it loads at once, and processes share it.

8 bytes     "ASRNGRAM"
8 bytes     length of the header, little-endian
header      JSON: version, order, and for each array its dtype, shape and place
arrays      little-endian, each at a multiple of 64 bytes; the words as UTF-8 lines
"""

import json
import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from asr.atomic import replacing
from asr.compiled import Array
from asr.errors import ModelError
from asr.language.automaton import Automaton
from asr.language.ngram import UNKNOWN, NgramModel

_MAGIC = b"ASRNGRAM"
_VERSION = 1
_ALIGNMENT = 64
_DTYPES = Automaton(*(np.dtype(code) for code in ("<f4", "<i8", "<f4", "<i4", "<i4", "<f4", "<i4")))  # type: ignore[arg-type]


def is_binary(path: Path | str) -> bool:
    """Whether a file is in this form.

    Raises:
        ModelError: If it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None


def write_binary(model: NgramModel, path: Path | str) -> None:
    """Write a model, whole or not at all; processes that have the old file mapped keep it.

    Raises:
        AsrError: If the file cannot be written.
    """
    arrays = {name: getattr(model.automaton, name).astype(getattr(_DTYPES, name)) for name in Automaton._fields}
    arrays["words"] = np.frombuffer("\n".join(model.words).encode(), np.uint8)
    places, place = {}, 0
    for name, array in arrays.items():
        places[name] = {"dtype": array.dtype.str, "shape": array.shape, "offset": place}
        place = _align(place + array.nbytes)
    header = json.dumps({"version": _VERSION, "order": model.order, "arrays": places, "size": place}).encode()
    body = _align(len(_MAGIC) + 8 + len(header))
    with replacing(Path(path)) as partial, partial.open("wb") as file:
        file.write(_MAGIC + len(header).to_bytes(8, "little") + header)
        for name, array in arrays.items():
            file.seek(body + int(places[name]["offset"]))
            file.write(array.tobytes())
        file.truncate(body + place)


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
    length = int.from_bytes(content[len(_MAGIC) : len(_MAGIC) + 8], "little")
    try:
        header = json.loads(content[len(_MAGIC) + 8 : len(_MAGIC) + 8 + length])
        body = _align(len(_MAGIC) + 8 + length)
        if header["version"] != _VERSION:
            raise ModelError(f"{path}: version {header['version']} of the format; this program reads {_VERSION}")
        if len(content) < body + header["size"]:
            raise ModelError(f"{path}: {len(content)} bytes, expected {body + header['size']}: it is cut short")
        arrays = {name: _array(content, body, place) for name, place in header["arrays"].items()}
        words = arrays.pop("words").tobytes().decode().split("\n")
        model = NgramModel(words, int(header["order"]), Automaton(**arrays))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: broken: {error!r}; write it anew from its ARPA file") from None
    _check(path, model)
    return model


def _align(place: int) -> int:
    return -(-place // _ALIGNMENT) * _ALIGNMENT


def _array(content: mmap.mmap, body: int, place: dict[str, Any]) -> Array:
    count = math.prod(place["shape"])
    dtype = np.dtype(place["dtype"])
    array: Array = np.frombuffer(content, dtype, count, body + place["offset"]).reshape(place["shape"])
    return array


def _check(path: Path | str, model: NgramModel) -> None:
    """What a broken file would make compiled code read out of bounds, as far as it is quickly told."""
    automaton, num_states = model.automaton, len(model.automaton.backoff)
    num_arcs = len(automaton.arc_words)
    sound = (
        UNKNOWN in model.words
        and len(model.words) == len(automaton.word_scores) < num_states + 1
        and len(automaton.first_arc) == num_states + 1
        and len(automaton.suffix) == num_states
        and len(automaton.arc_scores) == len(automaton.arc_states) == num_arcs
        and automaton.first_arc[-1] == num_arcs
        and all(array.dtype == dtype for array, dtype in zip(automaton, _DTYPES, strict=True))
    )
    if not sound:
        raise ModelError(f"{path}: broken: its arrays do not fit together; write it anew from its ARPA file")
