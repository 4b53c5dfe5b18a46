from collections.abc import Callable
from pathlib import Path

import pytest

from asr.config import (
    AugmentSettings,
    Config,
    DecoderSettings,
    LanguageConfig,
    LanguageTrainSettings,
    ModelSettings,
    PunctuatorConfig,
    Settings,
    TrainSettings,
)
from asr.errors import ConfigError

MINIMAL = "corpus: {train: [a.jsonl.gz], dev: [b.jsonl.gz]}\noutput: out\n"
ROOT = Path(__file__).parent.parent


def write(folder: Path, text: str) -> Path:
    path = folder / "conf.yaml"
    path.write_text(text)
    return path


def test_overrides_reach_any_depth(tmp_path: Path):
    config = Config.load(write(tmp_path, MINIMAL), ["train.optimizer.learning_rate=1e-4", "acoustic.cell=gru"])
    assert config.train.optimizer.learning_rate == 1e-4  # YAML 1.1 would read a string
    assert config.acoustic.cell == "gru"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.epoch=3"], "train.epoch: no such setting; there are: .*epochs"),
        (["train.augment.spec_augment.width=3"], r"train\.augment\.spec_augment\.width: no such setting"),
        (["train.epochs=many"], r"train\.epochs: .*'many'"),
        (["acoustic.cell=transformer"], r"acoustic\.cell: .*lstm"),
        (["train.augment.gain_db=[5, -10]"], r"train\.augment\.gain_db: .*lower bound"),
        (["train.augment.speeds=[0]"], r"train\.augment\.speeds\.0: .*greater than"),
        (["train.optimizer.learning_rate=.inf"], r"learning_rate: .*finite"),
        (["train.epochs"], "key.path=value"),
        (["train=[1"], "not a YAML value"),
    ],
)
def test_a_wrong_setting_is_named_by_its_path(tmp_path: Path, overrides: list[str], message: str):
    with pytest.raises(ConfigError, match=message):
        Config.load(write(tmp_path, MINIMAL), overrides)


@pytest.mark.parametrize(
    ("text", "message"), [("- 1\n", "key: value"), ("a: [", "not YAML"), ("output: x\n", "corpus")]
)
def test_a_malformed_file_is_refused(tmp_path: Path, text: str, message: str):
    with pytest.raises(ConfigError, match=message):
        Config.load(write(tmp_path, text))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DecoderSettings(beam_size=0), r"^DecoderSettings: beam_size: .*greater than.* \(found 0\)$"),
        (lambda: TrainSettings(loss={"weight": 1}), r"^LossSettings: weight: no such setting; there are: consistency"),
        (lambda: LanguageTrainSettings(looks=0), r"^LanguageTrainSettings: evaluations: "),
    ],
)
def test_settings_built_in_python_raise_the_same_errors(build: Callable[[], Settings], message: str):
    with pytest.raises(ConfigError, match=message):
        build()


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.load(tmp_path / "none.yaml")


def test_settings_survive_being_written(tmp_path: Path):
    config = Config.load(write(tmp_path, MINIMAL), ["acoustic.num_layers=5"])
    config.save(tmp_path / "again.yaml")
    assert Config.load(tmp_path / "again.yaml") == config


@pytest.mark.parametrize(
    ("earlier", "name"), [("join_share", "concatenation_probability"), ("join_after", "concatenation_start")]
)
def test_settings_may_have_their_earlier_names(tmp_path: Path, earlier: str, name: str):
    key = "train.augment."

    def load(in_file: str, *overrides: str) -> AugmentSettings:
        path = write(tmp_path, f"{MINIMAL}train: {{augment: {{{in_file}: 0.7}}}}\n")
        return Config.load(path, [f"{key}{override}" for override in overrides]).train.augment

    assert load(earlier) == load(name) == AugmentSettings(**{name: 0.7}) == AugmentSettings(**{earlier: 0.7})
    # The last value counts, under whichever name.
    assert load(name, f"{earlier}=0.2") == load(earlier, f"{name}=0.2") == AugmentSettings(**{name: 0.2})
    assert load(name, f"{earlier}=0.2", f"{name}=0.4") == AugmentSettings(**{name: 0.4})
    with pytest.raises(ConfigError, match=rf"train\.augment\.{name}: input should be less"):
        load(name, f"{earlier}=2")


@pytest.mark.parametrize(("earlier", "word"), [("apart", "sentences"), ("running", "continuous")])
def test_lines_may_have_their_earlier_words(earlier: str, word: str):
    assert LanguageConfig.load(None, [f"lines={earlier}"]) == LanguageConfig.load(None, [f"lines={word}"])
    assert LanguageConfig.load(None, [f"lines={earlier}"]).lines == word


def test_lines_of_another_kind_are_refused():
    with pytest.raises(ConfigError, match=r"lines: input should be 'sentences' or 'continuous' \(found \[1\]\)"):
        LanguageConfig.load(None, ["lines=[1]"])


CONFIGS = sorted((ROOT / "conf").glob("*.yaml"))
LANGUAGE_CONFIGS = {path for path in CONFIGS if "\nnetwork:" in path.read_text(encoding="utf-8")}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_settings_that_ship_are_valid(path: Path):
    if path.name == "punctuator.yaml":
        assert PunctuatorConfig.load(path).window.right > 0
    elif path in LANGUAGE_CONFIGS:
        assert LanguageConfig.load(path).network.hidden_size > 0
    else:
        assert Config.load(path).output.name


@pytest.mark.parametrize(
    "path", sorted((ROOT / "asr" / "models").glob("*/config.yaml")), ids=lambda path: path.parent.name
)
def test_the_models_that_ship_have_valid_settings(path: Path):
    assert ModelSettings.load(path).features.sample_rate == 16000
