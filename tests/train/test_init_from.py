"""Training that starts from another model's weights."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from asr.acoustic.model import AcousticModel
from asr.acoustic.weights import build_acoustic, load_weights
from asr.config import AcousticSettings, Config, DecoderSettings, FeatureSettings, ModelSettings, RescoringSettings
from asr.errors import ConfigError, ModelError
from asr.recognize.model_folder import Model, read_model
from asr.train.init_from import copy_weights, inherit_architecture, inherit_decoder_settings
from asr.train.run import train
from asr.weights import Weights
from tests import models
from tests.train.recording import RecordingReporter


def make_model(symbols: str, seed: int, **sizes: int) -> Model:
    settings = ModelSettings(
        features=FeatureSettings(num_mels=12),
        acoustic=AcousticSettings(**{"num_layers": 1, "hidden_size": 8, "conv_channels": 2} | sizes),
    )
    return models.make_model(settings, symbols=["<blank>", *symbols], seed=seed, head_scale=1)


def build(model: Model) -> AcousticModel:
    """The model's network in torch."""
    network = build_acoustic(model.settings, model.tokenizer.vocab_size).eval()
    load_weights(network, model.weights)
    return network


def test_symbols_that_both_alphabets_hold_keep_their_probabilities_relative_to_one_another():
    base, model = make_model("abc", 0), make_model(" cxa", 1)
    base = dataclasses.replace(base, weights=Weights({**base.weights, "feature_mean": np.full(12, 3.0, np.float32)}))
    network = build(model)
    assert copy_weights(base.weights, base.tokenizer, network, model.tokenizer) == 3
    features, lengths = torch.randn(1, 40, 12), torch.tensor([40])
    with torch.inference_mode():
        before = build(base)(features, lengths).log_probs[..., [0, 1, 3]]  # blank, a, c
        after = network(features, lengths).log_probs[..., [0, 4, 2]]
    torch.testing.assert_close(after - after[..., :1], before - before[..., :1])
    np.testing.assert_array_equal(network.feature_mean, base.weights["feature_mean"])


def test_sizes_and_features_are_the_bases_and_dropout_is_the_recipes():
    base = make_model("ab", 0, hidden_size=16)
    recipe = ModelSettings(acoustic=AcousticSettings(hidden_size=99, dropout=0.45))
    merged = inherit_architecture(recipe, base)
    assert merged.features == base.settings.features
    assert (merged.acoustic.hidden_size, merged.acoustic.dropout) == (16, 0.45)
    assert merged.tokenizer == recipe.tokenizer


def test_another_front_end_than_the_bases_is_refused():
    recipe = ModelSettings(features=FeatureSettings(kind="whisper"))
    with pytest.raises(
        ConfigError, match=r"features\.kind: whisper, but .* has log_mel; start from a model with whisper"
    ):
        inherit_architecture(recipe, base := make_model("ab", 0))
    encoder = base.settings.features.model_copy(update={"kind": "whisper", "encoder": "tiny.en"})
    base = dataclasses.replace(base, settings=base.settings.model_copy(update={"features": encoder}))
    recipe = ModelSettings(features=FeatureSettings(kind="whisper", encoder="tiny"))
    with pytest.raises(ConfigError, match=r"features\.encoder: tiny, but the model to start from has tiny\.en"):
        inherit_architecture(recipe, base)


def test_decoder_weights_are_the_bases_if_the_recipe_sets_none():
    base = make_model("ab", 0)
    tuned = DecoderSettings(alpha=1.3, beam_size=256, blank_penalty=0.4)
    settings = base.settings.model_copy(update={"decoder": tuned, "rescoring": RescoringSettings(alpha=0.9)})
    recipe = ModelSettings.model_validate({"decoder": {"beam_threshold": 15.0, "alpha": 0.0}})
    merged = inherit_decoder_settings(recipe, dataclasses.replace(base, settings=settings))
    assert merged.decoder == tuned.model_copy(update={"beam_threshold": 15.0, "alpha": 0.0})
    assert merged.rescoring.alpha == 0.9


def test_a_run_starts_where_the_base_ended_and_resumes(conf: Path, tmp_path: Path):
    reporter = RecordingReporter()
    base = train(Config.load(conf, ["train.epochs=3", "decoder.alpha=1.3", f"output={tmp_path / 'base'}"]))
    # Other sizes than the base's give way; at such a learning rate nothing moves.
    settings = [f"train.init_from={base}", "acoustic.hidden_size=50", "train.optimizer.learning_rate=1e-12"]
    tuned = train(Config.load(conf, [*settings, "train.epochs=1", f"output={tmp_path / 'tuned'}"]), reporter=reporter)
    reported = reporter.text
    assert "starting from" in reported
    before, after = (re.search(rf"{name}: (.*)", reported)[1] for name in ("before training", "best epoch"))
    assert before == after
    assert "no better on dev than" in reported
    assert read_model(tuned).settings.decoder.alpha == 1.3
    ours, theirs = read_model(tuned).weights, read_model(base).weights
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], atol=2e-3, rtol=2e-3)  # float16 in between


def test_a_base_with_other_symbols_is_not_compared_on_dev(conf: Path, tmp_path: Path):
    reporter = RecordingReporter()
    base = train(Config.load(conf, ["train.epochs=1", f"output={tmp_path / 'base'}"]))
    words = ["tokenizer.kind=word", f"train.init_from={base}", "train.epochs=1", f"output={tmp_path / 'words'}"]
    train(Config.load(conf, words), reporter=reporter)
    assert "best epoch" in reporter.text
    assert "before training" not in reporter.text


def test_a_missing_base_is_an_error(conf: Path):
    with pytest.raises(ModelError, match="no such model"):
        train(Config.load(conf, ["train.init_from=nowhere"]))
