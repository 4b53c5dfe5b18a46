"""Audio in, transcript out.

recognizer = load_model("an4")
print(recognizer.transcribe("speech.wav"))
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from asr.config import BATCH_SECONDS, DEFAULT_MODEL, JOBS
from asr.decode.decoder import BeamDecoder
from asr.decode.rescoring import Rescorer
from asr.errors import AsrError, AudioError, ConfigError, one_line
from asr.recognize.model_folder import Model, find_model, read_model
from asr.recognize.onnx_file import read_onnx
from asr.recognize.options import DecodingOptions, build_rescorer, build_writer, choose_decoder, prepare_phrases
from asr.recognize.pipeline import Pipeline
from asr.recognize.runner import NetworkRunner
from asr.recognize.utterance import Decoded, UtteranceDecoder
from asr.recognize.words import FrameTiming
from asr.runtime.network import Network
from asr.runtime.onnx_network import OnnxNetwork
from asr.runtime.precision import pick_device
from asr.runtime.threads import count_threads
from asr.signal.audio import AudioSource
from asr.signal.channels import ChannelChoice
from asr.signal.front_end import build_extractor
from asr.signal.resample import Waveform
from asr.transcript.transcript import Transcript
from asr.transcript.written_text import TextWriter


class Recognizer:
    """A trained model that transcribes.

    Args:
        model: The parts, as `read_model` returns them.
        device: Where the network runs: "cpu", by ONNX Runtime, or a GPU such as "cuda", by torch; "auto" takes a GPU if
            there is one and torch is installed.
        precision: What it computes with: "int8" or "fp32", on a GPU "bf16" or "fp32"; "auto" is the fastest.
        beam: Beam search; None takes the most probable path.
        nbest: Hypotheses to return for each recording, by beam search.
        rescorer: Reorders the hypotheses of beam search.
        writer: Writes words out with marks, capitals and numbers; None leaves them as they are recognised.

    Attributes:
        sample_rate: Hz of the waveforms that the model takes.
        runner: From waveforms to log probabilities.
        decoder: From log probabilities to words.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str = "auto",
        precision: str = "auto",
        beam: BeamDecoder | None = None,
        nbest: int = 1,
        rescorer: Rescorer | None = None,
        writer: TextWriter | None = None,
    ) -> None:
        self.tokenizer = model.tokenizer
        self.settings = model.settings
        self.sample_rate = model.settings.features.sample_rate
        features, confidence = model.settings.features, model.settings.confidence
        extractor = build_extractor(features, *model.statistics, num_threads=count_threads())
        self.runner = NetworkRunner(extractor, load_network(model, device=device, precision=precision))
        timing = FrameTiming(self.runner.frame_seconds, self.runner.layout.window / self.sample_rate)
        self.decoder = UtteranceDecoder(
            self.tokenizer, timing, beam=beam, nbest=nbest, confidence=confidence, rescorer=rescorer, writer=writer
        )

    def transcribe(self, source: AudioSource, *, channel: ChannelChoice = "mix") -> Transcript:
        """Transcribe one recording of any length: a path, a file object, or (array, sample_rate).

        Args:
            source: The recording.
            channel: One of its channels, from 0, or "each" of them by itself, as in telephone calls: the segments then
                say in which channel they were said. "mix" takes the mean of all.

        Raises:
            AudioError: If it cannot be read or is shorter than one window of features.
        """
        (result,) = self.transcribe_many([source], jobs=1, channel=channel)
        if isinstance(result, AudioError):
            raise result
        return result

    def transcribe_many(
        self,
        sources: Iterable[AudioSource],
        *,
        channel: ChannelChoice = "mix",
        batch_seconds: float = BATCH_SECONDS,
        jobs: int = JOBS,
        on_progress: Callable[[float], None] | None = None,
    ) -> Iterator[Transcript | AudioError]:
        """Yield the transcripts of recordings in their order, or the error of one that cannot be read.

        Args:
            sources: As for `transcribe`, as is the channel.
            channel: Which channels are transcribed.
            batch_seconds: Speech that goes through the network at once: more is faster and takes more memory.
            jobs: Threads that read audio, and as many that decode.
            on_progress: Called with the seconds that are done of a long recording whose transcript comes next.
        """
        return Pipeline(self.runner, self.decoder, batch_seconds, jobs, on_progress).run(sources, channel)

    def decode_waveforms(self, waveforms: Sequence[Waveform]) -> list[Decoded]:
        """Decode waveforms (S,), best of about one length; word times do not make use of their loudness."""
        split = [list(self.runner.split([waveform])) for waveform in waveforms]
        results = self.runner.run_segments(segment for segments in split for segment in segments)
        decoded = (self.decoder.decode(log_probs, start_seconds=segment.start) for segment, log_probs in results)
        return [self.decoder.join([next(decoded) for _ in segments]) for segments in split]


