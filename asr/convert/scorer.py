"""Scorers of Coqui STT and DeepSpeech in, language models out: KenLM's n-grams, and after them the words as a trie.

    n-grams     language/ngram/kenlm.py, by hashes of words
    "TRIE"      version, whether letters are bytes, weights of language model and word count
    words       an automaton of OpenFst (ConstFst of standard arcs), by letter; a space ends each word

The layout is that of native_client/ctcdecode/scorer.cpp in the public repository coqui-ai/STT, and of OpenFst 1.6.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from asr.config import DecoderSettings
from asr.convert.folder import LanguageModel, read_file
from asr.errors import ModelError
from asr.language.load import load_ngram
from asr.language.ngram.kenlm import find_end, is_kenlm, read_trie
from asr.language.ngram.model import NgramModel
from asr.weights import Array

_MAGIC, _VERSION = b"EIRT", 6
_FST_MAGIC, _FST_KIND, _FST_ARCS = 2125659606, b"const", b"standard"
_IS_ALIGNED, _ALIGNMENT = 4, 16
_STATE = np.dtype([("final", "<f4"), ("first", "<u4"), ("count", "<u4"), ("rest", "<u8")], align=False)
_ARC = np.dtype([("letter", "<i4"), ("output", "<i4"), ("weight", "<f4"), ("state", "<i4")])
_MOST_WORDS, _LONGEST_WORD = 20_000_000, 1000
_NEVER = -100.0  # what a word outside the vocabulary scores: Coqui STT can write none


def read_scorer(path: Path, letters: Sequence[str]) -> LanguageModel:
    """Read a scorer, or the ARPA file from which one was made.

    Args:
        path: The file.
        letters: Of the acoustic model, in the order of its alphabet.

    Raises:
        ModelError: If the file cannot be read, is broken or for another alphabet.
    """
    content = read_file(path)
    if not is_kenlm(content):
        return LanguageModel(load_ngram(path), DecoderSettings(unknown_score=_NEVER))
    start = find_end(content, path)
    try:
        magic, version, is_bytes, alpha, beta = struct.unpack_from("<4si?dd", content, start)
        if magic != _MAGIC or version != _VERSION:
            raise ModelError(
                f"{path}: its n-grams are not followed by a vocabulary of version {_VERSION}; give the ARPA"
            )
        if is_bytes:
            raise ModelError(f"{path}: its letters are bytes (bytes output mode), which asr cannot decode")
        words = set(read_words(content, start + struct.calcsize("<4si?dd"), letters))
    except (struct.error, ValueError, IndexError) as error:
        raise ModelError(f"{path}: its vocabulary is broken: {error}") from None
    if not words:
        raise ModelError(f"{path}: its vocabulary has no word that these letters spell; is it for another alphabet?")
    model = NgramModel.from_tables(read_trie(content, words, path).tables)
    return LanguageModel(model, DecoderSettings(alpha=alpha, beta=beta, unknown_score=_NEVER))


def read_words(content: bytes, start: int, letters: Sequence[str]) -> Iterator[str]:
    """Yield the words of a vocabulary that begins at a byte of a file; letter n has the label n + 1.

    Raises:
        ValueError: If it is broken.
    """
    states, arcs, first = _read_automaton(content, start)
    space = letters.index(" ") + 1 if " " in letters else 0
    texts = ["", *letters]
    firsts, counts = states["first"].tolist(), states["count"].tolist()
    labels, targets = arcs["letter"].tolist(), arcs["state"].tolist()
    waiting, num_words = [(first, "")], 0
    while waiting:
        state, word = waiting.pop()
        if len(word) > _LONGEST_WORD:
            raise ValueError("a word never ends")
        for arc in range(firsts[state], firsts[state] + counts[state]):
            if labels[arc] == space:
                num_words += 1
                yield word
            elif 0 < labels[arc] < len(texts):
                waiting.append((targets[arc], word + texts[labels[arc]]))
            if num_words > _MOST_WORDS:
                raise ValueError(f"more than {_MOST_WORDS} words")


def _read_automaton(content: bytes, start: int) -> tuple[Array, Array, int]:
    """Return the states, the arcs and the number of the first state of an automaton."""
    (magic,) = struct.unpack_from("<i", content, start)
    position, names = start + 4, []
    for _ in range(2):
        (length,) = struct.unpack_from("<i", content, position)
        names.append(content[position + 4 : position + 4 + length])
        position += 4 + length
    if magic != _FST_MAGIC or names != [_FST_KIND, _FST_ARCS]:
        raise ValueError(f"not an automaton of OpenFst of kind {_FST_KIND.decode()}")
    _, flags, _, first, num_states, num_arcs = struct.unpack_from("<iiQqqq", content, position)
    position += struct.calcsize("<iiQqqq")
    if not 0 <= first < num_states:
        raise ValueError("no first state")
    found = []
    for dtype, count in ((_STATE, num_states), (_ARC, num_arcs)):
        if flags & _IS_ALIGNED:
            position = -(-position // _ALIGNMENT) * _ALIGNMENT
        found.append(np.frombuffer(content, dtype, count, position))
        position += found[-1].nbytes
    states, arcs = found
    if len(arcs) and (arcs["state"].min() < 0 or arcs["state"].max() >= num_states):
        raise ValueError("an arc leads to no state")
    if (states["first"].astype(np.int64) + states["count"]).max() > num_arcs:
        raise ValueError("a state has arcs that are not there")
    return states, arcs, int(first)
