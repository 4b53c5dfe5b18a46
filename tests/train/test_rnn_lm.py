"""Training of recurrent language models: gradients, carried state, resumption, adaptation."""

import logging
import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from asr.config import LanguageConfig, LanguageNetworkSettings, LanguageSettings
from asr.errors import ConfigError, TrainingError, TrainingInterrupted
from asr.language.rnn.model import Likelihood, RnnModel, load_rnn
from asr.language.text_files import read_text
from asr.model_files import WEIGHTS_FILE
from asr.text.tokenizer import CharTokenizer
from asr.train import rnn_trainer
from asr.train.checkpoint import CheckpointFolder, Fingerprint
from asr.train.launch import launch
from asr.train.loop import LoopSetup
from asr.train.monitor import RnnMonitor
from asr.train.rnn_lm import train_language_model
from asr.train.rnn_network import LanguageNetwork, TorchLanguageNetwork
from asr.train.rnn_trainer import RnnTrainer, Text
from asr.weights import read_weights
from tests.language.rnn.rnn_models import log_prob_by_hand
from tests.train.recording import RecordingReporter

FAST = {"learning_rate": 0.03}
TEXT = "".join(f"{'abc' * (n % 4)} {'cab' * (n % 3)}\n" for n in range(40))


def measure(text: Path, folder: Path) -> Likelihood:
    model = load_rnn(folder)
    return model.measure(read_text([text], model.settings))


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other cost more than they save on networks so small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(**train):
    chosen = {"epochs": 2, "batch_size": 4, "segment": 8, "evaluations": 2, "precision": "fp32", **train}
    network = {"hidden_size": 12, "embedding_size": 6, "dropout": 0.2}
    return LanguageConfig(lines=chosen.pop("lines", "continuous"), normalizer=None, network=network, train=chosen)


def run(folder: Path, settings: LanguageConfig, text: str = TEXT, **options) -> str:
    """Train; return what was reported."""
    folder.mkdir(exist_ok=True)
    (folder / "text").write_text(text, encoding="utf-8")
    reporter = RecordingReporter()
    train_language_model([folder / "text"], folder / "lm", settings, reporter=reporter, **options)
    return reporter.text


def make_network(*, spread=1.0, dtype=torch.float32, **network) -> LanguageNetwork:
    torch.manual_seed(0)
    chosen = {"hidden_size": 8, "embedding_size": 5, "dropout": 0.0, **network}
    made = LanguageNetwork(LanguageNetworkSettings(**chosen), vocab_size=4).to(dtype)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(spread)
    return made.eval()


def make_model(network: LanguageNetwork) -> RnnModel:
    settings = LanguageSettings(lines="continuous", normalizer=None)
    return RnnModel(TorchLanguageNetwork(network), CharTokenizer(["<blank>", *"abc"]), settings)


def random_text(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, size)


def make_trainer(folder: Path, network: LanguageNetwork, text: np.ndarray, **train) -> RnnTrainer:
    setup = LoopSetup(config(**train).train, CheckpointFolder(folder), RnnMonitor(folder), Fingerprint())
    return RnnTrainer(launch("fp32"), network, make_model(network), Text([text], [text], len(text)), setup)


@pytest.mark.parametrize("num_segments", [1, 2])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_gradients_equal_backpropagation_token_by_token(tmp_path: Path, cell: str, num_segments: int):
    """If one segment holds the whole text, that is full back-propagation; all in float64."""
    network = make_network(dtype=torch.float64, cell=cell)
    text, size = random_text(30), 30 // num_segments
    trainer = make_trainer(tmp_path, network, text, batch_size=1, segment=size)
    for segment in trainer._remaining():
        trainer.loss(segment).backward()
    assert trainer.carried is not None
    assert trainer.carried.dtype == torch.float64
    gradients = {name: value.grad.clone() for name, value in network.named_parameters()}
    network.zero_grad()
    # Token by token through one graph, which knows nothing of segments but where it is cut.
    state, total = network.initial_state(1), 0.0
    for index, (before, after) in enumerate(zip([0, *text[:-1].tolist()], text.tolist(), strict=True)):
        if index % size == 0:
            state = state.detach()
        logits, state = network(torch.tensor([[before]]), state)
        total = total + F.cross_entropy(logits[0], torch.tensor([after])) / size
    total.backward()
    for name, value in network.named_parameters():
        torch.testing.assert_close(gradients[name], value.grad, rtol=1e-10, atol=1e-14)


