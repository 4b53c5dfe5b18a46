"""The text and its rendering in a terminal and in a notebook."""

import io
from html.parser import HTMLParser

import pytest
from rich.console import Console

from asr.transcript.transcript import Segment, Transcript, Word, judge_speech

from .examples import DIALOGUE, SILENCE, UNTIMED


def test_it_prints_as_its_text_and_shows_itself_in_a_line():
    assert f"{DIALOGUE}" == "hello world it's late"
    assert repr(DIALOGUE) == '<Transcript "hello world it\'s late", 4.0 s, talks/a b.wav>'
    assert repr(Transcript("word " * 1000, 300.0)) == f"<Transcript '{'word ' * 11}word…', 300.0 s>"


def shown(transcript: Transcript, **options) -> str:
    console = Console(width=80, file=io.StringIO(), **options)
    console.print(transcript)
    return console.file.getvalue()


def test_rich_shows_a_line_a_segment_in_which_doubtful_words_stand_out():
    assert shown(DIALOGUE) == "0:00  hello world\n0:02  it's late\n"
    coloured = shown(DIALOGUE, force_terminal=True, color_system="standard")
    assert "\x1b[31mlate" in coloured
    assert "\x1b[33mworld" in coloured
    assert "\x1b[3" not in coloured.split("hello")[0]


def test_rich_shows_the_text_where_there_are_no_times():
    assert shown(UNTIMED) == "hello world\n"
    assert shown(SILENCE) == "\n"


def test_rich_tells_hours_and_takes_no_word_for_markup():
    late = Transcript("a", 4000.0, segments=(Segment((Word("[b]", 3725.0, 3726.0),)),))
    assert shown(late) == "1:02:05  [b]\n"


class UtteranceDecoder(HTMLParser):
    """Collects the words that a page shows, with the attributes of what holds them."""

    def __init__(self):
        super().__init__()
        self.open: list[dict] = []
        self.shown: list[tuple[str, dict]] = []
        self.paragraphs = 0

    def handle_starttag(self, tag, attrs):
        self.open.append(dict(attrs))
        self.paragraphs += tag == "p"

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        if data.strip():
            self.shown.append((data, self.open[-1]))


def read(transcript: Transcript) -> UtteranceDecoder:
    reader = UtteranceDecoder()
    reader.feed(transcript._repr_html_())
    assert reader.open == []
    return reader


def test_a_notebook_shades_words_by_their_doubt_and_tells_their_times():
    page = read(DIALOGUE)
    assert page.paragraphs == 2
    words = {text: attributes for text, attributes in page.shown if "title" in attributes}
    assert list(words) == ["hello", "world", "it's", "late"]
    assert words["late"] == {"title": "2.80 to 3.30 s, 30% sure", "style": "background: rgba(255, 140, 0, 0.70)"}


def test_a_notebook_never_takes_words_for_markup():
    word = Word("<script>alert('&')</script>", 0.0, 1.0)
    for transcript in (Transcript(word.text, 1.0), Transcript(word.text, 1.0, segments=(Segment((word,)),))):
        assert word.text in [text for text, _ in read(transcript).shown]
        assert "<script" not in transcript._repr_html_()


def words_of(*confidences: float | None) -> tuple[Word, ...]:
    return tuple(Word("a", second, second + 0.5, confidence) for second, confidence in enumerate(confidences))


@pytest.mark.parametrize(
    ("confidences", "warning"),
    [
        ([0.9, 0.2] * 4, "low confidence throughout (0.55 on average)"),
        ([0.9, 0.4] * 4, None),  # 0.65 on average
        ([0.9] * 5 + [0.1] * 20, "low confidence throughout (0.26 on average)"),
        ([0.1] * 7, "7 of 7 words are doubtful"),  # too few to speak of throughout
        ([0.9, 0.9, 0.1], None),
        ([None] * 20, None),
        ([], "no word was recognised"),
    ],
)
def test_words_of_low_confidence_throughout_are_a_warning(confidences: list[float | None], warning: str | None):
    words = words_of(*confidences)
    found = judge_speech(words, 30.0)
    assert [warning in text for text in found] == ([] if warning is None else [True])
    transcript = Transcript("a", 30.0, segments=(Segment(words),) if words else ())
    is_unfamiliar = warning is not None and "throughout" in warning
    assert transcript.is_unfamiliar == is_unfamiliar
    assert transcript.to_dict().get("unfamiliar", False) == is_unfamiliar
