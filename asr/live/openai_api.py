"""OpenAI's interface for transcribing files, `POST /v1/audio/transcriptions`; its clients work unchanged.

A file is transcribed as `asr transcribe` does it, one at a time in a thread of its own, beside the
live streams. What the interface offers and this recogniser has not (a prompt, a temperature, a
choice of languages) is passed over; what would change the form of the answer is refused.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from asr.errors import AsrError, AudioError
from asr.live.access import error_body
from asr.live.limits import Limits
from asr.live.metrics import Metrics
from asr.recognize.recognizer import Recognizer
from asr.transcript.formats import format_transcript
from asr.transcript.transcript import Segment, Transcript, Word

# Names that clients have built in; this server has one model, whatever they call it.
_ALIASES = ("whisper-", "gpt-")
_GRANULARITIES = ("word", "segment")


class RequestError(Exception):
    """A request that cannot be answered.

    Args:
        message: What was wrong and what to do.
        status: Of the response.
        param: The field that is wrong.
        code: A word for programs.
    """

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code

    def respond(self) -> Response:
        """As OpenAI's interface tells it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        body = error_body(self.message, kind=kind, code=self.code, param=self.param)
        headers = {"retry-after": "1"} if self.status == 503 else None
        return Response(body, self.status, headers, "application/json")


class Transcriber:
    """Transcribes the files that clients send.

    Args:
        recognizer: The model.
        name: By which clients ask for it.
        limits: How many files may wait.
        metrics: Told what happens.
    """

    def __init__(self, recognizer: Recognizer, name: str, limits: Limits, metrics: Metrics) -> None:
        self.name = name
        self._recognizer = recognizer
        self._limits = limits
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(1, "files", initializer=torch.set_num_threads, initargs=(1,))
        self._under_way = 0
        self._is_closing = False
        self._is_stopped = False

    async def close(self, patience: float = 5.0) -> None:
        """Take nothing more; finish what was begun, if that does not take longer than `patience` seconds."""
        self._is_closing = True
        end = time.monotonic() + patience
        while self._under_way and time.monotonic() < end:
            await asyncio.sleep(0.05)
        self._is_stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def models(self) -> list[dict[str, Any]]:
        """As `GET /v1/models` lists them."""
        return [{"id": self.name, "object": "model", "created": 0, "owned_by": "asr"}]

    async def respond(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            RequestError: If it cannot be answered.
        """
        self._check_room()
        async with request.form(max_files=1, max_fields=64) as form:
            file, write = self._read_form(form)
            self._check_room()  # while the file came, others may have come, too
            self._under_way += 1
            try:
                return write(await self._transcribe(file))
            finally:
                self._under_way -= 1

    def _check_room(self) -> None:
        if self._is_closing:
            raise _shutting_down()
        if self._under_way >= self._limits.uploads:
            self._metrics.refusals.labels("uploads").inc()
            raise RequestError("other files are waiting already; try again soon", status=503, code="overloaded")

    def _read_form(self, form: FormData) -> tuple[UploadFile, Callable[[Transcript], Response]]:
        """The file, and how its transcript is to be written."""
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise RequestError("file: missing; send the recording as multipart/form-data", param="file")
        self.check_model(str(form.get("model", "")))
        style = str(form.get("response_format", "json"))
        if style not in WRITERS:
            raise RequestError(
                f"response_format {style[:50]}: no such format; there are: {', '.join(WRITERS)}",
                param="response_format",
            )
        if str(form.get("stream", "false")).lower() not in ("false", "0", ""):
            raise RequestError("stream: not offered for files; the websocket streams", param="stream")
        wanted = {
            str(one) for name in ("timestamp_granularities[]", "timestamp_granularities") for one in form.getlist(name)
        }
        if wanted - set(_GRANULARITIES):
            raise RequestError(
                "timestamp_granularities: expected word, segment or both", param="timestamp_granularities"
            )
        if wanted and style != "verbose_json":
            raise RequestError("timestamp_granularities: needs response_format verbose_json", param="response_format")
        language = str(form.get("language", "")) or "und"
        return file, lambda transcript: WRITERS[style](transcript, wanted or {"segment"}, language)

    def check_model(self, name: str) -> None:
        """Raise RequestError if a model is asked for that is not here."""
        if not name:
            raise RequestError("model: missing; `GET /v1/models` lists them", param="model")
        if name != self.name and not name.startswith(_ALIASES):
            raise RequestError(
                f"model {name[:50]}: not here; this server has {self.name}",
                status=404,
                param="model",
                code="model_not_found",
            )

    async def _transcribe(self, file: UploadFile) -> Transcript:
        loop = asyncio.get_running_loop()
        try:
            transcript = await loop.run_in_executor(self._pool, self._read, file)
        except AudioError as error:
            raise RequestError(_without_name(str(error)), param="file", code="invalid_audio") from None
        except asyncio.CancelledError:
            if self._is_stopped:  # it had not begun
                raise _shutting_down() from None
            raise
        except AsrError as error:
            raise RequestError(str(error), status=500) from None
        self._metrics.audio.labels("file").inc(transcript.duration)
        return transcript

    def _read(self, file: UploadFile) -> Transcript:
        (result,) = self._recognizer.transcribe_many([file.file], jobs=1, on_progress=self._check_on)
        if isinstance(result, AudioError):
            raise result
        return result

    def _check_on(self, seconds: float) -> None:
        """Called within long recordings: whether this one may go on."""
        if self._is_stopped:
            raise _shutting_down()
        if seconds > self._limits.upload_seconds:
            raise RequestError(
                f"file: longer than {self._limits.upload_seconds / 3600:g} hours; send it in parts",
                status=413,
                param="file",
                code="upload",
            )


def _shutting_down() -> RequestError:
    return RequestError("the server is shutting down; try again later", status=503, code="shutdown")


def _without_name(message: str) -> str:
    """An error's text without the server's name for the upload."""
    return message.replace("audio stream: ", "file: ", 1)


def _write_verbose(transcript: Transcript, granularities: set[str], language: str) -> Response:
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": language,
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
    }
    if "word" in granularities:
        body["words"] = [_describe_word(word) for word in transcript.words]
    if "segment" in granularities:
        body["segments"] = [_describe_segment(index, one) for index, one in enumerate(transcript.segments)]
    return JSONResponse(body)


def _describe_word(word: Word) -> dict[str, Any]:
    described = {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
    # Not in OpenAI's interface, whose clients pass over what they do not know.
    return described if word.confidence is None else {**described, "confidence": round(word.confidence, 4)}


def _describe_segment(index: int, segment: Segment) -> dict[str, Any]:
    """A segment with all keys that clients check for; those that mean nothing here say so by zero."""
    return {
        "id": index,
        "seek": 0,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 0.0,
        "no_speech_prob": 0.0,
    }


def _writer(name: str) -> Callable[[Transcript, set[str], str], Response]:
    return lambda transcript, granularities, language: PlainTextResponse(format_transcript(transcript, name))


WRITERS: dict[str, Callable[[Transcript, set[str], str], Response]] = {
    "json": lambda transcript, granularities, language: JSONResponse({"text": transcript.text}),
    "text": _writer("txt"),
    "srt": _writer("srt"),
    "verbose_json": _write_verbose,
    "vtt": _writer("vtt"),
}
