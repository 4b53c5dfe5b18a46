"""Features of other toolkits beside those toolkits, or their definitions written out; streams beside recordings."""

import math

import librosa
import numpy as np
import pytest

from asr.config import FeatureSettings, ToolkitSettings
from asr.errors import ConfigError
from asr.signal.front_end import build_extractor, frame_layout
from asr.signal.toolkits.fbank import mirror
from asr.signal.toolkits.frames import ToolkitExtractor

RNG = np.random.default_rng(7)


def settings(kind: str, **values: object) -> FeatureSettings:
    seconds = {"mfcc": (0.032, 0.02), "spectrogram": (0.02, 0.01)}.get(kind, (0.025, 0.01))
    toolkit = ToolkitSettings.model_validate({"kind": kind, **values})
    return FeatureSettings(window_seconds=seconds[0], step_seconds=seconds[1], toolkit=toolkit)


def extractor(kind: str, **values: object) -> ToolkitExtractor:
    built = build_extractor(settings(kind, **values))
    assert isinstance(built, ToolkitExtractor)
    return built


def noise(count: int) -> np.ndarray:
    return RNG.normal(0, 0.1, count).astype(np.float32)


@pytest.mark.parametrize("window", ["hamming", "hann", "blackman", "bartlett"])
def test_spectrograms_are_those_of_librosa(window: str):
    samples = noise(4001)
    found = extractor("spectrogram", window=window).plain(samples)
    padded = np.pad(samples, 160, mode="reflect")  # as librosa did itself when these networks were trained
    expected = librosa.stft(padded, n_fft=320, hop_length=160, window=window, center=False)
    np.testing.assert_allclose(found, np.log1p(np.abs(expected)).T, atol=1e-5)


def test_a_recording_is_normalised_as_torch_does():
    torch = pytest.importorskip("torch")
    samples = noise(4000)
    plain = extractor("spectrogram").plain(samples)
    tensor = torch.from_numpy(plain)
    expected = (tensor - tensor.mean()) / tensor.std()
    found = extractor("spectrogram", normalization="recording")(samples)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_bands_are_normalised_one_by_one():
    found = extractor("nemo", normalization="bands")(noise(8000))
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-4)
    with pytest.raises(ConfigError, match="cannot follow a stream"):
        extractor("nemo", normalization="bands").stream()


def write_out_mfcc(frame: np.ndarray, rate: int = 16000) -> list[float]:
    """TensorFlow's Spectrogram, MfccMelFilterbank and MfccDct, bin by bin as in their C++."""
    window = [0.5 - 0.5 * math.cos(2 * math.pi * index / len(frame)) for index in range(len(frame))]
    power = np.abs(np.fft.rfft(frame.astype(np.float64) * window, 512)) ** 2

    def mel(frequency: float) -> float:
        return 1127 * math.log1p(frequency / 700)

    low, high, width = mel(20), mel(rate / 2), rate / 2 / 256
    spacing = (high - low) / 41
    centres = [low + spacing * (index + 1) for index in range(41)]
    energies = [0.0] * 40
    for index in range(int(1.5 + 20 / width), int(rate / 2 / width) + 1):
        position = mel(index * width)
        channel = sum(centre < position for centre in centres[:40]) - 1
        start = centres[channel] if channel >= 0 else low
        weight = (centres[channel + 1] - position) / (centres[channel + 1] - start)
        if channel >= 0:
            energies[channel] += weight * math.sqrt(power[index])
        if channel + 1 < 40:
            energies[channel + 1] += (1 - weight) * math.sqrt(power[index])
    logs = [math.log(max(energy, 1e-12)) for energy in energies]
    return [
        math.sqrt(2 / 40)
        * sum(value * math.cos(math.pi / 40 * number * (band + 0.5)) for band, value in enumerate(logs))
        for number in range(26)
    ]


def test_mfcc_are_those_of_tensorflow():
    samples = noise(1000)
    found = extractor("mfcc")(samples)
    assert found.shape == (3, 26)  # windows from 0 and 320, and the rest, filled up
    for index in range(3):
        frame = np.zeros(512, np.float32)
        part = samples[320 * index : 320 * index + 512]
        frame[: len(part)] = part
        np.testing.assert_allclose(found[index], write_out_mfcc(frame), atol=1e-4)


def write_out_fbank(samples: np.ndarray, index: int, *, is_kaldi: bool) -> np.ndarray:
    """One frame of kaldi-native-fbank, step by step as in its C++."""
    frame = np.empty(400)
    for offset in range(400):
        position = 160 * index + 80 - 200 + offset
        while not 0 <= position < len(samples):
            position = -position - 1 if position < 0 else 2 * len(samples) - 1 - position
        frame[offset] = samples[position]
    if is_kaldi:
        frame -= frame.mean()
    for offset in range(399, 0, -1):
        frame[offset] -= 0.97 * frame[offset - 1]
    frame[0] -= 0.97 * frame[0]
    steps = np.arange(400)
    if is_kaldi:
        frame *= (0.5 - 0.5 * np.cos(2 * np.pi * steps / 399)) ** 0.85
        mels = 1127 * np.log(1 + np.arange(257) * 31.25 / 700)
        edges = np.linspace(1127 * math.log(1 + 20 / 700), 1127 * math.log(1 + 7600 / 700), 82)
        bank = [np.interp(mels, edges[band : band + 3], [0, 1, 0], left=0, right=0) for band in range(80)]
    else:
        frame *= 0.5 - 0.5 * np.cos(2 * np.pi * steps / 400)
        bank = list(librosa.filters.mel(sr=16000, n_fft=512, n_mels=80))
    return np.log(np.maximum(np.array(bank) @ np.abs(np.fft.rfft(frame, 512)) ** 2, 1.1920929e-07))


@pytest.mark.parametrize("kind", ["kaldi", "nemo"])
@pytest.mark.parametrize("count", [80, 300, 1639, 1640])
def test_log_mel_energies_are_those_of_kaldi_native_fbank(kind: str, count: int):
    samples = noise(count)
    found = extractor(kind)(samples)
    assert len(found) == (count + 80) // 160
    expected = [write_out_fbank(samples, index, is_kaldi=kind == "kaldi") for index in range(len(found))]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["mfcc", "kaldi", "nemo"])
@pytest.mark.parametrize("count", [0, 79, 191, 192, 500, 1234, 9999])
def test_streams_have_the_frames_of_recordings(kind: str, count: int):
    samples, built = noise(count), extractor(kind)
    whole = built(samples)
    assert len(whole) == frame_layout(settings(kind)).num_frames(count)
    stream, parts, position = built.stream(), [], 0
    while position < count:
        size = int(RNG.integers(0, 700))
        parts.append(stream.feed(samples[position : position + size]))
        position += size
    parts.append(stream.feed(samples[:0], last=True))
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("count", [160, 161, 320, 4000])
def test_a_layout_counts_the_frames_of_a_spectrogram(count: int):
    layout = frame_layout(settings("spectrogram", subsampling=2))
    assert len(extractor("spectrogram").plain(noise(count))) == layout.num_frames(count)
    assert layout.output_step == 320
    assert layout.num_outputs(5) == 3


def test_mirrors_repeat():
    samples = np.arange(3, dtype=np.float32)
    assert mirror(samples, -4, 8).tolist() == [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]
