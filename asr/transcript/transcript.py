"""What was said in a recording: the result for people and programs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

SCHEMA_VERSION = 1
DOUBTFUL = 0.5  # a word with a lower confidence is more likely wrong than right
_LONG_ENOUGH = 1.0  # seconds, to expect words
# From this many words on, their mean confidence describes the recording. Of speech as in the training, it is hardly
# ever below _UNFAMILIAR; docs/words.md has figures.
ENOUGH_WORDS = 8
_UNFAMILIAR = 0.6
_CONFIDENT = 0.8  # words with a lower confidence stand out in a terminal, doubtful ones more


@dataclass(frozen=True)
class Word:
    """A word and when it was said.

    Attributes:
        text: In the spelling of the model's alphabet.
        start, end: Seconds from the start of the recording, half-open.
        confidence: Probability that the word is right; None if the model is not calibrated.
        written: How it is written out, with capitals and the mark after it; empty if it is part of a number, of which
            the first word has it all; None: as recognised.
    """

    text: str
    start: float
    end: float
    confidence: float | None = None
    written: str | None = None


@dataclass(frozen=True)
class Segment:
    """Speech between two pauses, as subtitles and readers need it: at least one word, in order of time.

    Attributes:
        words: The words.
        channel: The channel of the recording in which it was said, from 0; None if all were mixed.
    """

    words: tuple[Word, ...]
    channel: int | None = None

    @property
    def text(self) -> str:
        """The words as they are written out, separated by spaces."""
        return " ".join(word.text for word in self.written_words)

    @property
    def raw_text(self) -> str:
        """The words as they were recognised, separated by spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def written_words(self) -> tuple["Word", ...]:
        """The words with the text that is written; those of a number are one, as doubtful as the worst of them."""
        if all(word.written is None for word in self.words):
            return self.words
        groups: list[list[Word]] = []
        for word in self.words:
            if word.written == "" and groups:
                groups[-1].append(word)
            else:
                groups.append([word])
        return tuple(map(_join_words, groups))

    @property
    def start(self) -> float:
        """Seconds at which the first word starts."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Seconds at which the last word ends."""
        return self.words[-1].end

    @property
    def confidence(self) -> float | None:
        """The expected share of words that are right; None if a word has no confidence."""
        return mean_confidence(self.words)


@dataclass(frozen=True)
class Alternative:
    """A hypothesis of the whole text, with the natural log of its score."""

    text: str
    score: float


