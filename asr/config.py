"""Settings: YAML and dotted overrides in, typed and checked objects out.

All keys are listed here with their defaults. Unknown or mistyped keys are rejected with their
dotted path. `conf/` contains commented examples.
"""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from asr.atomic import write_text
from asr.errors import ConfigError, one_line

DEFAULT_MODEL = "english"  # comes with the package
SETTINGS_FILE = "config.yaml"  # of a model folder
SAMPLE_RATE = 16000  # Hz
BATCH_SECONDS = 60.0  # speech per batch of the network, including padding
JOBS = 2  # threads that read audio, and the same number that decode
CHUNK_SECONDS = 0.4  # audio of a stream that goes through the network at once
RIGHT_SECONDS = 1.0  # look-ahead before the text of a stream is committed
SORT_BYTES = 2 << 30  # memory in which n-grams are sorted while a model is estimated
COMPLETIONS = 10  # most probable next words that are shown
HOST, PORT = "127.0.0.1", 2700  # of the server: this machine only, on the default port of Vosk's clients
# Streams that a machine can keep up with, as measured on two cores (docs/benchmarks.md, "Live server").
LIVE_STREAMS = 25 * (os.cpu_count() or 1)
EARLIER_LINES = {"sentences": "apart", "continuous": "running"}  # of `lines`: earlier words, in files and fingerprints


def _check_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the lower bound comes first")
    return bounds


def _rename_lines(value: Any) -> Any:
    return next((word for word, earlier in EARLIER_LINES.items() if value == earlier), value)


Cell = Literal["lstm", "gru", "rnn"]
_Lines = Annotated[Literal["sentences", "continuous"], BeforeValidator(_rename_lines)]
_Precision = Literal["auto", "fp32", "bf16"]
Range = Annotated[tuple[float, float], AfterValidator(_check_order)]
_Factor = Annotated[float, Field(gt=0.1, lt=10)]
_Factors = Annotated[tuple[_Factor, _Factor], AfterValidator(_check_order)]
_Group = TypeVar("_Group", bound="Settings")
_FROM_FILE = "file"  # context of validation


