"""KenLM's own `build_binary` made the files from one ARPA file: plain, with tables of pointers, quantised, and both."""

from pathlib import Path

import numpy as np
import pytest

from asr.errors import ModelError
from asr.language.ngram.arpa import read_arpa
from asr.language.ngram.kenlm import hash_word, read_trie
from asr.language.ngram.model import NgramModel, NgramTables

FOLDER = Path(__file__).parent / "kenlm"
COQUI = Path(__file__).parents[2] / "convert" / "coqui"
ARPA = read_arpa(COQUI / "words.arpa")


def entries(tables: NgramTables) -> dict[tuple[str, ...], tuple[float, float]]:
    return {
        tuple(tables.words[number] for number in ngram): (score, backoff)
        for order in tables.orders
        for ngram, score, backoff in zip(*(array.tolist() for array in order), strict=True)
    }


@pytest.mark.parametrize(
    ("path", "tolerance"),
    [
        (FOLDER / "trie.bin", 0.0),
        (FOLDER / "array.bin", 0.0),
        (FOLDER / "quantized.bin", 0.12),  # 64 probabilities for 212 bigrams
        (COQUI / "words.scorer", 0.0),  # 256 of them
    ],
)
def test_ngrams_are_those_of_the_arpa_file(path: Path, tolerance: float):
    trie = read_trie(path.read_bytes(), ARPA.words, path)
    found, expected = entries(trie.tables), entries(ARPA)
    assert found.keys() == expected.keys()
    difference = np.abs(np.array([found[ngram] for ngram in expected]) - np.array(list(expected.values())))
    assert difference.max() <= tolerance
    if path.parent == FOLDER:
        assert trie.end == path.stat().st_size


def test_ngrams_of_unnamed_words_are_left_out():
    path = FOLDER / "trie.bin"
    words = [word for word in ARPA.words if word != "five"]
    found = entries(read_trie(path.read_bytes(), words, path).tables)
    assert found.keys() == {ngram for ngram in entries(ARPA) if "five" not in ngram}
    NgramModel.from_tables(read_trie(path.read_bytes(), words, path).tables)  # contexts are still there


def test_hashes_are_murmur_hashes():
    # Of MurmurHash64A with the seed 0, of which KenLM's source has the first.
    content = (FOLDER / "trie.bin").read_bytes()
    stored = {int(number) for number in np.frombuffer(content, "<u8", 30, 88 + 20 + 4 + 4 * 8 + 8)}
    assert {hash_word(word.encode()) for word in ARPA.words if word != "<unk>"} == stored


@pytest.mark.parametrize("size", [0, 60, 100, 160, 400, 3000])
def test_files_that_are_cut_short_are_refused(tmp_path: Path, size: int):
    content = (FOLDER / "trie.bin").read_bytes()[:size]
    with pytest.raises(ModelError, match=r"broken|not a binary file"):
        read_trie(content, ARPA.words, tmp_path)


def test_damage_is_an_error_or_other_numbers(tmp_path: Path):
    content, rng = (FOLDER / "array.bin").read_bytes(), np.random.default_rng(2)
    for position in rng.integers(0, len(content), 100):
        damaged = bytearray(content)
        damaged[position] ^= int(rng.integers(1, 256))
        try:
            read_trie(bytes(damaged), ARPA.words, tmp_path)
        except ModelError:
            continue


def test_hash_tables_are_refused_by_name(tmp_path: Path):
    content = bytearray((FOLDER / "trie.bin").read_bytes())
    content[96] = 0  # the kind: probing
    with pytest.raises(ModelError, match=r"not a trie of KenLM .* give the ARPA file"):
        read_trie(bytes(content), ARPA.words, tmp_path)
