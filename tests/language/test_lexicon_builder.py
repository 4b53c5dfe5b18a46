"""Lexicons of a text's words, from a dictionary, by guess and on top of another lexicon."""

import pytest

from asr.config import NormalizerSettings
from asr.errors import TextError
from asr.language.lexicon_builder import build_lexicon
from asr.text.lexicon import MOST_HOMOPHONES, read_lexicon
from asr.text.phones import PhoneTokenizer
from tests.language.test_g2p import regular_lexicon


def test_a_lexicon_is_made_of_a_dictionary_and_of_guesses(tmp_path):
    dictionary, text, output = tmp_path / "some.dict", tmp_path / "text.txt", tmp_path / "lexicon.txt"
    lines = [f"{word} {' '.join(ways[0])}" for word, ways in regular_lexicon().pronunciations.items()]
    dictionary.write_text("\n".join([*lines, "bad(2) B AA1 D # as some say"]), encoding="utf-8")
    text.write_text("Sax, box!\nbad sax dobdob dobdob once\n", encoding="utf-8")
    report = build_lexicon(dictionary, [text], output, least=1, normalizer=NormalizerSettings())
    assert report == (4, ["dobdob"], ["once"])  # which has letters that no word has
    ways = read_lexicon(output).pronunciations
    assert list(ways) == ["dobdob", "sax", "bad", "box"]
    assert ways["bad"] == [("B", "AE", "D"), ("B", "AA", "D")]
    assert ways["dobdob"] == [("D", "AA", "B", "D", "AA", "B")]
    with pytest.raises(TextError, match="no word occurs 3 times"):
        build_lexicon(dictionary, [text], output, least=3, normalizer=NormalizerSettings())


def test_of_too_many_words_that_sound_alike_the_rarest_are_left_out(tmp_path):
    dictionary, text, output = tmp_path / "some.dict", tmp_path / "text.txt", tmp_path / "lexicon.txt"
    words = [f"w{'o' * number}" for number in range(1, MOST_HOMOPHONES + 3)]
    dictionary.write_text("".join(f"{word} W OW\n" for word in words), encoding="utf-8")
    text.write_text(" ".join(" ".join(words[number:]) for number in range(len(words))), encoding="utf-8")
    build_lexicon(dictionary, [text], output, least=1, normalizer=None)
    assert list(read_lexicon(output).pronunciations) == words[:1:-1]


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_a_base_keeps_its_entries_and_gets_the_words_that_it_lacks(tmp_path):
    base, dictionary, text, output = (tmp_path / name for name in ("base", "some.dict", "text.txt", "lexicon.txt"))
    base.write_text("box\tB AA K S\nsax\tS AE K S\nbox\tB AA1 K S\nrare\tD AA\n", encoding="utf-8")
    regular_lexicon().save(dictionary)
    text.write_text("dash dash sax dash\ndobdob dobdob\nonce bad\n", encoding="utf-8")
    report = build_lexicon(dictionary, [text], output, base=base)
    # The base as it was, then new words by falling frequency.
    assert lines_of(output) == [*lines_of(base), "dash\tD AE SH", "dobdob\tD AA B D AA B", "bad\tB AE D"]
    assert report == (6, ["dobdob"], ["once"])
    report = build_lexicon(dictionary, [text], output, least=3, base=base)
    assert lines_of(output) == [*lines_of(base), "dash\tD AE SH"]
    assert (report.num_words, report.left_out) == (4, [])
    report = build_lexicon(dictionary, [text], output, least=99, base=base)
    assert lines_of(output) == lines_of(base)


def test_a_base_is_its_own_dictionary_and_may_be_extended_in_place(tmp_path):
    base, text = tmp_path / "lexicon.txt", tmp_path / "text.txt"
    regular_lexicon().save(base)
    before = lines_of(base)
    text.write_text("bad shod\n", encoding="utf-8")
    assert build_lexicon(base, [f"{text}:3"], base, least=3, base=base).guessed == []
    text.write_text("bad boxboxdash\n", encoding="utf-8")
    assert build_lexicon(base, [f"{text}:3"], base, least=3, base=base).guessed == ["boxboxdash"]
    assert lines_of(base) == [*before, "boxboxdash\tB AA K S B AA K S D AE SH"]


def test_no_word_is_added_that_a_bases_model_could_not_distinguish_from_its_homophones(tmp_path):
    base, dictionary, text, output = (tmp_path / name for name in ("base", "some.dict", "text.txt", "lexicon.txt"))
    base.write_text("red R EH D\nread R EH D\nbad B AE D\n", encoding="utf-8")  # two homophones at most
    dictionary.write_text("redd R EH D\nbadd B AE D\nbadde B AE D\nbed B EH D\n", encoding="utf-8")
    text.write_text("redd redd redd badd badd badde bed bed\n", encoding="utf-8")
    report = build_lexicon(dictionary, [text], output, base=base)
    assert set(report.left_out) == {"redd", "badde"}
    extended = read_lexicon(output)
    assert extended.words[("R", "EH", "D")] == ["red", "read"]
    assert extended.words[("B", "AE", "D")] == ["bad", "badd"]
    # The tokens of the base's words, and their number of word ends, do not change.
    before, after = PhoneTokenizer(read_lexicon(base)), PhoneTokenizer(extended)
    assert before.symbols == after.symbols
    assert all(before.encode(word) == after.encode(word) for word in ("red", "read", "bad"))
