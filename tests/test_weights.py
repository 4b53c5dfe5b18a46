"""Weights on disk: what 8 bits may change, and what they may not."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from asr.errors import ModelError
from asr.weights import load_weights, quantize_weights, read_weights, save_weights, to_half


@pytest.fixture
def network():
    torch.manual_seed(3)
    made = nn.Sequential(nn.Conv2d(2, 5, 3), nn.Linear(40, 30), nn.LSTM(30, 20), nn.LayerNorm(20))
    with torch.no_grad():
        made[1].weight[4] = 0  # a row that has no largest value to scale by
        made[1].weight[5] *= 1000
    return made


@pytest.fixture
def path(network, tmp_path: Path):
    save_weights(to_half(network, tmp_path / "w.safetensors"), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_half_precision_is_read_as_it_was_written(network, path):
    read = read_weights(path)
    for name, value in network.state_dict().items():
        assert torch.equal(read[name], value.half().float())


def test_eight_bits_keep_each_value_within_half_a_step_of_its_row(network, path):
    before = read_weights(path)
    quantize_weights(path)
    after = read_weights(path)
    assert after.keys() == before.keys()
    for name, value in before.items():
        if value.dim() == 1:
            assert torch.equal(after[name], value)
            continue
        largest = value.abs().flatten(1).amax(dim=1).view(-1, *[1] * (value.dim() - 1))
        assert ((after[name] - value).abs() <= largest / 127 / 2 * 1.001).all()
        assert not torch.equal(after[name], value)


def test_eight_bits_need_half_the_space_and_fill_a_network(network, path):
    before, after = quantize_weights(path)
    assert after == path.stat().st_size
    assert after < 0.75 * before  # of a network so small that names take a good part
    kinds = {name: value.dtype for name, value in load_file(path).items()}
    assert kinds["1.weight"] == torch.int8
    assert kinds["1.bias"] == torch.float16
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    load_weights(network, path)
    assert network[1].weight[5].abs().max() > 100


def test_eight_bits_stay_as_they_are(path):
    quantize_weights(path)
    once = path.read_bytes()
    assert quantize_weights(path) == (len(once), len(once))
    assert path.read_bytes() == once


def test_a_weight_whose_own_name_ends_like_a_scale_is_one(tmp_path: Path):
    save_file({"gain.scale": torch.tensor([2.0])}, tmp_path / "w.safetensors")
    assert read_weights(tmp_path / "w.safetensors") == {"gain.scale": torch.tensor([2.0])}


def test_scales_of_another_size_are_refused(tmp_path: Path):
    save_file({"a": torch.ones(3, 2, dtype=torch.int8), "a.scale": torch.ones(2)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="cannot be read"):
        read_weights(tmp_path / "w.safetensors")


def test_files_that_cannot_be_rewritten_are_named_and_left(path):
    with pytest.raises(ModelError, match="cannot be read"):
        quantize_weights(path.with_name("none.safetensors"))
    save_file({"a": torch.full((2, 2), torch.inf)}, path)
    broken = path.read_bytes()
    with pytest.raises(ModelError, match="a holds values that are not finite"):
        quantize_weights(path)
    assert path.read_bytes() == broken
