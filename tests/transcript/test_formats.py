"""Each format against an independent reader where there is one, else against what its specification says."""

import csv
import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from praatio import textgrid as praat

from asr.errors import AsrError
from asr.transcript.formats import FORMATS, FormatOptions, format_part, format_transcript, parse_formats
from asr.transcript.transcript import Alternative, Segment, Transcript, Word

from .examples import DIALOGUE, SILENCE, UNTIMED, transcripts


def test_text_is_a_line_that_names_the_file_only_among_several():
    assert format_transcript(DIALOGUE, "txt") == "hello world it's late\n"
    assert format_transcript(DIALOGUE, "txt", FormatOptions(several=True)) == "talks/a b.wav\thello world it's late\n"
    odd = Transcript("yes", 1.0, "a\tb\nc.wav")
    assert format_transcript(odd, "txt", FormatOptions(several=True)) == "a b c.wav\tyes\n"


def test_json_is_one_line_that_holds_everything_and_keeps_every_letter():
    line = format_transcript(DIALOGUE, "json")
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "schema_version": 1,
        "file": "talks/a b.wav",
        "duration": 4.0,
        "text": "hello world it's late",
        "confidence": 0.695,
        "segments": [
            {
                "start": 0.5,
                "end": 1.48,
                "text": "hello world",
                "confidence": 0.79,
                "words": [
                    {"start": 0.5, "end": 0.9, "text": "hello", "confidence": 0.98},
                    {"start": 1.0, "end": 1.48, "text": "world", "confidence": 0.6},
                ],
            },
            {
                "start": 2.52,
                "end": 3.3,
                "text": "it's late",
                "confidence": 0.6,
                "words": [
                    {"start": 2.52, "end": 2.8, "text": "it's", "confidence": 0.9},
                    {"start": 2.8, "end": 3.3, "text": "late", "confidence": 0.3},
                ],
            },
        ],
    }
    assert "שלום" in format_transcript(Transcript("שלום", 1.0), "json")


def test_json_rounds_and_says_null_where_nothing_is_known():
    word = Word("a", 0.12345, 1 / 3)
    fields = json.loads(format_transcript(Transcript("a", 2 / 3, None, (Segment((word,)),)), "json"))
    assert fields["segments"][0]["words"] == [{"start": 0.123, "end": 0.333, "text": "a", "confidence": None}]
    assert (fields["duration"], fields["confidence"], fields["file"]) == (0.667, None, None)


def test_alternatives_come_with_their_scores():
    alternatives = (Alternative("yes", -0.5), Alternative("yet", -2.25))
    transcript = Transcript("yes", 1.0, "a.wav", alternatives=alternatives)
    assert format_transcript(transcript, "txt") == "-0.500\tyes\n-2.250\tyet\n"
    assert (
        format_transcript(transcript, "txt", FormatOptions(several=True)) == "a.wav\t-0.500\tyes\na.wav\t-2.250\tyet\n"
    )
    expected = [{"text": "yes", "score": -0.5}, {"text": "yet", "score": -2.25}]
    assert json.loads(format_transcript(transcript, "json"))["alternatives"] == expected


def test_tsv_has_a_header_and_a_row_a_segment():
    rows = list(csv.DictReader(io.StringIO(format_transcript(DIALOGUE, "tsv")), delimiter="\t"))
    assert rows == [
        {"file": "talks/a b.wav", "start": "0.500", "end": "1.480", "confidence": "0.790", "text": "hello world"},
        {"file": "talks/a b.wav", "start": "2.520", "end": "3.300", "confidence": "0.600", "text": "it's late"},
    ]


def test_ctm_is_as_nist_describes_it():
    # Scoring Toolkit, "ctm" format: waveform name, channel, start, duration, word, confidence; no spaces within.
    assert format_transcript(DIALOGUE, "ctm") == (
        "a_b 1 0.500 0.400 hello 0.980\n"
        "a_b 1 1.000 0.480 world 0.600\n"
        "a_b 1 2.520 0.280 it's 0.900\n"
        "a_b 1 2.800 0.500 late 0.300\n"
    )
    unsure = Transcript("a", 1.0, None, (Segment((Word("a", 0.0, 0.5),)),))
    assert format_transcript(unsure, "ctm", FormatOptions(name="talks/x")) == "talks/x 1 0.000 0.500 a\n"