class Settings(BaseModel):
    """A group of settings; unknown keys are rejected.

    A serialization alias is a setting's earlier name. Files may still use it, and fingerprints of training runs do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _explain_errors(cls, values: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Any:
        """Check the values. Raises ConfigError if one is unknown or out of range."""
        try:
            return handler(values)
        except ValidationError as error:
            if info.context == _FROM_FILE:  # whose errors name the dotted path from the top
                raise
            raise _explain(error, cls, cls.__name__) from None

    @model_validator(mode="before")
    @classmethod
    def _rename_old_keys(cls, values: Any) -> Any:
        """Accept the earlier names of settings: their serialization aliases. The last value given counts."""
        names = {field.serialization_alias or name: name for name, field in cls.model_fields.items()}
        return {names.get(key, key): value for key, value in values.items()} if isinstance(values, dict) else values

    @classmethod
    def load(cls: type[_Group], path: Path | str | None, overrides: Sequence[str] = ()) -> _Group:
        """Read settings from a YAML file.

        Args:
            path: The file; see `conf/` for examples. None gives the defaults.
            overrides: `key.path=value` items; values are YAML (`train.epochs=3`).

        Raises:
            ConfigError: If the file cannot be read, or a key is unknown or of the wrong type.
        """
        values = {} if path is None else _read_yaml(path)
        for item in overrides:
            _override(values, item)
        try:
            return cls.model_validate(values, context=_FROM_FILE)
        except ValidationError as error:
            raise _explain(error, cls, "settings" if path is None else str(path)) from None

    def save(self, path: Path) -> None:
        """Write a YAML file that `load` can read. Raises AsrError if it cannot be written."""
        write_text(path, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


class ToolkitSettings(Settings):
    """Features as other toolkits compute them, for imported networks (signal/toolkits/)."""

    # TensorFlow's MFCC, a magnitude spectrogram (deepspeech.pytorch), Kaldi's log-mel energies, or those of NeMo.
    kind: Literal["mfcc", "spectrogram", "kaldi", "nemo"]
    num_coefficients: int = Field(26, gt=0, le=40)  # "mfcc" only
    window: Literal["hamming", "hann", "blackman", "bartlett"] = "hamming"  # "spectrogram" only
    full_scale: float = Field(1.0, gt=0)  # what the largest sample counts; Kaldi itself takes 32768
    # Mean and deviation are made 0 and 1 over a whole recording: of all its numbers together, or by band.
    normalization: Literal["none", "recording", "bands"] = "none"
    subsampling: int = Field(1, ge=1)  # frames of features for one frame of log probabilities


class FeatureSettings(Settings):
    """What the network gets to see of the sound (signal/front_end.py)."""

    # A log-mel spectrogram, or the frames of a pre-trained Whisper encoder, which is found by its name or folder.
    kind: Literal["log_mel", "whisper"] = "log_mel"
    toolkit: ToolkitSettings | None = None  # of an imported network: takes the place of the kind
    encoder: str = "tiny.en"  # "whisper" only: name of a published encoder, or a folder with CTranslate2's files
    encoder_size: int | None = Field(None, gt=0)  # numbers per frame; None: those of the published encoder
    sample_rate: int = Field(SAMPLE_RATE, gt=0)  # Hz
    # Of the log-mel spectrogram; an encoder's spectrogram is Whisper's.
    num_mels: int = Field(80, gt=0)  # bands
    window_seconds: float = Field(0.025, gt=0)
    step_seconds: float = Field(0.010, gt=0)
    prior_seconds: float = Field(1.0, gt=0)  # the training set's mean counts this much in the running mean
    # A recording's level changes nothing (signal/gain.py). Without, as in models of earlier versions, it does.
    automatic_gain: bool = True


class NormalizerSettings(Settings):
    """Normalisation of transcripts, before they are tokenized (text/normalize.py)."""

    lowercase: bool = True
    strip_punctuation: bool = True  # except apostrophes within words
    spell_out_numbers: str | None = None  # language code: "en" turns "7" into "seven"; None: digits stay
    # Language code for casing and spelling: "tr" and "az" lowercase I to ı. None: that of the numbers, if any.
    language: str | None = None
    # What becomes of annotations such as [noise], <unk> and (laughter) (text/annotations.py): "drop" removes them,
    # "keep" takes their words for speech, and with "error" an utterance that has some is refused.
    annotations: Literal["drop", "keep", "error"] = "drop"
    extra_annotations: tuple[str, ...] = ()  # names besides the usual ones, such as "bell" for [bell]


class TokenizerSettings(Settings):
    """Conversion of text to tokens (text/tokenizer.py)."""

    # "word" can recognise only words of the training texts, "phone" only words of the lexicon.
    # "piece": units of other programs, for which there is no SentencePiece model.
    kind: Literal["char", "subword", "word", "phone", "piece"] = "char"
    vocab_size: int = Field(256, gt=2)  # number of units; "subword" only
    lexicon: Path | None = None  # words and their phones, copied into the model's folder; "phone" only


class AcousticSettings(Settings):
    """The acoustic model (acoustic/model.py)."""

    cell: Cell = "lstm"
    direction: Literal["bi", "forward"] = "bi"
    num_layers: int = Field(3, ge=1)
    hidden_size: int = Field(256, ge=1)  # units per direction
    conv_channels: int = Field(32, ge=1)
    dropout: float = Field(0.3, ge=0, lt=1)


class SpecAugmentSettings(Settings):
    """Masking of features (Park et al. 2019)."""

    num_band_masks: int = Field(2, ge=0)  # none with an encoder, whose numbers are no bands
    max_bands: int = Field(20, ge=0)  # width of a band mask is drawn from 0 to this
    seconds_per_time_mask: float = Field(1.5, gt=0)  # one time mask per this many seconds
    max_frames: int = Field(40, ge=0)  # width of a time mask is drawn from 0 to this; steps of the spectrogram


class AugmentSettings(Settings):
    """Augmentation of training speech (train/augment.py); None or an empty list turns an item off."""

    speeds: list[_Factor] = [0.9, 1.0, 1.1]
    gain_db: Range | None = None  # other levels, with 16 bits; negative is quieter
    noise: Path | None = None  # a folder of recordings, or "white" for Gaussian noise
    noise_probability: float = Field(0.3, ge=0, le=1)
    noise_snr_db: Range = (5.0, 30.0)
    reverberation_probability: float = Field(0.0, ge=0, le=1)
    telephone_probability: float = Field(0.0, ge=0, le=1)  # half the usual bandwidth, eight bits per sample
    vocal_tract: _Factors | None = None  # range of the factor by which frequencies are warped, such as [0.9, 1.1]
    # That a batch's utterances are concatenated, two to four at a time.
    concatenation_probability: float = Field(0.3, ge=0, le=1, serialization_alias="join_share")
    # Share of the training before it begins: CTC starts on short utterances.
    concatenation_start: float = Field(0.5, ge=0, le=1, serialization_alias="join_after")
    spec_augment: SpecAugmentSettings | None = SpecAugmentSettings()


class LossSettings(Settings):
    """CTC and the terms added to it (acoustic/ctc.py, acoustic/ctc_crf.py)."""

    consistency_weight: float = Field(0.0, ge=0)  # CR-CTC (Yao et al. 2024); doubles the cost of a step
    intermediate_weight: float = Field(0.0, ge=0, lt=1)  # InterCTC (Lee & Watanabe 2021), at the middle layer
    # CTC-CRF (Xiang & Ou 2019), for models that are decoded with a language model
    denominator_weight: float = Field(0.0, ge=0, le=1)
    teacher_weight: float = Field(1.0, ge=0)  # distillation (Hinton et al. 2015), if there is a teacher


class OptimizerSettings(Settings):
    """AdamW with linear warm-up and cosine decay to zero."""

    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup_fraction: float = Field(0.1, ge=0, lt=1)  # of all steps
    clip_norm: float | None = Field(1.0, gt=0)
    accumulate: int = Field(1, ge=1)  # batches per step


class TrainSettings(Settings):
    """The training loop (train/trainer.py)."""

    init_from: str | None = None  # model folder, or name from `asr models`, that provides the initial weights
    # Model folder, or name from `asr models`, whose log probabilities the network learns to predict as well. It has the
    # same tokens, and is given the same variations of speech, but without masks.
    teacher: str | None = None
    epochs: int = Field(60, ge=1)
    batch_seconds: float = Field(60.0, gt=0)  # speech per batch
    precision: _Precision = "auto"
    seed: int = 1
    # Chunks of the batches that the network processes as it does streams (acoustic/chunks.py); None: no such batches.
    chunk_seconds: float | None = Field(None, gt=0)
    chunk_right_seconds: Range = (0.2, 1.0)  # their right context is drawn from this range
    chunk_share: float = Field(0.5, ge=0, le=1)  # of batches
    average: int = Field(5, ge=1)  # number of best checkpoints whose weights are averaged
    patience: int | None = Field(None, ge=1)  # stop after this many epochs without a better dev result
    max_bad_steps: int = Field(10, ge=1)  # stop after this many non-finite gradients in a row
    checkpoint_minutes: float = Field(2.0, ge=0)  # interval within an epoch; 0: after every step
    num_workers: int = Field(1, ge=0)  # processes that read audio
    # Variations of each utterance that are drawn, one epoch after the other, and whose features are kept on disk.
    # 0: others in each epoch, of which nothing is kept; None: 4 with an encoder, which takes long, else 0.
    variations: int | None = Field(None, ge=0)
    feature_cache: Path | None = None  # the folder for these features; None: run/features in that of the model
    augment: AugmentSettings = AugmentSettings()
    loss: LossSettings = LossSettings()
    optimizer: OptimizerSettings = OptimizerSettings()


class LanguageNetworkSettings(Settings):
    """The network of a recurrent language model (runtime/language_network.py)."""

    cell: Cell = "lstm"
    num_layers: int = Field(2, ge=1)
    hidden_size: int = Field(256, ge=1)
    embedding_size: int = Field(64, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)  # between layers, and before the output
    tied: bool = False  # the output layer shares the embedding's weights, through a projection if sizes differ


class LanguageTrainSettings(Settings):
    """Training of a recurrent language model (train/rnn_trainer.py)."""

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(32, ge=1)  # streams of continuous text, or sentences
    segment: int = Field(64, ge=1)  # tokens of truncated backpropagation through time
    carry_state: bool = True  # from one segment to the next
    dev_share: float = Field(0.1, gt=0, lt=1)  # of the text, held out if no development text is given
    # On the development text, evenly spaced, in addition to a few early ones.
    evaluations: int = Field(10, ge=1, serialization_alias="looks")
    precision: _Precision = "auto"
    seed: int = 1
    checkpoint_minutes: float = Field(2.0, ge=0)  # 0: after every step
    optimizer: OptimizerSettings = OptimizerSettings(learning_rate=6e-3, warmup_fraction=0.05)


# A string either way: the class Path would merge the slashes of a URL.
_PathOrUrl = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value)]


class CorpusSettings(Settings):
    """Training and development speech: manifests of lhotse cuts, written by `asr prepare` or `asr shard`."""

    train: list[_PathOrUrl] = Field(min_length=1)
    dev: list[_PathOrUrl] = Field(min_length=1)
    name: str = ""  # for the model card
    licence: str = ""


class DecoderSettings(Settings):
    """Beam search (decode/decoder.py); `asr tune` finds alpha, beta, unknown_score, blank_penalty and beam_size.

    Scores are natural logs. The thresholds may be infinite, which turns them off.
    """

    beam_size: int = Field(64, ge=1, le=1 << 18)  # prefixes kept per frame; the largest take 0.9 GB per utterance
    beam_threshold: float = Field(10.0, gt=0, allow_inf_nan=True)  # prefixes this far behind the best are dropped
    max_tokens: int | None = Field(None, ge=1)  # most probable tokens of a frame that may extend a prefix; None: all
    token_threshold: float = Field(6.0, gt=0, allow_inf_nan=True)  # tokens below e to minus this extend no prefix
    blank_skip: float = Field(0.9999, gt=0)  # frames with a blank at least this probable are skipped; above 1: none
    # Subtracted from the blank's log probability before each frame is normalised again: networks that are unsure
    # predict blanks, and words would be left out.
    blank_penalty: float = Field(0.0, ge=0, le=100)
    alpha: float = Field(0.5, ge=0)  # weight of the language model
    beta: float = Field(1.0, ge=-100, le=100)  # added for each word, or each token of a token-level model
    unknown_score: float = Field(-8.0, ge=-100, le=100)  # added for each word that the language model does not know


class ConfidenceSettings(Settings):
    """Weights of word confidences (recognize/confidence.py); `asr calibrate` fits them on development data.

    Models of earlier versions have the first four only.
    """

    bias: float
    worst_token: float  # log odds of the word's least probable token
    mean_token: float  # log odds of the mean over its tokens
    length: float  # logarithm of their number
    entropy: float = 0.0  # of the network's predictions, averaged over the utterance
    posterior: float = 0.0  # log odds of the word among the hypotheses of the search
    language: float = 0.0  # score of the language model, per word of the utterance


class SpottingSettings(Settings):
    """Weights of the confidences of phrases that were found (spotting/confidence.py).

    `asr calibrate` fits those of a model. The defaults were fitted to a good model of phones on read and volunteers'
    speech.
    """

    bias: float = -3.7808
    ratio: float = 4.7479  # score of the phrase against its background, per label
    length: float = 3.205  # logarithm of the number of labels
    background: float = -1.1809  # score of the background, per label
    rate: float = 0.8685  # logarithm of the frames per label
    least_background: float = -1.5759  # below it is no speech


class SubtitleSettings(Settings):
    """Formatting of subtitles (transcript/subtitles.py)."""

    max_line_length: int = Field(42, ge=1)  # characters; a longer word gets its own line
    max_lines: int = Field(2, ge=1)  # per subtitle
    max_seconds: float = Field(6.0, gt=0)  # display time
    min_seconds: float = Field(1.0, ge=0)  # display time, unless the next words come sooner
    characters_per_second: float = Field(17.0, gt=0)  # reading speed, unless the next words come sooner


class RescoringSettings(Settings):
    """The optional second pass (decode/rescoring.py); `asr tune` finds the weights."""

    # The hypotheses of the first pass that are rescored: how many, and how far, in natural logs, below the best.
    nbest: int = Field(16, ge=1)
    margin: float = Field(5.0, gt=0)
    keep: float = Field(0.5, ge=0)  # weight of the first pass's language score
    alpha: float = Field(0.5, ge=0)  # weight of the second language model
    beta: float = 0.0  # added for each word


class GraphSettings(Settings):
    """How an imported network, the graph in a model folder's network.onnx, is fed (runtime/imported/graph.py)."""

    source: str  # the program that it comes from
    # Frames of features that it needs before the first and after the last frame that it returns, and the number that
    # stands in them beyond the ends of a recording.
    context: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] = (0, 0)
    padding: float = 0.0
    chunk: int | None = Field(None, ge=1)  # frames of features that it takes at a time, besides those; None: any number
    streaming: bool = False  # whether it hands on its state, as live streams need


