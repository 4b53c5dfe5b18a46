"""Whole training runs on the language of tones, with real processes that are really killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, product
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from asr.cli.console import ConsoleReporter
from asr.cli.options import start_torchrun
from asr.config import Config
from asr.corpus.cuts import load_cuts, read_waveform
from asr.errors import AsrError, ConfigError, TrainingError, TrainingInterrupted
from asr.evaluate.evaluate import evaluate
from asr.recognize.model_folder import read_model, save_model
from asr.recognize.recognizer import load_model
from asr.train.dataset import Batch, SpeechLoader
from asr.train.run import train
from asr.train.trainer import Trainer
from tests.models import make_model
from tests.train.recording import RecordingReporter

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(conf: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "asr", "train", str(conf), *arguments]
    # A group of its own, so that a signal reaches reading and training processes alike.
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, start_new_session=True)


def finish(process: "subprocess.Popen[str]") -> str:
    """Wait for the end of a training; return what it reported."""
    reported = process.communicate(timeout=240)[1]
    assert process.returncode == 0, reported
    return reported


def steps_done(output: Path) -> int:
    path = output / "run" / "last.pt"
    return torch.load(path, weights_only=True)["position"]["steps"] if path.exists() else 0


def wait_for_step(process: "subprocess.Popen[str]", output: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while steps_done(output) < step:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_equal_weights(first: Path, second: Path) -> None:
    ours, theirs = load_file(first / "model.safetensors"), load_file(second / "model.safetensors")
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


# A checkpoint after every step, and the levers of the real recipe.
OFTEN = ["train.checkpoint_minutes=0", "train.loss.consistency_weight=0.2"]


def interrupt(process: "subprocess.Popen[str]", output: Path, number: signal.Signals, step: int) -> int:
    """Send a signal after `step` steps; return the exit status."""
    wait_for_step(process, output, step)
    os.killpg(process.pid, number)
    reported = process.communicate(timeout=120)[1]
    assert "Traceback" not in reported, reported
    return process.returncode


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """Use one thread, as the processes do, since sums depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_one_thread")
def test_a_run_that_was_killed_and_one_that_was_stopped_reach_the_same_weights(conf: Path, tmp_path: Path):
    # Two processes side by side, as most of their time is loading torch; what goes on needs none of its own.
    def begin(number: signal.Signals, step: int) -> int:
        # The signal reaches the process that reads audio, too.
        output = tmp_path / number.name
        return interrupt(start(conf, f"output={output}", "train.num_workers=1", *OFTEN), output, number, step)

    with ThreadPoolExecutor() as pool:
        statuses = list(pool.map(begin, (signal.SIGKILL, signal.SIGTERM), (2, 4)))
    assert statuses == [-signal.SIGKILL, 130]
    whole = train(Config.load(conf, [f"output={tmp_path / 'whole'}", *OFTEN]))
    assert steps_done(whole) >= 6, "too few steps for an interruption in the middle of an epoch"
    for number in (signal.SIGKILL, signal.SIGTERM):
        output = tmp_path / number.name
        assert 0 < steps_done(output) < steps_done(whole)
        reporter = RecordingReporter()
        train(Config.load(conf, [f"output={output}", *OFTEN]), resume=True, reporter=reporter)
        assert "resuming" in reporter.text
        assert_equal_weights(whole, output)


def test_two_processes_train_one_model_and_resume_to_the_same(conf: Path, tmp_path: Path):
    both = ["--devices", "2", "train.batch_seconds=6", *OFTEN]
    processes = [start(conf, f"output={tmp_path / name}", *both) for name in ("whole", "killed")]
    interrupt(processes[1], tmp_path / "killed", signal.SIGKILL, 3)
    resumed = start(conf, f"output={tmp_path / 'killed'}", "--resume", *both)
    finish(processes[0])
    assert "resuming" in finish(resumed)
    log = [json.loads(line) for line in (tmp_path / "whole" / "run" / "log.jsonl").read_text().splitlines()]
    assert sum("dev_wer" in entry for entry in log) == 2
    # A resumed run gives every process what the first one saved: equal only if replicas never drift apart.
    assert_equal_weights(tmp_path / "whole", tmp_path / "killed")
    with pytest.raises(TrainingError, match="other settings"):
        train(Config.load(conf, [f"output={tmp_path / 'whole'}", "train.batch_seconds=6", *OFTEN]), resume=True)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def start_machine(conf: Path, rank: int, port: int, *arguments: str) -> "subprocess.Popen[str]":
    """Start one of two machines, which has two processes."""
    more = ["--devices", "2", "--nodes", "2", "--node-rank", str(rank), "--master", f"127.0.0.1:{port}"]
    return start(conf, *arguments, *more)