@settings(max_examples=30, deadline=None)
@given(transcripts(letters='ab"é'))
def test_praat_readers_find_the_words_and_segments(tmp_path_factory: pytest.TempPathFactory, transcript: Transcript):
    path = tmp_path_factory.mktemp("praat") / "x.TextGrid"
    path.write_text(format_transcript(transcript, "textgrid"), encoding="utf-8")
    grid = praat.openTextgrid(str(path), includeEmptyIntervals=True)
    assert grid.tierNames == ("segments", "words")
    assert grid.maxTimestamp == pytest.approx(transcript.duration, abs=1e-3)
    for name, parts in (("segments", transcript.segments), ("words", transcript.words)):
        entries = grid.getTier(name).entries
        assert [entry.label for entry in entries if entry.label] == [part.text for part in parts]
        for entry, part in zip((entry for entry in entries if entry.label), parts, strict=True):
            assert (entry.start, entry.end) == (pytest.approx(part.start, abs=1e-3), pytest.approx(part.end, abs=1e-3))
        assert entries[0].start == 0
        assert entries[-1].end == grid.maxTimestamp
        assert all(one.end == other.start for one, other in pairwise(entries))


def test_textgrid_is_as_praats_manual_lays_it_out():
    text = format_transcript(Transcript('say "a"', 1.5, None, (Segment((Word('"a"', 0.5, 1.5),)),)), "textgrid")
    assert text.splitlines()[:7] == [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        "xmax = 1.500",
        "tiers? <exists>",
        "size = 2",
    ]
    assert '            text = """a"""' in text.splitlines()


@pytest.mark.parametrize("name", FORMATS)
def test_silence_has_a_transcript_in_every_format(name: str, tmp_path: Path):
    text = format_transcript(SILENCE, name)
    expected = {"txt": "\n", "srt": "", "vtt": "WEBVTT\n", "ctm": "", "tsv": "file\tstart\tend\tconfidence\ttext\n"}
    assert text == expected.get(name, text)
    if name == "textgrid":
        (tmp_path / "x").write_text(text)
        grid = praat.openTextgrid(str(tmp_path / "x"), includeEmptyIntervals=True)
        assert [tuple(entry) for entry in grid.getTier("words").entries] == [(0, 2.5, "")]


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.is_timed])
def test_a_format_with_times_refuses_a_text_without(name: str):
    with pytest.raises(AsrError, match=f"a.wav: has no word times, which {name} needs"):
        format_part(UNTIMED, name, FormatOptions())


def test_formats_are_named_singly_or_with_commas():
    assert parse_formats(["txt", "SRT, json", "srt"]) == ("txt", "srt", "json")
    with pytest.raises(AsrError, match="docx: no such format; there are: txt, json, srt, vtt, tsv, ctm, textgrid"):
        parse_formats(["txt,docx"])


@pytest.mark.parametrize("separator", ["\t", "\n", "\r", "\x0b", "\x85", "\u2028"])
def test_a_file_name_ends_no_field_and_no_line(separator: str):
    transcript = replace(DIALOGUE, source=f"a{separator}b.wav")
    for name in ("tsv", "json", "ctm", "txt"):
        lines = format_transcript(transcript, name, FormatOptions(several=True)).splitlines()
        assert len(lines) == len(format_transcript(DIALOGUE, name).splitlines())
    assert json.loads(format_transcript(transcript, "json"))["file"] == transcript.source


def test_no_line_of_ctm_is_a_comment():
    lines = format_transcript(replace(DIALOGUE, source=";;x.wav"), "ctm").splitlines()
    assert all(line.startswith("_;x 1 ") for line in lines)
