"""Endpoint rules on constructed streams, a frame of 40 ms at a time."""

import pytest

from asr.errors import ConfigError
from asr.recognize.streaming.endpoints import EndpointDetector, Endpoints

RULES = Endpoints(pause=0.8, long_pause=1.6, idle=2.0, longest=10.0, lead=0.2)
LOUD, SOFT = -20.0, -70.0
SPEECH, VOWEL, PAUSE = (False, LOUD), (True, LOUD), (True, SOFT)


def first_cut(*runs: tuple[int, tuple[bool, float]]) -> tuple[int, int] | None:
    """The number of frames after which an utterance ends, and the place of the cut."""
    detector = EndpointDetector(RULES, frame_seconds=0.04)
    frames = [kind for count, kind in runs for _ in range(count)]
    for number, (silent, loudness) in enumerate(frames, start=1):
        if (cut := detector.feed(silent=silent, loudness=loudness)) is not None:
            return number, cut
    return None


def test_a_quiet_pause_after_speech_ends_it_and_leaves_a_lead():
    assert first_cut((5, SPEECH), (100, PAUSE)) == (25, 20)


def test_a_short_pause_does_not():
    assert first_cut((5, SPEECH), (19, PAUSE), (5, SPEECH), (19, PAUSE)) is None


def test_a_long_vowel_is_no_pause_but_a_very_long_one_is_not_believed():
    assert first_cut((5, SPEECH), (39, VOWEL), (1, SPEECH)) is None
    assert first_cut((5, SPEECH), (100, VOWEL)) == (45, 40)


def test_without_speech_it_starts_afresh_later():
    assert first_cut((49, PAUSE), (1, SPEECH)) is None
    assert first_cut((100, PAUSE)) == (50, 45)


def test_a_long_utterance_ends_at_the_next_breath():
    assert first_cut((250, SPEECH), (30, SPEECH), (10, VOWEL)) == (283, 282)


def test_one_without_a_breath_ends_anyhow():
    assert first_cut((400, SPEECH)) == (300, 300)


def test_a_cut_lies_within_the_utterance_even_where_rules_are_shorter_than_frames():
    detector = EndpointDetector(Endpoints(pause=0.05, long_pause=0.05, idle=0.05, lead=0.04), frame_seconds=0.04)
    assert detector.feed(silent=True, loudness=SOFT) == 1


@pytest.mark.parametrize(("change", "message"), [({"pause": 0}, "pause is 0"), ({"lead": 1.0}, "lead is 1.0")])
def test_rules_that_make_no_sense_are_refused(change: dict[str, float], message: str):
    with pytest.raises(ConfigError, match=message):
        Endpoints(**change)
