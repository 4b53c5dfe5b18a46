"""asr: an open speech recogniser on recurrent networks and CTC.

    import asr
    transcript = asr.load_model("an4").transcribe("speech.wav")

The names below are the whole public interface. Each loads on first use, so that `import asr` stays light.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from asr.errors import AsrError

if TYPE_CHECKING:
    from asr.recognize.model_folder import list_models
    from asr.recognize.options import DecodingOptions
    from asr.recognize.recognizer import Recognizer, load_model
    from asr.recognize.streaming.endpoints import Endpoints
    from asr.recognize.streaming.recognizer import StreamingRecognizer
    from asr.recognize.streaming.stream import Partial, StreamingOptions
    from asr.signal.audio import load_audio, stream_audio
    from asr.spotting.find import Hit, find
    from asr.spotting.listener import PhraseListener
    from asr.spotting.spotter import PhraseSpotter
    from asr.transcript.transcript import Transcript

__version__ = "0.1.0"
__all__ = [
    "AsrError",
    "DecodingOptions",
    "Endpoints",
    "Hit",
    "Partial",
    "PhraseListener",
    "PhraseSpotter",
    "Recognizer",
    "StreamingOptions",
    "StreamingRecognizer",
    "Transcript",
    "find",
    "list_models",
    "load_audio",
    "load_model",
    "stream_audio",
]

_HOME = {
    "DecodingOptions": "asr.recognize.options",
    "Endpoints": "asr.recognize.streaming.endpoints",
    "Hit": "asr.spotting.find",
    "Partial": "asr.recognize.streaming.stream",
    "PhraseListener": "asr.spotting.listener",
    "PhraseSpotter": "asr.spotting.spotter",
    "Recognizer": "asr.recognize.recognizer",
    "StreamingOptions": "asr.recognize.streaming.stream",
    "StreamingRecognizer": "asr.recognize.streaming.recognizer",
    "Transcript": "asr.transcript.transcript",
    "find": "asr.spotting.find",
    "list_models": "asr.recognize.model_folder",
    "load_audio": "asr.signal.audio",
    "load_model": "asr.recognize.recognizer",
    "stream_audio": "asr.signal.audio",
}


# Let libgomp's waiting threads sleep soon instead of spinning endlessly. A recurrent training step next to one busy
# process on two cores took 1 to 5.9 s by default and 0.21 s with 3000 spins, at no cost alone
# (tools/benchmarks/training_step.py repeats it). libgomp reads the variable once, when torch loads it.
if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

# ONNX Runtime's builds of 2026 send events to their maker and leave an identifier in the user's cache unless this is
# set before they are loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'asr' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
