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
        ("a dose of .5 grams", "a dose of zero point five grams"),
        ("-.5 and $.50, but end.5 of it", "minus zero point five and fifty cents but end five of it"),
        ("½ a cup, 2½ cups", "one half a cup two and a half cups"),
        ("1/2, 2 3/4 and 3/8 of ⅔", "one half two and three quarters and three eighths of two thirds"),
        ("24/7, 9/11", "twenty four seven nine eleven"),
        ("the 1990s, the '80s and 2010s", "the nineteen nineties the eighties and twenty tens"),
        ("1900s 2000s 747s 1960's", "nineteen hundreds two thousands seven hundred and forty sevens nineteen sixties"),
        ("at 10:30, 9:05 or 14:00", "at ten thirty nine oh five or fourteen hundred"),
        ("10:00 and 10:00 am", "ten o'clock and ten am"),
        ("1'000 and 1\u00a0000 and 1\u202f000", "one thousand and one thousand and one thousand"),
        ("2,50,000 rupees", "two hundred and fifty thousand rupees"),
        ("1.000.000", "one million"),
        ("version 3.11.2", "version three point eleven point two"),
        ("$5 million, $1.5bn", "five million dollars one point five billion dollars"),
        ("$5 $6 and 7 €", "five dollars six dollars and seven euro"),
        ("₹50, ¥500", "fifty rupees five hundred yen"),
        ("the 21ST", "the twenty first"),
        ("1.0, 2.50 and 0.0", "one point zero two point five zero and zero point zero"),
        ("8:00 o'clock, 15:00 hours", "eight o'clock fifteen hundred hours"),
        ("1" * 20, " ".join(["one"] * 20)),
    ],
)
def test_numbers_are_spelled_out_in_english(text, expected):
    assert normalize(text, ENGLISH) == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "1.000 1,5", "eintausend eins komma fünf"),
        ("de", "um 10:30 für 5,50 €", "um zehn uhr dreißig für fünf euro fünfzig cent"),
        ("de", "10:30 Uhr, 8:00 Uhr", "zehn uhr dreißig acht uhr"),
        ("it", "1,5 0,25 2½", "uno virgola cinque zero virgola due cinque due e mezzo"),
        ("pt", "1/2 ¾", "um meio três quartos"),
        ("tr", "2,05", "iki virgül sıfır beş"),
        ("vi", "1,5", "một phẩy năm"),
        ("id", "0,5", "nol koma lima"),
        ("ce", "1,5", "цхьаъ пхиъ"),
        ("de", "2½ ,5 3/4", "zweieinhalb null komma fünf drei viertel"),
        ("de", "1.000.000 und 1,000.50", "eine million und eintausend komma fünf"),
        ("fr", "1 000 000 le 1er, la 1re, le 2e", "un million le premier la première le deuxième"),
        ("fr", "2½ ¾", "deux et demi trois quarts"),
        ("es", "1º 1ª 3er", "primero primera tercer"),
        ("pt", "2ª", "segunda"),
        ("it", "1ª 2º", "prima secondo"),
        ("nl", "1e 20ste", "eerste twintigste"),
        ("sv", "1:a 1 000", "första etttusen"),
        ("ru", "1 000", "одна тысяча"),
        ("ja", "¥500", "五百 円"),
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
