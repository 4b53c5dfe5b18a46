from asr.language.g2p import G2P, align_letters
from asr.text.lexicon import Lexicon

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
    g2p = G2P(regular_lexicon())
    for word, parts in {"boxboxdash": ("box", "box", "dash"), "shod": ("shod",), "sadob": None}.items():
        expected = tuple(phone for part in parts for phone in SYLLABLES[part]) if parts else ("S", "AE", "D", "AA", "B")
        assert g2p.guess(word) == expected
    assert g2p.guess("quiz") is None
    assert g2p.guess("") is None
