"""Given texts: how they are paired with what is said, and when it is."""

import math
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr.config import ConfidenceSettings, NormalizerSettings
from asr.errors import AlignmentError, AudioError, TextError
from asr.recognize.align import align_text, join_spoken, pair_words
from asr.recognize.confidence import measure_entropy
from asr.recognize.plot import draw, prepare_picture
from asr.recognize.recognizer import Recognizer, load_model
from asr.signal.audio import load_audio
from asr.transcript.transcript import Word
from tests.recognize.test_recognizer import RATE, make_model, noise

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "recipes" / "an4" / "samples"
NUMBER = dict(line.split("\t") for line in (SAMPLES / "transcripts.txt").read_text().splitlines())["number"]
PLAIN = NormalizerSettings()
NUMBERS = NormalizerSettings(spell_out_numbers="en")


def pairs(text: str, settings: NormalizerSettings = PLAIN) -> list[tuple[str, str]]:
    return [(word.text, " ".join(word.spoken)) for word in pair_words(text, settings)]


def test_written_words_keep_capitals_and_marks():
    assert pairs("Well — Don't,\n  you KNOW?") == [
        ("Well —", "well"),
        ("Don't,", "don't"),
        ("you", "you"),
        ("KNOW?", "know"),
    ]
    assert pairs("- twenty-one") == [("twenty-one", "twenty one")]
    assert pairs("... ! \n\n") == []


def test_numbers_are_said_in_several_words_and_a_line_that_reads_otherwise_as_a_whole_is_written_as_said():
    assert pairs("At 21, no", NUMBERS) == [("At", "at"), ("21,", "twenty one"), ("no", "no")]
    assert pairs("5 %\nYes.", NUMBERS) == [("five", "five"), ("percent", "percent"), ("Yes.", "yes")]


def test_the_given_words_come_with_rising_times():
    recognizer = Recognizer(make_model())
    transcript = align_text(recognizer, (noise(3.0, 0), RATE), "Ab, b-a! (BB)")
    assert transcript.text == "Ab, b-a! (BB)"
    assert [word.text for word in transcript.words] == ["Ab,", "b-a!", "(BB)"]
    times = [time for word in transcript.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= transcript.duration == 3.0


def test_a_word_that_was_not_said_is_less_sure_than_those_that_were():
    recognizer = load_model("an4", device="cpu")
    said = align_text(recognizer, SAMPLES / "number.flac", NUMBER)
    wrong = align_text(recognizer, SAMPLES / "number.flac", NUMBER.replace(NUMBER.split()[1], "stop", 1))
    assert min(word.confidence for word in said.words) > 0.5
    assert [word.text for word in wrong.words if word.confidence < 0.5] == ["stop"]


def test_a_given_text_has_all_of_the_probability_and_its_utterance_the_recordings_entropy():
    recognizer = load_model("an4", device="cpu")
    recognizer.decoder.confidence = ConfidenceSettings(
        bias=0.0, worst_token=0.0, mean_token=0.0, length=0.0, entropy=-3.0, posterior=1.0
    )
    words = align_text(recognizer, SAMPLES / "number.flac", NUMBER).words
    (log_probs,) = recognizer.runner.compute_log_probs([load_audio(SAMPLES / "number.flac")])
    odds = 19 * math.exp(-3.0 * measure_entropy(log_probs))  # a posterior is at most 0.95
    assert [word.confidence for word in words] == pytest.approx([odds / (1 + odds)] * len(words), rel=1e-4)


def test_a_written_word_is_as_sure_as_the_least_sure_of_what_is_said_for_it():
    spoken = [Word("twenty", 0.0, 0.4, 0.9), Word("one", 0.4, 0.6, 0.3), Word("no", 0.7, 0.9, 0.8)]
    written = pair_words("21, no", NUMBERS)
    assert join_spoken(written, spoken) == [Word("21,", 0.0, 0.6, 0.3), Word("no", 0.7, 0.9, 0.8)]
    plain = [replace(word, confidence=None) for word in spoken]
    assert [word.confidence for word in join_spoken(written, plain)] == [None, None]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("ab, Xb!", TextError, r"'x' \(U\+0078 LATIN SMALL LETTER X\) is not in the alphabet; found in 'xb'$"),
        ("?!", TextError, "no word in the text"),
        ("ab " * 50, AlignmentError, "too short for the text"),
    ],
)
def test_texts_that_cannot_be_aligned_are_refused(text: str, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        align_text(Recognizer(make_model()), (noise(1.0, 0), RATE), text)


def test_the_picture_shows_the_segment_that_was_asked_for(tmp_path: Path):
    recognizer = Recognizer(make_model())
    picture = prepare_picture(recognizer, (noise(3.0, 0), RATE), text="Ab, b!", start=1.0, seconds=1.5)
    assert len(picture.waveform) == 1.5 * RATE
    assert [word.text for word in picture.words] == ["Ab,", "b!"]
    figure = draw(picture)
    assert figure.axes[-1].get_xlim() == (1.0, 2.5)
    assert [text.get_text() for text in figure.axes[0].texts] == ["Ab,", "b!"]
    assert [text.get_text() for text in figure.axes[-1].texts] == ["a", "b", "␣", "b"]
    figure.savefig(tmp_path / "a.png")
    assert struct.unpack(">I", (tmp_path / "a.png").read_bytes()[16:20]) > (800,)
    prepared = prepare_picture(recognizer, (noise(3.0, 0), RATE), seconds=10.0)
    assert [word.text for word in prepared.words] == recognizer.transcribe((noise(3.0, 0), RATE)).text.split()
    with pytest.raises(AudioError, match=r"nothing to draw after 9 s; it lasts 3\.00 s"):
        prepare_picture(recognizer, (noise(3.0, 0), RATE), start=9.0, seconds=10.0)


@pytest.mark.corpora
def test_a_long_text_is_found_in_minutes_of_real_speech(an4_manifests: Path):
    from asr.corpus.cuts import load_cuts
    from asr.evaluate.evaluate import read_waveforms, reference_text
    from asr.text.normalize import normalize

    recognizer = load_model("an4", device="cpu")
    cuts = list(load_cuts([an4_manifests / "test.jsonl.gz"]))[:40]
    waveforms = read_waveforms(cuts, RATE)
    texts = [normalize(reference_text(cut), recognizer.settings.normalizer) for cut in cuts]
    transcript = align_text(recognizer, (np.concatenate(waveforms), RATE), "\n".join(text.title() for text in texts))
    assert transcript.text == " ".join(texts).title()
    words, offset, within = list(transcript.words), 0.0, []
    for waveform, text in zip(waveforms, texts, strict=True):
        end = offset + len(waveform) / RATE
        within += [offset <= word.start < word.end <= end + 0.1 for word in words[: len(text.split())]]
        words, offset = words[len(text.split()) :], end
    assert np.mean(within) > 0.98
