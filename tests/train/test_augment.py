from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy import signal

from asr.config import AugmentSettings, FeatureSettings, SpecAugmentSettings
from asr.errors import ConfigError
from asr.signal.features import FeatureExtractor, mel_frequencies
from asr.train import augment
from asr.train.augment import (
    add_noise,
    augment_waveform,
    change_level,
    change_speed,
    draw_noise,
    join_waveforms,
    prepare_augmentation,
    reverberate,
    simulate_rooms,
    simulate_telephone,
    spec_augment,
    warp_bands,
)

RATE = 16000
EVERYTHING = AugmentSettings(
    gain_db=(-6, 6),
    noise=Path("white"),
    noise_probability=0.5,
    reverberation_probability=0.5,
    telephone_probability=0.5,
)


def sine(frequency: float, seconds: float = 1.0) -> torch.Tensor:
    return 0.3 * torch.sin(2 * torch.pi * frequency * torch.arange(int(seconds * RATE)) / RATE)


def peak_frequency(waveform: torch.Tensor) -> float:
    return float(torch.fft.rfft(waveform).abs().argmax()) * RATE / len(waveform)


def test_what_is_drawn_depends_on_the_seed_alone():
    draws = [augment_waveform(sine(440), EVERYTHING, np.random.default_rng(7), sample_rate=RATE) for _ in range(2)]
    torch.manual_seed(1)  # torch's global state plays no part
    assert torch.equal(*draws)
    other = augment_waveform(sine(440), EVERYTHING, np.random.default_rng(8), sample_rate=RATE)
    assert other.shape != draws[0].shape or not torch.equal(other, draws[0])


