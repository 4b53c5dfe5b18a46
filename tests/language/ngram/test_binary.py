"""The binary form, whole and broken."""

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import ModelError
from asr.language.load import load_ngram
from asr.language.ngram import binary
from asr.language.ngram import model as ngram
from asr.language.ngram.binary import is_binary, read_binary, write_binary
from asr.language.ngram.model import NgramModel, NgramTables
from tests.language.ngram.ngram_models import random_model, random_sentences
from tests.language.ngram.test_model import hand_made, table


@pytest.fixture
def path(tmp_path):
    write_binary(NgramModel.from_tables(hand_made()), tmp_path / "lm.bin")
    return tmp_path / "lm.bin"


def test_arrays_are_mapped_not_copied(path):
    model = read_binary(path)
    assert is_binary(path)
    assert all(not array.flags.owndata and array.flags.aligned and array.flags.writeable for array in model.automaton)


def test_compact_files_are_smaller_and_say_nearly_the_same(tmp_path):
    model = random_model(1, order=4, words="abcdef", count=500)
    for name, compact in (("whole.bin", False), ("compact.bin", True)):
        write_binary(model, tmp_path / name, compact=compact)
    assert (tmp_path / "compact.bin").stat().st_size < 0.75 * (tmp_path / "whole.bin").stat().st_size
    read = read_binary(tmp_path / "compact.bin")
    for mine, its in zip(model.to_tables().orders, read.to_tables().orders, strict=True):
        assert (mine.ngrams == its.ngrams).all()
        assert its.scores * math.log(10) == pytest.approx(mine.scores * math.log(10), rel=2**-11)
    for sentence in random_sentences(2, words="abcdefg"):
        assert read.score_sentence(sentence) == pytest.approx(model.score_sentence(sentence), abs=0.02)


def test_compact_files_hold_any_number_of_words(tmp_path):
    words = ["<unk>", "<s>", "</s>", *(f"w{number}" for number in range(70_000))]
    unigrams = table([([number], -5.0, 0) for number in range(len(words))])
    bigrams = table([([3, len(words) - 1], -0.5, 0)])
    write_binary(NgramModel.from_tables(NgramTables(words, [unigrams, bigrams])), tmp_path / "lm.bin", compact=True)
    assert read_binary(tmp_path / "lm.bin").score_sentence(["w0", "w69999"])[1] == pytest.approx(
        -0.5 * math.log(10), rel=1e-3
    )


def test_longer_contexts_that_nothing_continues_take_no_room():
    automaton = NgramModel.from_tables(hand_made()).automaton
    # The empty context, five words, "<s> a", "a b"; "b </s>" and the trigrams lead to what is shorter.
    assert len(automaton.backoff) == 8


@pytest.mark.parametrize("kept", [9, 40, 500, -1])
def test_truncated_files_are_refused(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"broken|cut short"):
        load_ngram(path)


def test_a_changed_header_is_refused(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"version": 2', b'"version": 9', 1))
    with pytest.raises(ModelError, match="version 9 of the format; this program reads up to 2"):
        load_ngram(path)
    path.write_bytes(content.replace(b'"<i4"', b'",i4"', 1))
    with pytest.raises(ModelError, match="broken"):
        load_ngram(path)
    path.write_bytes(content.replace(b'"suffix"', b'"surfix"', 1))
    with pytest.raises(ModelError, match="broken"):
        load_ngram(path)


def test_files_of_the_first_version_are_read(path, monkeypatch):
    content = path.read_bytes()
    monkeypatch.setattr(binary, "_VERSION", 1)
    monkeypatch.setattr(binary, "_DTYPES", binary._VERSION_1)
    monkeypatch.setattr(ngram, "_drop_idle_states", lambda automaton, num_words: automaton)
    write_binary(NgramModel.from_tables(hand_made()), path)
    assert b'"version": 1' in path.read_bytes() != content
    monkeypatch.undo()
    expected = NgramModel.from_tables(hand_made())
    for sentence in (["a", "b"], ["b", "a", "b"], ["x"]):
        assert load_ngram(path).score_sentence(sentence).tolist() == expected.score_sentence(sentence).tolist()


def test_arcs_that_bisection_would_not_find_are_refused(path):
    model = random_model(1)
    first = int(model.automaton.first_arc[np.argmax(np.diff(model.automaton.first_arc))])
    model.automaton.arc_words[first : first + 2] = model.automaton.arc_words[first : first + 2][::-1].copy()
    write_binary(model, path)
    with pytest.raises(ModelError, match=r"lm\.bin: broken: its arrays do not fit together"):
        load_ngram(path)


def ask_everything(model):
    """Let compiled code walk from every state over every word."""
    for state in range(len(model.automaton.backoff)):
        for word in model.words:
            score, after = model.score(state, word)
            assert score < 1e6
            assert 0 <= after < len(model.automaton.backoff)
    model.to_tables()


@given(
    position=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    more=st.binary(max_size=12),
    compact=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_no_broken_byte_leads_out_of_bounds(tmp_path_factory, position, bit, more, compact):
    path = tmp_path_factory.mktemp("lm") / "lm.bin"
    write_binary(NgramModel.from_tables(hand_made()), path, compact=compact)
    content = bytearray(path.read_bytes())
    index = int(position * len(content))
    content[index] ^= 1 << bit
    content[index + 1 : index + 1 + len(more)] = more[: len(content) - index - 1]
    path.write_bytes(content)
    with contextlib.suppress(ModelError):  # or what was changed is text, or a score that may be
        ask_everything(load_ngram(path))


@pytest.mark.parametrize(
    ("name", "index", "value"),
    [
        ("first_arc", 2, 10**9),
        ("first_arc", 0, -1),
        ("first_arc", 1, 5),
        ("suffix", 7, 7),
        ("suffix", 7, -1),
        ("arc_states", 0, 10**6),
        ("arc_states", 0, 7),
        ("arc_words", 1, -3),
        ("word_scores", 1, math.nan),
        ("arc_scores", 0, 0.5),
        ("backoff", 3, math.inf),
    ],
)
def test_values_that_compiled_code_could_not_stand_are_refused(path, name, index, value):
    model = NgramModel.from_tables(hand_made())
    broken = getattr(model.automaton, name).copy()
    broken[index] = value
    model.automaton = model.automaton._replace(**{name: broken})
    write_binary(model, path)
    with pytest.raises(ModelError, match=r"lm\.bin: broken: its arrays do not fit together"):
        load_ngram(path)
