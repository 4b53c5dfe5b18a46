"""Variations of training speech: speed, gain, noise, rooms and telephones of waveforms, joins, masks over features.

What is drawn depends on the seed, the epoch and the utterances alone: never on the time of
the draw or the number of workers, so that a resumed training equals an uninterrupted one.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from lhotse.augmentation.rir import FastRandomRIRGenerator
from torch import Tensor
from torchaudio import functional as F

from asr.config import AugmentSettings, SpecAugmentSettings
from asr.errors import ConfigError
from asr.signal.audio import NATIVE_SUFFIXES, load_audio

NUM_ROOMS = 100
WHITE = "white"  # the setting that asks for Gaussian noise in place of a folder
SILENCE = 1e-12  # mean power, -120 dB
PAUSE_SECONDS = (0.0, 1.5)  # between joined utterances
PAUSE_DB = (-100.0, -45.0)  # of full scale; below about -77 nothing is heard (features.py)
TELEPHONE_RATE = 8000  # Hz
MU_LAW_LEVELS = 256


def augment_waveform(
    waveform: Tensor, settings: AugmentSettings, rng: np.random.Generator, *, sample_rate: int
) -> Tensor:
    """Draw one variation of a waveform.

    Args:
        waveform: (S,) within ±1.
        settings: What may be done, and how strongly.
        rng: The source of all that is drawn.
        sample_rate: Hz.

    Returns:
        (S',) float32; S' differs from S where the speed was changed.
    """
    if settings.speeds:
        waveform = change_speed(waveform, float(rng.choice(settings.speeds)), sample_rate=sample_rate)
    if rng.random() < settings.reverberation_probability:
        rooms = simulate_rooms(sample_rate)
        waveform = reverberate(waveform, rooms[int(rng.integers(len(rooms)))])
    if settings.noise is not None and rng.random() < settings.noise_probability:
        noise = draw_noise(settings.noise, waveform.numel(), rng, sample_rate=sample_rate)
        waveform = add_noise(waveform, noise, snr_db=rng.uniform(*settings.noise_snr_db))
    if settings.gain_db is not None:
        waveform = F.gain(waveform, rng.uniform(*settings.gain_db))
    if rng.random() < settings.telephone_probability:
        waveform = simulate_telephone(waveform, sample_rate=sample_rate)
    return waveform


def prepare_augmentation(settings: AugmentSettings, *, sample_rate: int) -> None:
    """Do beforehand what takes long or may fail, so that processes that read audio inherit it.

    Raises:
        ConfigError: If there is no noise where the settings say.
    """
    if settings.noise is not None and str(settings.noise) != WHITE:
        _noise_files(settings.noise)
    if settings.reverberation_probability > 0:
        simulate_rooms(sample_rate)


def change_speed(waveform: Tensor, factor: float, *, sample_rate: int) -> Tensor:
    """Play faster (factor above 1) or slower; pitch moves along (Ko et al. 2015)."""
    return waveform if factor == 1.0 else F.speed(waveform, sample_rate, factor)[0]


def add_noise(waveform: Tensor, noise: Tensor, *, snr_db: float) -> Tensor:
    """Mix noise (S,) into a waveform (S,) at a signal-to-noise ratio; silence on either side adds nothing."""
    if min(waveform.square().mean(), noise.square().mean()) < SILENCE:
        return waveform  # what lossy codecs leave of silence would be amplified beyond all bounds
    return F.add_noise(waveform, noise, torch.tensor(snr_db))


def reverberate(waveform: Tensor, room: Tensor) -> Tensor:
    """Hear a waveform (S,) in a room, given its impulse response; same energy, same length, no delay."""
    delay = int(room.abs().argmax())
    wet = F.fftconvolve(waveform, room)[delay : delay + waveform.numel()]
    return wet * (waveform.norm() / wet.norm().clamp(min=1e-8))


def simulate_telephone(waveform: Tensor, *, sample_rate: int) -> Tensor:
    """Hear a waveform (S,) as by telephone: 8000 Hz, eight bits a sample by the mu-law of G.711."""
    narrow = F.resample(waveform, sample_rate, TELEPHONE_RATE).clamp(-1, 1)
    coded = F.mu_law_decoding(F.mu_law_encoding(narrow, MU_LAW_LEVELS), MU_LAW_LEVELS)
    return F.resample(coded, TELEPHONE_RATE, sample_rate)[: waveform.numel()]


@lru_cache
def simulate_rooms(sample_rate: int) -> list[Tensor]:
    """Impulse responses (S,) of random rooms (Luo & Yu 2022), the same each time.

    A response takes longer than the utterance it is for, so they are made once.
    """
    with torch.random.fork_rng(devices=[]):  # the generator draws from torch's global state, too
        torch.manual_seed(0)
        generator = FastRandomRIRGenerator(sr=sample_rate, room_seed=0, source_seed=0)
        return [torch.from_numpy(generator(nsource=1)[0]).float() for _ in range(NUM_ROOMS)]


def draw_noise(source: Path, num_samples: int, rng: np.random.Generator, *, sample_rate: int) -> Tensor:
    """Noise of a given length: Gaussian for "white", else a random piece of a random recording of a folder."""
    if str(source) == WHITE:
        return torch.from_numpy(rng.standard_normal(num_samples, dtype=np.float32))
    recordings = _noise_files(source)
    noise = _noise(recordings[int(rng.integers(len(recordings)))], sample_rate)
    start = int(rng.integers(noise.numel()))
    repeats = 1 + (start + num_samples) // noise.numel()
    return noise.repeat(repeats)[start : start + num_samples]


def join_waveforms(waveforms: Sequence[Tensor], rng: np.random.Generator, *, sample_rate: int) -> Tensor:
    """One recording of several: waveforms (S,) with pauses between, from digital silence to a noisy room."""
    parts = [waveforms[0]]
    for waveform in waveforms[1:]:
        num_samples = int(rng.uniform(*PAUSE_SECONDS) * sample_rate)
        level = 10 ** (rng.uniform(*PAUSE_DB) / 20)
        parts += [level * draw_noise(Path(WHITE), num_samples, rng, sample_rate=sample_rate), waveform]
    return torch.cat(parts)


def spec_augment(features: Tensor, settings: SpecAugmentSettings, *, step_seconds: float, seed: int) -> Tensor:
    """Mask random bands and stretches of time (SpecAugment, Park et al. 2019).

    Args:
        features: (T, F), normalised: a mask is the mean, zero.
        settings: How many masks, and how wide at most.
        step_seconds: Length of a frame's step.
        seed: Of all that is drawn.

    Returns:
        (T, F), a copy.
    """
    num_time_masks = round(len(features) * step_seconds / settings.seconds_per_time_mask)
    masked = features[None]
    with torch.random.fork_rng(devices=[]):  # torchaudio draws from torch's global state
        torch.manual_seed(seed)
        for _ in range(settings.num_band_masks):
            masked = F.mask_along_axis(masked, settings.max_bands, 0.0, axis=2)
        for _ in range(num_time_masks):
            masked = F.mask_along_axis(masked, settings.max_frames, 0.0, axis=1)
    return masked[0].clone()


@lru_cache
def _noise_files(folder: Path) -> Sequence[Path]:
    recordings = sorted(path for path in folder.rglob("*") if path.suffix.lower() in NATIVE_SUFFIXES)
    if not recordings:
        raise ConfigError(f"train.augment.noise: {folder} holds no recordings; name a folder of audio, or white")
    return recordings


@lru_cache(maxsize=100)
def _noise(path: Path, sample_rate: int) -> Tensor:
    return torch.from_numpy(load_audio(path, sample_rate=sample_rate))
