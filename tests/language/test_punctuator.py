"""Punctuators: the same text whatever the pieces, words that stay what they were, folders on disk."""

import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import ModelError
from asr.language.punctuator import PunctuationStream, Punctuator, save_punctuator
from asr.language.written_words import (
    CAPITAL,
    CLOSING,
    FULL_STOP,
    LOWER,
    MARKS,
    ROWS_PER_WORD,
    UPPER,
    WordRows,
    find_case,
    write_word,
)
from asr.runtime.parameters import punctuator_shapes
from tests.language.punctuators import NETWORK, WORDS, make_settings, random_punctuator, random_weights

PUNCTUATOR = random_punctuator(precision="int8")
words = st.lists(st.sampled_from(WORDS) | st.text("abcxyz'éß", min_size=1, max_size=8), max_size=40)
silence = st.floats(0, 10) | st.just(float("nan"))


def cut(items: list, positions: list[int]) -> list[list]:
    bounds = [0, *sorted(min(position, len(items)) for position in positions), len(items)]
    return [items[first:last] for first, last in pairwise(bounds)]


@settings(deadline=None, max_examples=60)
@given(words, st.data())
def test_the_pieces_in_which_words_come_change_nothing(text: list[str], data: st.DataObject):
    silences = data.draw(st.lists(silence, min_size=len(text), max_size=len(text)))
    positions = data.draw(st.lists(st.integers(0, 40), max_size=8))
    expected = PUNCTUATOR.punctuate(text, silences)
    stream, written = PunctuationStream(PUNCTUATOR), []
    for piece, quiet in zip(cut(text, positions), cut(silences, positions), strict=True):
        written += stream.feed(piece, quiet)
    assert [one.text for one in written + stream.finish()] == expected


@settings(deadline=None, max_examples=40)
@given(words, words, st.lists(st.integers(0, 40), max_size=5))
def test_the_pieces_between_flushes_change_nothing(first: list[str], second: list[str], positions: list[int]):
    def write(pieces_of_first: list[list[str]], pieces_of_second: list[list[str]]) -> list[str]:
        stream, written = PunctuationStream(PUNCTUATOR), []
        for pieces, end in ((pieces_of_first, stream.flush), (pieces_of_second, stream.finish)):
            for piece in pieces:
                written += stream.feed(piece)
            written += end()
            assert not stream.pending
        return [one.text for one in written]

    assert write(cut(first, positions), cut(second, positions)) == write([first], [second])


@settings(deadline=None, max_examples=60)
@given(words)
def test_words_are_never_changed_lost_or_doubled(text: list[str]):
    written = PUNCTUATOR.punctuate(text)
    assert len(written) == len(text)
    for word, result in zip(text, written, strict=True):
        assert any(result.lower() == word.lower() + mark for mark in MARKS)


@settings(deadline=None, max_examples=60)
@given(words.filter(bool))
def test_a_text_begins_with_a_capital_and_ends_with_a_closing_mark(text: list[str]):
    decided = PUNCTUATOR.decide(text)
    assert decided.punctuation[-1] in CLOSING
    begins = np.append(True, decided.punctuation[:-1] == FULL_STOP)
    assert (decided.cases[begins] != LOWER).all()


def test_what_was_committed_came_with_its_look_ahead_and_no_sooner():
    stream = PunctuationStream(random_punctuator(left=5, block=4, right=3))
    assert stream.feed(["go"] * 6) == []
    assert len(stream.feed(["now"])) == 4  # a block of four, three words after it
    assert stream.pending == ["go", "go", "now"]
    assert len(stream.feed(["go"] * 4)) == 4
    assert len(stream.flush()) == 3
    assert stream.feed([]) == stream.flush() == []


def test_the_network_sees_the_window_and_nothing_else():
    punctuator = random_punctuator(left=5, block=4, right=3)
    seen = []

    class Spy:
        after_mark = punctuator.network.after_mark

        def run(self, rows, silences):
            seen.append(rows[:, 0].tolist())
            return punctuator.network.run(rows, silences)

    numbered = [WORDS[number % 12] for number in range(18)]
    spied = Punctuator(Spy(), punctuator.settings, WORDS[:12], [])
    spied.punctuate(numbered)
    rows = [1 + number % 12 for number in range(18)]
    assert seen == [rows[max(0, start - 5) : start + 7] for start in (0, 4, 8, 12, 16)]