@dataclass(frozen=True, repr=False)
class Transcript:
    """The text of one recording. Prints as its text; rich and notebooks also show times and confidences.

    Attributes:
        text: What was said, as it is written out; empty if nothing was.
        duration: Seconds of audio.
        source: Name of the recording, if it has one.
        segments: The words with their times, split at pauses; empty if nothing was said.
        alternatives: The n best hypotheses as they were recognised, that of the text first, if they were requested.
        raw_text: The words as they were recognised; None if they are the text itself.
        warnings: What makes the text doubtful, a sentence each: a recording that is nearly silent, clipped or unlike
            speech, or speech that is unlike the model's training, or a file that is damaged.
    """

    text: str
    duration: float
    source: str | None = None
    segments: tuple[Segment, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    warnings: tuple[str, ...] = ()
    raw_text: str | None = None

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        start = self.text if len(self.text) <= 60 else f"{self.text[:59]}…"
        name = f", {self.source}" if self.source else ""
        return f"<Transcript {start!r}, {self.duration:.1f} s{name}>"

    def __rich__(self) -> "Text":
        """Render one line per segment, with its start time; only the text if there are no segments."""
        from rich.text import Text

        return Text("\n").join(map(_rich_line, self.segments)) if self.segments else Text(self.text)

    def _repr_html_(self) -> str:
        """Render one paragraph per segment: words are shaded by their doubt, tooltips show their times."""
        return "".join(map(_html_paragraph, self.segments)) if self.segments else f"<p>{escape(self.text)}</p>"

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def channels(self) -> tuple[int | None, ...]:
        """The channels in which something was said, in order; None stands for all of them mixed."""
        return tuple(sorted({segment.channel for segment in self.segments}, key=lambda channel: channel or 0))

    def of_channel(self, channel: int) -> "Transcript":
        """Return the same transcript, of which everything was said in a channel."""
        return replace(self, segments=tuple(replace(segment, channel=channel) for segment in self.segments))

    def in_channel(self, channel: int | None) -> "Transcript":
        """Return the part that was said in one channel."""
        segments = tuple(segment for segment in self.segments if segment.channel == channel)
        raw_text = None if self.raw_text is None else _join_raw_texts(segments)
        return replace(self, text=_join_texts(segments), raw_text=raw_text, segments=segments)

    @property
    def confidence(self) -> float | None:
        """The expected share of words that are right; None if a word has no confidence."""
        return mean_confidence(self.words)

    @property
    def is_unfamiliar(self) -> bool:
        """Whether words have low confidence throughout, as in speech that is unlike what the model was trained on."""
        return is_unfamiliar(self.words)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of the JSON format (docs/transcripts.md): times in milliseconds, confidences in 3 digits.

        `schema_version` grows when a key changes its meaning, not when one is added.
        """
        fields: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "file": self.source,
            "duration": round(self.duration, 3),
            "text": self.text,
            **({} if self.raw_text is None else {"raw_text": self.raw_text}),
            "confidence": _round(self.confidence),
            "segments": [self._describe(segment) for segment in self.segments],
        }
        if self.alternatives:
            fields["alternatives"] = [
                {"text": alternative.text, "score": round(alternative.score, 4)} for alternative in self.alternatives
            ]
        if self.is_unfamiliar:
            fields["unfamiliar"] = True
        if self.warnings:
            fields["warnings"] = list(self.warnings)
        return fields

    def _describe(self, segment: Segment) -> dict[str, Any]:
        raw_text = {} if self.raw_text is None else {"raw_text": segment.raw_text}
        words = [
            {**_to_dict(word), **({} if word.written is None else {"written": word.written})} for word in segment.words
        ]
        return {**_to_dict(segment), **raw_text, **_channel_of(segment), "words": words}


def join_channels(transcripts: Sequence[Transcript]) -> Transcript:
    """Join the transcripts of a recording's channels, each by itself and in order, into one in order of time."""
    segments = [segment for transcript in transcripts for segment in transcript.segments]
    segments.sort(key=lambda segment: segment.start)
    warnings = [
        (f"channel {channel}: {warning}", warning)
        for channel, transcript in enumerate(transcripts)
        for warning in transcript.warnings
    ]
    counts = Counter(warning for _, warning in warnings)
    shared = [warning for warning, count in counts.items() if count == len(transcripts)]
    return Transcript(
        text=_join_texts(segments),
        duration=max(transcript.duration for transcript in transcripts),
        source=transcripts[0].source,
        segments=tuple(segments),
        raw_text=None if all(one.raw_text is None for one in transcripts) else _join_raw_texts(segments),
        warnings=(*shared, *(long for long, warning in warnings if warning not in shared)),
    )


def _join_texts(segments: Iterable[Segment]) -> str:
    return " ".join(segment.text for segment in segments)


def _join_raw_texts(segments: Iterable[Segment]) -> str:
    return " ".join(segment.raw_text for segment in segments)


def _join_words(words: Sequence[Word]) -> Word:
    """Return words that are written as one; their confidence is the lowest, if all have one."""
    first, confidences = words[0], [word.confidence for word in words if word.confidence is not None]
    return Word(
        first.text if first.written is None else first.written,
        first.start,
        words[-1].end,
        min(confidences) if len(confidences) == len(words) else None,
    )


def _channel_of(segment: Segment) -> dict[str, int]:
    return {} if segment.channel is None else {"channel": segment.channel}


def judge_speech(words: Sequence[Word], seconds: float) -> tuple[str, ...]:
    """Return a warning if what was recognised in a recording of this length does not look like speech, or like speech
    that the model knows; else nothing.
    """
    if not words:
        return ("unlike speech: no word was recognised in it",) if seconds >= _LONG_ENOUGH else ()
    if is_unfamiliar(words):
        return (
            f"its words have low confidence throughout ({mean_confidence(words):.2f} on average): this speech is "
            "unlike what the model was trained on, so many words may be wrong",
        )
    if len(words) >= ENOUGH_WORDS:
        return ()
    doubtful = sum(word.confidence is not None and word.confidence < DOUBTFUL for word in words)
    if 2 * doubtful <= len(words):
        return ()
    return (f"unlike speech that the model knows: {doubtful} of {len(words)} words are doubtful",)


def is_unfamiliar(words: Sequence[Word]) -> bool:
    """Whether the words of a recording have low confidence throughout; False if they are few or have none."""
    confidence = mean_confidence(words)
    return len(words) >= ENOUGH_WORDS and confidence is not None and confidence < _UNFAMILIAR


def mean_confidence(words: Sequence[Word]) -> float | None:
    """Average the confidences of words; None if there are no words or one has no confidence."""
    confidences = [word.confidence for word in words if word.confidence is not None]
    return sum(confidences) / len(confidences) if confidences and len(confidences) == len(words) else None


def _to_dict(part: Segment | Word) -> dict[str, Any]:
    times = {"start": round(part.start, 3), "end": round(part.end, 3)}
    return {**times, "text": part.text, "confidence": _round(part.confidence)}


def _round(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 3)


def _rich_line(segment: Segment) -> "Text":
    from rich.text import Text

    channel = "" if segment.channel is None else f"[{segment.channel}] "
    line = Text(f"{_clock(segment.start)}  {channel}", style="dim")
    return line.append_text(Text(" ").join(Text(word.text, style=_rich_style(word)) for word in segment.written_words))


def _rich_style(word: Word) -> str:
    if word.confidence is None or word.confidence >= _CONFIDENT:
        return "not dim"
    return "not dim yellow" if word.confidence >= DOUBTFUL else "not dim red"


def _html_paragraph(segment: Segment) -> str:
    start = f'<small style="opacity: 0.6">{_clock(segment.start)}{_html_channel(segment)}</small>'
    return f"<p>{start} {' '.join(map(_html_word, segment.written_words))}</p>"


def _html_channel(segment: Segment) -> str:
    return "" if segment.channel is None else f" [{segment.channel}]"


def _html_word(word: Word) -> str:
    title, style = f"{word.start:.2f} to {word.end:.2f} s", ""
    if word.confidence is not None:
        title += f", {word.confidence:.0%} sure"
        style = f' style="background: rgba(255, 140, 0, {1 - word.confidence:.2f})"'
    return f'<span title="{title}"{style}>{escape(word.text)}</span>'


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