def load_network(model: Model, *, device: str, precision: str) -> Network:
    """Load a model's network, to run on a device.

    Raises:
        ConfigError: If the device or the network cannot compute with the precision.
        AsrError: If the device cannot be used.
    """
    chosen = pick_device(device)
    if model.imported is not None:
        if device not in ("auto", "cpu") or precision not in ("auto", "fp32"):
            raise ConfigError("imported networks run on the CPU as they were stored; leave device and precision out")
        return model.imported
    if chosen == "cpu":
        return OnnxNetwork(model.weights, model.settings, precision=precision)
    try:  # heavy, and not needed on the CPU
        from asr.runtime.torch_device import pick_torch_device
        from asr.runtime.torch_network import TorchNetwork
    except ModuleNotFoundError:
        raise AsrError(
            f"device {device} needs torch, which is not installed; install asr's extra `train`, or take cpu"
        ) from None
    except (ImportError, OSError) as error:
        raise AsrError(f"device {device} needs torch, which cannot be loaded: {one_line(error)}; take cpu") from None
    if device == "auto" and (chosen := pick_torch_device("auto").type) == "cpu":
        # torch is a build for the CPU, or does not fit the driver
        return OnnxNetwork(model.weights, model.settings, precision=precision)
    return TorchNetwork.from_weights(model.weights, model.settings, device=chosen, precision=precision)


def load_model(
    name: str | Path = DEFAULT_MODEL,
    *,
    device: str = "auto",
    precision: str = "auto",
    decoding: DecodingOptions | None = None,
) -> Recognizer:
    """Load a model folder, or a model that comes with the package by its name. Runs no code from it.

    Args:
        name: The folder, the name, or a file that `asr export` wrote; that has no language model and no punctuator.
        device: Where the network runs.
        precision: What it computes with; see `Recognizer`.
        decoding: How it decodes; None: with the folder's language model if there is one.

    Warns about hot words that cannot be spelled, are changed or are given twice (`AsrWarning`).

    Raises:
        ModelError: If there is no such model or it is broken.
        ConfigError: If the decoding options contradict one another.
    """
    decoding = decoding or DecodingOptions()
    model, folder = read_model_or_file(name)
    settings = model.settings
    normalizer = settings.normalizer
    decoding, tokenizer = prepare_phrases(decoding, normalizer, model.tokenizer)
    model = replace(model, tokenizer=tokenizer)
    beam = choose_decoder(folder, tokenizer, settings.decoder, decoding, normalizer, precision=precision)
    rescorer = build_rescorer(folder, tokenizer, settings.rescoring, decoding, precision=precision)
    return Recognizer(
        model,
        device=device,
        precision=precision,
        beam=beam,
        nbest=decoding.nbest,
        rescorer=rescorer,
        writer=build_writer(folder, settings, decoding),
    )


def read_model_or_file(name: str | Path) -> tuple[Model, Path]:
    """Read a model folder, a model that comes with the package, or an exported file; return also where it is.

    Raises:
        ModelError: If there is no such model or it is broken.
    """
    path = Path(name)
    return (read_onnx(path), path) if path.is_file() else (read_model(name), find_model(name))
