import pytest

from asr.text.written.write import write_numbers
from tests.text.written.cases import read_cases


def write(words: str) -> str:
    return " ".join(group.text for group in write_numbers(words.split()))


@pytest.mark.parametrize(("words", "written"), [case[1:] for case in read_cases()])
def test_words_are_written_as_people_write_them(words: str, written: str):
    assert write(words) == written


def test_there_are_many_cases_and_each_once():
    words = [words for _, words, _ in read_cases()]
    assert len(words) >= 250
    assert len(set(words)) == len(words)
