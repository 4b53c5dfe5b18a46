"""Whole trainings on the frames of a stand-in for an encoder, whose features are kept on disk."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from asr.config import Config, ModelSettings
from asr.corpus.cuts import load_cuts
from asr.errors import ConfigError, TrainingInterrupted
from asr.evaluate.evaluate import evaluate
from asr.recognize.recognizer import load_model
from asr.recognize.streaming.recognizer import StreamingRecognizer
from asr.signal.audio import load_audio
from asr.train.dataset import Batch
from asr.train.run import train
from asr.train.trainer import Trainer
from tests.encoders import StandInEncoder
from tests.train.test_run import assert_equal_weights

SETTINGS = ["features.kind=whisper", "features.encoder_size=6", "train.augment.concatenation_start=0"]
NUM_TRAIN, NUM_DEV = 48, 12


@pytest.fixture
def big(stand_in: StandInEncoder, monkeypatch: pytest.MonkeyPatch) -> StandInEncoder:
    """A stand-in that keeps enough of the spectrogram to tell tones apart."""
    encoder = StandInEncoder(24)
    monkeypatch.setattr("asr.signal.whisper.load_encoder", lambda name, size, num_threads: encoder)
    return encoder


def test_a_network_learns_the_language_of_tones_from_an_encoders_frames(
    conf: Path, tone_manifests: Path, tmp_path: Path, big: StandInEncoder
):
    settings = ["features.kind=whisper", "features.encoder_size=24", "train.epochs=16", "train.average=3"]
    output = train(Config.load(conf, settings))
    recognizer = load_model(output)
    assert recognizer.runner.frame_seconds == 0.04
    dev = load_cuts([tone_manifests / "dev.jsonl.gz"])
    assert evaluate(recognizer, dev).rates.wer < 0.15
    card = (output / "README.md").read_text()
    assert "the encoder of Whisper tiny.en, whose weights are not part of this model" in card
    # A live stream, whose windows are not those of the whole recording, says the same.
    path = dev[next(iter(dev.ids))].recording.sources[0].source
    streaming = StreamingRecognizer(recognizer)
    for block in np.array_split(load_audio(path, sample_rate=16000), 7):
        streaming.feed(block)
    assert streaming.finish().text == recognizer.transcribe(path).text != ""
    # From it another training starts, with its features.
    other = train(Config.load(conf, [f"output={tmp_path / 'other'}", f"train.init_from={output}", "train.epochs=1"]))
    assert ModelSettings.load(other / "config.yaml").features == recognizer.settings.features
    assert evaluate(load_model(other), dev).rates.wer < 0.2


def test_an_utterance_is_encoded_once_for_each_variation(conf: Path, stand_in: StandInEncoder):
    settings = [*SETTINGS, "train.variations=2", "train.augment.concatenation_probability=0.5", "train.epochs=5"]
    config = Config.load(conf, settings)
    train(config)
    # Two variations of what is trained on, and all as recorded: for the statistics, and for watching.
    kept = list((config.output / "run" / "features").rglob("*.npy"))
    assert len(kept) == 2 * NUM_TRAIN + NUM_TRAIN + NUM_DEV
    assert {np.load(path).dtype for path in kept} == {np.dtype(np.float16)}
    assert len(stand_in.seen) == len(kept) + NUM_DEV  # once more by the finished model, whose confidences are fitted
    # Another run that shares the folder encodes nothing, and learns the same.
    settings.append(f"train.feature_cache={config.output / 'run' / 'features'}")

    def encoded(name: str, *changes: str) -> int:
        stand_in.seen.clear()
        train(Config.load(conf, [*settings, f"output={conf.parent / name}", *changes]))
        return len(stand_in.seen) - NUM_DEV

    assert encoded("other", "train.num_workers=1") == 0
    assert_equal_weights(config.output, conf.parent / "other")
    assert encoded("masks", "train.augment.spec_augment=null", "train.epochs=1") == 0, "masks come after the cache"
    assert encoded("slow", "train.augment.speeds=[0.9]", "train.epochs=1") > NUM_TRAIN, "speeds come before it"


def test_without_variations_each_epoch_draws_its_own(conf: Path, stand_in: StandInEncoder):
    config = Config.load(conf, [*SETTINGS, "train.variations=0", "train.augment.concatenation_probability=0"])
    train(config)
    assert not (config.output / "run" / "features").exists()
    lengths = Counter(len(mel) for mel in stand_in.seen)
    assert sum(lengths.values()) >= 3 * NUM_TRAIN  # two epochs and the statistics


def test_a_stopped_run_reaches_the_same_weights(conf: Path, stand_in: StandInEncoder, monkeypatch: pytest.MonkeyPatch):
    settings = [*SETTINGS, "train.variations=2", "train.epochs=4"]
    whole = train(Config.load(conf, [*settings, f"output={conf.parent / 'whole'}"]))
    config, step = Config.load(conf, settings), Trainer.step

    def stop(trainer: Trainer, group: list[Batch]) -> None:
        step(trainer, group)
        trainer.stop_requested = trainer.state.steps == 5

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", stop)
        with pytest.raises(TrainingInterrupted):
            train(config)
    kept = sorted((config.output / "run" / "features").rglob("*.npy"))
    kept[0].write_bytes(b"cut off")
    kept[1].unlink()
    train(config, resume=True)
    assert_equal_weights(whole, config.output)


def test_variations_of_log_mel_features_may_be_kept_as_well(conf: Path, tone_manifests: Path):
    settings = ["train.variations=2", "train.epochs=16", "train.average=3"]
    config = Config.load(conf, settings)
    output = train(config)
    assert len(list((output / "run" / "features").rglob("*.npy"))) == 3 * NUM_TRAIN + NUM_DEV
    assert evaluate(load_model(output), load_cuts([tone_manifests / "dev.jsonl.gz"])).rates.wer < 0.15
    assert not (train(Config.load(conf, [f"output={conf.parent / 'plain'}"])) / "run" / "features").exists()


def test_bands_that_there_are_none_of_cannot_be_warped(conf: Path, stand_in: StandInEncoder):
    with pytest.raises(ConfigError, match=r"train\.augment\.vocal_tract: .* no bands"):
        train(Config.load(conf, [*SETTINGS, "train.augment.vocal_tract=[0.9, 1.1]"]))
