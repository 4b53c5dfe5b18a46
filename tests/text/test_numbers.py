import pytest

from asr.config import NormalizerSettings
from asr.errors import ConfigError
from asr.text.normalize import normalize

ENGLISH = NormalizerSettings(spell_out_numbers="en")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", "seven"),
        ("the 1st, 2nd and 103rd", "the first second and one hundred and third"),
        ("$5", "five dollars"),
        ("$1", "one dollar"),
        ("$1.50", "one dollar fifty cents"),
        ("£2.00", "two pounds"),
        ("20%", "twenty percent"),
        ("1,000,000", "one million"),
        ("3.05", "three point zero five"),
        ("it is -5", "it is minus five"),
        ("in 1984,", "in nineteen eighty four"),
        ("$1984", "one thousand nine hundred and eighty four dollars"),
        ("agent 007", "agent zero zero seven"),
        ("B2", "b two"),
        ("٧", "seven"),
        ("1" * 20, " ".join(["one"] * 20)),
    ],
)
def test_numbers_are_spelled_out_in_english(text, expected):
    assert normalize(text, ENGLISH) == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "1.000 1,5", "eintausend eins komma fünf"),
        ("fr", "80", "quatre vingts"),
        ("es", "7 20%", "siete veinte por ciento"),
        ("ru", "1984", "одна тысяча девятьсот восемьдесят четыре"),
    ],
)
def test_numbers_are_spelled_out_in_other_languages(language, text, expected):
    assert normalize(text, NormalizerSettings(spell_out_numbers=language)) == expected


def test_an_unknown_language_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"tlh.*there are:.* en,"):
        normalize("no number", NormalizerSettings(spell_out_numbers="tlh"))
