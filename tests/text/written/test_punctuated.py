"""Numbers in punctuated text: no mark of a sentence is lost, and no number goes on past one."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asr.text.written.punctuated import _find_inseparable, apply_marks, write_punctuated
from asr.text.written.vocabulary import DIGITS, REPEATS
from asr.text.written.window import Written
from asr.text.written.write import write_numbers
from tests.text.written.test_write import WORDS

MARKS = ["", "", "", ",", ".", "?", " –"]


@settings(deadline=None)
@given(WORDS, st.randoms(use_true_random=False))
def test_marks_are_put_on_groups_and_nothing_is_lost(words: list[str], random):
    groups = write_numbers(words)
    assert apply_marks(groups, words, words) == [group.text for group in groups]
    punctuated = [word + random.choice(["", ",", ".", "?"]) for word in words]
    for text, group in zip(apply_marks(groups, words, punctuated), groups, strict=True):
        ending = punctuated[group.end - 1][len(words[group.end - 1]) :]
        assert text.endswith(ending)
        assert text.rstrip(",.?") == group.text.rstrip(",.?")


def test_marks_come_from_the_last_word():
    said = "i came at three thirty p m on may third twenty twenty with twenty five dollars no"
    marked = "I came at three thirty p m, on May third, twenty twenty. With twenty five dollars? No."
    words, punctuated = said.split(), marked.split()
    texts = apply_marks(write_numbers(words), words, punctuated)
    assert " ".join(texts) == "I came at 3:30 p.m., on May 3, 2020. With $25? No."
    words, punctuated = ["at", "two", "p", "m"], ["At", "two", "p", "m."]
    assert apply_marks(write_numbers(words), words, punctuated) == ["At", "2", "p.m."]


@settings(deadline=None)
@given(WORDS, st.randoms(use_true_random=False))
def test_numbers_end_with_their_sentence(words: list[str], random):
    marks = [random.choice(MARKS) for _ in words]
    groups = write_punctuated(words, [word + mark for word, mark in zip(words, marks, strict=True)])
    assert [index for group in groups for index in range(group.start, group.end)] == list(range(len(words)))
    for group in groups:
        members = {word.lower() for word in words[group.start : group.end]}
        spelled = {"a", "p", "m", "oh", "percent", "celsius", "fahrenheit"} & members
        spelled |= {word for word in members if len(word) == 1}
        if not spelled and not members <= {*DIGITS, *REPEATS}:
            assert not {".", "?"} & set(marks[group.start : group.end - 1])
        if not any(after.text.startswith(("a.m.", "p.m.")) for after in groups if after.start == group.end):
            assert group.text.endswith(marks[group.end - 1])


@settings(deadline=None)
@given(st.lists(WORDS, max_size=4))
def test_sentences_are_written_by_themselves(sentences: list[list[str]]):
    punctuated = [[*words[:-1], f"{words[-1]}."] for words in sentences if words]
    words = [word for words in sentences for word in words]
    assume(not _find_inseparable(words))  # d a v. I d
    together = write_punctuated(words, [word for words in punctuated for word in words])
    apart = [write_punctuated([*words[:-1], words[-1][:-1]], words) for words in punctuated]
    assert [group.text for group in together] == [group.text for groups in apart for group in groups]


@settings(deadline=None)
@given(WORDS)
def test_text_without_marks_is_written_as_its_words_are(words: list[str]):
    assert write_punctuated(words, words) == write_numbers(words)


@pytest.mark.parametrize(
    ("punctuated", "written"),
    [
        ("he had twenty. Five were old.", "he had 20. Five were old."),
        ("he had twenty? Five hundred men.", "he had 20? 500 men."),
        ("in nineteen ninety, five men came", "in 1990, five men came"),
        ("one hundred, and five of them", "100, and five of them"),
        ("one thousand, two hundred men", "1,200 men"),
        ("two million, fifty thousand", "2,050,000"),
        ("on may third, twenty twenty, he came", "on May 3, 2020, he came"),
        ("call five five five, one two three four.", "call 555-1234."),
        ("five dollars, fifty cents", "$5.50"),
        ("in the u. Said he", "in the u. Said he"),
        ("at ten thirty. A. M the train left.", "at 10:30 a.m. the train left."),
        ("room one. Oh, one!", "room 101!"),
        ("my name is d a v. I d.", "my name is DAVID."),
        ("r e. Y k j a v. I k", "REYKJAVIK"),
        ("minus five degrees. Celsius.", "-5 °C."),
        ("call five five five. One two three four.", "call 555-1234."),
        ("he had five. One two three.", "he had five. One two three."),
    ],
)
def test_marks_within_numbers(punctuated: str, written: str):
    words = [word.strip(",.?!").lower() for word in punctuated.split()]
    assert " ".join(group.text for group in write_punctuated(words, punctuated.split())) == written


def test_words_and_punctuated_words_must_be_equally_many():
    with pytest.raises(ValueError, match="2 words, 1 punctuated words"):
        write_punctuated(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="1 words in groups"):
        apply_marks([Written("a", 0, 1)], ["a", "b"], ["a", "b"])
