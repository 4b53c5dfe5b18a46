"""Small punctuators with random weights, for tests."""

import numpy as np

from asr.config import PunctuatorNetworkSettings, PunctuatorSettings, PunctuatorWindowSettings
from asr.language.punctuator import Punctuator
from asr.runtime.parameters import punctuator_shapes
from asr.runtime.punctuator_network import OnnxPunctuatorNetwork
from asr.weights import Array, Weights

WORDS = "the a she is here are you coming to london with mcdonald well i go don't now what o'clock".split()  # noqa: SIM905
NETWORK = PunctuatorNetworkSettings(num_words=16, num_pieces=32, embedding_size=6, num_layers=2, hidden_size=8)


def random_weights(settings: PunctuatorNetworkSettings = NETWORK, *, seed: int = 0) -> dict[str, Array]:
    """Draw weights of all marks and cases, so that a text gets many."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in punctuator_shapes(settings).items()}


def make_settings(left: int = 5, block: int = 4, right: int = 3) -> PunctuatorSettings:
    return PunctuatorSettings(network=NETWORK, window=PunctuatorWindowSettings(left=left, block=block, right=right))


def random_punctuator(*, seed: int = 0, precision: str = "fp32", **window: int) -> Punctuator:
    network = OnnxPunctuatorNetwork(Weights(random_weights(seed=seed)), NETWORK, precision=precision)
    return Punctuator(network, make_settings(**window), WORDS[:12], ["I", "McDonald"])
