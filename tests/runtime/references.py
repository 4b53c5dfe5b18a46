"""The acoustic model written out in numpy, step by step: what the runtime is tested against."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np

from asr.config import ModelSettings
from asr.weights import Weights

Given: TypeAlias = dict[str, np.ndarray]  # weights in float64
State: TypeAlias = tuple[np.ndarray, np.ndarray]  # (H,) what a cell outputs, and an LSTM's memory


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def compute_log_probs(weights: Weights, settings: ModelSettings, features: np.ndarray) -> np.ndarray:
    """Compute (T', V) log probabilities of features (T, F), in float64."""
    given = {name: value.astype(np.float64) for name, value in weights.items()}
    hidden = subsample(given, features)
    for index in range(settings.acoustic.num_layers):
        hidden = run_block(given, index, settings, hidden, len(hidden), None)[0]
    return read_out(given, hidden)


def compute_chunks(
    weights: Weights, settings: ModelSettings, features: np.ndarray, chunk: int, right_context: int
) -> np.ndarray:
    """The same with chunks of frames that see what came before, themselves and a right context."""
    given = {name: value.astype(np.float64) for name, value in weights.items()}
    frames = subsample(given, features)
    states: list[State | None] = [None] * settings.acoustic.num_layers
    outputs = [np.empty((0, len(given["head.bias"])))]
    for first in range(0, len(frames), chunk):
        hidden = frames[first : first + chunk + right_context]
        size = min(chunk, len(hidden))
        for index in range(settings.acoustic.num_layers):
            hidden, states[index] = run_block(given, index, settings, hidden, size, states[index])
        outputs.append(read_out(given, hidden[:size]))
    return np.concatenate(outputs)


def subsample(given: Given, features: np.ndarray) -> np.ndarray:
    """Compute frames (T', D) from features (T, F)."""
    image = features.astype(np.float64)[None]  # (C, T, F)
    for name in (f"subsampling.convolutions.{index}" for index in range(2)):
        if f"{name}.weight" not in given:  # of an encoder's frames there is none
            continue
        image = convolve(image, given[f"{name}.weight"], given[f"{name}.bias"])
    flat = image.transpose(1, 0, 2).reshape(image.shape[1], image.shape[0] * image.shape[2])
    return flat @ given["subsampling.projection.weight"].T + given["subsampling.projection.bias"]


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


def normalise(given: Given, name: str, values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred / deviation * given[f"{name}.weight"] + given[f"{name}.bias"]


def run_block(
    given: Given, index: int, settings: ModelSettings, hidden: np.ndarray, chunk: int, state: State | None
) -> tuple[np.ndarray, State | None]:
    """Add a layer to frames (W, D); also return the forward direction's state after the first `chunk` of them."""
    name, cell = f"blocks.{index}.recurrent", settings.acoustic.cell
    inputs = normalise(given, f"blocks.{index}.norm", hidden)
    states = list(run_cell(given, f"{name}.forward_rnn", cell, inputs, state))
    outputs = [stack(states, given, name)]
    if settings.acoustic.direction == "bi":
        outputs.append(stack(list(run_cell(given, f"{name}.backward_rnn", cell, inputs[::-1])), given, name)[::-1])
    return hidden + np.concatenate(outputs, axis=-1), states[chunk - 1] if chunk else state


def stack(states: list[State], given: Given, name: str) -> np.ndarray:
    hidden_size = given[f"{name}.forward_rnn.weight_hh_l0"].shape[1]
    return np.array([hidden for hidden, _ in states]).reshape(-1, hidden_size)


def run_cell(
    given: Given, name: str, cell: str, inputs: Iterable[np.ndarray], state: State | None = None
) -> Iterator[State]:
    """Yield the state after each input, by the equations in torch's documentation."""
    hidden_weight = given[f"{name}.weight_hh_l0"]
    hidden, memory = state or (np.zeros(hidden_weight.shape[1]), np.zeros(hidden_weight.shape[1]))
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
        yield hidden, memory


def read_out(given: Given, hidden: np.ndarray) -> np.ndarray:
    logits = normalise(given, "norm", hidden) @ given["head.weight"].T + given["head.bias"]
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))
