"""Subtitles for the transcript on the web page, `POST /subtitles/srt` and `/subtitles/vtt`.

The body is JSON as `asr transcribe` writes it (docs/transcripts.md), of which the duration and the words of each
segment are used: {"duration": 2.5, "segments": [{"words": [{"text": "hello", "start": 0.3, "end": 0.8}]}]}
"""

import asyncio
from itertools import pairwise

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from asr.live.access import RequestError
from asr.transcript.formats import format_transcript
from asr.transcript.transcript import Segment, Transcript, Word

_FORMATS = ("srt", "vtt")
_LONGEST = 1e6  # seconds


class _WordBody(BaseModel):
    text: str = Field(min_length=1)
    start: float = Field(ge=0, le=_LONGEST)
    end: float = Field(ge=0, le=_LONGEST)
    written: str | None = None


class _SegmentBody(BaseModel):
    words: list[_WordBody] = Field(min_length=1)


class _TranscriptBody(BaseModel):
    duration: float = Field(ge=0, le=_LONGEST)
    segments: list[_SegmentBody]


class SubtitleWriter:
    """Formats the transcripts that pages send, one at a time.

    Args:
        max_waiting: Transcripts that may wait.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._num_waiting = 0
        self._turn = asyncio.Lock()

    async def respond(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            RequestError: If the transcript is not valid, or too many are waiting.
        """
        style = request.path_params["style"]
        if style not in _FORMATS:
            raise RequestError(f"{style[:50]}: no such format; choose from: {', '.join(_FORMATS)}", 404)
        body = await request.body()
        if self._num_waiting >= self._max_waiting:
            reason = "too many transcripts are waiting; try again soon"
            raise RequestError(reason, 503, code="overloaded", refusal="uploads")
        self._num_waiting += 1
        try:
            async with self._turn:
                return PlainTextResponse(await asyncio.to_thread(_write_subtitles, body, style))
        finally:
            self._num_waiting -= 1


def _write_subtitles(body: bytes, style: str) -> str:
    """Format a transcript in JSON as subtitles.

    Raises:
        RequestError: If it is not valid, or its words are not in the order of time.
    """
    try:
        parsed = _TranscriptBody.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        location = ".".join(map(str, problem["loc"])) or "body"
        raise RequestError(f"{location}: {problem['msg']}", param=location) from None
    segments = tuple(
        Segment(tuple(Word(word.text, word.start, word.end, written=word.written) for word in segment.words))
        for segment in parsed.segments
    )
    transcript = Transcript(" ".join(segment.text for segment in segments), parsed.duration, segments=segments)
    words = transcript.words  # those of two recordings may overlap by milliseconds, which subtitles can bear
    if any(word.end < word.start for word in words) or any(after.start < word.start for word, after in pairwise(words)):
        raise RequestError("segments: the words must be in the order of time", param="segments")
    return format_transcript(transcript, style)
