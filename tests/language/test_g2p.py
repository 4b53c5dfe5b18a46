import pytest

from asr.config import NormalizerSettings
from asr.errors import TextError
from asr.language.g2p import G2P, align_letters
from asr.language.lexicon_builder import MOST_ALIKE, build_lexicon
from asr.text.lexicon import Lexicon, read_lexicon

# A language of regular spelling, but for "x", "sh" and the silent "e".
SOUNDS = {"b": ("B",), "d": ("D",), "s": ("S",), "x": ("K", "S"), "a": ("AE",), "o": ("AA",), "sh": ("SH",)}
PARTS = [("b", "a", "d"), ("d", "o", "b"), ("s", "a", "x"), ("b", "o", "x"), ("d", "a", "sh"), ("sh", "o", "d")]
SYLLABLES = {"".join(part): tuple(phone for unit in part for phone in SOUNDS[unit]) for part in PARTS}


def regular_lexicon():
    words = {one + two: SYLLABLES[one] + SYLLABLES[two] for one in SYLLABLES for two in SYLLABLES if one != two}
    return Lexicon([*words.items(), *SYLLABLES.items()])


def test_letters_are_aligned_with_the_phones_that_they_stand_for():
    pairs = dict(zip(regular_lexicon().pronunciations, align_letters(regular_lexicon()), strict=True))
    single = [(letter, SOUNDS[letter]) for letter in "badsa"]
    assert pairs["badsax"] == [*single, ("x", ("K", "S"))]
    for word, pair in pairs.items():
        assert "".join(letter for letter, _ in pair) == word
        assert tuple(phone for _, phones in pair for phone in phones) == regular_lexicon().pronunciations[word][0]


def test_a_word_that_the_lexicon_lacks_is_spoken_as_its_parts_are():
    pronouncer = G2P(regular_lexicon())
    for word, parts in {"boxboxdash": ("box", "box", "dash"), "shod": ("shod",), "sadob": None}.items():
        expected = tuple(phone for part in parts for phone in SYLLABLES[part]) if parts else ("S", "AE", "D", "AA", "B")
        assert pronouncer.guess(word) == expected
    assert pronouncer.guess("quiz") is None
    assert pronouncer.guess("") is None


def test_a_lexicon_is_made_of_a_dictionary_and_of_guesses(tmp_path):
    dictionary, text, output = tmp_path / "some.dict", tmp_path / "text.txt", tmp_path / "lexicon.txt"
    lines = [f"{word} {' '.join(ways[0])}" for word, ways in regular_lexicon().pronunciations.items()]
    dictionary.write_text("\n".join([*lines, "bad(2) B AA1 D # as some say"]), encoding="utf-8")
    text.write_text("Sax, box!\nbad sax dobdob dobdob once\n", encoding="utf-8")
    made = build_lexicon(dictionary, [text], output, least=1, normalizer=NormalizerSettings())
    assert made == (4, ["dobdob"], ["once"])  # which has letters that no word has
    ways = read_lexicon(output).pronunciations
    assert list(ways) == ["dobdob", "sax", "bad", "box"]
    assert ways["bad"] == [("B", "AE", "D"), ("B", "AA", "D")]
    assert ways["dobdob"] == [("D", "AA", "B", "D", "AA", "B")]
    with pytest.raises(TextError, match="no word occurs 3 times"):
        build_lexicon(dictionary, [text], output, least=3, normalizer=NormalizerSettings())


def test_of_too_many_words_that_sound_alike_the_rarest_are_left_out(tmp_path):
    dictionary, text, output = tmp_path / "some.dict", tmp_path / "text.txt", tmp_path / "lexicon.txt"
    words = [f"w{'o' * number}" for number in range(1, MOST_ALIKE + 3)]
    dictionary.write_text("".join(f"{word} W OW\n" for word in words), encoding="utf-8")
    text.write_text(" ".join(" ".join(words[number:]) for number in range(len(words))), encoding="utf-8")
    build_lexicon(dictionary, [text], output, least=1, normalizer=None)
    assert list(read_lexicon(output).pronunciations) == words[:1:-1]
