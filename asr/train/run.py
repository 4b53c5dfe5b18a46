"""A whole training run: settings in, model folder out.

Loads the corpus without utterances that cannot be learnt from, makes the alphabet and the feature statistics of the
training speech, trains, averages, and writes the folder with its card.
"""

import hashlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from lhotse import CutSet
from lightning_fabric import Fabric

from asr.acoustic.ctc_crf import Denominator, estimate_trigrams
from asr.acoustic.model import AcousticModel
from asr.acoustic.weights import build_acoustic, get_weights
from asr.atomic import write_text
from asr.config import Config, ModelSettings
from asr.corpus.doctor import Examined
from asr.corpus.feature_cache import FeatureCache
from asr.corpus.packed import PackedCuts
from asr.corpus.usable import keep, load_usable
from asr.errors import ConfigError, CorpusError, TrainingError
from asr.evaluate.calibrate import calibrate_greedy
from asr.model_files import WEIGHTS_FILE
from asr.recognize.model_folder import Model, find_model, read_model, save_model
from asr.recognize.recognizer import Recognizer
from asr.reporter import SILENT, Reporter
from asr.runtime.torch_device import pick_torch_device, pick_torch_precision
from asr.seeds import draw_seed
from asr.signal.front_end import build_extractor, frame_layout
from asr.text.load import build_tokenizer
from asr.text.tokenizer import Tokenizer
from asr.train.card import write_card
from asr.train.checkpoint import CheckpointFolder, Fingerprint, Resume, Weights, without_later_settings
from asr.train.dataset import SpeechDataset, SpeechLoader, Teacher, measure_features
from asr.train.init_from import copy_weights, inherit_architecture, inherit_decoder_settings
from asr.train.launch import in_turn, launch
from asr.train.monitor import SpeechMonitor
from asr.train.trainer import DevResult, Trainer, TrainingSetup
from asr.weights import Weights as ModelWeights

Part: TypeAlias = Literal["train", "dev"]

_MOST_PROBLEMS = 10  # named before training; the rest are counted
_VARIATIONS = 4  # of each utterance, if an encoder computes the features and nothing else is said
_HARMLESS = {"num_workers", "checkpoint_minutes", "feature_cache"}  # settings that do not change what comes out


class Speech(NamedTuple):
    """The usable cuts, to train on and to watch."""

    train: PackedCuts
    dev: PackedCuts


class NetworkToTrain(NamedTuple):
    """A network with what its model folder will say of it."""

    acoustic: AcousticModel
    tokenizer: Tokenizer
    settings: ModelSettings

    def to_model(self) -> Model:
        """Return it as a model that recognises."""
        return Model(ModelWeights(get_weights(self.acoustic)), self.tokenizer, self.settings)


def train(config: Config, *, resume: Resume = False, devices: int = 1, reporter: Reporter = SILENT) -> Path:
    """Train a model.

    Args:
        config: All settings.
        resume: Whether to continue the run that `config.output` holds; see `CheckpointFolder.plan`.
        devices: Processes, each with a GPU or with a share of the CPU's cores.
        reporter: Shows progress.

    Returns:
        The model folder, `config.output`.

    Raises:
        ConfigError: If settings contradict each other, or the model to start from.
        CorpusError: If there is nothing to train on, or to watch.
        ModelError: If the model to start from is missing or broken.
        TrainingInterrupted: On SIGINT and SIGTERM; `resume` continues.
        TrainingError: If training cannot continue, there is nothing to resume, or something would be overwritten.
    """
    base = read_model(config.train.init_from) if config.train.init_from is not None else None
    if base is not None:
        base.require_weights("train.init_from")
    # Three sets of settings: the recipe trains in the base's architecture; the model may also decode with the base's.
    recipe = config if base is None else inherit_architecture(config, base)
    fabric = launch(recipe.train.precision, devices)
    reporter = reporter if fabric.is_global_zero else SILENT
    folder = CheckpointFolder(recipe.output)
    fingerprint = Fingerprint(_decisive_settings(recipe, fabric.world_size), recipe.tokenizer.lexicon)
    action = folder.plan(resume, recipe.output / WEIGHTS_FILE, fingerprint)
    if action == "nothing":
        reporter.line(f"{recipe.output} is finished; to train again, remove it or choose another output")
        return recipe.output
    speech, tokenizer = _prepare(recipe, fabric, reporter)
    for cuts in speech:
        fingerprint.add(f"{name} {text}" for name, text in zip(cuts.names, cuts.texts, strict=True))
    # A base that knows all tokens can be decoded and compared as the new model is.
    comparable = base if base is not None and set(base.tokenizer.symbols) >= set(tokenizer.symbols) else None
    model_settings = recipe if comparable is None else inherit_decoder_settings(recipe, comparable)
    # Feature statistics took seconds to measure; the run that is resumed has them.
    earlier = folder.load_last().get("model", {}) if action == "resume" else {}
    network = _build(model_settings, base, tokenizer, speech.train, earlier, reporter)
    trainer = Trainer(fabric, network.acoustic, _set_up(recipe, fabric, network, speech, folder, fingerprint, reporter))
    before = None if comparable is None else _evaluate(trainer, "before training", reporter)
    if action == "resume":
        trainer.restore()
        reporter.line(f"resuming in epoch {trainer.state.epoch + 1} after step {trainer.state.steps}")
    average = trainer.fit()
    dev = _choose(trainer, network.acoustic, average, reporter)
    _compare_with_base(trainer, before, dev, reporter)
    if fabric.is_global_zero:
        model = calibrate_greedy(network.to_model(), speech.dev, device=str(fabric.device))
        save_model(model, recipe.output)
        write_card(recipe, model, trainer.state, dev, f"{len(speech.train)} utterances, {_hours(speech.train)}")
        reporter.line(f"model written to {recipe.output}")
    fabric.barrier()
    return recipe.output


