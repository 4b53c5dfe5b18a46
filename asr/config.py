"""Settings: YAML in, dotted overrides on top, typed and checked objects out.

Every key is listed here with its default; an unknown or mistyped one is refused by its
dotted path. `conf/` holds commented files.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from asr.atomic import atomic_write
from asr.errors import ConfigError

DEFAULT_MODEL = "english"  # of the models that come with the package
BATCH_SECONDS = 60.0  # of speech, padding included, that go through the network together
JOBS = 2  # threads that read audio, and as many that decode
CHUNK_SECONDS = 0.4  # of a stream that go through the network at a time
RIGHT_SECONDS = 1.0  # of look-ahead before the text of a stream is committed
HOST, PORT = "127.0.0.1", 2700  # of the server: this machine alone, and the port where Vosk's clients look first
# That a machine can be trusted to follow in time: measured on two cores, and one thread reads them all (docs/live.md).
LIVE_STREAMS = 12 * min(2, os.cpu_count() or 1)


def _check_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the lower bound comes first")
    return bounds


Range = Annotated[tuple[float, float], AfterValidator(_check_order)]


class Settings(BaseModel):
    """A group of settings that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FeatureSettings(Settings):
    """Log-mel spectrogram (signal/features.py)."""

    sample_rate: int = Field(16000, gt=0)  # Hz
    num_mels: int = Field(80, gt=0)
    window_seconds: float = Field(0.025, gt=0)
    step_seconds: float = Field(0.010, gt=0)
    prior_seconds: float = Field(1.0, gt=0)  # weight of the training set's mean in the running mean


class NormalizerSettings(Settings):
    """What happens to a transcript before it is spelled (text/normalize.py)."""

    lowercase: bool = True
    strip_punctuation: bool = True  # apostrophes within words stay
    spell_out_numbers: str | None = None  # a language such as "en" turns "7" into "seven"


class TokenizerSettings(Settings):
    """How text becomes tokens (text/tokenizer.py)."""

    # word: no word but those of the training texts is ever heard; phone: none but those of the lexicon.
    kind: Literal["char", "subword", "word", "phone"] = "char"
    vocab_size: int = Field(256, gt=2)  # subword units; others need none
    lexicon: Path | None = None  # for phones: a file of words and their phones, kept in the model's folder


class AcousticSettings(Settings):
    """The network (acoustic/model.py)."""

    cell: Literal["lstm", "gru", "rnn"] = "lstm"
    direction: Literal["bi", "forward"] = "bi"
    num_layers: int = Field(3, ge=1)
    hidden_size: int = Field(256, ge=1)  # units a direction
    conv_channels: int = Field(32, ge=1)
    dropout: float = Field(0.3, ge=0, lt=1)


class SpecAugmentSettings(Settings):
    """Masks over features (Park et al. 2019)."""

    num_band_masks: int = Field(2, ge=0)
    max_bands: int = Field(20, ge=0)
    seconds_per_time_mask: float = Field(1.5, gt=0)  # one mask is drawn for each so many seconds
    max_frames: int = Field(40, ge=0)


class AugmentSettings(Settings):
    """What is done to training speech (signal/augment.py); each item is off when None or empty."""

    speeds: list[Annotated[float, Field(gt=0.1, lt=10)]] = [0.9, 1.0, 1.1]
    gain_db: Range | None = None
    noise: Path | None = None  # a folder of recordings, or "white" for Gaussian noise
    noise_probability: float = Field(0.3, ge=0, le=1)
    noise_snr_db: Range = (5.0, 30.0)
    reverberation_probability: float = Field(0.0, ge=0, le=1)
    telephone_probability: float = Field(0.0, ge=0, le=1)  # half the usual bandwidth, eight bits a sample
    join_share: float = Field(0.3, ge=0, le=1)  # of batches, whose utterances are joined to recordings of two to four
    join_after: float = Field(0.5, ge=0, le=1)  # share of the training before: CTC learns to spell from short ones
    spec_augment: SpecAugmentSettings | None = SpecAugmentSettings()


class LossSettings(Settings):
    """CTC and what is added to it (acoustic/ctc.py, acoustic/denominator.py)."""

    consistency_weight: float = Field(0.0, ge=0)  # CR-CTC (Yao et al. 2024); doubles the work of a step
    intermediate_weight: float = Field(0.0, ge=0, lt=1)  # InterCTC (Lee & Watanabe 2021), at the middle layer
    # CTC-CRF (Xiang & Ou 2019), for what is decoded with a language model
    denominator_weight: float = Field(0.0, ge=0, le=1)


class OptimizerSettings(Settings):
    """AdamW with linear warm-up and cosine decay to zero."""

    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup_fraction: float = Field(0.1, ge=0, lt=1)  # of all steps
    clip_norm: float | None = Field(1.0, gt=0)
    accumulate: int = Field(1, ge=1)  # batches a step


