"""The names and shapes of networks' weights, as model.safetensors holds them: settings in, shapes out.

They are the names of the parameters in torch, which trains the networks.
"""

from asr.config import LanguageNetworkSettings, ModelSettings, PunctuatorNetworkSettings
from asr.signal.front_end import frame_layout, subsampled
from asr.weights import Shapes

_NUM_GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def acoustic_shapes(settings: ModelSettings, vocab_size: int) -> Shapes:
    """Return the shapes of an acoustic model's weights by name."""
    acoustic, layout = settings.acoustic, frame_layout(settings.features)
    hidden, channels = acoustic.hidden_size, 1
    directions = ("forward_rnn", "backward_rnn") if acoustic.direction == "bi" else ("forward_rnn",)
    width = hidden * len(directions)
    shapes: dict[str, tuple[int, ...]] = {"feature_mean": (layout.size,), "feature_deviation": (layout.size,)}
    for index in range(layout.num_convolutions):
        shapes |= _with_bias(f"subsampling.convolutions.{index}", (acoustic.conv_channels, channels, 3, 3))
        channels = acoustic.conv_channels
    shapes |= _with_bias("subsampling.projection", (width, channels * subsampled(layout.size, layout.num_convolutions)))
    for index in range(acoustic.num_layers):
        shapes |= _with_bias(f"blocks.{index}.norm", (width,))
        for direction in directions:
            shapes |= _recurrent(f"blocks.{index}.recurrent.{direction}", acoustic.cell, width, hidden)
    return shapes | _with_bias("norm", (width,)) | _with_bias("head", (vocab_size, width))


def language_shapes(settings: LanguageNetworkSettings, vocab_size: int) -> Shapes:
    """Return the shapes of a recurrent language model's weights by name."""
    width, narrow = settings.hidden_size, settings.embedding_size
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (vocab_size, narrow), "head_bias": (vocab_size,)}
    for index in range(settings.num_layers):
        shapes |= _recurrent(f"layers.{index}", settings.cell, width if index else narrow, width)
    if not settings.tied:
        shapes["head_weight"] = (vocab_size, width)
    elif width != narrow:
        shapes |= _with_bias("projection", (narrow, width))
    return shapes


# Of a punctuator: how many marks and cases it tells apart, and the numbers that stand for a silence.
NUM_MARKS, NUM_CASES = 8, 3
SILENCE_SIZE = 2


def punctuator_shapes(settings: PunctuatorNetworkSettings) -> Shapes:
    """Return the shapes of a punctuator's weights by name."""
    hidden, width = settings.hidden_size, settings.embedding_size + SILENCE_SIZE
    rows = 1 + settings.num_words + settings.num_pieces
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (rows, settings.embedding_size)}
    for index in range(settings.num_layers):
        for direction in ("forward_rnn", "backward_rnn"):
            shapes |= _recurrent(f"layers.{index}.{direction}", "lstm", width, hidden)
        width = 2 * hidden
    shapes |= _with_bias("marks", (NUM_MARKS, width)) | _with_bias("cases", (NUM_CASES, width))
    return shapes | {"after_mark.weight": (NUM_MARKS, NUM_CASES)}


def _with_bias(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _recurrent(name: str, cell: str, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
    rows = _NUM_GATES[cell] * hidden_size
    return {
        f"{name}.weight_ih_l0": (rows, input_size),
        f"{name}.weight_hh_l0": (rows, hidden_size),
        f"{name}.bias_ih_l0": (rows,),
        f"{name}.bias_hh_l0": (rows,),
    }
