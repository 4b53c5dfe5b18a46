"""Audio in, transcript out.

recognizer = load_model("an4")
print(recognizer.transcribe("speech.wav"))
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asr.acoustic.model import SUBSAMPLING
from asr.config import BATCH_SECONDS, DEFAULT_MODEL, JOBS
from asr.decode.decoder import BeamDecoder
from asr.decode.rescoring import Rescorer
from asr.errors import AsrError, AudioError
from asr.recognize.model_folder import BUILT_IN, Model, find_model, model_names, read_model
from asr.recognize.oov import add_oov_words
from asr.recognize.options import DecodingOptions, build_beam, build_rescorer, read_phrases
from asr.recognize.pipeline import Pipeline
from asr.recognize.utterance import Decoded, LogProbs, UtteranceDecoder
from asr.recognize.words import segment_words
from asr.runtime.batching import make_batches
from asr.runtime.precision import computing_in, pick_precision, prepare_network
from asr.signal.audio import AudioSource, Waveform
from asr.signal.features import FeatureExtractor
from asr.signal.segment import AudioSegment, cut_blocks
from asr.transcript.transcript import Transcript


class Recognizer:
    """A trained model that transcribes.

    Args:
        model: The parts, as `read_model` gives them.
        device: Where the network runs; "auto" takes a GPU where there is one.
        precision: What it computes with: "fp32", "bf16" or "int8"; "auto" goes by the hardware.
        beam: Beam search; None takes the most probable path.
        nbest: Readings wanted of each recording, by beam search.
        rescorer: A second pass over what beam search finds.
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
    ) -> None:
        self.device = torch.device(pick_device(device))
        self.precision = pick_precision(precision, self.device)
        self.acoustic = prepare_network(model.acoustic, self.precision, self.device)
        self.tokenizer = model.tokenizer
        self.settings = model.settings
        self.extractor = FeatureExtractor(
            model.settings.features, model.acoustic.feature_mean, model.acoustic.feature_deviation
        )
        self.frame_samples = self.extractor.step * SUBSAMPLING
        frame_seconds = self.frame_samples / self.sample_rate  # a step of the settings need not be whole samples
        confidence = model.settings.confidence
        self.reader = UtteranceDecoder(
            model.tokenizer, frame_seconds, beam=beam, nbest=nbest, confidence=confidence, rescorer=rescorer
        )

    @property
    def sample_rate(self) -> int:
        """Hz of the waveforms that the model reads."""
        return self.settings.features.sample_rate

    def transcribe(self, source: AudioSource) -> Transcript:
        """Transcribe one recording of any length: a path, a file object, or (array, sample_rate).

        Raises:
            AudioError: If it cannot be read or holds less than one window of sound.
        """
        (result,) = self.transcribe_many([source], jobs=1)
        if isinstance(result, AudioError):
            raise result
        return result

    def transcribe_many(
        self,
        sources: Iterable[AudioSource],
        *,
        batch_seconds: float = BATCH_SECONDS,
        jobs: int = JOBS,
        on_progress: Callable[[float], None] | None = None,
    ) -> Iterator[Transcript | AudioError]:
        """Transcribe recordings in their order, as they are done; short ones go through the network together.

        A recording that cannot be read comes out as its error; the others go on.

        Args:
            sources: As for `transcribe`.
            batch_seconds: Speech that goes through the network at once: more is faster and takes more memory.
            jobs: Threads that read audio, and as many that decode.
            on_progress: Told, of a long recording whose transcript is the next to come, how many seconds are done,
                batch by batch.
        """
        return Pipeline(self, batch_seconds=batch_seconds, jobs=jobs, on_progress=on_progress).run(sources)

    def read_waveforms(self, waveforms: Sequence[Tensor]) -> list[Decoded]:
        """What is read in waveforms (S,), best of about one length; their loudness is not used for the times."""
        cut = [list(self.cut([waveform.numpy()])) for waveform in waveforms]
        found = self._read_stretches((stretch for stretches in cut for stretch in stretches), BATCH_SECONDS)
        readings = (self.reader.read(log_probs, start_seconds=self.start_of(one)) for one, log_probs in found)
        return [self.reader.join([next(readings) for _ in stretches]) for stretches in cut]

    def cut(self, blocks: Iterable[Waveform]) -> Iterator[AudioSegment]:
        """The stretches of a recording of any length that comes in blocks (S,) of seconds at the model's rate."""
        return cut_blocks(blocks, self.sample_rate, self.frame_samples)

    def start_of(self, stretch: AudioSegment) -> float:
        """Seconds at which a stretch of a recording begins."""
        return stretch.first * self.frame_samples / self.sample_rate

    def end_of(self, stretch: AudioSegment) -> float:
        """Seconds at which a stretch of a recording ends."""
        return (stretch.first * self.frame_samples + len(stretch.waveform)) / self.sample_rate

    def log_probs(self, waveforms: Sequence[Tensor]) -> list[LogProbs]:
        """What the network says of waveforms (S,) at the model's rate, as one batch: (T', V) log probabilities each."""
        return self.read_features([self.extractor(waveform) for waveform in waveforms])

    @torch.inference_mode()
    def read_features(self, features: Sequence[Tensor]) -> list[LogProbs]:
        """What the network says of features (T, F), as one batch: (T', V) natural-log probabilities each."""
        lengths = torch.tensor([len(one) for one in features])
        padded = pad_sequence(list(features), batch_first=True)
        if padded.shape[1] == 0:  # nothing is as long as a window; the network wants a frame nevertheless
            padded = padded.new_zeros(len(features), 1, self.settings.features.num_mels)
        with computing_in(self.precision, self.device):
            output = self.acoustic(padded.to(self.device), lengths)
        log_probs = output.log_probs.float().cpu().numpy()
        return [one[:length] for one, length in zip(log_probs, output.lengths.tolist(), strict=True)]

    def stream_log_probs(
        self, blocks: Iterable[Waveform], *, batch_seconds: float = BATCH_SECONDS
    ) -> Iterator[tuple[AudioSegment, LogProbs]]:
        """The stretches of a recording that comes in blocks (S,), and what the network says of each: (T', V)."""
        return self._read_stretches(self.cut(blocks), batch_seconds)

    def make_transcript(self, reading: Decoded, duration: float, source: str | None) -> Transcript:
        """A reading as people get it."""
        return Transcript(
            text=reading.text,
            duration=duration,
            source=source,
            segments=segment_words(reading.words),
            alternatives=reading.alternatives if self.reader.nbest > 1 else (),
        )

    def check_length(self, num_samples: int, name: str | None) -> None:
        """Raise AudioError if so many samples at the model's rate are less than one window of sound."""
        if self.extractor.num_frames(num_samples) == 0:
            raise AudioError(
                f"{name or 'audio'}: {num_samples} samples are too short to hold speech; "
                f"at least {self.extractor.window} at {self.sample_rate} Hz are needed"
            )

    def _read_stretches(
        self, stretches: Iterable[AudioSegment], batch_seconds: float
    ) -> Iterator[tuple[AudioSegment, LogProbs]]:
        for batch in make_batches(stretches, lambda one: len(one.waveform) / self.sample_rate, batch_seconds):
            yield from zip(batch, self.log_probs([torch.from_numpy(one.waveform) for one in batch]), strict=True)


