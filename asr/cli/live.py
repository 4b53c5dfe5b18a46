"""Commands that recognise speech while it is spoken: mic, serve."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from typer import Option

from asr.cli import options
from asr.cli.console import reporter
from asr.config import CHUNK_SECONDS, DEFAULT_MODEL, HOST, PORT, RIGHT_SECONDS
from asr.errors import AsrError, AudioError
from asr.live.settings import Limits, ServerSettings
from asr.recognize.streaming.endpoints import Endpoints

_LIMITS = Limits()
_MEGABYTE = 1 << 20


def mic(
    model: options.ModelName = DEFAULT_MODEL,
    device: Annotated[str | None, Option(help="Microphone: its number or part of its name; see --list.")] = None,
    list_all: Annotated[bool, Option("--list", help="List the microphones.")] = False,
    file: Annotated[Path | None, Option(help="Play this recording in real time instead of using a microphone.")] = None,
    save_audio: Annotated[Path | None, Option(help="Save the audio: .wav, .flac, ...")] = None,
    save_text: Annotated[Path | None, Option(help="Save the transcript: .txt, .srt, .vtt or .json.")] = None,
    decoder: options.DecoderName = None,
    beam_size: options.BeamSize = None,
    lm: options.LanguageModel = None,
    hotwords: options.Hotwords = None,
    punctuate: options.Punctuate = None,
    numbers: options.NumberStyle = None,
    chunk: options.ChunkSeconds = CHUNK_SECONDS,
    right: options.RightSeconds = RIGHT_SECONDS,
    pause: options.PauseSeconds = options.ENDPOINTS.pause,
    longest: options.LongestSeconds = options.ENDPOINTS.longest,
) -> None:
    """Transcribe a microphone live, until Ctrl-C."""
    from asr.cli.terminal import show_live
    from asr.live.microphone import Microphone, PlayedFile, list_devices
    from asr.recognize.recognizer import load_model
    from asr.recognize.streaming.recognizer import StreamingRecognizer
    from asr.recognize.streaming.stream import StreamingOptions

    if list_all:
        for number, name, details in list_devices():
            typer.echo(f"{number}\t{name}\t{details}")
        return
    if file is not None and save_audio is not None and file.resolve() == save_audio.resolve():
        raise AudioError(f"--save-audio {save_audio}: is the file that is played; choose another name")
    streaming = StreamingOptions(chunk, right, Endpoints.from_seconds(pause, longest))
    decoding = options.decoding_options(
        decoder=decoder, beam_size=beam_size, lm=lm, hotwords=hotwords, punctuate=punctuate, numbers=numbers
    )
    recognizer = load_model(model, decoding=decoding)
    audio = Microphone(device) if file is None else PlayedFile(file, recognizer.sample_rate)
    stream = StreamingRecognizer(recognizer, streaming, sample_rate=audio.sample_rate)
    transcript = show_live(stream, audio, console=Console(), save_audio=save_audio, save_text=save_text)
    for warning in transcript.warnings:
        reporter.line(warning, "warning")


def serve(
    model: options.ModelName = DEFAULT_MODEL,
    host: Annotated[str, Option(help="Address to listen on; 0.0.0.0 accepts other machines.")] = HOST,
    port: Annotated[int, Option(min=0, max=65535, help="Port, by default Vosk's; 0 picks a free one.")] = PORT,
    token: Annotated[str | None, Option(envvar="ASR_TOKEN", help="Bearer token that clients must send.")] = None,
    allow_origin: Annotated[
        list[str] | None, Option(help="Accept web pages of this origin, such as https://example.org; repeatable.")
    ] = None,
    model_name: Annotated[
        list[str] | None, Option(help="Further name that clients may give the model, such as large-v3; * for any.")
    ] = None,
    wyoming: Annotated[
        str | None, Option(metavar="HOST:PORT", help="Also speak Home Assistant's Wyoming protocol, such as on :10300.")
    ] = None,
    announce: Annotated[
        bool, Option(help="Announce the Wyoming server in the local network; needs the extra zeroconf.")
    ] = True,
    language: Annotated[
        str | None, Option(metavar="CODE", help="Language for Wyoming clients, such as en. Default: the model's.")
    ] = None,
    clients: Annotated[int, Option(min=1, help="Most live streams at a time.")] = _LIMITS.clients,
    minutes: Annotated[float, Option(min=0.1, help="Longest live stream.")] = _LIMITS.session_seconds / 60,
    idle: Annotated[float, Option(min=1, help="Seconds that a client may be idle.")] = _LIMITS.idle_seconds,
    upload: Annotated[int, Option(min=1, help="Largest file, in megabytes.")] = _LIMITS.upload_bytes // _MEGABYTE,
    decoder: options.DecoderName = None,
    beam_size: options.BeamSize = None,
    lm: options.LanguageModel = None,
    hotwords: options.Hotwords = None,
    punctuate: options.Punctuate = None,
    numbers: options.NumberStyle = None,
    chunk: options.ChunkSeconds = CHUNK_SECONDS,
    right: options.RightSeconds = RIGHT_SECONDS,
    pause: options.PauseSeconds = options.ENDPOINTS.pause,
    longest: options.LongestSeconds = options.ENDPOINTS.longest,
    channel: options.ChannelName = "mix",
    device: options.Device = "auto",
    precision: options.PrecisionName = "auto",
) -> None:
    """Run a server with a web page, a websocket (Vosk's protocol) and HTTP (OpenAI's)."""
    from asr.live.server import run
    from asr.recognize.streaming.stream import StreamingOptions

    limits = Limits(clients=clients, session_seconds=60 * minutes, idle_seconds=idle, upload_bytes=upload * _MEGABYTE)
    run(
        model,
        ServerSettings(
            host=host,
            port=port,
            token=token,
            origins=allow_origin or (),
            limits=limits,
            channel=options.parse_channel(channel),
            model_names=model_name or (),
            wyoming=None if wyoming is None else parse_address(wyoming),
            announce=announce,
            language=language,
        ),
        StreamingOptions(chunk, right, Endpoints.from_seconds(pause, longest)),
        device=device,
        precision=precision,
        decoding=options.decoding_options(
            decoder=decoder, beam_size=beam_size, lm=lm, hotwords=hotwords, punctuate=punctuate, numbers=numbers
        ),
        reporter=reporter,
    )


def parse_address(text: str) -> tuple[str, int]:
    """Parse an address such as 0.0.0.0:10300, [::1]:10300, :10300 (this machine only) or tcp://... with either.

    Raises:
        AsrError: If it is none.
    """
    try:
        parts = urlsplit(text if "://" in text else f"tcp://{text}")
        if parts.scheme == "tcp" and parts.port is not None and not parts.path:
            return parts.hostname or HOST, parts.port
    except ValueError:
        pass
    raise AsrError(f"--wyoming {text}: expected HOST:PORT, such as 0.0.0.0:10300")
