"""The acoustic model in torch behind `Network`: on a GPU, or on the CPU in fp32, bf16 or int8."""

import copy
import warnings
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from asr.acoustic.model import AcousticModel
from asr.config import ModelSettings
from asr.runtime.network import ChunkSize, Features, LogProbs
from asr.runtime.precision import computing_in, pick_device, pick_precision
from asr.runtime.torch_stream import TorchStreamingNetwork

__all__ = ["AcousticModel", "TorchNetwork", "build_acoustic"]


def build_acoustic(settings: ModelSettings, vocab_size: int) -> AcousticModel:
    """Build the acoustic model that the settings describe, with random weights."""
    return AcousticModel(settings.acoustic, num_mels=settings.features.num_mels, vocab_size=vocab_size)


class TorchNetwork:
    """An acoustic model that is ready to recognise.

    Args:
        model: Moved to the device and put into evaluation mode; in int8 a copy is.
        device: "auto" takes a GPU if there is one.
        precision: "fp32", "bf16" or "int8"; "auto" depends on the hardware.
    """

    def __init__(self, model: AcousticModel, *, device: str = "auto", precision: str = "auto") -> None:
        self.device = pick_device(device)
        self.precision = pick_precision(precision, self.device)
        model = model.to(self.device).eval()
        self.model = _quantize(model) if self.precision == "int8" else model

    @torch.inference_mode()
    def run(self, features: Sequence[Features]) -> list[LogProbs]:
        """Compute log probabilities (T', V) of utterances (T, F), as one batch."""
        lengths = torch.tensor([len(utterance) for utterance in features])
        padded = pad_sequence([torch.from_numpy(utterance) for utterance in features], batch_first=True)  # (B, T, F)
        if padded.shape[1] == 0:  # no utterance has a frame, but the network needs one
            padded = padded.new_zeros(len(features), 1, padded.shape[2])
        with computing_in(self.precision, self.device):
            output = self.model(padded.to(self.device), lengths)
        batch = output.log_probs.float().cpu().numpy()  # (B, T', V)
        return [log_probs[:length] for log_probs, length in zip(batch, output.lengths.tolist(), strict=True)]

    def streaming(self, chunk_size: ChunkSize) -> TorchStreamingNetwork:
        """The same network for streams."""
        return TorchStreamingNetwork(self.model, chunk_size, precision=self.precision)


def _quantize(model: AcousticModel) -> AcousticModel:
    with warnings.catch_warnings():
        # torch moves quantisation to another package, which has no recurrent layers yet.
        warnings.simplefilter("ignore")
        layers = {nn.LSTM, nn.GRU, nn.Linear}
        quantize = torch.ao.quantization.quantize_dynamic
        return quantize(copy.deepcopy(model), layers, dtype=torch.qint8)  # type: ignore[no-untyped-call]
