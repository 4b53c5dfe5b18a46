"""Transcripts made by hand and by chance, for the tests of what is done with them."""

from hypothesis import strategies as st

from asr.transcript.transcript import Segment, Transcript, Word

DIALOGUE = Transcript(
    "hello world it's late",
    4.0,
    "talks/a b.wav",
    (
        Segment((Word("hello", 0.5, 0.9, 0.98), Word("world", 1.0, 1.48, 0.6))),
        Segment((Word("it's", 2.52, 2.8, 0.9), Word("late", 2.8, 3.3, 0.3))),
    ),
)
UNTIMED = Transcript("hello world", 4.0, "a.wav")
SILENCE = Transcript("", 2.5, "silence.wav")


@st.composite
def transcripts(draw: st.DrawFn, letters: str = "abcxyz'") -> Transcript:
    """Segments of words in the order of time, some touching, some with long pauses between."""
    spans = st.tuples(st.text(letters, min_size=1, max_size=60), st.floats(0, 1.2), st.floats(0.02, 2.0))
    time, segments = draw(st.floats(0, 40_000)), []
    for spoken in draw(st.lists(st.lists(spans, min_size=1, max_size=25), max_size=4)):
        words = []
        for text, pause, length in spoken:
            start = time + (pause if pause > 0.6 else 0.0)
            time = start + length
            words.append(Word(text, start, time, draw(st.none() | st.floats(0, 1))))
        segments.append(Segment(tuple(words)))
    text = " ".join(segment.text for segment in segments)
    return Transcript(text, time + draw(st.floats(0.01, 3)), "made.wav", tuple(segments))
