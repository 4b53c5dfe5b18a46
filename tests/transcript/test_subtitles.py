"""Subtitles against independent readers of SRT and WebVTT, and against the limits that they promise."""

import io
import re
from html import unescape
from itertools import pairwise

import pytest
import srt
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import SubtitleSettings
from asr.transcript.subtitles import make_cues, write_srt, write_vtt
from asr.transcript.transcript import Segment, Transcript, Word

from .examples import DIALOGUE, SILENCE, transcripts

limits = st.builds(
    SubtitleSettings,
    max_line_length=st.integers(1, 50),
    max_lines=st.integers(1, 3),
    max_seconds=st.floats(0.5, 8),
    min_seconds=st.floats(0, 2),
)


def spoken(*words: tuple[str, float, float], duration: float = 100.0) -> Transcript:
    segment = Segment(tuple(Word(*word) for word in words))
    return Transcript(segment.text, duration, "a.wav", (segment,))


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def read_vtt(text: str) -> list[webvtt.Caption]:
    return webvtt.from_buffer(io.StringIO("WEBVTT\n" + text)).captions


@settings(max_examples=80, deadline=None)
@given(transcripts(), limits)
def test_cues_hold_each_word_once_in_order_within_the_limits(transcript: Transcript, subtitles: SubtitleSettings):
    cues = make_cues(transcript, subtitles)
    shown = [word for cue in cues for line in cue.lines for word in line.split(" ")]
    assert shown == [word.text for word in transcript.words]
    for cue in cues:
        assert cue.start < cue.end <= cue.start + subtitles.max_seconds
        assert len(cue.lines) <= subtitles.max_lines
        assert all(len(line) <= subtitles.max_line_length or " " not in line for line in cue.lines)
    for one, other in pairwise(cues):
        assert one.end <= other.start


@settings(max_examples=50, deadline=None)
@given(transcripts(letters='ab&<>-é漢"'))
def test_independent_readers_find_the_same_cues(transcript: Transcript):
    subtitles = SubtitleSettings()
    cues = make_cues(transcript, subtitles)
    expected = [(pytest.approx(cue.start, abs=1e-3), pytest.approx(cue.end, abs=1e-3), cue.lines) for cue in cues]
    read = list(srt.parse(write_srt(transcript, subtitles)))
    assert [
        (c.start.total_seconds(), c.end.total_seconds(), tuple(unescape(c.content).split("\n"))) for c in read
    ] == expected
    assert [c.index for c in read] == list(range(1, len(cues) + 1))
    captions = read_vtt(write_vtt(transcript, subtitles))
    read = [(seconds(c.start), seconds(c.end), tuple(unescape(line) for line in c.lines)) for c in captions]
    assert read == expected


def test_what_an_editor_would_write():
    assert write_srt(DIALOGUE, SubtitleSettings()) == (
        "1\n00:00:00,500 --> 00:00:01,500\nhello world\n\n2\n00:00:02,520 --> 00:00:03,520\nit's late\n\n"
    )
    assert write_vtt(DIALOGUE, SubtitleSettings()) == (
        "\n00:00:00.500 --> 00:00:01.500\nhello world\n\n00:00:02.520 --> 00:00:03.520\nit's late\n"
    )
    assert write_srt(SILENCE, SubtitleSettings()) == write_vtt(SILENCE, SubtitleSettings()) == ""


def test_hours_have_a_field_of_their_own_and_milliseconds_round_up():
    late = spoken(("end", 3 * 3600 + 59 * 60 + 59.9996, 100 * 3600.0), duration=360_000.0)
    text = write_srt(late, SubtitleSettings(max_seconds=400_000))
    assert text.startswith("1\n04:00:00,000 --> 100:00:00,000\n")
    assert next(srt.parse(text)).end.total_seconds() == 360_000


def test_vtt_escapes_what_it_would_take_for_markup():
    assert "&lt;b&gt; &amp; --&gt;" in write_vtt(spoken(("<b>", 0, 1), ("&", 1, 2), ("-->", 2, 3)), SubtitleSettings())


def test_srt_escapes_what_players_would_take_for_markup():
    words = [("<i>", 0, 1), ("-->", 1, 2), ("AT&T", 2, 3), ("&amp;", 3, 4), ("{\\an8}", 4, 5), ("3<4", 5, 6)]
    cues = write_srt(spoken(*words), SubtitleSettings(max_seconds=100))
    (cue,) = srt.parse(cues)
    assert cues.count("-->") == 1  # of the times
    assert not re.search(r"<[a-z/]|\{\\", cue.content)
    assert unescape(cue.content).replace("\u2060", "").split() == [text for text, _, _ in words]
    assert "AT&T" in cue.content  # no entity, so players without entities show it as it is


def test_a_long_segment_is_cut_at_its_pause_rather_than_in_the_middle_of_a_phrase():
    words = [(f"word{n:02}", n * 0.4, n * 0.4 + 0.4) for n in range(12)]
    words = [
        (text, start + (0.6 if n >= 5 else 0), end + (0.6 if n >= 5 else 0))
        for n, (text, start, end) in enumerate(words)
    ]
    cues = make_cues(spoken(*words), SubtitleSettings(max_line_length=30, max_lines=2))
    assert [len(" ".join(cue.lines).split()) for cue in cues] == [5, 7]


def test_a_long_segment_without_pauses_is_cut_evenly_into_as_few_cues_as_hold_it():
    words = [("abcd", n * 0.1, n * 0.1 + 0.1) for n in range(40)]  # 199 characters where 84 fit
    assert [len(" ".join(cue.lines).split()) for cue in make_cues(spoken(*words), SubtitleSettings())] == [14, 13, 13]


def test_lines_are_balanced():
    words = [
        (text, n * 0.3, n * 0.3 + 0.3)
        for n, text in enumerate(["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "tonight"])
    ]
    (cue,) = make_cues(spoken(*words), SubtitleSettings())
    assert cue.lines == ("the quick brown fox jumps", "over the lazy dog tonight")


def test_a_short_cue_stays_as_long_as_it_takes_to_read_unless_the_next_comes():
    fast = " ".join(["abcdefg"] * 5)  # 39 characters, 2.3 s to read
    transcript = Transcript(
        "",
        20.0,
        segments=(
            Segment(tuple(Word(text, 1 + n * 0.1, 1.1 + n * 0.1) for n, text in enumerate(fast.split()))),
            Segment((Word("yes", 10.0, 10.2),)),
            Segment((Word("no", 10.5, 10.6),)),
        ),
    )
    cues = make_cues(transcript, SubtitleSettings())
    assert [(cue.start, pytest.approx(cue.end)) for cue in cues] == [(1.0, 1 + 39 / 17), (10.0, 10.5), (10.5, 11.5)]


def test_the_last_cue_does_not_outlast_the_recording():
    (cue,) = make_cues(spoken(("bye", 4.5, 4.8), duration=5.0), SubtitleSettings())
    assert cue.end == 5.0
