"""Recognised words written out: marks, capitals and numbers next to them; times and words as they were."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import SubtitleSettings
from asr.transcript.formats import FORMATS, format_transcript
from asr.transcript.subtitles import make_cues
from asr.transcript.transcript import Segment, Transcript, Word, join_channels
from asr.transcript.written_text import TextWriter
from tests.language.punctuators import WORDS, random_punctuator


class Marked(NamedTuple):
    word: str
    punctuation: str


class Script:
    """Punctuates from a table of words, and remembers the silences."""

    marks = {"rains": ",", "coat": ",", "five": ".", "m": ".", "now": "?"}  # noqa: RUF012

    def __init__(self) -> None:
        self.waiting: list[Marked] = []
        self.silences: list[float] = []
        self.ends: list[str] = []

    def feed(self, words, silences=None):
        for word in words:
            self.waiting.append(Marked(word.capitalize() if word in ("it", "go") else word, self.marks.get(word, "")))
        self.silences += silences
        return []

    def flush(self):
        self.ends.append("flush")
        waiting, self.waiting = self.waiting, []
        return waiting

    def finish(self):
        written = self.flush()
        self.ends[-1] = "finish"
        return written


def timed(text: str, start: float = 0.0) -> tuple[Word, ...]:
    """Words of 0.3 s, 0.1 s apart."""
    return tuple(
        Word(word, start + 0.4 * index, start + 0.4 * index + 0.3, 0.5 + 0.01 * index)
        for index, word in enumerate(text.split())
    )


def transcript(*texts: str) -> Transcript:
    segments = tuple(Segment(timed(text, 10.0 * index)) for index, text in enumerate(texts))
    return Transcript(" ".join(texts), 10.0 * len(texts), "talk.wav", segments)


def test_words_are_written_next_to_what_was_recognised():
    script = Script()
    before = transcript("it rains take twenty five", "go now")
    after = TextWriter(lambda: script, numbers=True).write(before)
    assert after.text == "It rains, take 25. Go now?"
    assert after.raw_text == before.text
    assert [word.text for word in after.words] == [word.text for word in before.words]
    assert [word.written for word in after.words] == ["It", "rains,", "take", "25.", "", "Go", "now?"]
    assert [(word.start, word.end) for word in after.words] == [(word.start, word.end) for word in before.words]
    assert [segment.raw_text for segment in after.segments] == [segment.text for segment in before.segments]
    number = after.segments[0].written_words[-1]
    assert (number.text, number.start, number.end, number.confidence) == ("25.", *_span(before.words[3:5]), 0.53)
    assert script.ends == ["finish"]
    assert script.silences == pytest.approx([0.1, 0.1, 0.1, 0.1, 10 - 1.9, 0.1, 20 - 10.7])


def _span(words: Sequence[Word]) -> tuple[float, float]:
    return words[0].start, words[-1].end


def test_an_abbreviation_at_the_end_of_a_sentence_has_one_point():
    assert TextWriter(Script, numbers=True).write(transcript("it rains three p m")).text == "It rains, 3 p.m."


def test_numbers_need_no_marks_and_marks_no_numbers():
    plain = transcript("it rains twenty five")
    assert TextWriter(numbers=True).write(plain).text == "it rains 25"
    assert TextWriter(Script).write(plain).text == "It rains, twenty five."
    silent = TextWriter(numbers=True).write(transcript())
    assert (silent.text, silent.raw_text) == ("", "")


def test_a_live_stream_is_written_segment_by_segment():
    script = Script()
    stream = TextWriter(lambda: script).start()
    first, second = transcript("it rains", "go now").segments
    assert stream.write(first, 0.8).text == "It rains,"
    assert stream.write(second, 0.5, closes=True).text == "Go now?"
    assert script.ends == ["flush", "finish"]
    assert script.silences == pytest.approx([0.1, 0.8, 0.1, 0.5])


def test_a_live_stream_ends_with_the_end_of_a_sentence():
    writer = TextWriter(random_punctuator().start)
    for words in ("she is here", "now", "go to london with mcdonald"):
        stream = writer.start()
        final = stream.write(Segment(timed(words)))
        closed = stream.close()
        if closed is None:
            assert final.text[-1] in ".?!"
            continue
        assert final.text[-1] not in ".?!"
        assert closed.words[:-1] == final.words[:-1]
        assert closed.words[-1].written.rstrip(".?!") == final.words[-1].written.rstrip(",;: –")
        assert closed.text[-1] in ".?!"
        assert stream.close() is None
    assert writer.start().close() is None
    assert TextWriter(numbers=True).start().close() is None


WRITER = TextWriter(random_punctuator().start, numbers=True)
NUMBERS = "twenty five hundred nineteen may third p m dollars point one".split()  # noqa: SIM905
texts = st.lists(st.sampled_from(WORDS + NUMBERS), min_size=1, max_size=30)


@settings(deadline=None, max_examples=100)
@given(texts, st.lists(st.booleans(), min_size=30, max_size=30))
def test_the_text_does_not_depend_on_the_segments(words: list[str], splits: list[bool]):
    said = timed(" ".join(words))
    groups: list[list[Word]] = [[]]
    for word, splits_after in zip(said, splits, strict=False):
        groups[-1].append(word)
        if splits_after:
            groups.append([])
    several = tuple(Segment(tuple(group)) for group in groups if group)
    results = [
        WRITER.write(Transcript(" ".join(words), 20.0, segments=segments)) for segments in ((Segment(said),), several)
    ]
    assert results[0].text == results[1].text
    assert [word.written for word in results[0].words] == [word.written for word in results[1].words]
    assert results[1].raw_text == " ".join(words)
    assert [word.text for word in results[1].words] == words
    assert all(segment.text for segment in results[1].segments)


def test_a_number_that_a_pause_interrupts_belongs_to_the_segment_in_which_it_begins():
    before = transcript("take twenty", "five", "thousand it rains")
    after = TextWriter(Script, numbers=True).write(before)
    # The table of marks ends a sentence after five.
    assert [segment.text for segment in after.segments] == ["take 25.", "thousand It rains,"]
    assert [len(segment.words) for segment in after.segments] == [3, 3]
    plain = TextWriter(numbers=True).write(before)
    assert [segment.text for segment in plain.segments] == ["take 25,000", "it rains"]
    assert plain.segments[0].end == before.segments[2].words[0].end
    assert plain.text == "take 25,000 it rains"


def test_channels_are_joined_with_both_texts():
    first, second = (TextWriter(Script).write(transcript(text)) for text in ("it rains", "go now"))
    joined = join_channels([first.of_channel(0), second.of_channel(1)])
    assert (joined.text, joined.raw_text) == ("It rains, Go now?", "it rains go now")
    assert joined.in_channel(1).raw_text == "go now"
    assert join_channels([transcript("it rains")]).raw_text is None


WRITTEN = TextWriter(Script, numbers=True).write(transcript("it rains take twenty five"))


def test_every_format_carries_what_was_written_and_scoring_formats_what_was_recognised():
    documents = {name: format_transcript(WRITTEN, name) for name in FORMATS}
    for name in ("txt", "srt", "vtt", "tsv"):
        assert "It rains, take 25." in documents[name]
    assert 'text = "It rains, take 25."' in documents["textgrid"]
    assert 'text = "twenty"' in documents["textgrid"]  # a tier of words, each with its own times
    assert [line.split()[4] for line in documents["ctm"].splitlines()] == ["it", "rains", "take", "twenty", "five"]


def test_json_has_both_word_by_word():
    fields = json.loads(format_transcript(WRITTEN, "json"))
    assert (fields["text"], fields["raw_text"]) == ("It rains, take 25.", "it rains take twenty five")
    (segment,) = fields["segments"]
    assert (segment["text"], segment["raw_text"]) == (fields["text"], fields["raw_text"])
    assert [(word["text"], word["written"]) for word in segment["words"]][-2:] == [("twenty", "25."), ("five", "")]
    plain = json.loads(format_transcript(transcript("it rains"), "json"))
    assert "raw_text" not in plain
    assert "written" not in plain["segments"][0]["words"][0]


def test_subtitles_are_split_at_sentences():
    said = "It rains in the evening, so we take the old coat. Then we all go to the market by the river with you."
    words = tuple(
        Word(text.strip(",.").lower(), 0.3 * index, 0.3 * index + 0.3, written=text)
        for index, text in enumerate(said.split())
    )
    whole = Transcript(said, 10.0, segments=(Segment(words),))
    cues = make_cues(whole, SubtitleSettings(max_line_length=42, max_lines=2))
    assert cues[0].text.replace("\n", " ") == "It rains in the evening, so we take the old coat."


@pytest.mark.parametrize(
    ("said", "cues"),
    [
        ("It will rain in the evening. So take a coat.", ["It will rain in the evening.", "So take a coat."]),
        ("Yes. It will rain in the evening.", ["Yes. It will rain in the evening."]),  # too short to be read
        ("At three p.m. we go to the market.", ["At three p.m. we go to the market."]),
    ],
)
def test_short_segments_are_split_at_sentences_too(said: str, cues: list[str]):
    words = tuple(
        Word(text.lower(), 0.4 * index, 0.4 * index + 0.4, written=text) for index, text in enumerate(said.split())
    )
    whole = Transcript(said, 10.0, segments=(Segment(words),))
    assert [cue.text.replace("\n", " ") for cue in make_cues(whole, SubtitleSettings())] == cues


def test_a_pause_after_a_comma_is_as_good_for_a_split_as_any_other():
    words, at = [], 0.0
    for index in range(24):
        words.append(Word("rain", at, at + 0.3, written="rain," if index == 11 else "rain"))
        at += 1.3 if index in (8, 11) else 0.3
    whole = Transcript("", at, segments=(Segment(tuple(words)),))
    cues = make_cues(whole, SubtitleSettings(max_line_length=42, max_lines=2))
    assert [len(cue.text.split()) for cue in cues] == [12, 12]  # the more even of the two splits


def test_terminals_and_notebooks_show_what_was_written():
    from rich.console import Console

    console = Console(width=80, record=True)
    with console.capture() as capture:
        console.print(WRITTEN)
    assert "It rains, take 25." in capture.get()
    assert ">25.</span>" in WRITTEN._repr_html_()
