import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import FeatureSettings
from asr.signal.features import ENERGY_FLOOR, FeatureExtractor, mel_frequencies

RATE = 16000


def chirp(seconds: float) -> torch.Tensor:
    time = np.arange(int(seconds * RATE)) / RATE
    return torch.from_numpy((0.3 * np.sin(2 * np.pi * (200 + 900 * time) * time)).astype(np.float32))


def make_extractor() -> FeatureExtractor:
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(80, generator=generator) - 5
    return FeatureExtractor(FeatureSettings(), mean, torch.rand(80, generator=generator) + 0.5)


def test_log_mel_is_librosas():
    waveform = chirp(1.3)
    ours = FeatureExtractor(FeatureSettings()).log_mel(waveform)
    # librosa centres its 400-sample window in a 512-sample frame: shift by half the difference.
    shifted = np.concatenate([np.zeros(56, np.float32), waveform.numpy(), np.zeros(56, np.float32)])
    energies = librosa.feature.melspectrogram(
        y=shifted, sr=RATE, n_fft=512, win_length=400, hop_length=160, n_mels=80, center=False, power=2.0
    )
    expected = np.log(np.maximum(energies.T, ENERGY_FLOOR))
    np.testing.assert_allclose(ours.numpy(), expected, atol=2e-3)


@pytest.mark.parametrize("rate", [1600, 8000, 16000])
def test_mel_frequencies_are_librosas(rate: int):
    np.testing.assert_allclose(mel_frequencies(80, rate), librosa.mel_frequencies(80, fmax=rate / 2), rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(blocks=st.lists(st.integers(0, 3000), min_size=1, max_size=30), seed=st.integers(0, 100))
def test_a_stream_gives_exactly_the_offline_frames(blocks: list[int], seed: int):
    waveform = torch.randn(sum(blocks), generator=torch.Generator().manual_seed(seed)) * 0.1
    extractor = make_extractor()
    stream = extractor.stream()
    streamed = torch.cat([stream.feed(block) for block in waveform.split(blocks)])
    offline = extractor(waveform)
    assert torch.equal(streamed, offline)
    assert len(offline) == extractor.num_frames(len(waveform))


def test_the_running_mean_is_what_the_definition_says():
    extractor = make_extractor()
    waveform = chirp(0.5)
    raw, normalised = extractor.log_mel(waveform), extractor(waveform)
    for t in (0, 7, len(raw) - 1):
        mean = (100 * extractor.mean + raw[: t + 1].sum(0)) / (100 + t + 1)  # as if 1 s had been heard
        torch.testing.assert_close(normalised[t], (raw[t] - mean) / extractor.deviation, atol=1e-5, rtol=1e-5)


def test_frames_do_not_depend_on_what_comes_later():
    extractor = make_extractor()
    waveform = chirp(1.0)
    other = torch.cat([waveform[:8000], torch.zeros(8000)])
    frames = extractor.num_frames(8000)
    assert torch.equal(extractor(waveform)[:frames], extractor(other)[:frames])


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 0), (399, 0), (400, 1), (559, 1), (560, 2)])
def test_a_frame_needs_a_whole_window(samples: int, frames: int):
    extractor = FeatureExtractor(FeatureSettings())
    assert extractor(torch.zeros(samples)).shape == (frames, 80)
    assert extractor.num_frames(samples) == frames


def test_silence_is_finite():
    assert torch.isfinite(FeatureExtractor(FeatureSettings())(torch.zeros(RATE))).all()
