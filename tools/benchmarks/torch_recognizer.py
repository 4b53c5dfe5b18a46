"""A recogniser whose networks run in torch on the CPU: what the runtime is compared with. Needs torch."""

import copy
from dataclasses import replace

from asr.acoustic.weights import load_weights
from asr.decode.rescoring import Rescorer
from asr.language.rnn.model import RnnModel
from asr.recognize.model_folder import read_model
from asr.recognize.recognizer import Recognizer
from asr.recognize.runner import NetworkRunner
from asr.runtime.torch_network import TorchNetwork
from asr.train.rnn_network import LanguageNetwork, TorchLanguageNetwork


def with_torch(recognizer: Recognizer, name: str) -> Recognizer:
    """Return a recogniser of the model `name` with its acoustic model and its rescorer in torch, in fp32 on the CPU."""
    model = read_model(name)
    network = TorchNetwork.from_weights(model.weights, model.settings, device="cpu", precision="fp32")
    twin = copy.copy(recognizer)
    twin.runner = NetworkRunner(recognizer.runner.extractor, network)
    if (rescorer := recognizer.decoder.rescorer) is not None:
        language_model = _in_torch(rescorer.model)
        twin.decoder = replace(
            recognizer.decoder, rescorer=Rescorer(language_model, rescorer.decode, rescorer.settings)
        )
    return twin


def _in_torch(model: RnnModel) -> RnnModel:
    weights, settings = model.network.weights, model.settings
    network = LanguageNetwork(settings.network, weights.shape("head_bias")[0])
    load_weights(network, weights)
    return RnnModel(TorchLanguageNetwork(network.eval()), model.tokenizer, settings)