def test_shorter_segments_cut_gradients_but_not_the_carried_state(tmp_path: Path):
    network, text = make_network(), random_text(24)
    trainer = make_trainer(tmp_path, network, text, batch_size=1, segment=6)
    cut = torch.stack([trainer.loss(segment) for segment in trainer._remaining()])
    (whole,) = make_trainer(tmp_path, network, text, batch_size=1, segment=24)._remaining()
    torch.testing.assert_close(cut.mean(), trainer.loss(whole))
    assert trainer.carried is not None
    assert not trainer.carried.requires_grad


@pytest.mark.parametrize("carry_state", [True, False])
def test_development_text_is_scored_in_the_way_of_training(tmp_path: Path, monkeypatch, carry_state: bool):
    monkeypatch.setattr(rnn_trainer, "_DEV_STREAMS", 2)
    network, text = make_network(spread=3.0), random_text(24)
    model = make_model(network)
    trainer = make_trainer(tmp_path, network, text, segment=6, carry_state=carry_state)
    pieces = ["".join(model.pieces[token] for token in [0, *text.tolist()][first : first + 13]) for first in (0, 12)]
    # Without a carried state the history is the segment and one token before it.
    size = 12 if carry_state else 6
    spans = [(piece[first], piece[first + 1 : first + 1 + size]) for piece in pieces for first in range(0, 12, size)]
    total = sum(log_prob_by_hand(model, after, before) for before, after in spans)
    assert trainer._measure_dev() == pytest.approx(-total / 24 / math.log(2), rel=1e-5)


def test_unknown_characters_of_the_development_text_are_charged(tmp_path: Path):
    (tmp_path / "dev").write_text("abcé abc\ncab!\n", encoding="utf-8")
    reported = run(tmp_path, config(lines="sentences", evaluations=1), dev=[tmp_path / "dev"])
    fewest = min(
        float(line.split("dev ")[1].split()[0]) for line in reported.splitlines() if "bits per character" in line
    )
    measured = measure(tmp_path / "dev", tmp_path / "lm")
    assert measured.num_unknown == 2
    assert fewest == pytest.approx(measured.bits_per_character, abs=0.01)


def test_a_carried_state_predicts_what_lies_before_the_segment(tmp_path: Path):
    """Each line ends in its first letter, which no segment holds when it must be predicted."""
    rng = random.Random(1)
    text = "".join(f"{letter}...{letter}\n" for letter in rng.choices("abcdefgh", k=700))
    bits = {}
    for carry_state in (True, False):
        settings = config(segment=3, batch_size=40, epochs=12, evaluations=1, carry_state=carry_state, optimizer=FAST)
        settings = settings.model_copy(update={"network": settings.network.model_copy(update={"hidden_size": 24})})
        run(tmp_path / str(carry_state), settings, text)
        bits[carry_state] = measure(
            tmp_path / str(carry_state) / "text", tmp_path / str(carry_state) / "lm"
        ).bits_per_character
    # Half a bit per character is unpredictable; as much more is predictable only from the carried state.
    assert 0.45 < bits[True] < 0.75 * bits[False]