class WrittenSettings(Settings):
    """How recognised words are written out, unless the user says otherwise (transcript/written_text.py)."""

    punctuate: bool = True  # with marks and capitals, if the model's folder has a punctuator
    numbers: Literal["words", "digits"] = "words"  # "digits": numbers, dates and amounts as people write them


class ModelSettings(Settings):
    """Settings that a trained model is used with: the `config.yaml` in its folder."""

    features: FeatureSettings = FeatureSettings()
    normalizer: NormalizerSettings = NormalizerSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    acoustic: AcousticSettings = AcousticSettings()
    decoder: DecoderSettings = DecoderSettings()
    rescoring: RescoringSettings = RescoringSettings()
    confidence: ConfidenceSettings | None = None  # None: not calibrated
    graph: GraphSettings | None = None  # of an imported network, to which `acoustic` does not apply
    spotting: SpottingSettings = SpottingSettings()
    written: WrittenSettings = WrittenSettings()

    @classmethod
    def load_saved(cls, path: Path) -> "ModelSettings":
        """Read the settings of a model folder, with the defaults of the version that wrote them."""
        settings = cls.load(path)
        if "automatic_gain" in settings.features.model_fields_set:
            return settings
        features = settings.features.model_copy(update={"automatic_gain": False})
        return settings.model_copy(update={"features": features})


