"""Small models with random weights, made without torch."""

from collections.abc import Sequence

import numpy as np

from asr.config import AcousticSettings, ModelSettings
from asr.recognize.model_folder import Model
from asr.runtime.parameters import acoustic_shapes
from asr.text.tokenizer import CharTokenizer, Tokenizer
from asr.weights import Array, Shapes, Weights

SYMBOLS = ["<blank>", " ", "a", "b"]
SEED = 38  # whose network, given noise, says many words of several lengths
HEAD_SCALE = 30  # by which the head is multiplied, so that an untrained network says something


def draw_weights(shapes: Shapes, seed: int = 0) -> dict[str, Array]:
    """Draw weights as torch does by default: uniform, by the number of inputs or, of recurrent layers, of units."""
    rng = np.random.default_rng(seed)
    drawn: dict[str, Array] = {}
    for name, shape in shapes.items():
        owner, _, kind = name.rpartition(".")
        if kind.endswith("_l0"):
            fan_in = shapes[f"{owner}.weight_hh_l0"][1]
        else:
            fan_in = int(np.prod(shapes.get(f"{owner}.weight", shape)[1:], dtype=int))
        bound = max(1, fan_in) ** -0.5
        drawn[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
        if name == "feature_mean" or (owner.endswith("norm") and kind == "bias"):
            drawn[name][:] = 0
        elif name == "feature_deviation" or owner.endswith("norm"):
            drawn[name][:] = 1
        elif kind.startswith("bias_") and shape[0] == 4 * fan_in:  # the forget gate of an LSTM starts open
            drawn[name][fan_in : 2 * fan_in] = kind == "bias_ih_l0"
    return drawn


def make_weights(
    settings: ModelSettings, vocab_size: int, seed: int = SEED, *, head_scale: float = HEAD_SCALE
) -> Weights:
    """Make the weights of an untrained network that is sure of what it says."""
    drawn = draw_weights(acoustic_shapes(settings, vocab_size), seed)
    drawn["head.weight"] *= np.float32(head_scale)
    return Weights(drawn)


def make_model(
    settings: ModelSettings | None = None,
    tokenizer: Tokenizer | None = None,
    *,
    symbols: Sequence[str] = SYMBOLS,
    seed: int = SEED,
    head_scale: float = HEAD_SCALE,
) -> Model:
    """Make a model around an untrained network; by default a small one, whose tokens are the symbols."""
    settings = settings or ModelSettings(acoustic=AcousticSettings(num_layers=1, hidden_size=16, conv_channels=4))
    tokenizer = tokenizer or CharTokenizer(list(symbols))
    return Model(make_weights(settings, tokenizer.vocab_size, seed, head_scale=head_scale), tokenizer, settings)
