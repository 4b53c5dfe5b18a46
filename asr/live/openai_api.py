"""OpenAI's interface for transcribing files, `POST /v1/audio/transcriptions`. Its clients work unchanged.

Files are transcribed as `asr transcribe` does it, one at a time, in a separate thread from the live streams. Options
that this recogniser does not have (a prompt, a temperature, a language) are ignored. Those that would change the
format of the response are refused. With `stream` the text comes as server-sent events, once it is complete.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeAlias, cast

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from asr.errors import AsrError, AudioError
from asr.live.access import RequestError
from asr.live.metrics import Metrics
from asr.live.settings import Limits, is_true
from asr.recognize.recognizer import Recognizer
from asr.runtime.threads import work_alone
from asr.signal.channels import ChannelChoice
from asr.transcript.formats import format_transcript
from asr.transcript.transcript import Segment, Transcript, Word

# Clients have these names built in; the server has one model, whatever they call it.
_ALIASES = ("whisper-", "gpt-")
_UNDETERMINED = "und"  # ISO 639-2


class Transcriber:
    """Transcribes the files that clients send.

    Args:
        recognizer: The model.
        name: The model's name for clients.
        limits: How many files may wait, and how long they may be.
        metrics: Counts what happens.
        channel: The channel of a file that is transcribed, unless the client asks for another.
        other_names: What clients may call the model as well; "*" stands for anything.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        name: str,
        limits: Limits,
        metrics: Metrics,
        channel: ChannelChoice = "mix",
        other_names: Sequence[str] = (),
    ) -> None:
        # As `GET /v1/models` lists it.
        self.model = {"id": name, "object": "model", "created": 0, "owned_by": "asr"}
        self._name = name
        self._other_names = other_names
        # Of the model, whatever a client asks for: this is what was spoken, as far as anybody knows.
        normalizer = recognizer.settings.normalizer
        self._language = normalizer.language or normalizer.spell_out_numbers or _UNDETERMINED
        self._recognizer = recognizer
        self._limits = limits
        self._metrics = metrics
        self._channel = channel
        self._pool = ThreadPoolExecutor(1, "files", initializer=work_alone)  # live streams need the other cores
        self._under_way = 0
        self._is_closing = False
        self._is_stopped = False

    async def close(self, patience: float = 5.0) -> None:
        """Accept no more files, and finish those that are under way within `patience` seconds."""
        self._is_closing = True
        end = time.monotonic() + patience
        while self._under_way and time.monotonic() < end:
            await asyncio.sleep(0.05)
        self._is_stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def respond(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            RequestError: If it cannot be answered.
        """
        self._check_room()
        form = await _parse_form(request)
        try:
            file, write = self._read_form(form)
            channel = self._read_channel(form)
            self._check_room()  # other files may have arrived meanwhile
            self._under_way += 1
            try:
                return write(await self._transcribe(file, channel))
            finally:
                self._under_way -= 1
        finally:
            await form.close()

    def _check_room(self) -> None:
        if self._is_closing:
            raise _shutting_down()
        if self._under_way >= self._limits.uploads:
            raise RequestError("too many files are waiting; try again soon", 503, code="overloaded", refusal="uploads")

    def _read_form(self, form: FormData) -> tuple[UploadFile, Callable[[Transcript], Response]]:
        """Return the file, and a function that formats its transcript."""
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise RequestError("file: missing; send the recording as multipart/form-data", param="file")
        self.check_model(str(form.get("model", "")))
        style = str(form.get("response_format", "json"))
        if style not in _WRITERS:
            reason = f"response_format {style[:50]}: no such format; choose from: {', '.join(_WRITERS)}"
            raise RequestError(reason, param="response_format")
        keys = ("timestamp_granularities[]", "timestamp_granularities")
        granularities = {str(value) for key in keys for value in form.getlist(key)}
        if granularities - {"word", "segment"}:
            raise RequestError("timestamp_granularities: expected word, segment or both", param=keys[1])
        if granularities and style != "verbose_json":
            raise RequestError("timestamp_granularities: needs response_format verbose_json", param="response_format")
        if is_true(form.get("stream")):
            if style not in ("json", "text"):
                raise RequestError("stream: needs response_format json or text", param="stream")
            return file, _write_events
        return file, lambda transcript: _WRITERS[style](transcript, granularities or {"segment"}, self._language)

    def _read_channel(self, form: FormData) -> ChannelChoice:
        """Return the channel that a client asks for, which is an extension."""
        choice = str(form.get("channel", self._channel))
        if choice in ("mix", "each"):
            return cast(Literal["mix", "each"], choice)
        if not (choice.isascii() and choice.isdigit()):
            raise RequestError("channel: expected mix, each, or the number of a channel, from 0", param="channel")
        return int(choice)

    def check_model(self, name: str) -> None:
        """Raise RequestError if a client asks for another model."""
        if not name:
            raise RequestError("model: missing; `GET /v1/models` lists the models", param="model")
        names = {self._name, *self._other_names}
        if name not in names and "*" not in names and not name.startswith(_ALIASES):
            reason = f"model {name[:50]}: not found; this server has {self._name}"
            raise RequestError(reason, 404, param="model", code="model_not_found")

    async def _transcribe(self, file: UploadFile, channel: ChannelChoice = "mix") -> Transcript:
        loop = asyncio.get_running_loop()
        try:
            transcript = await loop.run_in_executor(self._pool, self._transcribe_now, file, channel)
        except AudioError as error:
            reason = str(error).replace("audio stream: ", "file: ", 1)  # the recogniser's name for an upload
            raise RequestError(reason, param="file", code="invalid_audio") from None
        except asyncio.CancelledError:
            if self._is_stopped:  # before the file's turn came
                raise _shutting_down() from None
            raise
        except AsrError as error:
            raise RequestError(str(error), 500) from None
        self._metrics.audio.labels("file").inc(transcript.duration)
        return transcript

    def _transcribe_now(self, file: UploadFile, channel: ChannelChoice) -> Transcript:
        (result,) = self._recognizer.transcribe_many(
            [file.file], channel=channel, jobs=1, on_progress=self._check_progress
        )
        if isinstance(result, AudioError):
            raise result
        return result

    def _check_progress(self, seconds: float) -> None:
        """Raise RequestError in the middle of a recording if it is too long or the server is shutting down."""
        if self._is_stopped:
            raise _shutting_down()
        if seconds > self._limits.upload_seconds:
            reason = f"file: longer than {self._limits.upload_seconds / 3600:g} hours; split it into parts"
            raise RequestError(reason, 413, param="file", code="upload")


class _FormParser(MultiPartParser):
    """Takes the part `file` for a file even if the client names none; it would be a text, and too long for one."""

    def on_headers_finished(self) -> None:
        """Read the headers of a part."""
        part = self._current_part
        _, options = parse_options_header(part.content_disposition)
        if options.get(b"name") == b"file" and b"filename" not in options:
            part.content_disposition = (part.content_disposition or b"") + b'; filename="audio"'
        super().on_headers_finished()


async def _parse_form(request: Request) -> FormData:
    """Parse the body. Raises RequestError if it is no form."""
    limits = {"max_files": 1, "max_fields": 64}
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await request.form(**limits)
    try:
        return await _FormParser(request.headers, request.stream(), **limits).parse()
    except MultiPartException as error:
        raise RequestError(f"the form cannot be read: {error.message}") from None
    except OSError as error:  # it is kept in a temporary file
        raise RequestError(f"the file cannot be stored: {error.strerror}; try again later", 507) from None


def _shutting_down() -> RequestError:
    return RequestError("the server is shutting down; try again later", 503, code="shutdown")


def _write_events(transcript: Transcript) -> Response:
    """Write the text as server-sent events, a segment each, as OpenAI does."""
    texts = [segment.text for segment in transcript.segments] or [transcript.text]
    deltas = [text if index == 0 else f" {text}" for index, text in enumerate(texts)]
    events = [{"type": "transcript.text.delta", "delta": delta} for delta in deltas if delta]
    events.append({"type": "transcript.text.done", "text": transcript.text})
    body = "".join(f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events)
    return Response(body, media_type="text/event-stream", headers={"cache-control": "no-cache"})


def _write_verbose(transcript: Transcript, granularities: set[str], language: str) -> Response:
    body: dict[str, Any] = {"task": "transcribe", "language": language, "duration": round(transcript.duration, 3)}
    body["text"] = transcript.text
    if "word" in granularities:
        body["words"] = [_describe_word(word) for word in transcript.words]
    if "segment" in granularities:
        body["segments"] = [_describe_segment(index, segment) for index, segment in enumerate(transcript.segments)]
    if transcript.warnings:  # an extension as well
        body["warnings"] = list(transcript.warnings)
    return JSONResponse(body)


def _describe_word(word: Word) -> dict[str, Any]:
    description: dict[str, Any] = {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
    # Extensions: OpenAI's clients ignore unknown keys.
    if word.confidence is not None:
        description["confidence"] = round(word.confidence, 4)
    if word.written is not None:
        description["written"] = word.written
    return description


def _describe_segment(index: int, segment: Segment) -> dict[str, Any]:
    """Describe a segment with all keys that clients check for; those without a meaning here are zero."""
    zeros = dict.fromkeys(("temperature", "avg_logprob", "compression_ratio", "no_speech_prob"), 0.0)
    times = {"start": round(segment.start, 3), "end": round(segment.end, 3)}
    channel = {} if segment.channel is None else {"channel": segment.channel}  # an extension
    return {"id": index, "seek": 0, **times, **channel, "text": segment.text, "tokens": [], **zeros}


_Writer: TypeAlias = Callable[[Transcript, set[str], str], Response]


def _plain_text(style: str) -> _Writer:
    return lambda transcript, granularities, language: PlainTextResponse(format_transcript(transcript, style))


_WRITERS: dict[str, _Writer] = {
    "json": lambda transcript, granularities, language: JSONResponse({"text": transcript.text}),
    "text": _plain_text("txt"),
    "srt": _plain_text("srt"),
    "verbose_json": _write_verbose,
    "vtt": _plain_text("vtt"),
}