class Config(ModelSettings):
    """Settings of a whole training run."""

    corpus: CorpusSettings
    output: Path
    train: TrainSettings = TrainSettings()


class LanguageTokenizerSettings(TokenizerSettings):
    """Tokens of a recurrent language model; word tokens would limit it to the words of its training text."""

    kind: Literal["char", "subword"] = "char"


class LanguageSettings(Settings):
    """Settings that a recurrent language model is used with: the `config.yaml` in its folder."""

    lines: _Lines = "sentences"  # each line is a separate sentence, or all lines are continuous text
    normalizer: NormalizerSettings | None = NormalizerSettings()  # None: text is not normalised
    tokenizer: LanguageTokenizerSettings = LanguageTokenizerSettings()
    network: LanguageNetworkSettings = LanguageNetworkSettings()


class LanguageConfig(LanguageSettings):
    """Settings of a training run of a recurrent language model."""

    train: LanguageTrainSettings = LanguageTrainSettings()


class PunctuatorNetworkSettings(Settings):
    """The network that predicts marks and capitals (runtime/punctuator_network.py)."""

    num_words: int = Field(12000, ge=0)  # the most frequent words, which have vectors of their own
    num_pieces: int = Field(8192, ge=1)  # vectors that the beginnings and ends of all words share, by hash
    embedding_size: int = Field(64, ge=1)
    num_layers: int = Field(2, ge=1)
    hidden_size: int = Field(128, ge=1)  # units per direction
    dropout: float = Field(0.1, ge=0, lt=1)