def kill_machine(machine: "subprocess.Popen[str]") -> None:
    """Kill a machine's processes at once. torchrun has them in sessions of their own."""
    found = [machine.pid]
    for pid in found:
        found += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    machine.wait()


def run_on_two_machines(conf: Path, *arguments: str, kill_at: int | None = None) -> None:
    """Train with two processes on each of two machines; kill the second machine after a step, if one is given."""
    port = free_port()
    machines = [start_machine(conf, rank, port, *arguments) for rank in range(2)]
    if kill_at is not None:
        output = Path(arguments[0].removeprefix("output="))
        wait_for_step(machines[1], output, kill_at)
        kill_machine(machines[1])
        machines[0].communicate(timeout=240)
        assert machines[0].returncode != 0
        return
    for machine in machines:
        assert "Warning" not in finish(machine)


def dev_losses(output: Path) -> list[float]:
    entries = [json.loads(line) for line in (output / "run" / "log.jsonl").read_text().splitlines()]
    return [entry["dev_loss"] for entry in entries if "dev_loss" in entry]


@pytest.mark.slow
@pytest.mark.usefixtures("_one_thread")
def test_two_machines_of_two_processes_train_as_one_process_and_survive_the_death_of_one(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Dropout alone is drawn for each process. Small batches, so that there are twenty steps.
    settings = ["train.batch_seconds=2.5", "acoustic.dropout=0", "train.epochs=5", "train.checkpoint_minutes=0"]
    whole, killed, alone = (f"output={tmp_path / name}" for name in ("whole", "killed", "alone"))
    run_on_two_machines(conf, whole, *settings)
    assert steps_done(tmp_path / "whole") >= 20
    run_on_two_machines(conf, killed, *settings, kill_at=7)
    assert 7 <= steps_done(tmp_path / "killed") < steps_done(tmp_path / "whole")
    run_on_two_machines(conf, killed, *settings, "--resume")
    assert_equal_weights(tmp_path / "whole", tmp_path / "killed")

    # One process that takes the batches of all four for each step.
    batches = SpeechLoader.batches

    def batches_of_all(self: SpeechLoader, *arguments: int, **options: object) -> Iterator[Batch]:
        if not self.shuffle:  # development speech
            return batches(self, *arguments, **options)
        loaders = [replace(self, rank=rank, world_size=4) for rank in range(4)]
        return chain.from_iterable(zip(*(batches(loader, *arguments, **options) for loader in loaders), strict=True))

    monkeypatch.setattr(SpeechLoader, "batches", batches_of_all)
    train(Config.load(conf, [alone, *settings, "train.optimizer.accumulate=4"]))
    assert steps_done(tmp_path / "alone") == steps_done(tmp_path / "whole")
    assert dev_losses(tmp_path / "whole") == pytest.approx(dev_losses(tmp_path / "alone"), abs=1e-3)
    assert max(dev_losses(tmp_path / "alone")) - min(dev_losses(tmp_path / "alone")) > 0.1  # it learns


@pytest.mark.parametrize(("arguments", "message"), [(["2"], "numbered from 0 to 1"), (["0", "node0"], "HOST:PORT")])
def test_machines_that_cannot_be_right(arguments: list[str], message: str):
    rank, master = arguments[0], (arguments[1:] or ["node0:1"])[0]
    with pytest.raises(AsrError, match=message):
        start_torchrun(2, int(rank), master, devices=1, restarts=0)


def test_a_network_learns_the_language_of_tones(conf: Path, tone_manifests: Path, tmp_path: Path):
    output = train(Config.load(conf, ["train.epochs=16", "train.average=3"]))
    result = evaluate(load_model(output), load_cuts([tone_manifests / "dev.jsonl.gz"]))
    assert result.rates.wer < 0.1
    assert sorted(path.name for path in output.iterdir()) == [
        "README.md",
        "config.yaml",
        "model.safetensors",
        "run",
        "tokens.txt",
    ]
    card = (output / "README.md").read_text()
    assert "48 utterances" in card
    kept = list((output / "run").glob("epoch-*.pt"))
    assert len(kept) == 3
    norms = [
        entry["gradient_norms"]
        for line in (output / "run" / "log.jsonl").read_text().splitlines()
        if "gradient_norms" in (entry := json.loads(line))
    ]
    assert norms
    assert {"head", "blocks.0.recurrent.forward_rnn"} <= set(norms[0])


def test_a_trained_network_gets_better_at_distinguishing_texts(conf: Path, tmp_path: Path):
    plain = train(Config.load(conf, ["train.epochs=14", "train.average=3"]))
    losses = []
    for weight in (0, 1):
        output = tmp_path / f"weight{weight}"
        changes = [f"output={output}", f"train.init_from={plain}", f"train.loss.denominator_weight={weight}"]
        train(Config.load(conf, [*changes, "train.epochs=3", "train.optimizer.learning_rate=0.003"]))
        log = [json.loads(line) for line in (output / "run" / "log.jsonl").read_text().splitlines()]
        losses.append([entry["dev_loss"] for entry in log if "dev_loss" in entry])
    ctc, crf = losses
    assert crf[-1] < crf[0]
    assert 0 < crf[-1] < min(ctc)  # among all texts the right one is more probable than by itself


def test_alphabets_too_large_for_a_denominator_are_refused_before_training(conf: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("asr.acoustic.ctc_crf.MOST_TOKENS", 3)
    with pytest.raises(ConfigError, match="denominator_weight supports at most 3 tokens"):
        train(Config.load(conf, ["train.loss.denominator_weight=0.9"]))


def test_training_stops_when_nothing_gets_better(conf: Path, tmp_path: Path):
    settings = ["train.epochs=30", "train.patience=2", "train.optimizer.learning_rate=1e-12"]
    output = train(Config.load(conf, settings))
    epochs = [line for line in (output / "run" / "log.jsonl").read_text().splitlines() if "dev_wer" in line]
    assert len(epochs) < 10


def test_bad_utterances_are_left_out_and_counted(conf: Path, tone_manifests: Path):
    reporter = RecordingReporter()
    broken = tone_manifests / "broken.jsonl.gz"
    cuts = list(load_cuts([tone_manifests / "train.jsonl.gz"]))
    cuts[0].supervisions[0].text = ""
    cuts[1].supervisions[0].text = "abc" * 200
    type(load_cuts([tone_manifests / "train.jsonl.gz"]))(cuts).to_file(broken)
    train(Config.load(conf, [f"corpus.train=[{broken}]", "train.epochs=1"]), reporter=reporter)
    reported = reporter.text
    assert "train: 2 of 48 utterances left out" in reported
    assert cuts[0].id in reported
    assert cuts[1].id in reported


def test_gradients_that_are_never_finite_end_the_run_with_the_batch_named(conf: Path):
    # float32 overflows at this gain, so every gradient is NaN.
    settings = ["train.augment.gain_db=[900, 900]", "train.max_bad_steps=3", "train.augment.noise=null"]
    with pytest.raises(TrainingError, match=r"3 steps in a row .*train\d\d\d"):
        train(Config.load(conf, settings))


def test_a_finished_run_is_not_overwritten(conf: Path):
    config = Config.load(conf, ["train.epochs=1"])
    train(config)
    with pytest.raises(TrainingError, match="resume that run"):
        train(config)
    with pytest.raises(TrainingError, match="other settings"):
        train(Config.load(conf, ["train.epochs=3"]), resume=True)


@pytest.mark.usefixtures("_one_thread")
def test_auto_begins_a_run_continues_it_and_leaves_a_finished_model_alone(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = train(Config.load(conf, [f"output={tmp_path / 'whole'}"]))
    config, step = Config.load(conf), Trainer.step

    def stop(trainer: Trainer, group: list[Batch]) -> None:
        step(trainer, group)
        trainer.stop_requested = trainer.state.steps == 3

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", stop)
        with pytest.raises(TrainingInterrupted, match="resume it to continue"):
            train(config, resume="auto")
    assert steps_done(config.output) == 3
    reporter = RecordingReporter()
    train(config, resume="auto", reporter=reporter)
    assert "resuming in epoch 1 after step 3" in reporter.lines
    assert_equal_weights(whole, config.output)
    before = {path: path.stat().st_mtime_ns for path in config.output.rglob("*")}
    reporter = RecordingReporter()
    assert train(config, resume="auto", reporter=reporter) == config.output
    assert reporter.lines == [f"{config.output} is finished; to train again, remove it or choose another output"]
    assert {path: path.stat().st_mtime_ns for path in config.output.rglob("*")} == before
    with pytest.raises(TrainingError, match="other settings"):
        train(Config.load(conf, ["train.epochs=3"]), resume="auto")


def test_resuming_without_a_checkpoint_is_an_error(conf: Path):
    with pytest.raises(TrainingError, match="no checkpoint"):
        train(Config.load(conf), resume=True)


def test_a_single_utterance_is_enough(conf: Path, tone_manifests: Path):
    one = tone_manifests / "one.jsonl.gz"
    cuts = load_cuts([tone_manifests / "train.jsonl.gz"])
    type(cuts)(list(cuts)[:1]).to_file(one)
    train(Config.load(conf, [f"corpus.train=[{one}]", f"corpus.dev=[{one}]", "train.epochs=1"]))


def test_markup_in_a_transcript_is_text(conf: Path, tone_manifests: Path, capsys: pytest.CaptureFixture[str]):
    marked = tone_manifests / "marked.jsonl.gz"
    cuts = list(load_cuts([tone_manifests / "train.jsonl.gz"]))
    cuts[0].supervisions[0].text = "[/]"
    type(load_cuts([tone_manifests / "train.jsonl.gz"]))(cuts).to_file(marked)
    reporter = ConsoleReporter(Console(stderr=True))
    train(Config.load(conf, [f"corpus.train=[{marked}]", "train.epochs=1"]), reporter=reporter)
    assert "'[/]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "settings",
    [
        ["acoustic.cell=gru", "train.loss.intermediate_weight=0.3", "train.optimizer.accumulate=3"],
        ["acoustic.cell=rnn", "acoustic.direction=forward", "train.loss.consistency_weight=0.2"],
        ["tokenizer.kind=subword", "tokenizer.vocab_size=12"],
        ["train.loss.denominator_weight=0.5", "train.loss.intermediate_weight=0.3", "train.precision=auto"],
        ["tokenizer.kind=word"],
        ["features.sample_rate=8000", "train.augment.reverberation_probability=0.5"],
    ],
)
def test_other_settings_train_and_load(conf: Path, settings: list[str], tone_manifests: Path):
    output = train(Config.load(conf, [*settings, "train.epochs=1"]))
    result = evaluate(load_model(output), load_cuts([tone_manifests / "dev.jsonl.gz"]))
    assert result.rates.utterances == 12


def test_a_teacher_pulls_the_network_towards_its_log_probabilities(conf: Path, tone_manifests: Path, tmp_path: Path):
    # A network that says something definite: no other loss would lead to it.
    symbols = read_model(train(Config.load(conf, [f"output={tmp_path / 'first'}", "train.epochs=1"]))).tokenizer.symbols
    save_model(make_model(symbols=symbols), teacher := tmp_path / "teacher")
    cut = next(iter(load_cuts([tone_manifests / "dev.jsonl.gz"])))
    waveform = read_waveform(cut, 16000)

    def log_probs(folder: Path) -> np.ndarray:
        return load_model(folder, device="cpu", precision="fp32").runner.compute_log_probs([waveform])[0]

    distances = []
    for weight in (0, 3):
        settings = [f"train.teacher={teacher}", f"train.loss.teacher_weight={weight}", "train.epochs=2"]
        output = train(Config.load(conf, [f"output={tmp_path / str(weight)}", *settings]))
        expected, found = log_probs(teacher), log_probs(output)
        distances.append(float((np.exp(expected) * (expected - found)).sum(-1).mean()))
    assert distances[1] < 0.7 * distances[0]


def test_a_teacher_of_other_tokens_is_refused(conf: Path):
    with pytest.raises(ConfigError, match=r"train\.teacher: an4 has other tokens"):
        train(Config.load(conf, ["train.teacher=an4"]))


def test_phones_train_and_load_and_words_without_pronunciation_are_left_out(conf: Path, tone_manifests: Path):
    reporter = RecordingReporter()
    words = ["".join(letters) for count in (1, 2, 3) for letters in product("abc", repeat=count)]
    lexicon = conf.parent / "lexicon.txt"
    lexicon.write_text("".join(f"{word} {' '.join(word.upper())}\n" for word in words if word != "abc"))
    settings = ["tokenizer.kind=phone", f"tokenizer.lexicon={lexicon}", "train.epochs=1"]
    output = train(Config.load(conf, settings), reporter=reporter)
    assert "the lexicon has no pronunciation of 'abc'" in reporter.text
    result = evaluate(load_model(output), load_cuts([tone_manifests / "dev.jsonl.gz"]))
    assert result.rates.utterances == 12
    assert (output / "lexicon.txt").read_text().split() == lexicon.read_text().split()
