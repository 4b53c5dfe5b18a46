"""Printed text as words with marks and cases: words as the normaliser makes them, marks where they stand."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import NormalizerSettings
from asr.errors import TextError
from asr.language.punctuated_text import UNKNOWN_CASE, label_lines, read_punctuated_text
from asr.language.written_words import CAPITAL, LOWER, MARKS, UPPER
from asr.text.normalize import normalize

PLAIN, ENGLISH = NormalizerSettings(), NormalizerSettings(spell_out_numbers="en")
MR = ["Mr. Hill."] + ["Mr. Hill came."] * 30  # teaches that "Mr." is an abbreviation
_CASES = {LOWER: "", CAPITAL: "^", UPPER: "^^", UNKNOWN_CASE: "~"}


def label(*lines: str, numbers: bool = True) -> str:
    """Each word with its mark, and before it ^ for a capital, ^^ for all capitals, ~ if its case is not known."""
    text = label_lines([*MR, *lines], ENGLISH if numbers else PLAIN)
    written = [
        f"{_CASES[case]}{text.vocabulary[word]}{MARKS[mark].strip()}"
        for word, mark, case in zip(text.words, text.punctuation, text.cases, strict=True)
    ]
    first = len([word for line in MR for word in line.split()])
    return " ".join(written[first:])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("She is here. Are you?", "^she is here. ^are you?"),
        ("No; yes: go!", "^no; yes: go!"),
        ('"Well," he said, "I know."', "^well, he said, ~i know."),
        ('He said, "What now?"', "^he said, ~what now?"),  # a capital that only the quotation mark explains
        ("He said: “What now?”", "^he said: ~what now?"),
        ('"What is it?" he asked.', "^what is it? he asked."),
        ("well-known (as I know) facts.", "well known as ^i know facts."),
        ("Go—now -- or never – he said.", "^go– now– or never– he said."),
        ("Stop!—he cried.", "^stop! he cried."),
        ("Wait... The end.", "^wait. ^the end."),
        ("Wait … then go.", "^wait, then go."),
        ("Mr. Hill and Mr. Ford left.", "^mr ^hill and ^mr ^ford left."),
        ("We met Mr.", "^we met ^mr."),
        ("J. R. Smith left.", "^j ^r ^smith left."),
        ("In 1984, 25 men came.", "^in nineteen eighty four, twenty five men came."),
        ("It cost $2 million. Why?", "^it cost two million dollars. ^why?"),
        ("At 10:30 a.m. we left.", "^at ten thirty a m we left."),
        ("We left at 10 a.m. He stayed.", "^we left at ten a m. ^he stayed."),
        ("NATO and the BBC don't know McDonald.", "^^nato and the ^^bbc don't know ^mcdonald."),
        ("About 50%, I think.", "^about fifty percent, ^i think."),
        ("'Tis so, 'I know.'", "^tis so, ~i know."),
    ],
)
def test_marks_and_cases_follow_the_words(line: str, expected: str):
    assert label(line) == expected


def test_digits_stay_if_numbers_are_not_spelled_out():
    assert label("In 1984, 25 men came.", numbers=False) == "^in 1984, 25 men came."


def test_a_line_whose_words_are_uncertain_is_left_out():
    text = label_lines(["One [background noise] two.", "Three."], PLAIN)
    assert (text.vocabulary[text.words[-1]], text.left_out) == ("three", 1)
    assert len(text.words) == 1


_TOKENS = ["go", "I", "don't", '"No,"', "yes.", "(so)", "Mr.", "1984", "$5", "million", "10:30", "a.m.", "—", "a—b"]
_TOKENS += [
    "well-known",
    "3.5%",
    "25",
    "½",
    "...",
    "é",
    "U.S.",
    "O'Brien,",
    "'tis",
    "Straße",
    "[noise]",
    "1st",
    "2,000",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(_TOKENS) | st.text("ab'’.-,!? 1\"", max_size=6), max_size=12))
def test_words_are_those_of_the_normaliser(tokens: list[str]):
    line = " ".join(" ".join(tokens).split())  # to the normaliser "1  ½" are two numbers
    text = label_lines([line], ENGLISH)
    assert len(text.words) == len(text.punctuation) == len(text.cases)
    if not text.left_out:
        assert [text.vocabulary[word] for word in text.words] == normalize(line, ENGLISH).split()


def test_most_lines_with_numbers_are_kept():
    lines = [
        "It cost $2 million.",
        "On 3rd May 1984, at 10:30 p.m., 1,200 men.",
        "A 3/4 share; 50 % of it.",
        "Call 0171.",
    ]
    assert label_lines(lines, ENGLISH).left_out == 0


def test_spellings_are_learned_from_words_that_always_have_them():
    lines = ["My iPhone and I know the USA.", "An iPhone for London, it says.", "iPhone users stop in London."]
    lines += ["Please STOP it.", "Well, we met in London, not in london."] + ["Then he came to Paris with may."] * 150
    text = label_lines(lines * 5, PLAIN)
    assert text.find_spellings() == ["Paris", "iPhone"]  # the others are too rare, or not always so


def test_speakers_of_plays_and_headlines_are_no_spellings():
    play = ["MASHA. Why do you ask?", "MEDVIEDENKO. I saw it on TV.", "ENTER MASHA, AND A DOCTOR FROM NATO.", "Well!"]
    text = label_lines([*play, "He went to NATO, and the TV was on."] * 10, PLAIN)
    assert text.find_spellings() == ["NATO", "TV"]


def test_frequent_words_come_first():
    text = label_lines(["b a b c b a."], PLAIN)
    assert text.frequent_words(5) == ["b", "a"]  # one that occurs once is a rare word
    assert text.frequent_words(1) == ["b"]


def test_files_are_read_as_one_text_and_may_count_several_times(tmp_path: Path):
    (tmp_path / "one.txt").write_text("Go.\n\nNow?\n")
    text = read_punctuated_text([f"{tmp_path}/one.txt:2"], PLAIN)
    assert [text.vocabulary[word] for word in text.words] == ["go", "now"] * 2
    (tmp_path / "none.txt").write_text("...\n")
    with pytest.raises(TextError, match="there is no text"):
        read_punctuated_text([tmp_path / "none.txt"], PLAIN)
