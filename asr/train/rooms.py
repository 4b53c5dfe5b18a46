"""Impulse responses of random rooms (Luo & Yu 2022, "FRA-RIR"), the same on every call.

lhotse's FastRandomRIRGenerator computes the same on one thread. It needs torchaudio, whose compiled part breaks with
each release of torch; and on several threads its results differ from call to call.
"""

from functools import lru_cache

import numpy as np
import torch
from lhotse.augmentation.resample import Resample
from torch import Tensor
from torch.nn import functional as F

from asr.jit import Array, jit

NUM_ROOMS = 100
_OVERSAMPLING = 64  # the reflections' times are rounded to samples at this multiple of the rate
_FIRST_FACTOR = 8  # by which the rate is divided first, before the high-pass filter
_HIGHPASS = 80.0, 0.707  # Hz and quality: what is below that is an artefact of the simulation
_SOUND = 340.0  # metres per second
_EPSILON = float(np.finfo(np.float16).eps)


@lru_cache
def simulate_rooms(sample_rate: int) -> list[Tensor]:
    """Simulate the impulse responses (S,) float32 of `NUM_ROOMS` rooms at a rate in Hz."""
    # Kept between calls, because simulating a response takes longer than reading an utterance.
    rooms, sources = np.random.default_rng(0), np.random.default_rng(0)
    with torch.random.fork_rng(devices=[]):  # torch's global state is also drawn from
        torch.manual_seed(0)
        return [_simulate_room(rooms, sources, sample_rate) for _ in range(NUM_ROOMS)]


def _simulate_room(rooms: np.random.Generator, sources: np.random.Generator, sample_rate: int) -> Tensor:
    """Draw a room, a source and its reflections: the response (S,) in the room's reverberation time."""
    fine_rate, between_rate = sample_rate * _OVERSAMPLING, sample_rate * _OVERSAMPLING // _FIRST_FACTOR
    decay_time = torch.tensor(rooms.uniform(0.1, 0.8), dtype=torch.float64)  # T60, seconds
    absorption = torch.tensor(rooms.uniform(0.1, 1.2), dtype=torch.float64)
    reflected = (1 - (1 - torch.exp(-0.16 * absorption / decay_time)).pow(2)).sqrt()  # Eyring's equation
    direct = torch.from_numpy(sources.uniform(0.2, 12.0, size=(1,)))  # metres to the source
    num_reflections = sample_rate * 2
    ratios = _draw_distances(decay_time, direct, num_reflections)  # (R,), to the direct path
    distances = direct * ratios
    most = (torch.log10(_SOUND * decay_time) - torch.log10(direct) - 3) / torch.log10(reflected + _EPSILON)
    counts = (distances / (_SOUND * decay_time)).pow(2) * (most - 1) + 1
    counts = counts + torch.from_numpy(sources.uniform(-2.0, 2.0, size=num_reflections)) * ratios.pow(0.2)
    counts = torch.cat([torch.zeros(1), torch.maximum(counts, torch.ones(1))])  # (1 + R,), the direct path first
    distances = torch.cat([direct, distances])
    length = int(np.ceil(fine_rate * decay_time))
    places = torch.minimum(torch.ceil(distances * fine_rate / _SOUND), torch.ones(1) * length - 1).long()
    response = torch.zeros(length)
    # Of reflections that share a sample, the last remains. With torch it would depend on the threads which.
    response.numpy()[places.numpy()] = (reflected.pow(counts) / distances).numpy()
    between = highpass(Resample(fine_rate, between_rate)(response[None])[0], between_rate)
    return Resample(between_rate, sample_rate)(between[None])[0]


def _draw_distances(decay_time: Tensor, direct: Tensor, count: int) -> Tensor:
    """Draw the lengths (R,) of reflected paths as ratios to the direct path; long ones are more frequent."""
    lengths = torch.linspace(1.0, _SOUND * decay_time / direct[0] - 1, count)
    weights = torch.linspace(0.25, 1.0, count).pow(2)
    return lengths[(weights / weights.sum()).multinomial(count, replacement=True)]


def highpass(waveform: Tensor, sample_rate: int) -> Tensor:
    """Apply a second-order high-pass filter at 80 Hz to a waveform (S,) float32, and clip it at full scale."""
    cutoff, quality = map(torch.tensor, _HIGHPASS)
    angle = 2 * torch.pi * cutoff / sample_rate
    alpha = torch.sin(angle) / 2.0 / quality
    zeros = torch.stack([(1 + torch.cos(angle)) / 2, -1 - torch.cos(angle), (1 + torch.cos(angle)) / 2])
    poles = torch.stack([1 + alpha, -2 * torch.cos(angle), 1 - alpha])
    forward = F.conv1d(F.pad(waveform, (2, 0))[None, None], (zeros / poles[0]).flip(0)[None, None])[0, 0]
    filtered = forward.numpy()
    _feed_back(filtered, (poles / poles[0]).numpy())
    return torch.from_numpy(filtered).clamp(-1.0, 1.0)


@jit
def _feed_back(samples: Array, poles: Array) -> None:
    """Subtract the filtered past from samples (S,) in place, by coefficients (3,) of which the first is one."""
    before, last = samples.dtype.type(0), samples.dtype.type(0)
    for index in range(len(samples)):
        before, last = last, samples[index] - poles[2] * before - poles[1] * last
        samples[index] = last