def _prepare(config: Config, fabric: Fabric, reporter: Reporter) -> tuple[Speech, Tokenizer]:
    """Load the cuts that can be used, and build the tokenizer of the training texts."""
    # First without an alphabet: what is left out must not put its letters into it.
    train_cuts = _usable("train", None, config, fabric, reporter)
    tokenizer = build_tokenizer(train_cuts.normalized, config.tokenizer)
    return Speech(train_cuts, _usable("dev", tokenizer, config, fabric, reporter)), tokenizer


def _listing(config: Config, part: str) -> Path:
    return config.output / "run" / f"left-out-{part}.tsv"


def _examine(part: Part, tokenizer: Tokenizer | None, config: Config, *, is_kept: bool = True) -> Examined:
    """Load the cuts that can be learnt from; keep them in the run's folder, and list the others there."""
    speed = max(config.train.augment.speeds, default=1.0) if part == "train" else 1.0
    kept = config.output / "run" / f"usable-{part}"
    examined = load_usable(getattr(config.corpus, part), tokenizer, config, speed=speed, kept=kept)
    if is_kept and not examined.is_kept:
        rows = (f"{problem.utterance}\t{problem.kind}\t{problem.reason}\n" for problem in examined.problems)
        write_text(_listing(config, part), "".join(rows))
        keep(examined, kept)
    return examined


def _usable(part: Part, tokenizer: Tokenizer | None, config: Config, fabric: Fabric, reporter: Reporter) -> PackedCuts:
    """Load the cuts that can be learnt from, and report how many there are.

    One process examines them, then one on each machine that does not see the folder of the first; the others read what
    these have kept.
    """
    found: list[Examined] = []
    is_first = fabric.local_rank == 0
    for is_own in (fabric.is_global_zero, is_first and not fabric.is_global_zero):
        in_turn(fabric, is_own, lambda: found.append(_examine(part, tokenizer, config)))
    examined = found[0] if found else _examine(part, tokenizer, config, is_kept=False)
    listing = _listing(config, part)
    usable, problems = examined.usable, examined.problems
    for line in examined.annotations:
        reporter.line(f"{part}: {line}")
    for problem in problems[:_MOST_PROBLEMS]:
        reporter.line(f"  {problem.utterance}: {problem.reason}")
    num_left_out = examined.num_cuts - len(usable)
    if problems:
        reporter.line(f"{part}: {num_left_out} of {examined.num_cuts} utterances left out; {listing} has the reasons")
    if not usable:
        raise CorpusError(
            f"{part}: no usable utterance among {examined.num_cuts}; {listing} says what is wrong with them"
        )
    reporter.line(f"{part}: {len(usable)} utterances, {_hours(usable)}")
    return usable


