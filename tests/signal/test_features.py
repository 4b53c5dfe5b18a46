"""Features against librosa's, against a transform written out, and streams against whole recordings."""

import cmath
import math

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import FeatureSettings
from asr.signal.features import ENERGY_FLOOR, FeatureExtractor, mel_frequencies

RATE = 16000


def chirp(seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * (200 + 900 * time) * time)).astype(np.float32)


def make_extractor() -> FeatureExtractor:
    rng = np.random.default_rng(0)
    mean = (rng.standard_normal(80) - 5).astype(np.float32)
    return FeatureExtractor(FeatureSettings(), mean, rng.uniform(0.5, 1.5, 80).astype(np.float32))


def test_mel_energies_are_librosas():
    waveform = chirp(1.3)
    ours = FeatureExtractor(FeatureSettings()).energies(waveform)
    # librosa centres its 400-sample window in a 512-sample frame, and leaves the mean in.
    frames = np.lib.stride_tricks.sliding_window_view(waveform, 400)[::160]
    apart = np.pad(frames - frames.mean(1, keepdims=True), ((0, 0), (56, 56))).ravel()
    energies = librosa.feature.melspectrogram(
        y=apart, sr=RATE, n_fft=512, win_length=400, hop_length=512, n_mels=80, center=False, power=2.0
    )
    np.testing.assert_allclose(np.log(ours + ENERGY_FLOOR), np.log(energies.T + ENERGY_FLOOR), atol=2e-3)


