"""Checkpoints of SeanNaren's deepspeech.pytorch, versions 2 and 3, in; model folders out.

    spectrogram, normalised ──► two convolutions ──► recurrent layers, directions added up ──► linear ──► log_probs
    (T, 161)                    (T / 2, 32, 41)       batch norm before all but the first

Batch norms, whose statistics are fixed, are multiplied into the layers that follow or precede them. A network of one
direction has a convolution over the next 20 frames (Wang et al. 2016) in place of the other direction.
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asr.config import Cell, FeatureSettings, GraphSettings, ToolkitSettings
from asr.convert.folder import (
    ImportOptions,
    blank_first,
    build_tokenizer,
    check_output,
    describe_file,
    read_file,
    write_folder,
)
from asr.errors import ModelError, one_line
from asr.runtime.graph import GraphBuilder, Value
from asr.signal.front_end import frame_layout
from asr.weights import Array, Weights

SOURCE = "deepspeech.pytorch"
_BLANK = "_"
_EPSILON = 1e-5  # torch's, in batch norm
_CLIP = (0.0, 20.0)
_GATES: dict[int, Cell] = {4: "lstm", 3: "gru", 1: "rnn"}
_STRIDES, _PADDINGS = ((2, 2), (2, 1)), ((20, 5), (10, 5))  # of the convolutions, in bands and frames
_SPECTRUM = {"sample_rate": 16000, "window_size": 0.02, "window_stride": 0.01, "window": "hamming"}  # the defaults


def import_deepspeech_pytorch(path: Path, options: ImportOptions) -> None:
    """Import a checkpoint.

    Raises:
        ModelError: If it is no checkpoint of deepspeech.pytorch, or of another version.
        AsrError: If the folder cannot be written to.
        ModuleNotFoundError: If torch is not installed.
    """
    check_output(options.output)
    weights, labels, spectrum = read_checkpoint(path)
    if _BLANK not in labels:
        raise ModelError(f"{path}: its labels have no {_BLANK!r}, which stands for the blank: {labels}")
    order = blank_first(labels.index(_BLANK), len(labels))
    arranged = _arrange(weights, order, path)
    window = str(spectrum["window"])
    features = FeatureSettings(
        sample_rate=int(spectrum["sample_rate"]),
        window_seconds=float(spectrum["window_size"]),
        step_seconds=float(spectrum["window_stride"]),
        toolkit=ToolkitSettings.model_validate(
            {"kind": "spectrogram", "window": window, "normalization": "recording", "subsampling": 2}
        ),
    )
    num_bands = frame_layout(features).size
    _check_bands(arranged, num_bands, path)
    facts = {
        "imported from": f"{SOURCE}, {describe_file(path, read_file(path))}",
        "network": _describe(arranged),
        "audio": f"{features.sample_rate} Hz, mono, magnitude spectrogram of {num_bands} bands",
    }
    tokenizer = build_tokenizer([labels[token] for token in order])
    write_folder(build_graph(arranged, num_bands), tokenizer, features, GraphSettings(source=SOURCE), options, facts)


def build_graph(arranged: Mapping[str, Array], num_bands: int) -> bytes:
    """Build the graph of the layers that `_arrange` returns: features (T, F) to log_probs (T', V)."""
    builder = GraphBuilder(Weights(arranged))
    features = builder.input("features", ["T", num_bands])
    turned = builder.node("Transpose", features, perm=[1, 0])
    image = builder.node("Unsqueeze", turned, builder.constant([0, 1]))  # (1, 1, F, T)
    for index, (strides, (bands, frames)) in enumerate(zip(_STRIDES, _PADDINGS, strict=True)):
        weight, bias = (builder.weight(f"convolutions.{index}.{kind}") for kind in ("weight", "bias"))
        pads = [bands, frames, bands, frames]
        image = _clip(builder, builder.node("Conv", image, weight, bias, strides=strides, pads=pads))
    joined = builder.node("Reshape", image, builder.constant([1, arranged["layers.0.weight_ih_l0"].shape[1], -1]))
    hidden = builder.node("Transpose", joined, perm=[2, 0, 1])  # (T', 1, C F')
    for prefixes in _directions(arranged):
        hidden = _recurrent(builder, hidden, prefixes, arranged)
    if "lookahead.weight" in arranged:
        hidden = _look_ahead(builder, hidden, arranged["lookahead.weight"])
    log_probs = builder.node("LogSoftmax", builder.linear(hidden, "head"), axis=-1)
    vocab_size = len(arranged["head.bias"])
    builder.output("log_probs", builder.node("Squeeze", log_probs, builder.constant([1])), ["S", vocab_size])
    return builder.build().SerializeToString()


def _recurrent(builder: GraphBuilder, hidden: Value, prefixes: Sequence[str], arranged: Mapping[str, Array]) -> Value:
    """Add a recurrent layer over (T', 1, D), whose directions are added up: (T', 1, H)."""
    rows, width = arranged[f"{prefixes[0]}weight_hh_l0"].shape
    outputs = builder.recurrent(_GATES[rows // width], hidden, prefixes)[0]  # (T', 1, N H)
    if len(prefixes) == 1:
        return outputs
    both = builder.node("Reshape", outputs, builder.constant([0, 0, 2, width]))
    return builder.node("ReduceSum", both, builder.constant([2]), keepdims=0)


def _look_ahead(builder: GraphBuilder, hidden: Value, weight: Array) -> Value:
    """Add the convolution by unit over the frames that follow."""
    by_unit = builder.node("Transpose", hidden, perm=[1, 2, 0])  # (1, H, T')
    pads = [0, weight.shape[2] - 1]
    mixed = builder.node("Conv", by_unit, builder.weight("lookahead.weight"), group=len(weight), pads=pads)
    return _clip(builder, builder.node("Transpose", mixed, perm=[2, 0, 1]))


def _clip(builder: GraphBuilder, value: Value) -> Value:
    return builder.node("Clip", value, *(builder.constant(bound, np.float32) for bound in _CLIP))


def _directions(arranged: Mapping[str, Array]) -> list[list[str]]:
    """Return what the names of each recurrent layer's weights begin with, for its directions."""
    count = 1 + max(int(name.split(".")[1]) for name in arranged if name.startswith("layers."))
    found = [[f"layers.{index}.", f"layers.{index}.reverse."] for index in range(count)]
    return [[prefix for prefix in prefixes if f"{prefix}weight_ih_l0" in arranged] for prefixes in found]


def _arrange(weights: Mapping[str, Array], order: Sequence[int], path: Path) -> dict[str, Array]:
    """Return the layers without batch norms, and the tokens in an order.

    Raises:
        ModelError: If the weights are another network's.
    """
    try:
        arranged = {}
        for index, (convolution, norm) in enumerate(((0, 1), (3, 4))):
            scale, shift = _norm(weights, f"conv.seq_module.{norm}")
            weight, bias = (weights[f"conv.seq_module.{convolution}.{kind}"] for kind in ("weight", "bias"))
            arranged[f"convolutions.{index}.weight"] = weight * scale[:, None, None, None]
            arranged[f"convolutions.{index}.bias"] = bias * scale + shift
        arranged |= _arrange_recurrent(weights)
        if "lookahead.0.conv.weight" in weights:
            arranged["lookahead.weight"] = weights["lookahead.0.conv.weight"]
        scale, shift = _norm(weights, "fc.0.module.0")
        head = weights["fc.0.module.1.weight"][list(order)]
        arranged |= {"head.weight": head * scale, "head.bias": head @ shift}
    except (KeyError, IndexError, ValueError) as error:
        raise ModelError(
            f"{path}: not a network of {SOURCE} 2 or 3, with two convolutions, recurrent layers and a linear one: "
            f"{one_line(error)}"
        ) from None
    return {name: value.astype(np.float32) for name, value in arranged.items()}


def _arrange_recurrent(weights: Mapping[str, Array]) -> dict[str, Array]:
    arranged: dict[str, Array] = {}
    index = 0
    while f"rnns.{index}.rnn.weight_ih_l0" in weights:
        norm = f"rnns.{index}.batch_norm.module"
        scale, shift = _norm(weights, norm) if f"{norm}.weight" in weights else (np.float64(1), np.float64(0))
        for suffix, prefix in (("", f"layers.{index}."), ("_reverse", f"layers.{index}.reverse.")):
            if f"rnns.{index}.rnn.weight_ih_l0{suffix}" not in weights:
                continue
            values = {
                f"{kind}_l0": weights[f"rnns.{index}.rnn.{kind}_l0{suffix}"]
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            }
            values["bias_ih_l0"] = values["bias_ih_l0"] + (values["weight_ih_l0"] * shift).sum(axis=1)
            values["weight_ih_l0"] = values["weight_ih_l0"] * scale
            arranged |= {prefix + name: value for name, value in values.items()}
        index += 1
    return arranged


def _norm(weights: Mapping[str, Array], name: str) -> tuple[Array, Array]:
    """Return the factor and the summand (D,) that a batch norm is."""
    scale = weights[f"{name}.weight"] / np.sqrt(weights[f"{name}.running_var"] + _EPSILON)
    return scale, weights[f"{name}.bias"] - weights[f"{name}.running_mean"] * scale


def _check_bands(arranged: Mapping[str, Array], num_bands: int, path: Path) -> None:
    """Check that the first recurrent layer takes what the convolutions make of so many bands."""
    height = (num_bands + 1) // 2  # after the first convolution
    size, channels = arranged["layers.0.weight_ih_l0"].shape[1], len(arranged["convolutions.1.bias"])
    if size != channels * ((height + 1) // 2):
        raise ModelError(f"{path}: its first recurrent layer takes {size} numbers, which {num_bands} bands do not give")


def _describe(arranged: Mapping[str, Array]) -> str:
    directions = _directions(arranged)
    rows, width = arranged[f"{directions[0][0]}weight_hh_l0"].shape
    kind = "bi" if len(directions[0]) == 2 else "forward"
    count = sum(value.size for value in arranged.values())
    return (
        f"2 convolutions, {len(directions)} {_GATES[rows // width]} layers ({kind}) of {width} units, CTC; "
        f"{count / 1e6:.1f} million weights"
    )


class _Inert:
    """Stands for a class that a checkpoint names, and does nothing but keep what it would be made from."""

    arguments: tuple[Any, ...]
    state: Any = None

    def __new__(cls, *arguments: Any) -> "_Inert":  # objects may be made without `__init__`
        inert = super().__new__(cls)
        inert.arguments = arguments
        return inert

    def __setstate__(self, state: Any) -> None:
        self.state = state


def read_checkpoint(path: Path) -> tuple[dict[str, Array], list[str], dict[str, Any]]:
    """Read a checkpoint, from which no code is run: weights in float64, labels, settings of the spectrogram.

    Raises:
        ModelError: If it cannot be read, or is none of deepspeech.pytorch.
    """
    import torch

    read_file(path)  # says why, if it cannot be read
    try:
        try:
            names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
        except ValueError:  # the format of torch before 1.6
            names = []
        stand_ins: list[Any] = [(type("Inert", (_Inert,), {}), name) for name in names]
        with torch.serialization.safe_globals(stand_ins):
            content = torch.load(path, map_location="cpu", weights_only=True)
        settings = content.get("hyper_parameters", content)
        weights = {name: value.double().numpy() for name, value in content["state_dict"].items()}
        labels = [str(label) for label in _to_plain(settings["labels"])]
        spectrum = _to_plain(settings.get("spect_cfg", settings.get("audio_conf")))
    except pickle.UnpicklingError:  # torch's words recommend what runs code
        raise ModelError(
            f"{path}: not a checkpoint, or holds more than weights and settings, and is not read"
        ) from None
    except (RuntimeError, OSError, EOFError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{path}: not a checkpoint of {SOURCE} 2 or 3: {one_line(error)}") from None
    known = {name: value for name, value in (spectrum or {}).items() if name in _SPECTRUM}
    return weights, labels, _SPECTRUM | known


def _to_plain(value: Any) -> Any:
    """Return settings as lists and dictionaries, whatever classes of OmegaConf or the program hold them."""
    if isinstance(value, _Inert):
        state = value.state if isinstance(value.state, dict) else {}
        for name in ("_content", "_val"):  # OmegaConf's containers and values
            if name in state:
                return _to_plain(state[name])
        return _to_plain(value.arguments[0] if value.arguments else state)
    if isinstance(value, Mapping):
        return {name: _to_plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(inner) for inner in value]
    return value