class TrainSettings(Settings):
    """The loop (train/trainer.py)."""

    init_from: str | None = None  # a model folder, or a name that `asr models` lists, whose weights are the start
    epochs: int = Field(60, ge=1)
    batch_seconds: float = Field(60.0, gt=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 1
    chunk_seconds: float | None = Field(None, gt=0)  # some batches are read as streams with such chunks are (chunks.py)
    chunk_right_seconds: Range = (0.2, 1.0)  # and with a right context drawn from these
    chunk_share: float = Field(0.5, ge=0, le=1)  # of batches
    average: int = Field(5, ge=1)  # best checkpoints whose weights are averaged
    patience: int | None = Field(None, ge=1)  # epochs without a better dev result (`Trainer.rank`) before it stops
    max_bad_steps: int = Field(10, ge=1)  # non-finite gradients in a row before training stops
    checkpoint_minutes: float = Field(2.0, ge=0)  # between checkpoints within an epoch; 0: after every step
    num_workers: int = Field(1, ge=0)  # processes that read audio
    augment: AugmentSettings = AugmentSettings()
    loss: LossSettings = LossSettings()
    optimizer: OptimizerSettings = OptimizerSettings()


class LanguageNetworkSettings(Settings):
    """The network of a recurrent language model (language/network.py)."""

    cell: Literal["lstm", "gru", "rnn"] = "lstm"
    num_layers: int = Field(2, ge=1)
    hidden_size: int = Field(256, ge=1)
    embedding_size: int = Field(64, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)  # between layers, and before the output
    tied: bool = False  # the output reads the embedding's weights; through a projection where sizes differ


class LanguageTrainSettings(Settings):
    """Training of a recurrent language model (train/language_trainer.py)."""

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(32, ge=1)  # streams of text, or sentences, that are read side by side
    segment: int = Field(64, ge=1)  # tokens that gradients flow back through
    carry_state: bool = True  # from a segment to the next
    dev_share: float = Field(0.1, gt=0, lt=1)  # of the text, held out where no development text is given
    looks: int = Field(10, ge=1)  # at the development text, evenly spread; a few early ones come on top
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 1
    checkpoint_minutes: float = Field(2.0, ge=0)  # 0: after every step
    optimizer: OptimizerSettings = OptimizerSettings(learning_rate=6e-3, warmup_fraction=0.05)


class CorpusSettings(Settings):
    """Where the speech is: manifests of lhotse cuts, as `asr prepare` writes them."""

    train: list[Path] = Field(min_length=1)
    dev: list[Path] = Field(min_length=1)
    name: str = ""  # for the model card
    licence: str = ""


class DecoderSettings(Settings):
    """Beam search (decode/beam.py); `asr tune` finds alpha, beta, unknown_score, blank_penalty and beam_size."""

    beam_size: int = Field(64, ge=1)
    beam_threshold: float = Field(10.0, gt=0)  # natural log; prefixes this far behind the best are dropped
    max_tokens: int | None = Field(None, ge=1)  # tokens a frame that may extend a prefix
    token_threshold: float = Field(6.0, gt=0)  # less probable tokens than e to minus this extend no prefix
    blank_skip: float = Field(0.9999, gt=0)  # frames whose blank is at least so probable are skipped
    blank_penalty: float = Field(0.0, ge=0)  # taken from the blank's log probability, so that fewer words are left out
    alpha: float = Field(0.5, ge=0)  # weight of the language model
    beta: float = 1.0  # added for each word
    unknown_score: float = -8.0  # added for each word that the language model does not know


class ConfidenceSettings(Settings):
    """Word confidences (recognize/confidence.py); `asr calibrate` fits them on development data."""

    bias: float
    worst_token: float
    mean_token: float
    length: float


class SubtitleSettings(Settings):
    """How words become subtitles (recognize/subtitles.py)."""

    max_line_length: int = Field(42, ge=1)  # characters; a longer word gets a line of its own
    max_lines: int = Field(2, ge=1)  # on the screen at once
    max_seconds: float = Field(6.0, gt=0)  # on the screen
    min_seconds: float = Field(1.0, ge=0)  # where the next words leave the time
    characters_per_second: float = Field(17.0, gt=0)  # that people read; likewise


class RescoringSettings(Settings):
    """The second pass, where there is one (decode/rescoring.py); `asr tune` finds the weights."""

    nbest: int = Field(32, ge=1)  # hypotheses of the first pass that are read again
    keep: float = Field(0.5, ge=0)  # share of the first pass's language score that stays
    alpha: float = Field(0.5, ge=0)  # weight of the second language model
    beta: float = 0.0  # added for each word


class ModelSettings(Settings):
    """What a trained model needs to be used again; its folder's `config.yaml`."""

    features: FeatureSettings = FeatureSettings()
    normalizer: NormalizerSettings = NormalizerSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    acoustic: AcousticSettings = AcousticSettings()
    decoder: DecoderSettings = DecoderSettings()
    rescoring: RescoringSettings = RescoringSettings()
    confidence: ConfidenceSettings | None = None  # not calibrated


class Config(ModelSettings):
    """A whole training run."""

    corpus: CorpusSettings
    output: Path
    train: TrainSettings = TrainSettings()


class LanguageTokenizerSettings(TokenizerSettings):
    """How a recurrent language model reads text: words as tokens could not spell those of other texts."""

    kind: Literal["char", "subword"] = "char"


class LanguageSettings(Settings):
    """What a recurrent language model needs to be used again; its folder's `config.yaml`."""

    lines: Literal["apart", "running"] = "apart"  # each a sentence by itself, or text that runs on through them
    normalizer: NormalizerSettings | None = NormalizerSettings()  # None takes the text as it is
    tokenizer: LanguageTokenizerSettings = LanguageTokenizerSettings()
    network: LanguageNetworkSettings = LanguageNetworkSettings()


class LanguageConfig(LanguageSettings):
    """A training of a recurrent language model."""

    train: LanguageTrainSettings = LanguageTrainSettings()


_Kind = TypeVar("_Kind", bound=Settings)


def load_config(path: Path | str, overrides: Sequence[str] = ()) -> Config:
    """Read a training configuration.

    Args:
        path: A YAML file; `conf/` has examples.
        overrides: `key.path=value` items; values are YAML (`train.epochs=3`).

    Raises:
        ConfigError: If the file cannot be read, or a key is unknown or of the wrong type.
    """
    return _load(Config, path, overrides)


def load_language_config(path: Path | str | None, overrides: Sequence[str] = ()) -> LanguageConfig:
    """Read how to train a recurrent language model; None: the defaults.

    Raises:
        ConfigError: As `load_config`.
    """
    return _load(LanguageConfig, path, overrides)


def load_model_settings(path: Path | str) -> ModelSettings:
    """Read a model folder's `config.yaml`.

    Raises:
        ConfigError: As `load_config`.
    """
    return _validate(ModelSettings, read_yaml(path), str(path))


def load_language_settings(path: Path | str) -> LanguageSettings:
    """Read the `config.yaml` of a recurrent language model's folder.

    Raises:
        ConfigError: As `load_config`.
    """
    return _validate(LanguageSettings, read_yaml(path), str(path))


def dump_yaml(settings: Settings) -> str:
    """Settings as YAML text that `load_config` or `load_model_settings` reads back."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def write_yaml(settings: Settings, path: Path) -> None:
    """Write settings as `dump_yaml` gives them, whole or not at all. Raises AsrError if that cannot be done."""
    with atomic_write(path) as partial:
        partial.write_text(dump_yaml(settings), encoding="utf-8")


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML mapping. Raises ConfigError if it cannot."""
    try:
        values = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected `key: value` lines, found {type(values).__name__}")
    return values


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-3 as text, for want of a dot; people mean the number."""


_Loader.yaml_implicit_resolvers = {key: list(value) for key, value in yaml.SafeLoader.yaml_implicit_resolvers.items()}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _load(kind: type[_Kind], path: Path | str | None, overrides: Sequence[str]) -> _Kind:
    values = {} if path is None else read_yaml(path)
    for item in overrides:
        _override(values, item)
    return _validate(kind, values, "settings" if path is None else str(path))


def _override(values: dict[str, Any], item: str) -> None:
    key, equals, text = item.partition("=")
    if not equals or not key:
        raise ConfigError(f"{item!r}: an override is written key.path=value")
    *parents, last = key.split(".")
    for parent in parents:
        child = values.get(parent)
        if not isinstance(child, dict):
            child = values[parent] = {}
        values = child
    try:
        values[last] = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError:
        raise ConfigError(f"{item!r}: {text!r} is not a YAML value") from None


def _validate(kind: type[_Kind], values: dict[str, Any], source: str) -> _Kind:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_describe(problem, kind) for problem in error.errors())
        raise ConfigError(f"{source}: {problems}") from None


def _describe(problem: Any, kind: type[Any]) -> str:
    location = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{location}: {problem['msg'].lower()} (found {problem['input']!r})"
    known = ", ".join(sorted(_group(kind, problem["loc"][:-1])))
    return f"{location}: no such setting; there are: {known}"


def _group(kind: type[Any], location: Sequence[Any]) -> list[str]:
    """The keys of the settings group at a location."""
    for part in location:
        field = kind.model_fields[part].annotation
        kinds = [field, *getattr(field, "__args__", ())]
        kind = next(k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel))
    return list(kind.model_fields)
