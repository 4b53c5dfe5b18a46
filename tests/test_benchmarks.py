"""What benchmarks claim: that they take the utterances they say, turn by turn, and see a difference if there is one."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asr.corpus.prepare import prepare
from asr.recognize.recognizer import Recognizer, load_model
from asr.runtime.network import ChunkSize, Features, LogProbs

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools" / "benchmarks"))

import spotting  # noqa: E402
import start  # noqa: E402
import transcribe  # noqa: E402


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return load_model("an4", device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of the six samples of AN4."""
    folder = tmp_path_factory.mktemp("samples")
    recordings = ROOT / "recipes" / "an4" / "samples"
    texts = dict(line.split("\t") for line in (recordings / "transcripts.txt").read_text().splitlines())
    rows = [f"{recordings / name}.flac\t{text}\n" for name, text in texts.items()]
    for part in ("train", "test"):
        (folder / f"{part}.tsv").write_text("".join(rows))
    prepare("tsv", folder, folder)
    return folder / "test.jsonl.gz"


def test_a_set_is_every_so_manieth_utterance_by_name(samples: Path):
    whole = transcribe.read_set(f"all={samples}", None, str.upper)
    every_third = transcribe.read_set(f"some of them={samples}::3", None, str.upper)
    assert (whole.name, every_third.name) == ("all", "some of them")
    assert len(whole.utterances) == 6
    assert whole.utterances == sorted(whole.utterances)
    assert every_third.utterances == whole.utterances[::3]
    assert every_third.references == [text.upper() for text in whole.references[::3]]
    assert [len(waveform) for waveform in every_third.waveforms] == [len(one) for one in whole.waveforms[::3]]
    assert transcribe.read_set(f"two={samples}", 2, str).utterances == whole.utterances[::3]


def test_recognizers_take_turns_and_batches_change_no_text(samples: Path, recognizer: Recognizer):
    test = transcribe.read_set(f"all={samples}", None, str)
    runs = transcribe.make_runs({"asr": recognizer}, batched=True)
    results = transcribe.time_runs(runs, test.waveforms, passes=2)
    assert list(results) == ["asr", "asr, batched"]
    texts, seconds = results["asr"]
    assert texts == results["asr, batched"][0]
    assert 0 < seconds < 60
    row = transcribe.make_row(test, "asr", test.references, seconds=test.seconds / 4)
    assert (row["wer"], row["utterances"], row["real_time_factor"]) == (0.0, 6, pytest.approx(0.25))


def test_another_version_of_asr_transcribes_the_same_waveforms(samples: Path, recognizer: Recognizer):
    test = transcribe.read_set(f"some={samples}::3", None, str)
    options = Namespace(checkout=ROOT, model="an4")
    with transcribe.saved(test.waveforms) as path, transcribe.running_checkout(options, path) as checkout:
        ((name, run),) = checkout.items()
        assert run(test.waveforms[:1])[0] == [recognizer.transcribe((test.waveforms[0], 16000)).text]
        assert run(test.waveforms)[0] == [recognizer.transcribe((waveform, 16000)).text for waveform in test.waveforms]
    assert name == transcribe.CHECKOUT


def test_the_table_has_speeds_over_the_network_in_torch(capsys: pytest.CaptureFixture[str]):
    row = {"set": "s", "utterances": 1, "wer": 0.5, "wer_interval": [0.4, 0.6]}
    factors = {"asr, int8": 0.01, transcribe.TORCH: 0.025}
    transcribe.print_rows([{**row, "recognizer": name, "real_time_factor": f} for name, f in factors.items()])
    title, _, int8, torch = capsys.readouterr().out.splitlines()
    assert title.endswith("| speed over asr, torch |")
    assert int8.endswith("| 0.0100 | 2.50 |")
    assert torch.endswith("| 0.0250 | 1.00 |")


def test_processes_take_turns_and_a_cold_one_finds_no_compiled_code(tmp_path: Path):
    log = tmp_path / "log"
    code = "import os, sys; open(sys.argv[1], 'a').write(sys.argv[2] + os.environ.get('NUMBA_CACHE_DIR', '') + '\\n')"
    commands = {name: [sys.executable, "-c", f"{code}; print('text {name}')", str(log), name] for name in "ab"}
    seconds, texts = start.time_commands(commands, 2, cold=True)
    assert texts == {"a": "text a", "b": "text b"}
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}
    lines = log.read_text().splitlines()
    assert [line[0] for line in lines] == list("abbaab")
    folders = [line[1:] for line in lines]
    assert len(set(folders)) == 6
    assert not any(Path(folder).exists() for folder in folders)
    with pytest.raises(subprocess.CalledProcessError):
        start.time_process([sys.executable, "-c", "raise SystemExit(1)"], cold=False)


class Scaled:
    """A network whose streams give log probabilities that are one per cent off; their previews are right."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.network = recognizer.runner.network

    def streaming(self, chunk_size: ChunkSize) -> SimpleNamespace:
        right = self.network.streaming(chunk_size)
        return SimpleNamespace(
            start=right.start, preview=right.preview, run=lambda batch: [1.01 * one for one in right.run(batch)]
        )


def test_a_difference_of_streams_is_seen(recognizer: Recognizer):
    pytest.importorskip("torch")
    import precision

    rng = np.random.default_rng(0)
    features: list[Features] = [rng.standard_normal((size, 80)).astype(np.float32) for size in (40, 333)]
    scaled = SimpleNamespace(runner=SimpleNamespace(network=Scaled(recognizer)))
    same = precision.compare_streams(recognizer, recognizer, features)
    assert same == {"log_probs": 0.0, "previews": 0.0}
    found = precision.compare_streams(recognizer, scaled, features)
    log_probs: list[LogProbs] = recognizer.runner.network.run(features)
    assert found["previews"] == 0.0
    assert 0.005 < found["log_probs"] / max(float(-one.min()) for one in log_probs) < 0.02
    with pytest.raises(SystemExit, match="different shapes"):
        precision.largest_difference(log_probs[0], log_probs[1])


def test_words_of_two_syllables_are_found_and_commands_are_counted(samples: Path, recognizer: Recognizer):
    test = transcribe.read_set(f"all={samples}", None, str)
    words = spotting.choose_words(test.references, recognizer)
    assert set(words) == {"enter", "forty", "july", "twenty", "nineteen", "sixty", "hundred"}
    log_probs = spotting.compute_log_probs(recognizer, test.waveforms)
    found, transcripts = spotting.measure_words(test, words, recognizer, log_probs, with_transcripts=True)
    assert (found["words"], found["said"]) == (transcripts["words"], transcripts["said"]) == (7, 8)
    assert found["recall at 1"] == transcripts["recall"] == transcripts["precision"] == 1.0
    (speed,) = spotting.measure_speed("an4", words[:1], recognizer, log_probs, copies=2)[:1]
    assert speed["hours"] * 3600 == pytest.approx(2 * test.seconds, rel=0.05)
    assert speed["times real time"] > 10
    counted = spotting.Listening(recognizer, ["forty two", "help"], alone=False)
    row = counted.measure("two", "samples", test.waveforms, [text.replace("help", "no") for text in test.references])
    assert (row["said"], row["missed"], row["false alarms"]) == (1, 0, 1)
    alone = spotting.Listening(recognizer, ["forty two", "help"], alone=True)
    row = alone.measure("two", "samples", test.waveforms, test.references)
    assert (row["said"], row["missed"], row["false alarms"]) == (1, 0, 0)