class PunctuatorWindowSettings(Settings):
    """The words that the network sees at once: a block, whose marks it decides, and the context on both sides."""

    left: int = Field(32, ge=0)
    block: int = Field(32, ge=1)
    right: int = Field(16, ge=1)  # look-ahead


class PunctuatorTrainSettings(Settings):
    """Training of a punctuator (train/punctuator/trainer.py)."""

    epochs: int = Field(3, ge=1)
    batch_size: int = Field(32, ge=1)  # windows
    evaluations: int = Field(10, ge=1)  # on the development text, evenly spaced
    capital_weight: float = Field(0.5, ge=0)  # of the capitals' loss, beside that of the marks
    silence_probability: float = Field(0.5, ge=0, le=1)  # share of windows whose silences are known
    # Shares of words whose own vector is withheld, as if they were rare, and that are replaced by others, as a
    # recogniser may.
    unknown_probability: float = Field(0.05, ge=0, le=1)
    noise_probability: float = Field(0.02, ge=0, le=1)
    precision: _Precision = "auto"
    seed: int = 1
    checkpoint_minutes: float = Field(2.0, ge=0)  # 0: after every step
    optimizer: OptimizerSettings = OptimizerSettings(learning_rate=3e-3, warmup_fraction=0.02)


class PunctuatorSettings(Settings):
    """Settings that a punctuator is used with: the `config.yaml` in its folder."""

    normalizer: NormalizerSettings = NormalizerSettings()
    network: PunctuatorNetworkSettings = PunctuatorNetworkSettings()
    window: PunctuatorWindowSettings = PunctuatorWindowSettings()


