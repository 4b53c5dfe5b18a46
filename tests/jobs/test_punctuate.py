"""Punctuation of text that no recogniser wrote: figures, abbreviations and addresses stay as they are."""

from itertools import groupby
from operator import itemgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.jobs.punctuate import load_punctuator, punctuate_lines
from asr.language.punctuator import Punctuator

FIXED = ["3.5%", "$1,000.50", "3:30", "5/6/2020", "me@x.org", "http://example.com/a?b=c", "p.m.", "A.M.", "25", "C3PO"]
WORDS = ["the", "man", "Dr", "i'm", "well-known", "naïve", "twenty"]
MARKS = ",.?!;:"


@pytest.fixture(scope="module")
def punctuator() -> Punctuator:
    return load_punctuator("english")[0]


def test_figures_and_addresses_stay(punctuator: Punctuator):
    line = "about 3.5% of $1,000.50 at 3:30 p.m. on 5/6/2020, write to (me@x.org)."
    (written,) = punctuate_lines([line], punctuator)
    for token in ("3.5%", "$1,000.50", "3:30", "p.m", "5/6/2020", "me@x.org"):
        assert token in [part.rstrip(MARKS) for part in written.split()]
    assert " p.m. " in written


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([*FIXED, *WORDS, "[noise]", "#"]), max_size=12))
def test_no_word_is_changed_lost_or_doubled(punctuator: Punctuator, parts: list[str]):
    (written,) = punctuate_lines([" ".join(parts)], punctuator)
    expected = [part for part in parts if part not in ("[noise]", "#")]
    found = [part for part in written.split() if part != "–"]
    assert len(found) == len(expected)
    for part, token in zip(found, expected, strict=True):
        if token in FIXED:
            assert part.rstrip(MARKS) == token.rstrip(MARKS)
        else:
            assert part.rstrip(MARKS).lower() == token.lower()


def test_annotations_are_left_out_and_what_follows_them_stays(punctuator: Punctuator):
    (written,) = punctuate_lines(["[background noise] it cost 3.5%"], punctuator)
    assert written == "It cost 3.5%."


def test_a_compound_begins_a_sentence_with_a_capital(punctuator: Punctuator):
    (written,) = punctuate_lines(["well-known men came"], punctuator)
    assert written.startswith("Well-known")


def test_spelled_words_and_times_are_joined_whatever_the_network_thinks(punctuator: Punctuator):
    lines = ["my name is d a v i d", "at ten thirty a m the train left", "room one oh one"]
    first, second, third = punctuate_lines(lines, punctuator, numbers="digits")
    assert "DAVID" in first
    assert "10:30 a.m." in second
    assert "101" in third


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([*"abcimopus", "the", "man", "in"]), max_size=50))
def test_letters_that_are_spelled_are_written_alike(punctuator: Punctuator, words: list[str]):
    block = punctuator.settings.window.block
    written = [
        (len(word) == 1, form[0].isupper()) for word, form in zip(words, punctuator.punctuate(words), strict=True)
    ]
    for first in range(0, len(words), block):
        for is_letter, group in groupby(written[first : first + block], key=itemgetter(0)):
            cases = [is_upper for _, is_upper in group]
            if is_letter and len(cases) > 2:
                assert len(set(cases)) == 1


def test_a_word_of_one_letter_is_not_spelled(punctuator: Punctuator):
    (written,) = punctuate_lines(["he lives in the u s a and has a plan b a good one"], punctuator)
    assert "the U S A" in written
    assert "B A" not in written
