"""Hypotheses of segments joined to those of a recording."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decode.decoder import BeamDecoder
from asr.recognize.utterance import Decoded, UtteranceDecoder
from asr.recognize.words import FrameTiming
from asr.text.tokenizer import CharTokenizer
from asr.transcript.transcript import Alternative, Word

SYMBOLS = ["<blank>", " ", "a", "b"]
TIMING = FrameTiming(0.04, 0.025)
ALTERNATIVES = st.lists(
    st.tuples(st.sampled_from(["", "a", "b", "a b"]), st.floats(-9, 0)),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one[0],
)


def make_decoder(nbest: int) -> UtteranceDecoder:
    return UtteranceDecoder(CharTokenizer(SYMBOLS), TIMING, beam=BeamDecoder(SYMBOLS), nbest=nbest)


@given(st.lists(ALTERNATIVES, max_size=4))
def test_the_best_texts_of_all_ways_through_the_segments_come_first(segments: list[list[tuple[str, float]]]):
    expected: dict[str, float] = {}
    for way in itertools.product(*segments):
        text = " ".join(text for text, _ in way if text)
        expected[text] = max(expected.get(text, -math.inf), math.fsum(score for _, score in way))
    decoded = [Decoded(tuple(itertools.starmap(Alternative, one)), ()) for one in segments]
    found = make_decoder(nbest=100).join(decoded).alternatives
    assert {one.text: pytest.approx(one.score) for one in found} == expected
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    (best,) = make_decoder(nbest=1).join(decoded).alternatives
    assert best.score == pytest.approx(max(expected.values()))


def test_words_come_one_segment_after_the_other_and_without_beam_search_there_is_no_score():
    words = (Word("a", 0.1, 0.2), Word("b", 10.1, 10.2))
    decoded = [Decoded((Alternative(word.text, math.nan),), (word,)) for word in words]
    joined = UtteranceDecoder(CharTokenizer(SYMBOLS), TIMING).join(decoded)
    assert joined.words == words
    assert joined.text == "a b"
    assert math.isnan(joined.alternatives[0].score)
