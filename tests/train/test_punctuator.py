"""Training of punctuators: the network in torch and in the runtime, silences, batches, resumption."""

from pathlib import Path

import numpy as np
import pytest
import torch

from asr.acoustic.weights import get_weights
from asr.config import PunctuatorConfig, PunctuatorTrainSettings
from asr.errors import TrainingError, TrainingInterrupted
from asr.language.punctuated_text import UNKNOWN_CASE, label_lines
from asr.language.punctuator import Punctuator
from asr.language.written_words import FULL_STOP, MARKS, UNKNOWN_ROW, WordRows
from asr.model_files import WEIGHTS_FILE
from asr.runtime.parameters import NUM_CASES, NUM_MARKS, punctuator_shapes
from asr.runtime.punctuator_network import OnnxPunctuatorNetwork, encode_silences
from asr.train.checkpoint import CheckpointFolder, Fingerprint
from asr.train.launch import launch
from asr.train.loop import LoopSetup, TrainingLoop
from asr.train.monitor import PunctuatorMonitor
from asr.train.punctuator.batches import EncodedText, development_batches, training_batches
from asr.train.punctuator.network import PunctuatorNetwork
from asr.train.punctuator.run import train_punctuator
from asr.train.punctuator.silences import PAUSES, draw_silences
from asr.train.punctuator.trainer import PunctuatorTrainer
from asr.weights import Weights
from tests.language.punctuators import NETWORK
from tests.train.recording import RecordingReporter

TEXT = "She is here. Are you coming? Well, I go now.\nWe saw London, and he left. What is it? I see.\n" * 30


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other cost more than they save on networks so small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(**train) -> PunctuatorConfig:
    chosen = {"epochs": 2, "batch_size": 4, "evaluations": 2, "precision": "fp32", **train}
    window = {"left": 4, "block": 4, "right": 2}
    return PunctuatorConfig(network=NETWORK.model_copy(update={"dropout": 0.1}), window=window, train=chosen)


def run(folder: Path, settings: PunctuatorConfig, **options) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "text").write_text(TEXT, encoding="utf-8")
    (folder / "dev").write_text(TEXT[:500], encoding="utf-8")
    reporter = RecordingReporter()
    train_punctuator([folder / "text"], folder / "out", settings, dev=[folder / "dev"], reporter=reporter, **options)
    return reporter.text


@pytest.mark.parametrize("length", [1, 2, 17])
def test_the_runtime_computes_what_torch_does(length: int):
    torch.manual_seed(length)
    network = PunctuatorNetwork(NETWORK).eval()
    torch.nn.init.normal_(network.after_mark.weight)
    weights = Weights(get_weights(network))
    weights.check(punctuator_shapes(NETWORK), Path("torch"))
    rng = np.random.default_rng(length)
    rows = rng.integers(0, 49, (length, 5))
    silences = np.where(rng.random(length) < 0.5, np.nan, rng.exponential(0.5, length))
    with torch.inference_mode():
        expected = network(torch.from_numpy(rows)[:, None], torch.from_numpy(encode_silences(silences))[:, None])
    for precision, tolerance in (("fp32", 1e-5), ("int8", 0.1)):
        found = OnnxPunctuatorNetwork(weights, NETWORK, precision=precision)
        for scores, reference in zip(found.run(rows, silences), expected, strict=True):
            np.testing.assert_allclose(scores, reference[:, 0].numpy(), atol=tolerance)
    np.testing.assert_array_equal(found.after_mark, network.after_mark.weight.detach().numpy())


def test_silences_are_encoded_with_whether_they_are_known():
    encoded = encode_silences(np.array([np.nan, 0.0, 0.1, -0.2]))
    np.testing.assert_allclose(encoded, [[0, 0], [1, 0], [1, np.log(2)], [1, 0]], rtol=1e-6)


def test_silences_follow_the_marks():
    marks = np.repeat(np.arange(NUM_MARKS), 400)[:, None].repeat(50, axis=1)
    silences = draw_silences(marks, np.random.default_rng(1))
    assert (silences >= 0).all()
    medians = [np.median(silences[marks == mark]) for mark in range(NUM_MARKS)]
    assert medians[0] < 0.1 < medians[1] < medians[FULL_STOP]
    assert list(PAUSES) == list(MARKS)
    assert np.mean(silences[marks == FULL_STOP] < 0.1) > 0.05  # speakers leave out pauses


def encoded() -> EncodedText:
    text = label_lines(TEXT.splitlines(), config().normalizer)
    return EncodedText.from_text(text, WordRows(text.frequent_words(16), 16, 32))


def test_an_epoch_has_every_word_once_and_each_epoch_cuts_elsewhere():
    text, plain = encoded(), PunctuatorTrainSettings(batch_size=3, unknown_probability=0, noise_probability=0)
    epochs = []
    for epoch in range(2):
        batches = list(training_batches(text, plain, length=10, epoch=epoch))
        marks = np.concatenate([batch.punctuation for batch in batches], axis=1)
        assert marks.shape[0] == 10
        assert len(text) - 20 < marks.size <= len(text)
        epochs.append(marks)
    assert epochs[0].tolist() != epochs[1].tolist()


