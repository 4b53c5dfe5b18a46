"""A recogniser whose network runs in torch on the CPU: what the runtime is compared with. Needs what trains models."""

import copy

from asr.recognize.model_folder import read_model
from asr.recognize.recognizer import Recognizer
from asr.recognize.runner import NetworkRunner
from asr.runtime.torch_network import TorchNetwork


def with_torch(recognizer: Recognizer, model: str) -> Recognizer:
    """Return a recogniser that differs in its network only: that of `model` in torch, in fp32 on the CPU."""
    network = TorchNetwork(read_model(model).acoustic, device="cpu", precision="fp32")
    twin = copy.copy(recognizer)
    twin.runner = NetworkRunner(recognizer.runner.extractor, network)
    return twin