def test_silences_matter_where_they_are_known():
    text, nan = WORDS * 2, float("nan")
    unknown = [one.text for one in _write(text, [nan] * len(text))]
    assert unknown == PUNCTUATOR.punctuate(text)
    assert unknown != [one.text for one in _write(text, [2.0] * len(text))]
    with pytest.raises(ValueError, match="1 silences for 2 words"):
        PunctuationStream(PUNCTUATOR).feed(["a", "b"], [0.1])


def _write(text: list[str], silences: list[float]):
    stream = PunctuationStream(PUNCTUATOR)
    return stream.feed(text, silences) + stream.finish()


def test_a_folder_holds_the_whole_punctuator(tmp_path: Path):
    save_punctuator(random_weights(), make_settings(), WORDS[:12], ["I", "McDonald"], tmp_path)
    loaded = Punctuator.load(tmp_path)
    expected = Punctuator(loaded.network, make_settings(), WORDS[:12], ["I", "McDonald"])
    assert loaded.settings == make_settings()
    assert loaded.punctuate(WORDS * 3) == expected.punctuate(WORDS * 3)
    assert loaded.punctuate(["i", "mcdonald"])[0].startswith("I")
    assert pickle.loads(pickle.dumps(loaded)).punctuate(WORDS) == loaded.punctuate(WORDS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.yaml", "network: {num_words: 3}\n", "allows 3"),
        ("config.yaml", "network: {num_birds: 3}\n", "not a usable punctuator"),
        ("words.txt", None, "words.txt: cannot be read"),
        ("model.safetensors", "", "model.safetensors: cannot be read"),
    ],
)
def test_a_broken_folder_is_named(tmp_path: Path, name: str, content: str | None, message: str):
    save_punctuator(random_weights(), make_settings(), WORDS[:12], [], tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=message):
        Punctuator.load(tmp_path)


def test_weights_of_another_size_do_not_fit(tmp_path: Path):
    save_punctuator(random_weights(), make_settings(), [], [], tmp_path)
    bigger = make_settings().model_copy(update={"network": NETWORK.model_copy(update={"hidden_size": 9})})
    bigger.save(tmp_path / "config.yaml")
    with pytest.raises(ModelError, match="does not fit"):
        Punctuator.load(tmp_path)


@pytest.mark.parametrize(
    ("word", "case", "written"),
    [
        ("coat", LOWER, "coat"),
        ("coat", CAPITAL, "Coat"),
        ("coat", UPPER, "COAT"),
        ("'tis", CAPITAL, "'Tis"),
        ("élan", CAPITAL, "Élan"),
        ("ßtraße", CAPITAL, "ßtraße"),  # it would become two letters
        ("i", LOWER, "I"),
        ("iphone", CAPITAL, "iPhone"),
        ("42", CAPITAL, "42"),
        ("", CAPITAL, ""),
    ],
)
def test_words_are_written_with_their_capitals(word: str, case: int, written: str):
    assert write_word(word, case, {"i": "I", "iphone": "iPhone"}) == written


def test_turkish_has_two_kinds_of_i():
    assert write_word("istanbul", CAPITAL, {}, "tr") == "İstanbul"
    assert write_word("ısparta", CAPITAL, {}, "tr") == "Isparta"


@given(st.text("abcdé'", min_size=1, max_size=6), st.sampled_from([LOWER, CAPITAL, UPPER]))
def test_the_case_is_found_in_what_was_written(word: str, case: int):
    written = write_word(word, case, {})
    found = find_case(word, written)
    assert write_word(word, found, {}) == written


def test_every_word_has_its_own_row_or_that_of_rare_words_and_those_of_its_pieces():
    rows = WordRows(["coat", "boat"], num_words=4, num_pieces=1000)
    assert [rows("coat")[0], rows("boat")[0], rows("goat")[0]] == [1, 2, 0]
    coat, goat = rows("coat"), rows("goat")
    assert len(coat) == ROWS_PER_WORD
    assert coat[1:3] == goat[1:3]  # -at, -oat
    assert coat[3:] != goat[3:]  # the whole word, and co-
    assert rows("coaching")[4] == rows("coaxed")[4]  # coa-
    assert all(5 <= row < 1005 for row in coat[1:])


def test_shapes_name_all_weights():
    assert set(random_weights()) == set(punctuator_shapes(NETWORK))
