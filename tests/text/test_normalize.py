import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.config import NormalizerSettings
from asr.text.normalize import normalize

PLAIN = NormalizerSettings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Author of the\tdanger trail,\nPhilip Steels, etc. ", "author of the danger trail philip steels etc"),
        ("‘Tis the dogs’ “don’t”", "tis the dogs don't"),
        ("rock'n'roll ''quoted''", "rock'n'roll quoted"),
        ("twenty-one—then–again", "twenty one then again"),
        ("ﬁne ＡＢＣ\u00a0de\u0301ja\u0300", "fine abc déjà"),
        ("soft\u00adhyphen 🙂 ok", "softhyphen ok"),
        ("שלום־עולם, צה״ל ג׳ירפה", "שלום עולם צהל ג'ירפה"),
        ("שָׁלוֹם", unicodedata.normalize("NFC", "שָׁלוֹם")),
        ("Ещё Й", "ещё й"),
        ("हिन्दी में।", "हिन्दी में"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("col·lega", "col·lega"),
        ("...", ""),
        ("", ""),
    ],
)
def test_what_sounds_the_same_is_spelled_the_same(text, expected):
    assert normalize(text, PLAIN) == expected


def test_each_setting_can_be_turned_off():
    text = "“Hi”,  it’s 7!"
    assert normalize(text, NormalizerSettings(lowercase=False)) == "Hi it's 7"
    assert normalize(text, NormalizerSettings(strip_punctuation=False)) == "“hi”, it's 7!"


ANY_SETTINGS = st.builds(
    NormalizerSettings,
    lowercase=st.booleans(),
    strip_punctuation=st.booleans(),
    spell_out_numbers=st.sampled_from([None, "en", "de"]),
)
# Letters and marks of many scripts, beside what hypothesis likes best.
ANY_TEXT = st.text(max_size=20) | st.text("aB'’.-–$€5 17,\u0301\u200dאÉİßΣς٣ﬁ½²´\u00b7", max_size=20)


@given(text=ANY_TEXT, settings=ANY_SETTINGS)
def test_normalising_twice_changes_nothing_more(text, settings):
    once = normalize(text, settings)
    assert normalize(once, settings) == once


@given(text=ANY_TEXT)
def test_white_space_is_single_spaces_between_words(text):
    result = normalize(text, PLAIN)
    assert result == " ".join(result.split())


@given(text=st.text(st.characters(categories=["Ll", "Lo"]), max_size=20))
def test_no_letter_is_dropped(text):
    # NFKD may write a letter as several, never as fewer.
    assert len(unicodedata.normalize("NFKD", normalize(text, PLAIN)).replace(" ", "")) >= len(text.replace("ʼ", ""))
