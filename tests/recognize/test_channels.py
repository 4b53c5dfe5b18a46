"""Calls with a speaker a channel, made from real utterances: each side gives the text that it has alone."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AudioError
from asr.recognize.align import align_text
from asr.recognize.recognizer import Recognizer, load_model
from asr.signal.audio import load_audio
from asr.signal.channels import Mixer
from asr.transcript.formats import FORMATS, format_transcript

RATE = 16000
SAMPLES = Path(__file__).parent.parent.parent / "recipes" / "english" / "samples"
PAIRS = [("garden", "letter"), ("river", "market"), ("letter", "garden")]


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return load_model("english", device="cpu", precision="fp32")


def make_call(first: str, second: str, delay: float = 1.0) -> np.ndarray:
    """Put two utterances on channels of their own; the second begins before the first has ended."""
    sides = [load_audio(SAMPLES / f"{name}.flac") for name in (first, second)]
    starts = [0, round(delay * RATE)]
    assert starts[1] < len(sides[0])  # they overlap
    call = np.zeros((max(start + len(side) for start, side in zip(starts, sides, strict=True)), 2), np.float32)
    for channel, (start, side) in enumerate(zip(starts, sides, strict=True)):
        call[start : start + len(side), channel] = side
    return call


@pytest.mark.parametrize("pair", PAIRS)
def test_each_side_of_a_call_gives_the_text_that_it_has_alone(recognizer: Recognizer, pair: tuple[str, str]):
    call = make_call(*pair)
    both = recognizer.transcribe((call, RATE), channel="each")
    for channel, name in enumerate(pair):
        alone = recognizer.transcribe((call[:, channel], RATE))  # with its silence, which may change a word
        assert both.in_channel(channel).text == alone.text
        assert alone.text
        assert recognizer.transcribe((call, RATE), channel=channel).text == alone.text
        starts = [word.start for word in both.in_channel(channel).words]
        np.testing.assert_allclose(starts, [word.start for word in alone.words], atol=1e-6)
        sample = recognizer.transcribe(SAMPLES / f"{name}.flac")
        shift = 1.0 if channel else 0.0
        assert starts[0] - shift == pytest.approx(sample.words[0].start, abs=0.1)
        assert len(set(sample.text.split()) & set(alone.text.split())) >= 0.6 * len(sample.words)
    assert recognizer.transcribe((call, RATE)).text != both.text  # mixed, neither is understood
    starts = [segment.start for segment in both.segments]
    assert starts == sorted(starts)


def test_a_call_is_the_same_from_a_path_a_stream_and_an_array(recognizer: Recognizer, tmp_path: Path):
    call = make_call(*PAIRS[0])
    soundfile.write(tmp_path / "call.wav", call, RATE, subtype="FLOAT")
    expected = recognizer.transcribe((call, RATE), channel="each")
    sources = [tmp_path / "call.wav", tmp_path / "none.wav", io.BytesIO((tmp_path / "call.wav").read_bytes())]
    path, missing, stream = recognizer.transcribe_many(sources, channel="each")
    assert path.segments == stream.segments == expected.segments
    assert path.source == str(tmp_path / "call.wav")
    assert isinstance(missing, AudioError)
    assert str(missing).startswith(f"{tmp_path / 'none.wav'}: no such file")


def test_every_format_says_who_spoke(recognizer: Recognizer):
    both = recognizer.transcribe((make_call(*PAIRS[0]), RATE), channel="each")
    garden, letter = (both.in_channel(channel).text for channel in (0, 1))
    written = {name: format_transcript(both, name) for name in FORMATS}
    assert f"[0] {garden}\n" in written["txt"]
    assert f"[1] {letter}\n" in written["txt"]
    channels = {segment["channel"]: segment["text"] for segment in json.loads(written["json"])["segments"]}
    assert channels == {0: garden, 1: letter}
    lines = [line.split() for line in written["ctm"].splitlines()]
    recognized = [both.in_channel(channel).raw_text for channel in (0, 1)]
    assert [" ".join(line[4] for line in lines if line[1] == letter_) for letter_ in "AB"] == recognized
    assert [line[1] for line in lines] == sorted(line[1] for line in lines)
    for tier in ("segments 0", "words 0", "segments 1", "words 1"):
        assert f'name = "{tier}"' in written["textgrid"]
    assert "\n[0] There was" in written["srt"]
    assert "\n<v channel 1>" in written["vtt"]


def test_a_channel_that_is_not_there_is_named(recognizer: Recognizer):
    with pytest.raises(AudioError, match="has no channel 2, only channels 0 to 1"):
        recognizer.transcribe((make_call(*PAIRS[0]), RATE), channel=2)
    with pytest.raises(AudioError, match="has no channel 1, only one channel, 0"):
        recognizer.transcribe(SAMPLES / "garden.flac", channel=1)


def test_a_text_is_aligned_in_its_channel(recognizer: Recognizer):
    call = make_call(*PAIRS[0])
    text = recognizer.transcribe(SAMPLES / "letter.flac").text
    aligned = align_text(recognizer, (call, RATE), text, channel=1)
    assert min(word.start for word in aligned.words) > 0.9
    assert {segment.channel for segment in aligned.segments} == {1}


def test_channels_that_cancel_are_not_mixed(recognizer: Recognizer):
    garden = load_audio(SAMPLES / "garden.flac")
    alone = recognizer.transcribe((garden, RATE))
    opposite = recognizer.transcribe((np.stack([garden, -0.9 * garden], axis=1), RATE))
    assert opposite.text == alone.text
    assert opposite.warnings == ("its channels cancel each other, so only channel 0 is used",)
    assert alone.warnings == ()


@pytest.mark.parametrize(
    ("gain", "warning"), [(1.0, None), (2e-3, "nearly silent"), (1e-6, "silent"), (40.0, "clipped")]
)
def test_a_transcript_says_what_makes_it_doubtful(recognizer: Recognizer, gain: float, warning: str | None):
    samples = np.clip(gain * load_audio(SAMPLES / "garden.flac"), -1, 1)
    transcript = recognizer.transcribe((np.int16(np.round(32767 * samples)), RATE))
    assert [text.split(":")[0] for text in transcript.warnings] == ([] if warning is None else [warning])
    assert transcript.to_dict().get("warnings", []) == list(transcript.warnings)


@pytest.mark.parametrize(("decibels", "is_reported"), [(-50, False), (-60, True)])
def test_only_steps_of_16_bits_make_a_quiet_recording_nearly_silent(decibels: int, is_reported: bool):
    speech = load_audio(SAMPLES / "garden.flac")
    quiet = (speech / np.abs(speech).max() * 10 ** (decibels / 20)).astype(np.float32)
    for samples, expected in ((np.round(quiet * 32768) / 32768, is_reported), (quiet, False)):
        mixer = Mixer("mix", "garden")
        for chunk in np.array_split(samples.astype(np.float32), 3):
            mixer.mix(chunk[:, None])
        assert [text.startswith(f"nearly silent: its peak is {decibels} dBFS") for text in mixer.describe_levels()] == [
            True
        ] * expected


def test_noise_is_unlike_speech(recognizer: Recognizer):
    noise = 0.1 * np.random.default_rng(0).standard_normal(5 * RATE)
    assert recognizer.transcribe((noise, RATE)).warnings[0].startswith("unlike speech")
