"""A recogniser whose acoustic model runs in torch on the CPU: what the runtime is compared with. Needs torch."""

import copy

from asr.recognize.model_folder import read_model
from asr.recognize.recognizer import Recognizer
from asr.recognize.runner import NetworkRunner
from asr.runtime.torch_network import TorchNetwork


def with_torch(recognizer: Recognizer, name: str) -> Recognizer:
    """Return a recogniser that differs in its network only: that of the model `name` in torch, in fp32 on the CPU."""
    model = read_model(name)
    network = TorchNetwork.from_weights(model.weights, model.settings, device="cpu", precision="fp32")
    twin = copy.copy(recognizer)
    twin.runner = NetworkRunner(recognizer.runner.extractor, network)
    return twin