def _build(
    config: Config,
    base: Model | None,
    tokenizer: Tokenizer,
    train_cuts: PackedCuts,
    earlier: Weights,
    reporter: Reporter,
) -> NetworkToTrain:
    """Build the network to train: new, with the statistics of the training speech, or from another model's weights.

    `earlier` are weights of the run that is resumed, of which statistics are taken; empty to measure them.
    """
    torch.manual_seed(draw_seed(config.train.seed, "weights"))
    settings = ModelSettings(**{name: getattr(config, name) for name in ModelSettings.model_fields})
    acoustic = build_acoustic(settings, tokenizer.vocab_size)
    num_weights = sum(parameter.numel() for parameter in acoustic.parameters())
    reporter.line(f"network: {num_weights / 1e6:.1f} million weights, {tokenizer.vocab_size} tokens")
    if base is not None:
        num_shared = copy_weights(base.weights, base.tokenizer, acoustic, tokenizer)
        origin = f"{config.train.init_from}, which knows {num_shared} of the tokens"
        reporter.line(f"starting from {origin}; features and sizes are those of that model")
        return NetworkToTrain(acoustic, tokenizer, settings)
    if {"feature_mean", "feature_deviation"} <= set(earlier):
        mean, deviation = earlier["feature_mean"], earlier["feature_deviation"]
    else:
        measured = measure_features(train_cuts, build_extractor(config.features), _open_cache(config))
        mean, deviation = map(torch.from_numpy, measured)
    acoustic.feature_mean.copy_(mean)
    acoustic.feature_deviation.copy_(deviation)
    return NetworkToTrain(acoustic, tokenizer, settings)


def _set_up(
    config: Config,
    fabric: Fabric,
    network: NetworkToTrain,
    speech: Speech,
    folder: CheckpointFolder,
    fingerprint: Fingerprint,
    reporter: Reporter,
) -> TrainingSetup:
    """Put together what the trainer needs."""
    recipe = config.train
    statistics = (network.acoustic.feature_mean, network.acoustic.feature_deviation)
    extractor = build_extractor(config.features, *(values.cpu().numpy() for values in statistics))
    layout = frame_layout(config.features)
    plain = SpeechDataset(extractor, network.tokenizer, config.normalizer, seed=recipe.seed, cache=_open_cache(config))
    views = 2 if recipe.loss.consistency_weight > 0 else 1
    train_loader = SpeechLoader(
        CutSet(speech.train),
        replace(
            plain,
            augment=recipe.augment,
            views=views,
            epochs=recipe.epochs,
            variations=_variations(config),
            teacher=_load_teacher(config, network.tokenizer),
        ),
        batch_seconds=recipe.batch_seconds,
        shuffle=True,
        num_workers=recipe.num_workers,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )
    return TrainingSetup(
        settings=recipe,
        train_loader=train_loader,
        dev_loader=SpeechLoader(
            CutSet(speech.dev), plain, batch_seconds=recipe.batch_seconds, num_workers=recipe.num_workers
        ),
        train_seconds=speech.train.seconds,
        frame_seconds=layout.output_step / config.features.sample_rate,
        tokenizer=network.tokenizer,
        denominator=_denominator(config, network.tokenizer, speech.train, fabric.device),
        folder=folder,
        monitor=SpeechMonitor(folder.path, reporter, active=fabric.is_global_zero, num_epochs=recipe.epochs),
        fingerprint=fingerprint,
    )


def _variations(config: Config) -> int:
    """Return how many variations of each utterance are drawn and kept; 0: others in each epoch, of which none is."""
    if config.train.variations is not None:
        return config.train.variations
    return _VARIATIONS if config.features.kind == "whisper" else 0


def _open_cache(config: Config, computed_by: object = None) -> FeatureCache | None:
    """Return where features are kept, if they are; or what else is computed of utterances, and by what."""
    if _variations(config) == 0:
        return None
    # Masks, warps and joins come after the cache.
    later = {"spec_augment", "vocal_tract", "concatenation_probability", "concatenation_start"}
    augment = config.train.augment.model_dump(mode="json", exclude=later)
    features = config.features.model_dump(mode="json", exclude={"toolkit"})
    settings = computed_by or features, augment, config.train.seed
    return FeatureCache(config.train.feature_cache or config.output / "run" / "features", settings)


