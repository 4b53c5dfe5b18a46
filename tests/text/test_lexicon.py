from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import TextError
from asr.text.lexicon import Lexicon, read_lexicon


def test_a_file_gives_words_their_ways_and_ways_their_words_in_its_order(tmp_path: Path):
    path = tmp_path / "lexicon.txt"
    path.write_text("read\tR IY D\nread  R EH D\n\nred R EH D\nread R EH D\n", encoding="utf-8")
    lexicon = read_lexicon(path)
    assert lexicon.pronunciations == {"read": [("R", "IY", "D"), ("R", "EH", "D")], "red": [("R", "EH", "D")]}
    assert lexicon.words == {("R", "IY", "D"): ["read"], ("R", "EH", "D"): ["read", "red"]}
    assert lexicon.phones == ["D", "EH", "IY", "R"]
    assert lexicon.most_homophones == 2


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "ü"]), st.sampled_from([("X",), ("Y", "X")])), min_size=1))
def test_what_is_saved_is_read_again_with_words_that_sound_alike_in_their_order(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("lexicon") / "lexicon.txt"
    lexicon = Lexicon(entries)
    lexicon.save(path)
    again = read_lexicon(path)
    assert (again.pronunciations, again.words) == (lexicon.pronunciations, lexicon.words)


WORDS = st.text("ab日-\u00a0;)\ufeff", min_size=1, max_size=3)
PHONES = st.lists(st.sampled_from(["A", "AH0", "é", "eightlet", "nineteen9"]), min_size=1, max_size=3).map(tuple)


@given(st.lists(st.tuples(WORDS, PHONES), min_size=1))
def test_files_that_are_read_at_once_give_what_they_give_line_by_line(tmp_path_factory, entries):
    folder = tmp_path_factory.mktemp("lexicon")
    plain = "".join(f"{word}\t{' '.join(phones)}\n" for word, phones in entries)
    (folder / "plain.txt").write_text(plain, encoding="utf-8")
    (folder / "commented.txt").write_text(plain + ";;; which is read line by line\n", encoding="utf-8")
    results = []
    for name in ("plain.txt", "commented.txt"):
        try:
            lexicon = read_lexicon(folder / name)
            results.append((lexicon.entries, lexicon.phones, lexicon.most_homophones))
        except TextError as error:
            results.append(str(error).replace(name, ""))
    assert results[0] == results[1]


def test_thousands_of_phones_stay_distinct(tmp_path: Path):
    path = tmp_path / "lexicon.txt"
    entries = tuple((f"word{number}", (f"P{number}", "X")) for number in range(3000))
    Lexicon(entries).save(path)
    lexicon = read_lexicon(path)
    assert lexicon.entries == entries
    assert lexicon.phones == sorted(["X", *(f"P{number}" for number in range(3000))])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"red R EH D\nread\n", r"lexicon\.txt:2: 'read' has no phones; expected a word and its phones"),
        (b"\n", "lexicon.txt: the lexicon holds no word"),
        (b"r\xffd R", "not UTF-8 text"),
        (None, "cannot be read: No such file"),
    ],
)
def test_broken_files_are_named(content, message, tmp_path):
    path = tmp_path / "lexicon.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TextError, match=message):
        read_lexicon(path)
