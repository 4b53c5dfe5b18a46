"""The acoustic model in torch behind `Network`: on a GPU, in bf16 or fp32; on the CPU for comparison."""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from asr.acoustic.model import AcousticModel
from asr.acoustic.weights import build_acoustic, load_weights
from asr.config import ModelSettings
from asr.runtime.network import ChunkSize, Features, LogProbs
from asr.runtime.torch_device import computing_in, pick_torch_device, pick_torch_precision
from asr.runtime.torch_stream import TorchStreamingNetwork
from asr.weights import Weights


class TorchNetwork:
    """An acoustic model that is ready to recognise.

    Args:
        model: Moved to the device and put into evaluation mode.
        device: "auto" takes a GPU if there is one.
        precision: "fp32" or "bf16"; "auto" depends on the hardware.
    """

    def __init__(self, model: AcousticModel, *, device: str = "auto", precision: str = "auto") -> None:
        self.device = pick_torch_device(device)
        self.precision = pick_torch_precision(precision, self.device)
        self.model = model.to(self.device).eval()

    @classmethod
    def from_weights(cls, weights: Weights, settings: ModelSettings, *, device: str, precision: str) -> "TorchNetwork":
        """Build the network that the settings describe, and load its weights."""
        model = build_acoustic(settings, weights.shape("head.bias")[0])
        load_weights(model, weights)
        return cls(model, device=device, precision=precision)

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
