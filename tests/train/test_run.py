"""Whole training runs on the language of tones, with real processes that are really killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from asr.config import load_config
from asr.errors import TrainingError
from asr.recognize.recognizer import load_model
from asr.train.corpus import load_cuts
from asr.train.evaluate import evaluate
from asr.train.run import train

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(conf: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "asr.cli", "train", str(conf), *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


def run(conf: Path, *arguments: str) -> str:
    """Train to the end; returns what was told."""
    process = start(conf, *arguments)
    told = process.communicate(timeout=240)[1]
    assert process.returncode == 0, told
    return told


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


def test_a_run_that_was_killed_and_one_that_was_stopped_reach_the_same_weights(conf: Path, tmp_path: Path):
    run(conf, f"output={tmp_path / 'whole'}", *OFTEN)
    total = steps_done(tmp_path / "whole")
    assert total >= 6, "too few steps for an interruption in the middle of an epoch"

    for number, step in ((signal.SIGKILL, 2), (signal.SIGTERM, total // 2 + 1)):
        output = tmp_path / number.name
        process = start(conf, f"output={output}", *OFTEN)
        wait_for_step(process, output, step)
        process.send_signal(number)
        told = process.communicate(timeout=60)[1]
        assert process.returncode != 0
        assert "Traceback" not in told
        assert steps_done(output) < total
        assert "resuming" in run(conf, f"output={output}", "--resume", *OFTEN)
        assert_equal_weights(tmp_path / "whole", output)


def test_two_processes_train_one_model(conf: Path, tmp_path: Path):
    run(conf, "--devices", "2")
    alone = [json.loads(line) for line in (tmp_path / "model" / "run" / "log.jsonl").read_text().splitlines()]
    assert sum("dev_wer" in entry for entry in alone) == 2
    assert load_model(tmp_path / "model").tokenizer.vocab_size == 5


def test_a_network_learns_the_language_of_tones(conf: Path, tone_manifests: Path, tmp_path: Path):
    output = train(load_config(conf, ["train.epochs=25", "train.average=3"]))
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


def test_it_stops_where_nothing_gets_better(conf: Path, tmp_path: Path):
    settings = ["train.epochs=30", "train.patience=2", "train.optimizer.learning_rate=1e-12"]
    output = train(load_config(conf, settings))
    epochs = [line for line in (output / "run" / "log.jsonl").read_text().splitlines() if "dev_wer" in line]
    assert len(epochs) < 10


def test_bad_utterances_are_left_out_and_counted(conf: Path, tone_manifests: Path, capsys: pytest.CaptureFixture[str]):
    broken = tone_manifests / "broken.jsonl.gz"
    cuts = list(load_cuts([tone_manifests / "train.jsonl.gz"]))
    cuts[0].supervisions[0].text = ""
    cuts[1].supervisions[0].text = "abc" * 200
    type(load_cuts([tone_manifests / "train.jsonl.gz"]))(cuts).to_file(broken)
    train(load_config(conf, [f"corpus.train=[{broken}]", "train.epochs=1"]))
    told = capsys.readouterr().err
    assert "train: 2 of 48 utterances left out" in told
    assert cuts[0].id in told
    assert cuts[1].id in told


def test_gradients_that_are_never_finite_end_the_run_with_the_batch_named(conf: Path):
    # float32 overflows at this gain, so every gradient is NaN.
    settings = ["train.augment.gain_db=[900, 900]", "train.max_bad_steps=3", "train.augment.noise=null"]
    with pytest.raises(TrainingError, match=r"3 steps in a row .*train\d\d\d"):
        train(load_config(conf, settings))


def test_a_finished_run_is_not_overwritten(conf: Path):
    config = load_config(conf, ["train.epochs=1"])
    train(config)
    with pytest.raises(TrainingError, match="--resume"):
        train(config)
    with pytest.raises(TrainingError, match="other settings"):
        train(load_config(conf, ["train.epochs=3"]), resume=True)


def test_resuming_nothing_is_told(conf: Path):
    with pytest.raises(TrainingError, match="no checkpoint"):
        train(load_config(conf), resume=True)