def test_the_mark_before_each_word_is_that_of_the_text():
    text = encoded()
    for batch in development_batches(text, length=7, batch_size=5):
        np.testing.assert_array_equal(batch.previous[1:], batch.punctuation[:-1])
        np.testing.assert_array_equal(batch.previous[0, 1:], batch.punctuation[-1, :-1])
    first = next(iter(development_batches(text, length=7, batch_size=5)))
    assert first.previous[0, 0] == FULL_STOP  # as if a sentence had ended before


def test_batches_can_begin_in_the_middle_of_an_epoch():
    text, settings = encoded(), PunctuatorTrainSettings(batch_size=3)
    every = list(training_batches(text, settings, length=10, epoch=1))
    later = list(training_batches(text, settings, length=10, epoch=1, first=4))
    for one, other in zip(every[4:], later, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_noise_and_rare_words_are_drawn_in_their_shares():
    text = encoded()
    settings = PunctuatorTrainSettings(batch_size=200, unknown_probability=0.3, noise_probability=0.2)
    (batch,) = training_batches(text, settings, length=10, epoch=0)
    known = np.isin(text.rows[:, 0], [UNKNOWN_ROW], invert=True)[text.words].mean()
    assert (batch.rows[..., 0] != UNKNOWN_ROW).mean() == pytest.approx(0.7 * known, abs=0.05)
    unknown_before = (text.cases == UNKNOWN_CASE).mean()
    assert (batch.cases == UNKNOWN_CASE).mean() == pytest.approx(unknown_before + 0.2 * (1 - unknown_before), abs=0.05)
    known_windows = batch.silences[..., 0].mean(axis=0)
    assert set(known_windows.tolist()) == {0.0, 1.0}  # of each window all or none


def make_trainer(folder: Path, settings: PunctuatorConfig) -> PunctuatorTrainer:
    torch.manual_seed(0)
    network = PunctuatorNetwork(NETWORK).eval()
    torch.nn.init.normal_(network.after_mark.weight)
    setup = LoopSetup(settings.train, CheckpointFolder(folder), PunctuatorMonitor(folder), Fingerprint())
    return PunctuatorTrainer(launch("fp32"), network, (encoded(), encoded()), settings, setup)


def test_it_learns_a_text_by_heart(tmp_path: Path):
    settings = config(epochs=25, optimizer={"learning_rate": 0.02}, noise_probability=0, unknown_probability=0)
    reported = run(tmp_path, settings)
    assert "dev F1" in reported
    punctuator = Punctuator.load(tmp_path / "out")
    said = "she is here are you coming well i go now we saw london and he left"
    assert " ".join(punctuator.punctuate(said.split())) == (
        "She is here. Are you coming? Well, I go now. We saw London, and he left."
    )
    assert (tmp_path / "out" / WEIGHTS_FILE).stat().st_size < 20_000
    assert "is finished" in run(tmp_path, settings, resume="auto")
    with pytest.raises(TrainingError, match="exists"):
        run(tmp_path, settings)


def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = config(checkpoint_minutes=0)
    run(tmp_path / "whole", settings)
    step = TrainingLoop.step

    def interrupt(self, group):
        step(self, group)
        self.stop_requested = self.state.steps in (5, 17)

    monkeypatch.setattr(TrainingLoop, "step", interrupt)
    for _ in range(2):
        with pytest.raises(TrainingInterrupted):
            run(tmp_path / "parts", settings, resume="auto")
    run(tmp_path / "parts", settings, resume=True)
    whole, parts = ((tmp_path / name / "out" / WEIGHTS_FILE).read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    with pytest.raises(TrainingError, match="other settings"):
        run(tmp_path / "parts", config(seed=2), resume=True)


def test_the_penalty_of_no_mark_is_the_best_of_all(tmp_path: Path):
    trainer = make_trainer(tmp_path, config())
    expected, marks, cases = trainer._score_dev()

    def f1(penalty: float) -> float:
        found = np.where(np.arange(NUM_MARKS) == 0, marks - penalty, marks).argmax(1)
        right = ((found == expected.punctuation) & (found > 0)).sum()
        return 2 * right / ((found > 0).sum() + (expected.punctuation > 0).sum())

    best = max(f1(step / 10) for step in range(16))
    assert f1(trainer.find_penalty()) == pytest.approx(best)
    assert len(marks) == len(cases) > 0


def test_the_loss_is_that_of_marks_and_cases_by_hand(tmp_path: Path):
    settings = config(capital_weight=0.25)
    trainer = make_trainer(tmp_path, settings)
    network = trainer.module
    (batch, *_) = training_batches(encoded(), settings.train, length=10, epoch=0)
    with torch.inference_mode():
        marks, cases = network(torch.from_numpy(batch.rows), torch.from_numpy(batch.silences))
        cases = cases + network.after_mark.weight[batch.previous]
    of_marks, of_cases = [], []
    for index in np.ndindex(batch.punctuation.shape):
        of_marks.append(-marks[index].log_softmax(0)[batch.punctuation[index]].item())
        if batch.cases[index] != UNKNOWN_CASE:
            of_cases.append(-cases[index].log_softmax(0)[batch.cases[index]].item())
    assert cases.shape[-1] == NUM_CASES
    trainer.network.eval()
    assert trainer.loss(batch).item() == pytest.approx(np.mean(of_marks) + 0.25 * np.mean(of_cases), rel=1e-5)
