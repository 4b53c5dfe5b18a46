from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import CutSet

from asr.config import ModelSettings, NormalizerSettings, TokenizerSettings
from asr.corpus.cuts import load_cuts
from asr.corpus.doctor import clipped_share, describe_annotations, diagnose, examine, pack_usable
from asr.corpus.prepare import prepare
from asr.text.tokenizer import CharTokenizer

RATE = 16000
TOKENIZER = CharTokenizer(["<blank>", " ", *"abcdeghilnosty'"])
SETTINGS = ModelSettings()


def noise(seconds: float = 1.0, amplitude: float = 0.3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-amplitude, amplitude, round(seconds * RATE)).astype(np.float32)


def sine(amplitude: float, pitch: float = 100.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * pitch * np.arange(2 * RATE) / RATE)).astype(np.float32)


def make_cuts(folder: Path, utterances: dict[str, tuple[str, np.ndarray]]) -> CutSet:
    """Make the cuts of a Kaldi folder with the given texts and 16-bit audio."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, samples) in utterances.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    (folder / "text").write_text("".join(f"{name} {text}\n" for name, (text, _) in utterances.items()))
    (folder / "wav.scp").write_text("".join(f"{name} {name}.wav\n" for name in utterances))
    prepare("kaldi", folder, folder / "cuts")
    return load_cuts([folder / "cuts" / "all.jsonl.gz"])


def kinds(cuts: CutSet) -> list[tuple[str, str]]:
    return [(problem.utterance, problem.kind) for problem in examine(cuts, TOKENIZER, SETTINGS)]


@pytest.fixture
def good(tmp_path: Path) -> CutSet:
    return make_cuts(tmp_path / "good", {"good": ("Yes!", noise())})


def test_every_kind_is_found_and_the_good_are_kept(tmp_path):
    loud = np.clip(4 * sine(1.0), -1, 1)
    cuts = make_cuts(
        tmp_path,
        {
            "good": ("It's good.", noise()),
            "empty": ("...", noise()),
            "none": ("", noise()),
            "strange": ("yes ñ", noise()),
            "short": ("a long sentence is said in no time at all", noise(0.3)),
            "silent": ("yes", noise(amplitude=0.0005)),
            "zero": ("yes", np.zeros(RATE)),
            "clipped": ("yes", loud),
            "damaged": ("yes", noise()),
            "gone": ("yes", noise()),
        },
    )
    tokenizer = CharTokenizer([*TOKENIZER.symbols, "m"])
    content = (tmp_path / "damaged.wav").read_bytes()
    (tmp_path / "damaged.wav").write_bytes(content[: len(content) // 2])
    (tmp_path / "gone.wav").unlink()
    problems = examine(cuts, tokenizer, SETTINGS)
    assert [(problem.utterance, problem.kind) for problem in problems] == [
        ("empty", "empty"),
        ("none", "empty"),
        ("strange", "out-of-alphabet"),
        ("short", "infeasible"),
        ("silent", "silent"),
        ("zero", "silent"),
        ("clipped", "clipped"),
        ("damaged", "unreadable"),
        ("gone", "unreadable"),
    ]
    reasons = {problem.utterance: problem.reason for problem in problems}
    assert "'...'" in reasons["empty"]
    assert "U+00F1" in reasons["strange"]
    assert "gone.wav" in reasons["gone"]
    assert "-66 dBFS" in reasons["silent"]
    examined = pack_usable([tmp_path / "cuts" / "all.jsonl.gz"], tokenizer, SETTINGS)
    assert [cut.id for cut in examined.usable] == ["good"]
    assert examined.problems == problems


def test_annotations_are_listed_and_refused_if_the_settings_say_so(tmp_path):
    cuts = make_cuts(tmp_path, {"a": ("[noise] yes (laughter)", noise()), "b": ("the <dog> [noise]", noise(seed=1))})
    lines = describe_annotations(cuts, NormalizerSettings())
    assert lines[0] == "annotations, dropped (normalizer.annotations): [noise] 2, (laughter) 1"
    assert lines[1].startswith("in brackets, kept as words: <dog> 1;")
    assert examine(cuts, TOKENIZER, SETTINGS) == []
    refusing = ModelSettings(normalizer=NormalizerSettings(annotations="error"))
    problems = examine(cuts, TOKENIZER, refusing)
    assert [(problem.utterance, problem.kind) for problem in problems] == [("a", "annotated"), ("b", "annotated")]
    assert "[noise], (laughter)" in problems[0].reason


def test_feasibility_counts_repeats_and_frames_exactly(tmp_path):
    # 0.025 s of window and 7 steps of 0.010 s are 8 frames, of which two halvings leave 2.
    two_frames = noise(0.025 + 7 * 0.010)
    cuts = make_cuts(tmp_path, {"ab": ("ab", two_frames), "aa": ("aa", two_frames), "abc": ("abc", two_frames)})
    assert kinds(cuts) == [("aa", "infeasible"), ("abc", "infeasible")]
    reasons = [problem.reason for problem in examine(cuts, None, SETTINGS)]
    assert reasons[0].startswith("2 tokens need 3 frames")
    assert "give 2" in reasons[0]


def test_a_name_given_twice_keeps_the_first(good, tmp_path):
    manifest = tmp_path / "good" / "cuts" / "all.jsonl.gz"
    examined = pack_usable([manifest, manifest], TOKENIZER, SETTINGS)
    assert len(examined.usable) == 1
    assert [problem.kind for problem in examined.problems] == ["misdeclared"]


@pytest.mark.parametrize("field", ["duration", "rate"])
def test_a_manifest_that_is_wrong_about_a_recording_is_found(good, field):
    (cut,) = good
    if field == "duration":
        cut.recording.num_samples, cut.recording.duration = RATE // 2, 0.5
        cut.duration = cut.supervisions[0].duration = 0.5
    else:
        cut.recording.sampling_rate, cut.recording.num_samples = 8000, 8000
    (problem,) = examine(good, TOKENIZER, SETTINGS)
    assert problem.kind == "misdeclared"
    assert {"duration": "says 0.50 s, the recording lasts 1.00 s", "rate": "says 8000 Hz, the recording 16000 Hz"}[
        field
    ] in problem.reason


def test_a_text_outside_its_recording_is_found(good):
    (cut,) = good
    cut.supervisions[0].duration = 1.5
    assert kinds(good) == [("good", "misdeclared")]
    cut.duration = 1.5
    assert kinds(good) == [("good", "misdeclared")]
    cut.duration = cut.supervisions[0].duration = 1.0
    cut.supervisions.append(cut.supervisions[0])
    assert kinds(good) == [("good", "misdeclared")]


def test_segments_of_one_recording_are_judged_separately(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.concatenate([noise(), np.zeros(RATE), noise()]), RATE)
    (tmp_path / "wav.scp").write_text("long long.wav\n")
    (tmp_path / "text").write_text("a yes\nb yes\nc yes\n")
    (tmp_path / "segments").write_text("a long 0 1\nb long 1 2\nc long 2 -1\n")
    cuts = prepare("kaldi", tmp_path, tmp_path / "cuts")["all"]
    assert kinds(cuts) == [("b", "silent")]


def test_mixtures_and_modified_recordings_are_also_read(good, tmp_path):
    (cut,) = good
    silent = make_cuts(tmp_path / "silent", {"silent": ("yes", np.zeros(RATE))})[0]
    mixed, faster, padded = cut.mix(silent.drop_supervisions()), cut.perturb_speed(1.1), silent.pad(2.0)
    assert kinds(CutSet([mixed, faster, padded])) == [(padded.id, "silent")]
    cut.recording = None
    assert kinds(good) == [("good", "unreadable")]


@pytest.mark.parametrize(
    ("samples", "low", "high"),
    [
        (sine(1.0, pitch=220.0), 0.0, 0.01),  # loud, but not clipped
        (sine(0.5), 0.0, 0.0),
        (np.clip(sine(2.0), -1, 1), 0.6, 0.7),  # beyond full scale for 2/3 of a period
        (0.95 * np.clip(sine(2.0), -1, 1), 0.6, 0.7),  # scaled down after clipping
        (0.5 * np.clip(sine(2.0), -1, 1), 0.0, 0.0),  # too low to be distinguished from a steady tone
        (np.zeros(100, dtype=np.float32), 0.0, 0.0),
        (np.zeros(0, dtype=np.float32), 0.0, 0.0),
        (np.ones(2, dtype=np.float32), 1.0, 1.0),
    ],
)
def test_clipping_is_distinguished_from_loudness(samples, low, high):
    quantised = np.clip(np.round(samples * 32768), -32768, 32767) / 32768
    assert low <= clipped_share(quantised.astype(np.float32)) <= high


def test_diagnose_reads_manifests(tmp_path):
    make_cuts(tmp_path, {"a": ("Any letter: ñ", noise()), "b": ("", noise())})
    manifest = tmp_path / "cuts" / "all.jsonl.gz"
    assert [(p.utterance, p.kind) for p in diagnose([manifest])] == [("b", "empty")]


@pytest.mark.corpora
def test_an4_is_sound(corpora, tmp_path):
    parts = prepare("an4", corpora / "an4", tmp_path)
    for part in ("dev", "test"):
        assert examine(parts[part], None, SETTINGS) == []


def test_a_word_that_is_one_token_needs_no_frame_for_each_letter(tmp_path):
    cuts = make_cuts(tmp_path, {"short": ("incomprehensibilities", noise(0.3)), "many": ("yes no " * 9, noise(0.3))})
    for kind in ("word", "subword"):
        settings = SETTINGS.model_copy(update={"tokenizer": TokenizerSettings(kind=kind)})
        assert [problem.utterance for problem in examine(cuts, None, settings)] == ["many"]
    assert [problem.utterance for problem in examine(cuts, None, SETTINGS)] == ["short", "many"]