def load_model(
    name: str | Path = DEFAULT_MODEL,
    *,
    device: str = "auto",
    precision: str = "auto",
    decoding: DecodingOptions | None = None,
) -> Recognizer:
    """Load a model folder, or a model that comes with the package by its name. Runs no code from it.

    Args:
        name: The folder or name.
        device: Where the network runs.
        precision: What it computes with: auto, fp32, bf16 or int8.
        decoding: How text is found; None: by the folder's language model if it holds one.

    Raises:
        ModelError: If there is no such model or it is broken.
        ConfigError: If the choices for decoding contradict one another.
    """
    decoding = decoding or DecodingOptions()
    model = read_model(name)
    folder, settings = find_model(name), model.settings
    expected = " ".join(read_phrases(decoding, settings.normalizer)).split()
    model = replace(model, tokenizer=add_oov_words(model.tokenizer, expected))
    beam = build_beam(folder, model.tokenizer, settings.decoder, decoding, settings.normalizer)
    rescorer = build_rescorer(folder, model.tokenizer, settings.rescoring, decoding)
    return Recognizer(model, device=device, precision=precision, beam=beam, nbest=decoding.nbest, rescorer=rescorer)


def list_models() -> dict[str, Path]:
    """Names and folders of the models that come with the package."""
    return {name: BUILT_IN / name for name in model_names()}


def pick_device(device: str) -> str:
    """A torch device for "auto", "cpu", "cuda", "cuda:1", ... Raises AsrError for one that is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise AsrError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}; try auto or cpu") from None
    return device
