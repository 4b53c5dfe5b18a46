import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asr.config import NormalizerSettings
from asr.errors import TextError
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


@pytest.mark.parametrize(
    ("spellings", "language", "expected"),
    [
        (["İSTANBUL", "İstanbul", "istanbul", "i\u0307stanbul", "I\u0307STANBUL"], None, "istanbul"),
        (["ISPARTA", "Isparta", "ısparta"], "tr", "ısparta"),
        (["ΟΔΟΣ", "οδος", "οδοσ", "ΟΔΟΣ."], None, "οδος"),
        (["ΣΟΦΟΣ.ΣΟΦΟΣ", "σοφος σοφος"], None, "σοφος σοφος"),
        (["Straße", "STRAẞE"], "de", "straße"),
        (["Ě", "E\u030c", "e\u030c"], None, "ě"),
        (["q\u0323\u0307", "q\u0307\u0323"], None, "q\u0323\u0307"),
        (["كتاب", "كتـــاب"], None, "كتاب"),
        (["كي", "کی"], "fa", "کی"),
        (["și", "şi", "ŞI"], "ro", "și"),
        (["അവൻ", "അവന്\u200d"], None, "അവൻ"),
        (["می\u200cخواهم", "می\u200c\u200cخواهم\u200c"], None, "می\u200cخواهم"),
        (["auflage", "auf\u200clage", "auf\u200dlage", "auf\u00adlage", "a\u034fuflage"], None, "auflage"),
        (["foobar", "foo\u200bbar", "foo\ufeffbar", "foo\u2060bar"], None, "foobar"),
        (["สวัสดี ครับ", "สวัสดี\u200bครับ", "สวัสดี\u200b\u200bครับ\u200b"], None, "สวัสดี ครับ"),
        (["ထမင်း စား", "ထမင်း\u200bစား"], None, "ထမင်း စား"),
        (["สวัสดี", "สวัส\u200dดี", "สวัส\u200cดี\u200d", "\ufeffสวัสดี"], None, "สวัสดี"),
        (["東京", "東\u200d京", "東\ufe00京", "東\U000e0100京"], None, "東京"),
    ],
)
def test_a_word_has_one_spelling(spellings, language, expected):
    settings = NormalizerSettings(language=language)
    assert {normalize(spelling, settings) for spelling in spellings} == {expected}


@pytest.mark.parametrize(
    ("text", "dropped", "kept"),
    [
        ("[noise] hello <unk> there (laughter)", "hello there", "noise hello unk there laughter"),
        (
            "[background noise] {breath} yes ((unintelligible)) *cough*",
            "yes",
            "background noise breath yes unintelligible cough",
        ),
        ("<noise/>yes</noise> <spoken_noise> [LAUGHTER]", "yes", "noise yes noise spoken noise laughter"),
        ("［noise］ yes", "yes", "noise yes"),
        ("the <gate> stood (quietly) open [the king]", "the gate stood quietly open the king", None),
        ("music and laughter", "music and laughter", None),
        ("<s> yes </s> <b>so</b><br/>", "yes so", "s yes s b so b br"),
        ("[MUSIC PLAYING] a [s]", "a s", "music playing a s"),
        ("(foreign) [foreign]", "foreign", "foreign foreign"),
    ],
)
def test_annotations_are_dropped_or_kept(text, dropped, kept):
    assert normalize(text, PLAIN) == dropped
    assert normalize(text, NormalizerSettings(annotations="keep")) == (kept or dropped)


def test_annotations_may_be_refused_and_named():
    settings = NormalizerSettings(annotations="error", extra_annotations=["bell"])
    with pytest.raises(TextError, match=r"annotations: \[noise\], <Bell>; remove them, or set normalizer\.annotations"):
        normalize("[noise] the <Bell> [noise]", settings)
    assert normalize("no such thing", settings) == "no such thing"
    assert normalize("the <bell>", NormalizerSettings(extra_annotations=["bell"])) == "the"


def test_each_setting_can_be_turned_off():
    text = "“Hi”,  it’s 7!"
    assert normalize(text, NormalizerSettings(lowercase=False)) == "Hi it's 7"
    assert normalize(text, NormalizerSettings(strip_punctuation=False)) == "“hi”, it's 7!"


ANY_SETTINGS = st.builds(
    NormalizerSettings,
    lowercase=st.booleans(),
    strip_punctuation=st.booleans(),
    spell_out_numbers=st.sampled_from([None, "en", "de", "fr", "ja"]),
    language=st.sampled_from([None, "tr", "fa", "ro"]),
)
# Letters and marks of many scripts, beside what hypothesis likes best.
ANY_TEXT = st.text(max_size=20) | st.text(
    "aB'’.-–$€5 17,:/\u0301\u0307\u200b\u200c\u200dאÉİIßΣς٣ﬁ½²´\u00b7ثन्ั", max_size=20
)
ANY_TEXT |= st.text("[]<>()*{} noise'1", max_size=30)


@example(text="/¼", settings=NormalizerSettings(spell_out_numbers="en"))
@example(text="\u012e\u0307", settings=NormalizerSettings())
@example(text="\u0610\u200c\u0660", settings=NormalizerSettings(spell_out_numbers="en", strip_punctuation=False))
@example(text="\u06f2\u06f0\u200c\u0633\u0627\u0644\u0647", settings=NormalizerSettings(spell_out_numbers="en"))
@given(text=ANY_TEXT, settings=ANY_SETTINGS)
def test_normalising_twice_changes_nothing_more(text, settings):
    once = normalize(text, settings)
    assert normalize(once, settings) == once


@given(text=st.text("abci '", max_size=20), settings=ANY_SETTINGS)
def test_plain_lines_are_normalised_like_any_other(text, settings):
    assert normalize(text, settings) == normalize(f"{text} !", settings).removesuffix("!").rstrip()


@given(text=ANY_TEXT)
def test_white_space_is_single_spaces_between_words(text):
    result = normalize(text, PLAIN)
    assert result == " ".join(result.split())


@given(text=st.text(st.characters(categories=["Ll", "Lo"]), max_size=20))
def test_no_letter_is_dropped(text):
    # NFKD may write a letter as several, never as fewer.
    assert len(unicodedata.normalize("NFKD", normalize(text, PLAIN)).replace(" ", "")) >= len(text.replace("ʼ", ""))
