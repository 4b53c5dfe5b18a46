"""Words and their times: by hand-made paths and sounds, by joined words of known times."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.recognize.word_boundaries import find_boundaries
from asr.recognize.words import FrameTiming, align_decoded, find_words, group_tokens, segment_words
from asr.signal.loudness import measure_loudness
from asr.text.tokenizer import CharTokenizer, Tokenizer
from asr.transcript.transcript import Word

ROOT = Path(__file__).parents[2]
RATE = 16000
TIMING = FrameTiming(frame_seconds=0.04, window_seconds=0.025)
LETTERS = CharTokenizer(["<blank>", " ", "a", "b", "c"])


class Units(Tokenizer):
    """Subword units; only their symbols matter here."""

    def __init__(self) -> None:
        self.symbols = ["<blank>", "\u2581a", "b", "\u2581", "\u2581cc"]

    def encode(self, text: str) -> list[int]:
        raise NotImplementedError

    def decode(self, tokens: list[int]) -> str:
        return "".join(self.symbols[token] for token in tokens).replace("\u2581", " ").strip()


def noise(seconds: float, level: float) -> np.ndarray:
    return (level * np.random.default_rng(0).standard_normal(int(seconds * RATE))).astype(np.float32)


def spikes(num_frames: int, places: dict[int, int]) -> np.ndarray:
    log_probs = np.full((num_frames, 5), -12.0, np.float32)
    log_probs[:, 0] = -0.01
    for frame, token in places.items():
        log_probs[frame, [0, token]] = [-5.0, -0.1]
    return log_probs


def test_tokens_are_grouped_into_words():
    assert group_tokens(LETTERS.encode(" ab  c a"), LETTERS) == [("ab", 1, 3), ("c", 5, 6), ("a", 7, 8)]
    assert group_tokens([1, 2, 4, 3, 2, 1], Units()) == [("ab", 0, 2), ("cc", 2, 3), ("b", 4, 5), ("a", 5, 6)]
    assert group_tokens([2, 1], Units()) == [("b", 0, 1), ("a", 1, 2)]
    assert group_tokens([], LETTERS) == []
    assert group_tokens([1, 1], LETTERS) == []


@given(st.lists(st.integers(1, 4), max_size=12), st.sampled_from([LETTERS, Units()]))
def test_grouped_words_are_those_of_the_text(tokens: list[int], tokenizer: Tokenizer):
    words = group_tokens(tokens, tokenizer)
    assert [word.text for word in words] == tokenizer.decode(tokens).split()
    assert all(before.last <= after.first for before, after in pairwise(words))


def test_without_sound_a_word_reaches_a_little_beyond_its_tokens():
    # Frames 10 and 12 spell "ab", 14 the space, 30 "c"; 40 ms a frame.
    tokens = LETTERS.encode("ab c")
    alignment = align_decoded(spikes(50, {10: 2, 12: 3, 14: 1, 30: 4}), tokens, LETTERS)
    words = find_words(alignment, tokens, LETTERS, TIMING)
    assert [word.text for word in words] == ["ab", "c"]
    assert 0.32 < words[0].start < 0.41
    assert 0.52 < words[0].end < 0.65
    assert 1.12 < words[1].start < 1.21
    later = find_words(alignment, tokens, LETTERS, TIMING, start_seconds=100.0)
    assert later[1].start == pytest.approx(words[1].start + 100)


def test_the_sound_says_where_words_begin_and_end():
    sound = [noise(0.5, 0.001), noise(0.6, 0.2), noise(0.4, 0.001), noise(0.5, 0.2), noise(1.0, 0.001)]
    loudness = measure_loudness(np.concatenate(sound), RATE)
    log_probs = spikes(75, {14: 2, 16: 3, 20: 1, 38: 4})  # spikes early in each sound
    tokens = LETTERS.encode("ab c")
    words = find_words(align_decoded(log_probs, tokens, LETTERS), tokens, LETTERS, TIMING, loudness=loudness)
    times = [time for word in words for time in (word.start, word.end)]
    assert times == pytest.approx([0.5, 1.1, 1.5, 2.0], abs=0.021)


def test_a_closure_within_a_word_does_not_end_it():
    sound = [noise(0.5, 0.001), noise(0.3, 0.2), noise(0.07, 0.001), noise(0.1, 0.2), noise(0.5, 0.001)]
    loudness = measure_loudness(np.concatenate(sound), RATE)
    starts, ends = find_boundaries(np.array([0.55]), np.array([0.65]), 1.47, loudness)
    assert [starts[0], ends[0]] == pytest.approx([0.5, 0.97], abs=0.021)


def test_digital_silence_beside_a_word_is_not_taken_for_its_noise():
    # As where clips are joined, or a telephone sends nothing in pauses.
    places = np.array([0.55]), np.array([0.65])
    silence, word = np.zeros(RATE), [noise(0.5, 0.005), noise(0.4, 0.2), noise(0.5, 0.005)]
    alone = find_boundaries(*places, 1.4, measure_loudness(np.concatenate(word), RATE))
    joined = find_boundaries(
        *(place + 1 for place in places), 3.4, measure_loudness(np.concatenate([silence, *word, silence]), RATE)
    )
    np.testing.assert_allclose(np.array(joined) - 1, alone, atol=0.011)
    assert alone[0][0] == pytest.approx(0.5, abs=0.021)


def test_soft_ends_between_digital_silence_belong_to_the_word():
    # As of synthetic voices.
    silence, soft = np.zeros(RATE), noise(0.15, 0.012)
    loudness = measure_loudness(np.concatenate([silence, soft, noise(0.4, 0.2), soft, silence]), RATE)
    starts, ends = find_boundaries(np.array([1.2]), np.array([1.4]), 2.7, loudness)
    assert starts[0] == pytest.approx(1.0, abs=0.021)
    assert ends[0] == pytest.approx(1.7, abs=0.021)


def test_words_without_a_pause_touch():
    loudness = measure_loudness(np.concatenate([noise(0.5, 0.001), noise(0.8, 0.2), noise(0.5, 0.001)]), RATE)
    starts, ends = find_boundaries(np.array([0.55, 1.0]), np.array([0.65, 1.1]), 1.8, loudness)
    assert ends[0] == starts[1]
    assert starts[1] == pytest.approx(1.0, abs=0.05)
    assert ends[1] == pytest.approx(1.3, abs=0.021)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 1000), st.booleans())
def test_boundaries_rise_whatever_comes(gaps: list[int], seed: int, heard: bool):
    firsts = np.cumsum(np.array(gaps) * 0.04 + 0.04)
    loudness = np.random.default_rng(seed).uniform(-60, 0, int(firsts[-1] * 100) + seed % 50) if heard else None
    starts, ends = find_boundaries(firsts, firsts + 0.04, float(firsts[-1] + 1.0), loudness)
    assert (starts >= 0).all()
    assert (starts < ends).all()
    assert (ends[:-1] <= starts[1:] + 1e-9).all()


def test_segments_are_cut_at_pauses():
    words = [Word("a", 0.0, 0.5), Word("b", 0.6, 1.0), Word("c", 1.8, 2.0), Word("d", 2.0, 2.1)]
    assert [segment.text for segment in segment_words(words)] == ["a b", "c d"]
    assert [segment.text for segment in segment_words(words, pause_seconds=0.05)] == ["a", "b", "c d"]
    assert segment_words(words, pause_seconds=1.0)[0].words == tuple(words)
    assert segment_words([]) == ()


@pytest.mark.corpora
def test_times_of_real_speech_are_within_a_tenth_of_a_second(an4_manifests: Path):
    sys.path.insert(0, str(ROOT / "tools" / "benchmarks"))
    import word_times as benchmark

    from asr.recognize.recognizer import load_model

    recognizer = load_model("an4", device="cpu")
    recordings = list(benchmark.join_utterances(an4_manifests / "test.jsonl.gz", recognizer, limit=24))
    result = benchmark.measure(recognizer, recordings)["all"]
    assert result["count"] == 24 * 2
    assert result["mean_absolute_ms"] < 50
    assert result["within_100_ms"] > 0.9