def hertz(mel: float) -> float:
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def test_a_frame_is_a_discrete_fourier_transform_and_triangles_written_out():
    """Sums in loops, at a small size: 20 samples at 1 kHz in a transform of 32, four bands."""
    rate, window, size, num_mels = 1000, 20, 32, 4
    sizes = FeatureSettings(sample_rate=rate, window_seconds=0.02, step_seconds=0.01, num_mels=num_mels)
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, 35).astype(np.float32)
    frame = waveform[10:30].tolist()  # the second of two
    mean = sum(frame) / window
    power = []
    for k in range(size // 2 + 1):
        weighted = (
            (value - mean) * (0.5 - 0.5 * math.cos(2 * math.pi * n / window)) * cmath.exp(-2j * math.pi * k * n / size)
            for n, value in enumerate(frame)
        )
        power.append(abs(sum(weighted)) ** 2)
    highest = 3 * (rate / 2) / 200  # mel: half the sample rate is below 1 kHz
    edges = [hertz(highest * index / (num_mels + 1)) for index in range(num_mels + 2)]
    expected = []
    for low, centre, high in zip(edges, edges[1:], edges[2:], strict=False):
        energy = 0.0
        for k, value in enumerate(power):
            frequency = k * rate / size
            triangle = min((frequency - low) / (centre - low), (high - frequency) / (high - centre))
            energy += max(0.0, triangle) * 2 / (high - low) * value
        expected.append(energy)
    ours = FeatureExtractor(sizes).energies(waveform)
    assert ours.shape == (2, num_mels)
    np.testing.assert_allclose(ours[1], expected, rtol=1e-6)


def test_features_are_energies_at_the_reference_level():
    """Level and floor written out for each frame, from its past alone."""
    extractor = FeatureExtractor(FeatureSettings())
    rng = np.random.default_rng(0)
    waveform = (chirp(2.0) * np.repeat(rng.choice([0.0, 0.001, 1.0], 20), 1600)).astype(np.float32)
    energies = extractor.energies(waveform)
    centres = mel_frequencies(82, RATE)[1:-1]
    power = energies[:, (centres >= 300) & (centres <= 3400)].sum(1)
    ours = extractor.log_mel(waveform)
    assert ours.dtype == np.float32
    smooth = [10 * math.log10(max(1e-20, power[max(0, t - 9) : t + 1].mean())) for t in range(len(power))]
    for t in range(len(power)):
        loudest = max(value - 0.01 * (t - s) for s, value in enumerate(smooth[: t + 1]))
        quietest = min(value + 0.01 * (t - s) for s, value in enumerate(smooth[: t + 1]))
        level = max(loudest, quietest + 30, -100)
        expected = np.log(np.maximum(energies[t] * 10 ** ((5 - level) / 10), ENERGY_FLOOR))
        np.testing.assert_allclose(ours[t], expected, rtol=1e-5, atol=1e-5)


def speech_like(seconds: float) -> np.ndarray:
    """Half a second of soft noise, then syllables: 100 Hz and its harmonics, three a second, with noise below."""
    time = np.arange(int(seconds * RATE)) / RATE
    syllables = np.clip(np.sin(2 * np.pi * 3 * (time - 0.5)), 0, 1) * (time > 0.5)
    tone = sum(np.sin(2 * np.pi * 100 * k * time) / k for k in range(1, 40))
    noise = np.random.default_rng(0).standard_normal(len(time))
    waveform = syllables * tone + 0.003 * noise
    return (waveform / np.abs(waveform).max()).astype(np.float32)


@pytest.mark.parametrize("peak_db", [-60, -50, -30, -10, 0])
def test_the_level_of_a_recording_changes_nothing(peak_db: float):
    extractor, waveform = make_extractor(), speech_like(3.0)
    scaled = waveform * np.float32(10 ** (peak_db / 20))
    np.testing.assert_allclose(extractor(scaled), extractor(waveform), atol=2e-3)


@pytest.mark.parametrize(("peak_db", "most"), [(-60, 2.0), (-40, 0.2), (-20, 0.02)])
def test_sixteen_bits_change_what_is_quieter_than_their_steps(peak_db: float, most: float):
    """Rounded without dither; `most` is the difference in units of natural logs, in the bands up to 3.4 kHz."""
    extractor, waveform = FeatureExtractor(FeatureSettings()), speech_like(3.0)
    scaled = waveform * np.float32(10 ** (peak_db / 20))
    rounded = (np.round(scaled * 32768) / 32768).astype(np.float32)
    loud = extractor(waveform)[:, :50].mean(1) > 0
    difference = np.abs(extractor(rounded) - extractor(waveform))[loud, :50]
    assert difference.mean() < most


@pytest.mark.parametrize("peak_db", [-60, -30, 0])
def test_an_offset_changes_nothing(peak_db: float):
    extractor, waveform = make_extractor(), speech_like(3.0) * np.float32(10 ** (peak_db / 20))
    offset = np.float32(0.5)
    # The sum of the two rounds to float32, 144 dB below the offset.
    np.testing.assert_allclose(extractor(waveform + offset), extractor((waveform + offset) - offset), atol=2e-3)


@pytest.mark.parametrize("frequency", [50, 60])
def test_hum_changes_only_the_lowest_bands(frequency: int):
    """Hum 10 dB above a quiet recording must not be taken for its level."""
    extractor, waveform = FeatureExtractor(FeatureSettings()), speech_like(3.0) * np.float32(0.01)
    time = np.arange(len(waveform)) / RATE
    hum = (0.03 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)
    difference = np.abs(extractor(waveform + hum) - extractor(waveform))[:, 10:]  # above 400 Hz
    loud = extractor(waveform)[:, 10:] > 0
    assert difference[loud].mean() < 0.5  # in natural logs; 3 if it were taken for speech


def test_quiet_speech_after_silence_is_as_after_none():
    """Zeros, as some recorders and codecs write them, say nothing of the level to come."""
    extractor, waveform = FeatureExtractor(FeatureSettings()), speech_like(3.0)
    zeros = np.zeros(RATE, np.float32)
    loud, quiet = (extractor.log_mel(np.concatenate([zeros, waveform * factor])) for factor in (1.0, np.float32(1e-3)))
    np.testing.assert_allclose(quiet[100:], loud[100:], atol=2e-3)


@pytest.mark.parametrize("rate", [1600, 8000, 16000])
def test_mel_frequencies_are_librosas(rate: int):
    np.testing.assert_allclose(mel_frequencies(80, rate), librosa.mel_frequencies(80, fmax=rate / 2), rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(blocks=st.lists(st.integers(0, 3000), min_size=1, max_size=30), seed=st.integers(0, 100))
def test_a_stream_gives_exactly_the_offline_frames(blocks: list[int], seed: int):
    waveform = (0.1 * np.random.default_rng(seed).standard_normal(sum(blocks))).astype(np.float32)
    extractor = make_extractor()
    stream = extractor.stream()
    streamed = np.concatenate([stream.feed(block) for block in np.split(waveform, np.cumsum(blocks)[:-1])])
    offline = extractor(waveform)
    assert np.array_equal(streamed, offline)
    assert streamed.dtype == offline.dtype == np.float32
    assert len(offline) == extractor.num_frames(len(waveform))


def test_recordings_longer_than_a_block_are_computed_as_one():
    extractor = make_extractor()
    waveform = (0.1 * np.random.default_rng(0).standard_normal(25 * RATE)).astype(np.float32)
    assert np.array_equal(extractor(waveform), extractor.stream().feed(waveform))


def test_the_running_mean_is_what_the_definition_says():
    extractor = make_extractor()
    waveform = chirp(0.5)
    raw, normalised = extractor.log_mel(waveform), extractor(waveform)
    for t in (0, 7, len(raw) - 1):
        mean = (100 * extractor.mean + raw[: t + 1].sum(0)) / (100 + t + 1)  # as if 1 s had been heard
        np.testing.assert_allclose(normalised[t], (raw[t] - mean) / extractor.deviation, atol=1e-5, rtol=1e-5)


def test_frames_do_not_depend_on_what_comes_later():
    extractor = make_extractor()
    waveform = chirp(1.0)
    other = np.concatenate([waveform[:8000], np.zeros(8000, np.float32)])
    frames = extractor.num_frames(8000)
    assert np.array_equal(extractor(waveform)[:frames], extractor(other)[:frames])


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 0), (399, 0), (400, 1), (559, 1), (560, 2)])
def test_a_frame_needs_a_whole_window(samples: int, frames: int):
    extractor = FeatureExtractor(FeatureSettings())
    assert extractor(np.zeros(samples, np.float32)).shape == (frames, 80)
    assert extractor.num_frames(samples) == frames


def test_silence_is_finite():
    assert np.isfinite(FeatureExtractor(FeatureSettings())(np.zeros(RATE, np.float32))).all()