def _load_teacher(config: Config, tokenizer: Tokenizer) -> Teacher | None:
    """Load the model whose log probabilities are targets, if the settings name one."""
    name = config.train.teacher
    if name is None:
        return None
    model = read_model(name)
    model.require_weights("train.teacher")
    if list(model.tokenizer.symbols) != list(tokenizer.symbols):
        raise ConfigError(f"train.teacher: {name} has other tokens; teacher and network must have the same tokens")
    runner = Recognizer(model, device="cpu").runner
    if runner.frame_samples != frame_layout(config.features).output_step:
        raise ConfigError(
            f"train.teacher: {name} has frames of {runner.frame_seconds * 1000:.0f} ms, the network others"
        )
    weights = hashlib.sha256((find_model(name) / WEIGHTS_FILE).read_bytes()).hexdigest()
    return Teacher(runner, _open_cache(config, computed_by=weights))


def _denominator(
    config: Config, tokenizer: Tokenizer, train_cuts: PackedCuts, device: torch.device
) -> Denominator | None:
    if config.train.loss.denominator_weight == 0:
        return None
    texts = [tokenizer.encode(text) for text in train_cuts.normalized]
    return Denominator(estimate_trigrams(texts, tokenizer.vocab_size).to(device))


def _choose(trainer: Trainer, acoustic: AcousticModel, average: Weights, reporter: Reporter) -> DevResult:
    """Put the averaged weights into the network, or the best epoch's if averaging does harm on the dev set."""
    best = trainer.best_epochs()
    candidates = {f"average of {len(best)} epochs": average, "best epoch": trainer.folder.average_epochs(best[:1])}
    results = []
    for name, weights in candidates.items():
        acoustic.load_state_dict(weights)
        results.append((_evaluate(trainer, name, reporter), weights))
    dev, weights = min(results, key=lambda result: trainer.rank(result[0].loss, result[0].wer))
    if not math.isfinite(dev.loss):
        raise TrainingError("the loss on dev is not finite: training diverged; lower train.optimizer.learning_rate")
    acoustic.load_state_dict(weights)
    return dev


def _evaluate(trainer: Trainer, name: str, reporter: Reporter) -> DevResult:
    """Evaluate the present weights on the development set, and report the result under a name."""
    dev = trainer.evaluate()
    reporter.line(f"{name}: dev loss {dev.loss:.3f}, WER {dev.wer:.2%}, CER {dev.cer:.2%}")
    return dev


def _compare_with_base(trainer: Trainer, before: DevResult | None, after: DevResult, reporter: Reporter) -> None:
    """Warn if training did not improve on the base model."""
    if before is not None and trainer.rank(after.loss, after.wer) >= trainer.rank(before.loss, before.wer):
        remedy = "a lower train.optimizer.learning_rate or fewer epochs may help, or more speech"
        reporter.line(f"no better on dev than {trainer.settings.init_from}, which training began with; {remedy}")


def _decisive_settings(config: Config, world_size: int) -> tuple[Any, ...]:
    """Return the settings that decide which weights come out, for a fingerprint."""
    # Not the corpus's paths: the same speech may have moved. Nor what is fitted or chosen after training.
    irrelevant = dict.fromkeys(("output", "corpus", "confidence", "written", "graph"), True)
    settings = config.model_dump(
        mode="json",
        exclude={**irrelevant, "train": _HARMLESS, "tokenizer": {"lexicon"}, "features": {"toolkit"}},
        by_alias=True,  # runs that were begun when settings had earlier names can be resumed
    )
    if config.train.loss.denominator_weight == 0:  # runs that were begun before there was one can be resumed
        del settings["train"]["loss"]["denominator_weight"]
    if config.features.kind == "log_mel":  # likewise
        for name in ("kind", "encoder", "encoder_size"):
            del settings["features"][name]
    if config.train.variations is None:
        del settings["train"]["variations"]
    if config.train.teacher is None:
        del settings["train"]["teacher"], settings["train"]["loss"]["teacher_weight"]
    settings["normalizer"] = without_later_settings(settings["normalizer"])
    if not settings["features"]["automatic_gain"]:
        del settings["features"]["automatic_gain"]
    if settings["train"]["augment"]["vocal_tract"] is None:
        del settings["train"]["augment"]["vocal_tract"]
    return settings, world_size, pick_torch_precision(config.train.precision, pick_torch_device("auto"))


def _hours(cuts: PackedCuts) -> str:
    return f"{cuts.seconds / 3600:.2f} h"
