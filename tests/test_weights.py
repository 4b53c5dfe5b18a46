"""Weights on disk: what 8 bits may change, and what they may not."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from asr.errors import ModelError
from asr.weights import QuantizedMatrix, Weights, quantize_weights, read_weights, save_weights, to_half

SHAPES = {"conv.weight": (5, 2, 3, 3), "linear.weight": (30, 40), "linear.bias": (30,), "norm.weight": (20,)}


@pytest.fixture
def network() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    made = {name: rng.uniform(-0.2, 0.2, shape).astype(np.float32) for name, shape in SHAPES.items()}
    made["linear.weight"][4] = 0  # a row that has no largest value to scale by
    made["linear.weight"][5] *= 1000
    return made


@pytest.fixture
def path(network, tmp_path: Path):
    save_weights(to_half(network, tmp_path / "w.safetensors"), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_half_precision_is_read_as_it_was_written(network, path):
    read = read_weights(path)
    assert read.keys() == network.keys()
    for name, value in network.items():
        assert np.array_equal(read[name], value.astype(np.float16).astype(np.float32))
        assert read[name].dtype == np.float32
        assert read.shape(name) == value.shape


def test_eight_bits_keep_each_value_within_half_a_step_of_its_row(network, path):
    before = read_weights(path)
    quantize_weights(path)
    after = read_weights(path)
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert after.shape(name) == value.shape
        if value.ndim == 1:
            assert np.array_equal(after[name], value)
            continue
        largest = np.abs(value).reshape(len(value), -1).max(axis=1).reshape(-1, *[1] * (value.ndim - 1))
        assert (np.abs(after[name] - value) <= largest / 127 / 2 * 1.001).all()
        assert not np.array_equal(after[name], value)


def test_eight_bits_need_less_space_and_are_read_back(path):
    before, after = quantize_weights(path)
    assert after == path.stat().st_size
    assert after < 0.75 * before  # of a network so small that names take a good part
    kinds = {name: value.dtype for name, value in load_file(path).items()}
    assert kinds["linear.weight"] == np.int8
    assert kinds["linear.bias"] == np.float16
    assert np.abs(read_weights(path)["linear.weight"][5]).max() > 100


def test_eight_bits_stay_as_they_are(path):
    quantize_weights(path)
    once = path.read_bytes()
    assert quantize_weights(path) == (len(once), len(once))
    assert path.read_bytes() == once


def test_matrices_are_available_in_8_bits_as_stored_or_quantised_alike(path):
    at_once = read_weights(path).quantized("linear.weight")
    quantize_weights(path)
    stored = read_weights(path).quantized("linear.weight")
    assert np.array_equal(stored.values, load_file(path)["linear.weight"])
    assert np.array_equal(stored.scales, load_file(path)["linear.weight.scale"])
    assert np.array_equal(at_once.values, stored.values)
    assert np.array_equal(at_once.scales, stored.scales)
    assert at_once.values.dtype == stored.values.dtype == np.int8
    assert at_once.scales.dtype == stored.scales.dtype == np.float32


def test_rows_are_multiplied_by_their_scales():
    matrix = QuantizedMatrix(np.array([[[1, -2]], [[3, 4]]], np.int8), np.array([0.5, 10], np.float32))
    assert matrix.dequantize().tolist() == [[[0.5, -1]], [[30, 40]]]


def test_a_weight_whose_own_name_ends_like_a_scale_is_one(tmp_path: Path):
    save_file({"gain.scale": np.array([2.0], np.float32)}, tmp_path / "w.safetensors")
    assert {name: value.tolist() for name, value in read_weights(tmp_path / "w.safetensors").items()} == {
        "gain.scale": [2.0]
    }


@pytest.mark.parametrize(
    ("kind", "has_scales", "message"),
    [
        (np.int8, False, "a is in 8 bits, and its scales are missing"),
        (np.uint8, True, "a has the type uint8; weights are floats, or int8 with scales"),
        (np.int32, False, "a has the type int32"),
        (np.float32, True, "a has the type float32"),
    ],
)
def test_integers_mean_nothing_without_scales(tmp_path: Path, kind: type, has_scales: bool, message: str):
    stored = {"a": np.ones((2, 2), kind)} | ({"a.scale": np.ones(2, np.float32)} if has_scales else {})
    save_file(stored, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=rf"w\.safetensors: cannot be read: {message}"):
        read_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize(("matrix", "scales"), [((3, 2), (2,)), ((3, 2), (3, 1)), ((), ())])
def test_scales_of_another_size_are_refused(tmp_path: Path, matrix: tuple[int, ...], scales: tuple[int, ...]):
    stored = {"a": np.ones(matrix, np.int8), "a.scale": np.ones(scales, np.float32)}
    save_file(stored, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="cannot be read"):
        read_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("more_types", [False, True])
def test_types_that_numpy_lacks_are_refused_in_a_line(tmp_path: Path, more_types: bool):
    if more_types:  # whether or not another library, such as onnx, has taught numpy some
        pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(ModelError, match=r"w\.safetensors: cannot be read: ") as raised:
        read_weights(tmp_path / "w.safetensors")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm.weight": None}, r"norm\.weight is missing"),
        ({"more": (2,)}, "the network has no more"),
        ({"linear.bias": (29,)}, r"linear\.bias has the shape \(29,\), and the network needs \(30,\)"),
        ({"linear.weight": (40, 30)}, r"linear\.weight has the shape \(40, 30\)"),
    ],
)
def test_weights_that_do_not_fit_are_named_with_their_file(change: dict, message: str):
    given = {name: np.zeros(shape, np.float32) for name, shape in (SHAPES | change).items() if shape is not None}
    Weights({name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}).check(SHAPES, Path("here"))
    with pytest.raises(ModelError, match=f"here: does not fit the config.yaml or tokens.txt of its folder: {message}"):
        Weights(given).check(SHAPES, Path("here"))


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_weights_and_scales_must_be_finite(network, value: float):
    stored = {"a": np.ones((2, 2), np.int8), "a.scale": np.array([1, value], np.float32)}
    with pytest.raises(ModelError, match="a holds values that are not finite"):
        Weights(stored).check({"a": (2, 2)}, Path("here"))
    network["linear.bias"][0] = value
    for fails in (Weights(network).check, lambda _, path: to_half(network, path)):
        with pytest.raises(ModelError, match=r"linear\.bias holds values that are not finite"):
            fails(SHAPES, Path("here"))


def test_what_overflows_in_half_precision_is_refused(network):
    network["linear.bias"][0] = 1e5
    with pytest.raises(ModelError, match=r"linear\.bias holds values that are not finite"):
        to_half(network, Path("here"))


def test_files_that_cannot_be_rewritten_are_named_and_left(path):
    with pytest.raises(ModelError, match="cannot be read"):
        quantize_weights(path.with_name("none.safetensors"))
    save_file({"a": np.full((2, 2), np.inf, np.float32)}, path)
    broken = path.read_bytes()
    with pytest.raises(ModelError, match="a holds values that are not finite"):
        quantize_weights(path)
    assert path.read_bytes() == broken


def test_torchs_files_are_read_and_torch_reads_ours(network, tmp_path: Path):
    import torch
    from safetensors import torch as in_torch

    half = {name: torch.from_numpy(value).half() for name, value in network.items()}
    in_torch.save_file(half, tmp_path / "theirs.safetensors")
    save_weights(to_half(network, tmp_path / "ours.safetensors"), tmp_path / "ours.safetensors")
    ours, theirs = read_weights(tmp_path / "ours.safetensors"), read_weights(tmp_path / "theirs.safetensors")
    assert ours.keys() == theirs.keys() == network.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in network)
    assert {
        name: value.dtype for name, value in in_torch.load_file(tmp_path / "ours.safetensors").items()
    } == dict.fromkeys(network, torch.float16)
    quantize_weights(tmp_path / "theirs.safetensors")
    read = in_torch.load_file(tmp_path / "theirs.safetensors")
    for name in ("linear.weight", "conv.weight"):  # rounded to even, as torch does
        rows = half[name].float().flatten(1)
        scale = rows.abs().amax(dim=1) / 127
        scale = torch.where(scale > 0, scale, 1.0)
        assert torch.equal(read[name].flatten(1), (rows / scale[:, None]).round().to(torch.int8))
        assert torch.equal(read[f"{name}.scale"], scale)