class PunctuatorConfig(PunctuatorSettings):
    """Settings of a training run of a punctuator."""

    train: PunctuatorTrainSettings = PunctuatorTrainSettings()


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number; in YAML 1.1 it would be text, because it has no dot."""


_EXPONENT = re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def _read_yaml(path: Path | str) -> dict[str, Any]:
    try:
        values = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {one_line(error)}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected `key: value` lines, found {type(values).__name__}")
    return values


def _override(values: dict[str, Any], item: str) -> None:
    key, equals, text = item.partition("=")
    if not equals or not key:
        raise ConfigError(f"{item!r}: expected an override like key.path=value")
    *parents, last = key.split(".")
    for parent in parents:
        if not isinstance(values.get(parent), dict):
            values[parent] = {}
        values = values[parent]
    values.pop(last, None)  # the last of several names and values counts
    try:
        values[last] = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError:
        raise ConfigError(f"{item!r}: {text!r} is not a YAML value") from None


def _explain(error: ValidationError, kind: type[BaseModel], source: str) -> ConfigError:
    return ConfigError(f"{source}: {'; '.join(_describe(problem, kind) for problem in error.errors())}")


def _describe(problem: Any, kind: type[Any]) -> str:
    location = ".".join(map(str, problem["loc"]))
    if problem["type"] != "extra_forbidden":
        return f"{location}: {problem['msg'].lower()} (found {problem['input']!r})"
    for part in problem["loc"][:-1]:  # down to the group that lacks the key
        field = kind.model_fields[part].annotation
        kinds = [field, *getattr(field, "__args__", ())]
        kind = next(k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel))
    return f"{location}: no such setting; there are: {', '.join(sorted(kind.model_fields))}"
