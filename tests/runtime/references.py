"""The acoustic model written out in numpy, step by step: what the runtime is tested against."""

from collections.abc import Iterator

import numpy as np

from asr.config import AcousticSettings, ModelSettings
from asr.weights import Weights


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def compute_log_probs(weights: Weights, settings: ModelSettings, features: np.ndarray) -> np.ndarray:
    """Compute (T', V) log probabilities of features (T, F), in float64."""
    given = {name: value.astype(np.float64) for name, value in weights.items()}
    image = features.astype(np.float64)[None]  # (C, T, F)
    for index in range(2):
        name = f"subsampling.convolutions.{index}"
        image = convolve(image, given[f"{name}.weight"], given[f"{name}.bias"])
    flat = image.transpose(1, 0, 2).reshape(image.shape[1], -1)
    hidden = flat @ given["subsampling.projection.weight"].T + given["subsampling.projection.bias"]
    for index in range(settings.acoustic.num_layers):
        inputs = normalise(given, f"blocks.{index}.norm", hidden)
        hidden = hidden + recurrent(given, f"blocks.{index}.recurrent", settings.acoustic, inputs)
    logits = normalise(given, "norm", hidden) @ given["head.weight"].T + given["head.bias"]
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def convolve(image: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Convolve (C, T, F) by 3 x 3 with stride 2 and zeros around, and cut off what is negative."""
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    num_frames, num_bands = ((size + 1) // 2 for size in image.shape[1:])
    outputs = np.zeros((len(weight), num_frames, num_bands))
    for frame in range(num_frames):
        for band in range(num_bands):
            window = padded[:, 2 * frame : 2 * frame + 3, 2 * band : 2 * band + 3]
            outputs[:, frame, band] = np.einsum("ocij,cij->o", weight, window) + bias
    return np.maximum(outputs, 0)


def normalise(given: dict[str, np.ndarray], name: str, values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred / deviation * given[f"{name}.weight"] + given[f"{name}.bias"]


def recurrent(given: dict[str, np.ndarray], name: str, settings: AcousticSettings, inputs: np.ndarray) -> np.ndarray:
    outputs = [np.array(list(steps(given, f"{name}.forward_rnn", settings.cell, inputs)))]
    if settings.direction == "bi":
        outputs.append(np.array(list(steps(given, f"{name}.backward_rnn", settings.cell, inputs[::-1])))[::-1])
    return np.concatenate(outputs, axis=-1)


def steps(given: dict[str, np.ndarray], name: str, cell: str, inputs: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the hidden state (H,) after each input, by the equations in torch's documentation."""
    hidden_weight = given[f"{name}.weight_hh_l0"]
    hidden = memory = np.zeros(hidden_weight.shape[1])
    for one in inputs:
        from_input = given[f"{name}.weight_ih_l0"] @ one + given[f"{name}.bias_ih_l0"]
        from_hidden = hidden_weight @ hidden + given[f"{name}.bias_hh_l0"]
        if cell == "lstm":
            enter, forget, new, out = np.split(from_input + from_hidden, 4)
            memory = sigmoid(forget) * memory + sigmoid(enter) * np.tanh(new)
            hidden = sigmoid(out) * np.tanh(memory)
        elif cell == "gru":
            (reset, update, new), (reset_h, update_h, new_h) = np.split(from_input, 3), np.split(from_hidden, 3)
            candidate = np.tanh(new + sigmoid(reset + reset_h) * new_h)
            kept = sigmoid(update + update_h)
            hidden = (1 - kept) * candidate + kept * hidden
        else:
            hidden = np.tanh(from_input + from_hidden)
        yield hidden
