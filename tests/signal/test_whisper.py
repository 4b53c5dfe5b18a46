"""The front end of a pre-trained encoder: against librosa's spectrogram and Whisper's own, however a stream is cut."""

from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr.config import FeatureSettings
from asr.errors import ConfigError
from asr.signal.audio import load_audio
from asr.signal.front_end import build_extractor, frame_layout
from asr.signal.whisper import LIVE, WhisperExtractor, WindowSizes
from tests.encoders import REACH, StandInEncoder

RATE = 16000
SETTINGS = FeatureSettings(kind="whisper", encoder_size=6)
LAYOUT = frame_layout(SETTINGS)
SAMPLES = Path(__file__).parents[2] / "recipes" / "english" / "samples"


def make_speech(seconds: float, seed: int = 0) -> np.ndarray:
    """Tones that come and go over faint noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * f * time) * (np.sin(2 * np.pi * time / p) > 0) for f, p in ((500, 0.5), (1700, 0.8)))
    return (0.1 * tones + 1e-4 * rng.standard_normal(len(time))).astype(np.float32)


def make_extractor(**options: WindowSizes) -> WhisperExtractor:
    rng = np.random.default_rng(1)
    return WhisperExtractor(SETTINGS, rng.normal(size=12).astype(np.float32), np.full(12, 2, np.float32), **options)


def stream(extractor: WhisperExtractor, waveform: np.ndarray, cuts: list[int]) -> np.ndarray:
    """The features of a recording that comes in blocks, cut at these samples."""
    features = extractor.stream()
    blocks = np.split(waveform, cuts)
    return np.concatenate([features.feed(block, last=index == len(cuts)) for index, block in enumerate(blocks)])


def test_the_encoder_gets_librosas_spectrogram_at_a_reference_level_and_whispers_scale(stand_in: StandInEncoder):
    waveform = make_speech(3.2)
    make_extractor()(waveform)
    (mel,) = stand_in.seen
    padded = np.pad(waveform, 200, mode="edge")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 400)[:-1:160]
    apart = (frames - frames.mean(axis=1, keepdims=True)).ravel()
    energies = librosa.feature.melspectrogram(y=apart, sr=RATE, n_fft=400, hop_length=400, n_mels=80, center=False)
    logarithms = np.log10(energies.T)
    gain = np.median(4 * mel - 4 - logarithms)
    np.testing.assert_allclose(mel, (np.maximum(logarithms + gain, -7.0) + 4) / 4, atol=1e-3)
    assert 1.0 < mel.max() < 1.4  # as of ordinary recordings


@pytest.mark.parametrize("peak", [-60, -40, -20, 0])
@pytest.mark.parametrize("disturbance", ["none", "offset", "hum"])
def test_a_level_changes_nothing(stand_in: StandInEncoder, peak: int, disturbance: str):
    speech = make_speech(4.0)
    if disturbance == "offset":
        speech = speech + np.float32(0.05)
    if disturbance == "hum":
        speech = speech + (0.05 * np.sin(2 * np.pi * 50 * np.arange(len(speech)) / RATE)).astype(np.float32)
    speech = speech / np.abs(speech).max()
    extractor = make_extractor()
    expected, found = extractor(speech), extractor((speech * 10 ** (peak / 20)).astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    live = stream(extractor, (speech * 10 ** (peak / 20)).astype(np.float32), [8000])
    np.testing.assert_allclose(live, stream(extractor, speech, [8000]), atol=1e-4)


def test_speech_is_as_loud_whatever_16_bits_an_offset_or_hum_add(stand_in: StandInEncoder):
    speech = make_speech(4.0)
    time = np.arange(len(speech)) / RATE
    coarse = np.round(speech * 10 ** (-40 / 20) * 32768) / 32768
    for changed in (coarse, speech + 0.3, speech + 0.2 * np.sin(2 * np.pi * 50 * time)):
        stand_in.seen.clear()
        extractor = make_extractor()
        extractor(speech)
        extractor(changed.astype(np.float32))
        plain, other = stand_in.seen
        loud = plain > plain.max() - 0.3
        loud[:, :6] = False  # where hum is
        assert np.abs(plain - other)[loud].max() < 0.02


def test_noise_before_speech_is_not_taken_for_speech(stand_in: StandInEncoder):
    noise = (1e-3 * np.random.default_rng(0).standard_normal(2 * RATE)).astype(np.float32)
    make_extractor()(noise)
    assert stand_in.seen[0].max() < 0.6  # speech has more than 1
    stand_in.seen.clear()
    make_extractor()(np.zeros(RATE, np.float32))
    assert np.ptp(stand_in.seen[0]) == 0  # digital silence is the floor


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    num_samples=st.integers(0, 60_000),
    cuts=st.lists(st.integers(0, 60_000), max_size=6),
    hop=st.integers(1, 12),
    look_ahead=st.integers(0, 12),
    more=st.integers(0, 30),
)
def test_how_a_stream_is_cut_changes_no_bit(
    stand_in: StandInEncoder, num_samples: int, cuts: list[int], hop: int, look_ahead: int, more: int
):
    extractor = make_extractor(live=WindowSizes(hop, look_ahead, hop + look_ahead + more))
    waveform = make_speech(60_000 / RATE)[:num_samples]
    found = stream(extractor, waveform, sorted(min(cut, num_samples) for cut in cuts))
    assert found.shape == (LAYOUT.num_frames(num_samples), LAYOUT.size)
    np.testing.assert_array_equal(found, stream(extractor, waveform, []))
    assert len(extractor(waveform)) == len(found)


def test_windows_that_show_all_that_the_encoder_needs_give_the_frames_of_the_whole(stand_in: StandInEncoder):
    reach = REACH // 2  # in our frames
    extractor = make_extractor(live=WindowSizes(hop=5, look_ahead=reach, longest=2 * reach + 5))
    waveform = make_speech(9.0)
    whole, found = extractor(waveform), stream(extractor, waveform, [])
    # Only while the loudest has not been heard are the levels others.
    np.testing.assert_allclose(found[reach:], whole[reach:], atol=1e-3)
    less = make_extractor(live=WindowSizes(hop=5, look_ahead=1, longest=12))
    assert np.abs(stream(less, waveform, []) - whole)[reach:].max() > 0.01


def test_frames_come_once_their_look_ahead_has(stand_in: StandInEncoder):
    features = make_extractor(live=WindowSizes(hop=10, look_ahead=5, longest=40)).stream()
    waveform = make_speech(2.0)
    counts = [len(features.feed(waveform[at : at + 640])) for at in range(0, 2 * RATE, 640)]
    # A frame of the spectrogram needs 12.5 ms after its middle: the 15th block leaves the first ten frames waiting.
    assert [index for index, count in enumerate(counts) if count] == [15, 25, 35, 45]
    assert set(counts) == {0, 10}
    assert len(features.feed(waveform[:0], last=True)) == 10
    assert LIVE.hop + LIVE.look_ahead <= LIVE.longest


def test_a_frame_shows_the_sound_at_its_time(stand_in: StandInEncoder):
    """A click moves the frames around it, and most of all the one whose middle is nearest."""
    layout = LAYOUT
    quiet = make_speech(2.0) / 100
    for frame in (7, 20, 31):
        middle = frame * layout.step + layout.window // 2
        clicked = quiet.copy()
        clicked[middle - 80 : middle + 80] += np.sin(np.arange(160)).astype(np.float32) / 100
        stand_in.seen.clear()
        extractor = make_extractor()
        extractor(quiet)
        extractor(clicked)
        moved = np.abs(stand_in.seen[1] - stand_in.seen[0]).sum(axis=1).reshape(-1, 4).sum(axis=1)
        assert moved.argmax() == frame


def test_a_long_recording_goes_through_in_windows_and_keeps_its_frames(stand_in: StandInEncoder):
    extractor = make_extractor()
    waveform = make_speech(70.0)
    whole = extractor(waveform)
    assert len(whole) == LAYOUT.num_frames(len(waveform)) == 1750
    assert max(map(len, stand_in.seen)) == 3000
    apart = extractor(waveform[: 20 * RATE])[: 500 - REACH]
    # The first window ends after 25 s. What it shows of the first 20 is what they are by themselves, up to their end.
    np.testing.assert_allclose(whole[: len(apart)], apart, atol=1e-3)


def test_plain_features_are_normalised_with_the_training_sets_statistics(stand_in: StandInEncoder):
    extractor, waveform = make_extractor(), make_speech(1.0)
    plain = extractor.plain(waveform)
    np.testing.assert_allclose(extractor(waveform), (plain - extractor.mean) / 2, atol=1e-6)
    np.testing.assert_array_equal(extractor.normalise(plain), extractor(waveform))


def test_another_sample_rate_is_refused(stand_in: StandInEncoder):
    with pytest.raises(ConfigError, match=r"features\.sample_rate: Whisper hears 16000 Hz, not 8000"):
        build_extractor(SETTINGS.model_copy(update={"sample_rate": 8000}))


# The real encoder


@pytest.fixture
def real(whisper_weights: Path, monkeypatch: pytest.MonkeyPatch) -> WhisperExtractor:
    monkeypatch.setenv("ASR_WHISPER", str(whisper_weights))
    return WhisperExtractor(FeatureSettings(kind="whisper"))


@pytest.fixture
def speech() -> np.ndarray:
    return load_audio(sorted(SAMPLES.glob("*.flac"))[0], sample_rate=RATE)


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """The deviation from what is expected, in standard deviations of that."""
    return float(np.sqrt(((found - expected) ** 2).mean() / expected.var(axis=0).mean()))


def test_frames_are_those_of_faster_whisper_for_a_padded_window(
    real: WhisperExtractor, whisper_weights: Path, speech: np.ndarray
):
    faster_whisper = pytest.importorskip("faster_whisper", reason="needs faster-whisper")
    model = faster_whisper.WhisperModel(str(whisper_weights), device="cpu", compute_type="float32", cpu_threads=1)
    padded = np.pad(speech, (0, 30 * RATE - len(speech)))
    (theirs,) = np.array(model.encode(model.feature_extractor(padded)[:, :3000]))  # (1500, 384)
    theirs = theirs.reshape(-1, 768)
    count = LAYOUT.num_frames(len(speech))
    assert relative(real.plain(padded)[:count], theirs[:count]) < 0.12  # another level, and 8 bits
    plain = real.plain(speech)
    assert plain.shape == (count, 768)
    assert relative(plain[12:-12], theirs[12 : count - 12]) < 0.25  # not padded
    assert relative(np.roll(plain, 1, axis=0)[12:-12], theirs[12 : count - 12]) > 0.7  # a frame too late


def test_the_encoder_gives_the_same_from_any_thread_and_call(real: WhisperExtractor, speech: np.ndarray):
    from concurrent.futures import ThreadPoolExecutor

    expected = real.plain(speech[: 2 * RATE])
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(real.plain, [speech[: 2 * RATE]] * 6):
            np.testing.assert_array_equal(found, expected)


def test_a_level_changes_little_of_the_real_encoders_frames(real: WhisperExtractor, speech: np.ndarray):
    expected = real.plain(speech)
    for gain in (1e-3, 0.1, 3.0):
        assert relative(real.plain(speech * np.float32(gain)), expected) < 0.05  # rounding in 8 bits


def test_streams_are_near_the_whole(real: WhisperExtractor, speech: np.ndarray):
    found, whole = stream(real, speech, [5000]), real(speech)
    assert found.shape == whole.shape
    assert relative(found, whole) < 0.35
