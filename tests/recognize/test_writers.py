import json

from asr.recognize.transcript import Alternative, Transcript
from asr.recognize.writers import WRITERS


def test_text_names_the_file_only_among_several():
    transcript = Transcript("yes", 1.0, "a.wav")
    assert WRITERS["txt"](transcript, False) == "yes\n"
    assert WRITERS["txt"](transcript, True) == "a.wav\tyes\n"
    assert str(transcript) == "yes"


def test_json_is_one_line_that_keeps_every_letter():
    line = WRITERS["json"](Transcript("שלום", 1.23456, "a.wav"), False)
    assert line.endswith("\n")
    assert "שלום" in line
    assert json.loads(line) == {"schema_version": 1, "file": "a.wav", "duration": 1.235, "text": "שלום"}


def test_alternatives_come_with_their_scores():
    readings = (Alternative("yes", -0.5), Alternative("yet", -2.25))
    transcript = Transcript("yes", 1.0, "a.wav", alternatives=readings)
    assert WRITERS["txt"](transcript, False) == "-0.500\tyes\n-2.250\tyet\n"
    assert WRITERS["txt"](transcript, True) == "a.wav\t-0.500\tyes\na.wav\t-2.250\tyet\n"
    expected = [{"text": "yes", "score": -0.5}, {"text": "yet", "score": -2.25}]
    assert json.loads(WRITERS["json"](transcript, False))["alternatives"] == expected
