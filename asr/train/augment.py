"""Variations of training speech: speed, level, noise, reverberation and telephones, joins, warps and masks of features.

Random draws depend on the seed, the epoch and the utterances alone, never on the time of the draw or
the number of workers, so that a resumed training equals an uninterrupted one.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from lhotse.augmentation.resample import Resample, resample
from torch import Tensor
from torch.nn import functional as F

from asr.config import AugmentSettings, SpecAugmentSettings
from asr.errors import ConfigError
from asr.jit import Array, jit
from asr.signal.audio import NATIVE_SUFFIXES, load_audio

_NUM_ROOMS = 100
_WARPED_SHARE = 0.6  # of the highest frequency
_WHITE = "white"  # the setting that asks for Gaussian noise instead of a folder's
_SILENCE = 1e-12  # mean power, -120 dB
_PAUSE_SECONDS = (0.0, 1.5)  # between joined utterances
_PAUSE_DB = (-100.0, -45.0)  # of full scale: silence that 16 bits cannot show, to a noisy room
_STEPS = 1 << 15  # of 16 bits, from zero to full scale
_TELEPHONE_RATE = 8000  # Hz
_MU_LAW_LEVELS = 256
_OVERSAMPLING = 64  # of rooms: the reflections' times are rounded to samples at this multiple of the rate
_FIRST_FACTOR = 8  # by which the rate is divided first, before the high-pass filter
_HIGHPASS = 80.0, 0.707  # Hz and quality: what is below that is an artefact of the simulation
_SOUND = 340.0  # metres per second
_EPSILON = float(np.finfo(np.float16).eps)


def augment_waveform(
    waveform: Tensor, settings: AugmentSettings, rng: np.random.Generator, *, sample_rate: int
) -> Tensor:
    """Draw one variation of a waveform (S,): (S',) float32, where S' differs if the speed was changed."""
    if settings.speeds:
        waveform = change_speed(waveform, float(rng.choice(settings.speeds)), sample_rate=sample_rate)
    if rng.random() < settings.reverberation_probability:
        rooms = simulate_rooms(sample_rate)
        waveform = reverberate(waveform, rooms[int(rng.integers(len(rooms)))])
    if settings.noise is not None and rng.random() < settings.noise_probability:
        noise = draw_noise(settings.noise, waveform.numel(), rng, sample_rate=sample_rate)
        waveform = add_noise(waveform, noise, snr_db=rng.uniform(*settings.noise_snr_db))
    if settings.gain_db is not None:
        waveform = change_level(waveform, rng.uniform(*settings.gain_db))
    if rng.random() < settings.telephone_probability:
        waveform = simulate_telephone(waveform, sample_rate=sample_rate)
    return waveform


def prepare_augmentation(settings: AugmentSettings, *, sample_rate: int) -> None:
    """Do in advance what takes long or may fail; the processes that read audio inherit the results.

    Raises:
        ConfigError: If the settings' folder of noise holds no recordings.
    """
    if settings.noise is not None and str(settings.noise) != _WHITE:
        _noise_files(settings.noise)
    if settings.reverberation_probability > 0:
        simulate_rooms(sample_rate)


def change_speed(waveform: Tensor, factor: float, *, sample_rate: int) -> Tensor:
    """Play faster (factor above 1) or slower, which changes the pitch as well (Ko et al. 2015)."""
    return waveform if factor == 1.0 else resample(waveform, int(factor * sample_rate), sample_rate)


def change_level(waveform: Tensor, gain_db: float) -> Tensor:
    """Record a waveform (S,) at another level, with 16 bits: louder is clipped, quieter has fewer steps."""
    steps = (waveform * (10 ** (gain_db / 20) * _STEPS)).round()
    return steps.clamp(-_STEPS, _STEPS - 1) / _STEPS


def add_noise(waveform: Tensor, noise: Tensor, *, snr_db: float) -> Tensor:
    """Mix noise (S,) into a waveform (S,) at a signal-to-noise ratio; silence on either side adds nothing."""
    if min(waveform.square().mean(), noise.square().mean()) < _SILENCE:
        return waveform  # otherwise the residue that lossy codecs leave in silence would be amplified without bound
    energies = torch.stack([torch.linalg.vector_norm(waveform), torch.linalg.vector_norm(noise)]) ** 2
    found_db = 10 * (torch.log10(energies[0]) - torch.log10(energies[1]))
    return waveform + 10 ** ((found_db - torch.tensor(snr_db)) / 20.0) * noise


def reverberate(waveform: Tensor, room: Tensor) -> Tensor:
    """Apply a room's impulse response to a waveform (S,); energy and length stay, and no delay is added."""
    delay = int(room.abs().argmax())
    length = waveform.numel() + room.numel() - 1
    spectrum = torch.fft.rfft(waveform, n=length) * torch.fft.rfft(room, n=length)
    wet = torch.fft.irfft(spectrum, n=length)[delay : delay + waveform.numel()]
    return wet * (waveform.norm() / wet.norm().clamp(min=1e-8))


def simulate_telephone(waveform: Tensor, *, sample_rate: int) -> Tensor:
    """Pass a waveform (S,) through a telephone: 8000 Hz, 8 bits per sample by the mu-law of G.711."""
    narrow = resample(waveform, sample_rate, _TELEPHONE_RATE).clamp(-1, 1)
    return resample(_code_mu_law(narrow), _TELEPHONE_RATE, sample_rate)[: waveform.numel()]


def _code_mu_law(waveform: Tensor) -> Tensor:
    """Round samples to the levels of the mu-law, which lie closer together where it is quiet."""
    mu = torch.tensor(_MU_LAW_LEVELS - 1.0)
    levels = waveform.sign() * torch.log1p(mu * waveform.abs()) / torch.log1p(mu)
    levels = ((levels + 1) / 2 * mu + 0.5).floor() / mu * 2 - 1
    return levels.sign() * (torch.exp(levels.abs() * torch.log1p(mu)) - 1) / mu


@lru_cache
def simulate_rooms(sample_rate: int) -> list[Tensor]:
    """Simulate impulse responses (S,) of random rooms (Luo & Yu 2022), the same on every call."""
    # lhotse's FastRandomRIRGenerator computes the same on one thread. On several its results differ from call to call,
    # and it needs torchaudio, whose compiled part breaks with each release of torch.
    # Kept between calls, because simulating a response takes longer than reading an utterance.
    rooms, sources = np.random.default_rng(0), np.random.default_rng(0)
    with torch.random.fork_rng(devices=[]):  # torch's global state is also drawn from
        torch.manual_seed(0)
        return [_simulate_room(rooms, sources, sample_rate) for _ in range(_NUM_ROOMS)]


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
    between = _highpass(Resample(fine_rate, between_rate)(response[None])[0], between_rate)
    return Resample(between_rate, sample_rate)(between[None])[0]


def _draw_distances(decay_time: Tensor, direct: Tensor, count: int) -> Tensor:
    """Draw the lengths (R,) of reflected paths as ratios to the direct path; long ones are more frequent."""
    lengths = torch.linspace(1.0, _SOUND * decay_time / direct[0] - 1, count)
    weights = torch.linspace(0.25, 1.0, count).pow(2)
    return lengths[(weights / weights.sum()).multinomial(count, replacement=True)]


def _highpass(waveform: Tensor, sample_rate: int) -> Tensor:
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


def draw_noise(source: Path, num_samples: int, rng: np.random.Generator, *, sample_rate: int) -> Tensor:
    """Draw noise of a given length: Gaussian for "white", else a random excerpt from a folder of recordings."""
    if str(source) == _WHITE:
        return torch.from_numpy(rng.standard_normal(num_samples, dtype=np.float32))
    recordings = _noise_files(source)
    noise = _noise(recordings[int(rng.integers(len(recordings)))], sample_rate)
    start = int(rng.integers(noise.numel()))
    repeats = 1 + (start + num_samples) // noise.numel()
    return noise.repeat(repeats)[start : start + num_samples]


def join_waveforms(waveforms: Sequence[Tensor], rng: np.random.Generator, *, sample_rate: int) -> Tensor:
    """Join waveforms (S,) into one recording, with pauses between them that range from silence to a noisy room."""
    parts = [waveforms[0]]
    for waveform in waveforms[1:]:
        num_samples = int(rng.uniform(*_PAUSE_SECONDS) * sample_rate)
        level = 10 ** (rng.uniform(*_PAUSE_DB) / 20)
        parts += [level * draw_noise(Path(_WHITE), num_samples, rng, sample_rate=sample_rate), waveform]
    return torch.cat(parts)


def warp_bands(features: Tensor, factor: float, frequencies: npt.NDArray[np.float64]) -> Tensor:
    """Move the bands of features (T, F) as another length of the vocal tract would (VTLP, Jaitly & Hinton 2013).

    Frequencies below 4.8 kHz, of 8, are multiplied by the factor; the rest is stretched or compressed linearly up to
    the last band.

    Args:
        features: (T, F), one column for each band.
        factor: Above one for a shorter vocal tract.
        frequencies: (F,) Hz of the bands.
    """
    last = frequencies[-1]
    bend = _WARPED_SHARE * last / max(factor, 1.0)
    warped = np.interp(frequencies, [0.0, bend * factor, last], [0.0, bend, last])
    places = torch.from_numpy(np.interp(warped, frequencies, np.arange(len(frequencies)))).float()  # (F,)
    lower = places.long().clamp(max=len(frequencies) - 2)
    return torch.lerp(features[:, lower], features[:, lower + 1], places - lower)


def spec_augment(features: Tensor, settings: SpecAugmentSettings, *, step_seconds: float, seed: int) -> Tensor:
    """Mask random bands and spans of time (SpecAugment, Park et al. 2019) in a copy of normalised features (T, F).

    `step_seconds` is the time between frames.
    """
    num_time_masks = round(len(features) * step_seconds / settings.seconds_per_time_mask)
    masked = features.clone()
    num_frames, num_bands = masked.shape
    generator = torch.Generator().manual_seed(seed)
    for _ in range(settings.num_band_masks):
        masked[:, _draw_mask(num_bands, settings.max_bands, generator)] = 0.0  # the mean
    for _ in range(num_time_masks):
        masked[_draw_mask(num_frames, settings.max_frames, generator)] = 0.0
    return masked


def _draw_mask(size: int, longest: int, generator: torch.Generator) -> slice:
    """Draw a part of an axis, shorter than `longest`."""
    if longest == 0:
        return slice(0)
    length = torch.rand(1, generator=generator) * longest
    start = int(torch.rand(1, generator=generator) * (size - length))
    return slice(start, start + int(length))


@lru_cache
def _noise_files(folder: Path) -> Sequence[Path]:
    recordings = sorted(path for path in folder.rglob("*") if path.suffix.lower() in NATIVE_SUFFIXES)
    if not recordings:
        raise ConfigError(f"train.augment.noise: {folder} holds no recordings; name a folder of audio, or white")
    return recordings


@lru_cache(maxsize=100)
def _noise(path: Path, sample_rate: int) -> Tensor:
    return torch.from_numpy(load_audio(path, sample_rate=sample_rate))
