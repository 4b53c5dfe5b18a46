"""Audio in, transcript out.

recognizer = load_model("an4")
print(recognizer.transcribe("speech.wav"))
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asr.config import DEFAULT_MODEL
from asr.decode.beam import BeamDecoder
from asr.decode.greedy import greedy_decode
from asr.errors import AsrError, AudioError
from asr.recognize.decoding import Decoding, build_beam
from asr.recognize.model_folder import BUILT_IN, Model, find_model, model_names, read_model
from asr.recognize.transcript import Alternative, Transcript
from asr.signal.audio import AudioSource, load_audio
from asr.signal.features import FeatureExtractor

BATCH_SECONDS = 60.0  # of speech, padding included, that go through the network together


class Recognizer:
    """A trained model that transcribes.

    Args:
        model: The parts, as `read_model` gives them.
        device: Where the network runs; "auto" takes a GPU where there is one.
        beam: Beam search; None takes the most probable path.
        nbest: Readings wanted of each recording, by beam search.
    """

    def __init__(self, model: Model, *, device: str = "auto", beam: BeamDecoder | None = None, nbest: int = 1) -> None:
        self.beam = beam
        self.nbest = nbest
        self.device = torch.device(pick_device(device))
        self.acoustic = model.acoustic.to(self.device).eval()
        self.tokenizer = model.tokenizer
        self.settings = model.settings
        self.extractor = FeatureExtractor(
            model.settings.features, model.acoustic.feature_mean, model.acoustic.feature_deviation
        )

    @property
    def sample_rate(self) -> int:
        """Hz of the waveforms that the model reads."""
        return self.settings.features.sample_rate

    def transcribe(self, source: AudioSource) -> Transcript:
        """Transcribe one recording: a path, a file object, or (array, sample_rate).

        Raises:
            AudioError: If it cannot be read or holds less than one window of sound.
        """
        waveform = self.load(source)
        return self._transcript(source, waveform, self.recognize_nbest([waveform])[0])

    def transcribe_many(self, sources: Iterable[AudioSource]) -> Iterator[Transcript | AudioError]:
        """Transcribe recordings in their order, several through the network at once.

        A recording that cannot be read comes out as its error; the others go on.
        """
        waiting: list[tuple[AudioSource, Tensor | AudioError]] = []
        count, longest = 0, 0
        for source in sources:
            try:
                waveform = self.load(source)
            except AudioError as error:
                waiting.append((source, error))
                continue
            # Short files are padded to the longest beside them: a long one must not wait with many.
            if (count + 1) * max(longest, waveform.numel()) > BATCH_SECONDS * self.sample_rate:
                yield from self._flush(waiting)
                waiting, count, longest = [], 0, 0
            waiting.append((source, waveform))
            count, longest = count + 1, max(longest, waveform.numel())
        yield from self._flush(waiting)

    def load(self, source: AudioSource) -> Tensor:
        """Read a recording: (S,) float32 at the model's rate.

        Raises:
            AudioError: If it cannot be read or holds less than one window of sound.
        """
        waveform = torch.from_numpy(load_audio(source, sample_rate=self.sample_rate))
        if self.extractor.num_frames(waveform.numel()) == 0:
            raise AudioError(
                f"{_name(source) or 'audio'}: {waveform.numel()} samples are too short to hold speech; "
                f"at least {self.extractor.window} at {self.sample_rate} Hz are needed"
            )
        return waveform

    def recognize(self, waveforms: Sequence[Tensor]) -> list[str]:
        """Texts of waveforms (S,) that go through the network as one batch."""
        return [readings[0].text for readings in self.recognize_nbest(waveforms)]

    def recognize_nbest(self, waveforms: Sequence[Tensor]) -> list[list[Alternative]]:
        """The n best readings of waveforms (S,); the most probable path alone, unscored, without beam search."""
        log_probs, lengths = self.log_probs(waveforms)
        if self.beam is None:
            paths = greedy_decode(log_probs, lengths)
            return [[Alternative(self.tokenizer.decode(tokens), float("nan"))] for tokens in paths]
        found = self.beam.decode_batch(log_probs.float().numpy(), lengths.tolist(), nbest=self.nbest)
        return [[Alternative(self.tokenizer.decode(one.tokens), one.score) for one in best] for best in found]

    @torch.inference_mode()
    def log_probs(self, waveforms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """What the network says of waveforms (S,): (B, T', V) log probabilities and (B,) valid frames, on the CPU."""
        features = [self.extractor(waveform) for waveform in waveforms]
        lengths = torch.tensor([len(one) for one in features])
        padded = pad_sequence(features, batch_first=True)
        if padded.shape[1] == 0:  # nothing is as long as a window; the network wants a frame nevertheless
            padded = padded.new_zeros(len(features), 1, self.settings.features.num_mels)
        output = self.acoustic(padded.to(self.device), lengths)
        return output.log_probs.cpu(), output.lengths

    def _flush(self, waiting: list[tuple[AudioSource, Tensor | AudioError]]) -> Iterator[Transcript | AudioError]:
        waveforms = [waveform for _, waveform in waiting if isinstance(waveform, Tensor)]
        readings = iter(self.recognize_nbest(waveforms) if waveforms else [])
        for source, waveform in waiting:
            if isinstance(waveform, AudioError):
                yield waveform
            else:
                yield self._transcript(source, waveform, next(readings))

    def _transcript(self, source: AudioSource, waveform: Tensor, readings: list[Alternative]) -> Transcript:
        return Transcript(
            text=readings[0].text,
            duration=waveform.numel() / self.sample_rate,
            source=_name(source),
            alternatives=tuple(readings) if self.nbest > 1 else (),
        )


def load_model(
    name: str | Path = DEFAULT_MODEL, *, device: str = "auto", decoding: Decoding | None = None
) -> Recognizer:
    """Load a model folder, or a model that comes with the package by its name. Runs no code from it.

    Args:
        name: The folder or name.
        device: Where the network runs.
        decoding: How text is found; None: by the folder's language model if it holds one.

    Raises:
        ModelError: If there is no such model or it is broken.
        ConfigError: If the choices for decoding contradict one another.
    """
    decoding = decoding or Decoding()
    model = read_model(name)
    beam = build_beam(find_model(name), model.tokenizer.symbols, model.settings.decoder, decoding)
    return Recognizer(model, device=device, beam=beam, nbest=decoding.nbest)


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


def _name(source: AudioSource) -> str | None:
    if isinstance(source, str | Path):
        return str(source)
    return getattr(source, "name", None)