def test_a_telephone_passes_low_tones_but_not_high_ones():
    low, high = sine(440), sine(5500)
    narrow = simulate_telephone(low + high, sample_rate=RATE)
    assert narrow.shape == low.shape
    error = (narrow - low)[RATE // 10 : -RATE // 10]  # without the edges, where the tones begin and end
    assert float(10 * torch.log10(low.square().mean() / error.square().mean())) > 30  # mu-law's noise: 38 dB down
    assert float(simulate_telephone(torch.zeros(RATE), sample_rate=RATE).abs().max()) < 1e-3
    assert simulate_telephone(sine(440)[: RATE // 3], sample_rate=22050).numel() == RATE // 3


def test_a_join_holds_each_waveform_unchanged_with_quiet_pauses_between():
    parts = [sine(300), sine(440, 0.5), sine(500, 0.7)]
    seen = set()
    for seed in range(20):
        joined = join_waveforms(parts, np.random.default_rng(seed), sample_rate=RATE)
        pauses = len(joined) - sum(map(len, parts))
        seen.add(pauses)
        assert 0 <= pauses <= 2 * 1.5 * RATE
        assert torch.equal(joined[: len(parts[0])], parts[0])
        assert torch.equal(joined[-len(parts[2]) :], parts[2])
        spoken = sum(float(part.square().sum()) for part in parts)
        assert float(joined.square().sum()) - spoken <= pauses * 10**-4.5 * 1.1  # white noise at -45 dBFS, at most
    assert len(seen) > 10
    assert torch.equal(join_waveforms(parts[:1], np.random.default_rng(0), sample_rate=RATE), parts[0])


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_speed_changes_length_and_pitch_alike(factor: float):
    faster = change_speed(sine(440), factor, sample_rate=RATE)
    assert len(faster) == pytest.approx(RATE / factor, abs=2)
    assert peak_frequency(faster) == pytest.approx(440 * factor, abs=2)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_noise_is_mixed_at_the_signal_to_noise_ratio(snr_db: float):
    speech, noise = sine(440), torch.randn(RATE) * 3
    added = add_noise(speech, noise, snr_db=snr_db) - speech
    measured = 10 * torch.log10(speech.square().sum() / added.square().sum())
    assert float(measured) == pytest.approx(snr_db, abs=0.01)


def test_silence_stays_silence():
    assert torch.equal(add_noise(torch.zeros(100), torch.randn(100), snr_db=5.0), torch.zeros(100))
    # What lossy codecs leave of silence: its energy underflows, and no gain brings it to a finite level.
    assert torch.equal(add_noise(sine(440), torch.full((RATE,), 1e-25), snr_db=5.0), sine(440))


def test_a_room_keeps_length_and_energy_and_adds_no_delay():
    click = torch.zeros(RATE)
    click[4000] = 0.5
    wet = reverberate(click, simulate_rooms(RATE)[3])
    assert wet.shape == click.shape
    assert float(wet.norm()) == pytest.approx(float(click.norm()), rel=1e-4)
    assert int(wet.abs().argmax()) == 4000
    assert (wet[4001:8000].abs() > 1e-6).any()


ROOMS = [
    # Of lhotse 1.33's FastRandomRIRGenerator with torchaudio 2.11.0, on one thread: samples, peak and where, energy
    (8734, 366, 0.004146710969507694, 0.0005996553227305412),
    (2059, 476, 0.006946122739464045, 0.0010582032846286893),
    (10709, 363, 0.004948161076754332, 0.0005585153121501207),
]


def simulate_with_threads(threads: int) -> list[torch.Tensor]:
    simulate_rooms.cache_clear()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return simulate_rooms(RATE)
    finally:
        torch.set_num_threads(before)
        simulate_rooms.cache_clear()


def test_rooms_are_the_same_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(augment, "_NUM_ROOMS", len(ROOMS))
    rooms = simulate_with_threads(1)
    assert all(map(torch.equal, rooms, simulate_with_threads(2)))
    for room, (length, place, peak, energy) in zip(rooms, ROOMS, strict=True):
        assert (len(room), int(room.abs().argmax())) == (length, place)
        # Processors round differently, so now and then a reflection falls on the next sample. On one Zen 5 this changes
        # an energy by 1e-4.
        assert float(room.abs().max()) == pytest.approx(peak, rel=1e-4)
        assert float(room.square().sum()) == pytest.approx(energy, rel=1e-3)


def test_the_highpass_filter_is_a_butterworth():
    noise = np.random.default_rng(0).standard_normal(4000).astype(np.float32) * 0.1
    coefficients = signal.butter(2, 80, "highpass", fs=RATE)  # whose quality is 1 / sqrt(2), 0.7071
    filtered = augment._highpass(torch.from_numpy(noise), RATE)
    assert np.allclose(filtered, signal.lfilter(*coefficients, noise), atol=1e-4)
    assert float(augment._highpass(torch.full((400,), 3.0), RATE).max()) == 1.0


def test_noise_comes_from_a_folder_at_any_length(tmp_path: Path):
    soundfile.write(tmp_path / "hum.wav", sine(100, 0.1).numpy(), RATE)
    noise = draw_noise(tmp_path, 5000, np.random.default_rng(0), sample_rate=RATE)
    assert noise.shape == (5000,)
    assert noise.abs().max() > 0.2


def test_a_folder_without_noise_is_an_error(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"train\.augment\.noise"):
        prepare_augmentation(AugmentSettings(noise=tmp_path / "none"), sample_rate=RATE)


def test_masks_are_whole_bands_and_whole_spans_within_their_limits():
    settings = SpecAugmentSettings(num_band_masks=1, max_bands=8, seconds_per_time_mask=2.0, max_frames=20)
    features = torch.ones(200, 80)
    for seed in range(20):
        masked = spec_augment(features, settings, step_seconds=0.01, seed=seed)
        bands, frames = (masked == 0).all(0), (masked == 0).all(1)
        assert bands.sum() <= 8
        assert frames.sum() <= 20
        expected = torch.where(bands[None] | frames[:, None], 0.0, 1.0)
        assert torch.equal(masked, expected)
    assert torch.equal(features, torch.ones(200, 80))
    assert torch.equal(masked, spec_augment(features, settings, step_seconds=0.01, seed=19))


def test_a_level_is_what_sixteen_bits_record():
    recorded = change_level(sine(440), -60)
    steps = recorded * 32768
    assert torch.equal(steps, steps.round())
    assert float(steps.abs().max()) == round(0.3 * 32768 / 1000)
    clipped = change_level(sine(440), 20)  # a peak of 3
    assert float(clipped.max()) == 32767 / 32768
    assert float(clipped.min()) == -1
    np.testing.assert_allclose(change_level(sine(440), 0), sine(440), atol=0.5 / 32768)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_warped_bands_are_those_of_another_frequency(factor: float):
    """Features of a tone, warped, have their maximum where those of a tone at the other frequency have it."""
    extractor = FeatureExtractor(FeatureSettings())
    frequencies = mel_frequencies(82, RATE)[1:-1]

    def features(frequency: float) -> torch.Tensor:
        return torch.from_numpy(extractor.log_mel(sine(frequency, 0.1).numpy()))

    for frequency in (500, 1000, 2000, 3500):
        warped = warp_bands(features(frequency), factor, frequencies)
        assert warped.shape == (8, 80)
        found, expected = (int(one.mean(0).argmax()) for one in (warped, features(factor * frequency)))
        assert abs(found - expected) <= 1
    unchanged = warp_bands(features(1000), 1.0, frequencies)
    np.testing.assert_allclose(unchanged, features(1000), atol=1e-4)


def test_warped_bands_keep_the_highest_frequency():
    frequencies = mel_frequencies(82, RATE)[1:-1]
    ramp = torch.arange(80.0).repeat(3, 1)
    for factor in (0.85, 1.15):
        warped = warp_bands(ramp, factor, frequencies)
        assert torch.all(warped.diff(dim=1) >= 0)
        assert float(warped[0, -1]) == 79