@pytest.mark.parametrize("lines", ["continuous", "sentences"])
@pytest.mark.parametrize("stop_after", [1, 13])
def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path, monkeypatch, lines: str, stop_after: int):
    settings = config(lines=lines, epochs=3)
    run(tmp_path / "whole", settings)
    step = RnnTrainer.step

    def stop(trainer, group):
        step(trainer, group)
        trainer.stop_requested = trainer.state.steps == stop_after

    monkeypatch.setattr(RnnTrainer, "step", stop)
    with pytest.raises(TrainingInterrupted, match="resume it to continue"):
        run(tmp_path / "parts", settings)
    monkeypatch.setattr(RnnTrainer, "step", step)
    reported = run(tmp_path / "parts", settings, resume=True)
    assert f"resuming after step {stop_after}" in reported
    whole, parts = (tmp_path / name / "lm" / WEIGHTS_FILE for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()


def test_progress_shows_samples_and_bits(tmp_path: Path):
    reported = run(tmp_path, config(epochs=6, optimizer=FAST))
    bits = [float(line.split("dev ")[1].split()[0]) for line in reported.splitlines() if "bits per character" in line]
    assert len(bits) >= 4
    assert bits[-1] < 0.8 * bits[0]
    assert any(
        set(line.strip()) <= set("abc ") and "abc" in line for line in reported.splitlines() if line.startswith("  ")
    )
    measured = measure(tmp_path / "text", tmp_path / "lm")
    assert measured.bits_per_character < bits[0]
    assert "nan" not in reported  # the throughput is not known at the first evaluation
    num_weights = sum(value.size for value in read_weights(tmp_path / "lm" / WEIGHTS_FILE).values())
    assert f"network: {num_weights:,} weights" in reported


def test_another_recipe_does_not_resume_and_nothing_is_overwritten(tmp_path: Path):
    run(tmp_path, config())
    with pytest.raises(TrainingError, match="resume that run"):
        run(tmp_path, config())
    with pytest.raises(TrainingError, match="other settings, data or base model"):
        run(tmp_path, config(epochs=3), resume=True)
    with pytest.raises(TrainingError, match="no checkpoint"):
        run(tmp_path / "new", config(), resume=True)


def test_auto_begins_a_run_continues_it_and_leaves_a_finished_model_alone(tmp_path: Path, monkeypatch):
    run(tmp_path / "whole", config())
    step = RnnTrainer.step

    def stop(trainer, group):
        step(trainer, group)
        trainer.stop_requested = trainer.state.steps == 4

    with monkeypatch.context() as patch:
        patch.setattr(RnnTrainer, "step", stop)
        with pytest.raises(TrainingInterrupted):
            run(tmp_path / "auto", config(), resume="auto")
    assert "resuming after step 4" in run(tmp_path / "auto", config(), resume="auto")
    weights = tmp_path / "auto" / "lm" / "model.safetensors"
    assert weights.read_bytes() == (tmp_path / "whole" / "lm" / "model.safetensors").read_bytes()
    written = weights.stat().st_mtime_ns
    reported = run(tmp_path / "auto", config(), resume="auto")
    assert reported == f"{tmp_path / 'auto' / 'lm'} is finished; to train again, remove it or choose another output"
    assert weights.stat().st_mtime_ns == written
    with pytest.raises(TrainingError, match="other settings"):
        run(tmp_path / "auto", config(epochs=3), resume="auto")
    (tmp_path / "auto" / "lm" / "run" / "last.pt").unlink()  # a model that was copied does not say how it was made
    assert run(tmp_path / "auto", config(epochs=3), resume="auto") == reported


def test_gradients_accumulate_over_the_batches_of_a_step(tmp_path: Path):
    network, text = make_network(spread=3.0, dtype=torch.float64), random_text(24)
    options = {"accumulate": 2, "clip_norm": None}
    trainer = make_trainer(tmp_path, network, text, batch_size=1, segment=6, optimizer=options)
    segments = list(trainer._remaining())[:2]
    losses = [trainer.loss(segment) for segment in segments]
    expected = torch.autograd.grad(sum(losses) / 2, list(network.parameters()))
    trainer.carried = None
    norm = []
    trainer.monitor.step = lambda *_, gradient_norm, **__: norm.append(gradient_norm)
    network.train(False)  # no dropout
    trainer.step(segments)
    assert norm == [pytest.approx(float(torch.nn.utils.get_total_norm(expected)))]


def test_training_on_text_loads_no_audio_library():
    code = (
        "import sys, asr.train.rnn_lm; print(sorted({'lhotse', 'torchaudio', 'soundfile', 'soxr'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_an_output_that_cannot_be_a_folder_is_an_error(tmp_path: Path):
    (tmp_path / "lm").touch()
    with pytest.raises(TrainingError, match=r"cannot be made: Not a directory; .* choose another output"):
        run(tmp_path, config())


def test_evaluations_may_have_their_earlier_name(tmp_path: Path):
    conf = tmp_path / "conf.yaml"
    conf.write_text("train:\n  looks: 7\n  epochs: 3\n")
    assert LanguageConfig.load(conf).train.evaluations == 7
    assert LanguageConfig.load(conf, ["train.evaluations=2"]).train.evaluations == 2
    assert LanguageConfig.load(conf, ["train.looks=2"]).train.evaluations == 2
    assert LanguageConfig.load(None, ["train.looks=3"]) == LanguageConfig.load(None, ["train.evaluations=3"])
    with pytest.raises(ConfigError, match=r"train\.evaluations: input should be greater"):
        LanguageConfig.load(None, ["train.looks=0"])


def test_words_as_tokens_are_refused():
    with pytest.raises(ConfigError, match=r"tokenizer\.kind: input should be 'char' or 'subword' \(found 'word'\)"):
        LanguageConfig.load(None, ["tokenizer.kind=word"])


def test_lightning_logs_nothing_about_precision():
    launch("fp32")
    assert not logging.getLogger("lightning_fabric.utilities.rank_zero").isEnabledFor(logging.INFO)


def test_settings_that_the_base_overrides_are_reported(tmp_path: Path):
    run(tmp_path / "base", config())
    requested = config(epochs=1)
    reported = run(tmp_path / "same", requested, base=tmp_path / "base" / "lm")
    assert "the base decides" not in reported
    network = requested.network.model_copy(update={"hidden_size": 64, "cell": "gru", "dropout": 0.5})
    reported = run(tmp_path / "other", requested.model_copy(update={"network": network}), base=tmp_path / "base" / "lm")
    assert [line for line in reported.splitlines() if "the base decides" in line] == [
        "the base decides: network.cell is lstm, not gru",
        "the base decides: network.hidden_size is 12, not 64",
    ]


def test_a_base_is_adapted_to_other_text_and_its_letters(tmp_path: Path):
    run(tmp_path / "base", config(epochs=8, optimizer=FAST))
    other = TEXT.replace("abc", "abd")
    adapted = config(epochs=1, optimizer={"learning_rate": 0.003})
    run(tmp_path / "adapted", adapted, other, base=tmp_path / "base" / "lm")
    run(tmp_path / "alone", adapted, other)
    model = load_rnn(tmp_path / "adapted" / "lm")
    assert model.tokenizer.symbols == ["<blank>", *" abcd"]
    bits = {
        name: measure(tmp_path / "adapted" / "text", tmp_path / name / "lm").bits_per_character
        for name in ("adapted", "alone", "base")
    }
    assert bits["adapted"] < min(bits["alone"], bits["base"])


def test_a_step_that_is_not_finite_is_skipped_and_many_end_the_run(tmp_path: Path, monkeypatch):
    loss = RnnTrainer.loss

    def break_one(trainer, segment):
        return loss(trainer, segment) * (float("nan") if trainer.state.steps == 3 else 1.0)

    with monkeypatch.context() as patch:
        patch.setattr(RnnTrainer, "loss", break_one)
        assert "step 4: gradient not finite" in run(tmp_path / "one", config())
    monkeypatch.setattr(RnnTrainer, "loss", lambda trainer, segment: loss(trainer, segment) * float("nan"))
    with pytest.raises(TrainingError, match="10 steps in a row"):
        run(tmp_path / "all", config())
