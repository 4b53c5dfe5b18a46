"""Readings of stretches joined to that of a recording."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decode.decoder import BeamDecoder
from asr.recognize.utterance import Decoded, UtteranceDecoder
from asr.text.tokenizer import CharTokenizer
from asr.transcript.transcript import Alternative, Word

SYMBOLS = ["<blank>", " ", "a", "b"]
ALTERNATIVES = st.lists(
    st.tuples(st.sampled_from(["", "a", "b", "a b"]), st.floats(-9, 0)),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one[0],
)


def make_reader(nbest: int) -> UtteranceDecoder:
    return UtteranceDecoder(CharTokenizer(SYMBOLS), 0.04, beam=BeamDecoder(SYMBOLS), nbest=nbest)


@given(st.lists(ALTERNATIVES, max_size=4))
def test_the_best_texts_of_all_ways_through_the_stretches_come_first(stretches: list[list[tuple[str, float]]]):
    expected: dict[str, float] = {}
    for way in itertools.product(*stretches):
        text = " ".join(text for text, _ in way if text)
        expected[text] = max(expected.get(text, -math.inf), math.fsum(score for _, score in way))
    readings = [Decoded(tuple(itertools.starmap(Alternative, one)), ()) for one in stretches]
    found = make_reader(nbest=100).join(readings).alternatives
    assert {one.text: pytest.approx(one.score) for one in found} == expected
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    (best,) = make_reader(nbest=1).join(readings).alternatives
    assert best.score == pytest.approx(max(expected.values()))


def test_words_come_one_stretch_after_the_other_and_without_beam_search_there_is_no_score():
    words = (Word("a", 0.1, 0.2), Word("b", 10.1, 10.2))
    readings = [Decoded((Alternative(word.text, math.nan),), (word,)) for word in words]
    joined = UtteranceDecoder(CharTokenizer(SYMBOLS), 0.04).join(readings)
    assert joined.words == words
    assert joined.text == "a b"
    assert math.isnan(joined.alternatives[0].score)
