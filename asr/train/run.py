"""A whole training run: settings in, model folder out.

Reads the corpus, leaves out utterances that cannot be learnt from, makes the alphabet and the feature
statistics from the training speech, trains, averages, and writes the folder with its card.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lhotse import CutSet
from lightning_fabric import Fabric

from asr.acoustic.ctc_crf import Denominator
from asr.acoustic.denominator_lm import estimate_trigrams
from asr.atomic import write_text
from asr.config import Config, ModelSettings
from asr.corpus.cuts import load_cuts
from asr.corpus.doctor import Problem, keep_usable
from asr.errors import CorpusError, TrainingError
from asr.evaluate.calibrate import calibrate_greedy
from asr.model_files import WEIGHTS_FILE
from asr.recognize.model_folder import Model, read_model, save_model
from asr.reporter import SILENT, Reporter
from asr.runtime.network import SUBSAMPLING
from asr.runtime.precision import pick_precision
from asr.runtime.torch_network import build_acoustic
from asr.seeds import draw_seed
from asr.signal.features import FeatureExtractor
from asr.text.load import build_tokenizer
from asr.text.normalize import normalize
from asr.text.tokenizer import Tokenizer
from asr.train.card import write_card
from asr.train.checkpoint import CheckpointFolder, Fingerprint, Resume, Weights
from asr.train.dataset import SpeechDataset, SpeechLoader, measure_features
from asr.train.init_from import copy_weights, covers, inherit_architecture, inherit_decoder_settings
from asr.train.launch import launch, training_device
from asr.train.monitor import SpeechMonitor
from asr.train.trainer import DevResult, Trainer, TrainingSetup

_MOST_PROBLEMS = 10  # named before training; the rest are counted
_HARMLESS = {"num_workers", "checkpoint_minutes"}  # settings that do not change what comes out


class Speech(NamedTuple):
    """What is trained on, and what is watched."""

    train: CutSet
    dev: CutSet


def train(config: Config, *, resume: Resume = False, devices: int = 1, reporter: Reporter = SILENT) -> Path:
    """Train a model.

    Args:
        config: All settings.
        resume: False begins a run, and True continues the one that `config.output` holds. "auto" continues it if
            there is one, begins it otherwise, and does nothing if the model is finished.
        devices: Processes, each with a GPU or with a share of the CPU's cores.
        reporter: Shows progress.

    Returns:
        The model folder, `config.output`.

    Raises:
        CorpusError: If there is nothing to train on, or to watch.
        ModelError: If the model to start from is missing or broken.
        TrainingInterrupted: On SIGINT and SIGTERM; `resume` continues.
        TrainingError: If training cannot go on, there is nothing to resume, or something would be overwritten.
    """
    base = read_model(config.train.init_from) if config.train.init_from is not None else None
    # Three sets of settings: the recipe trains in the base's architecture; the model may decode with the base's, too.
    recipe = config if base is None else inherit_architecture(config, base)
    fabric = launch(recipe.train.precision, devices)
    reporter = reporter if fabric.is_global_zero else SILENT
    folder = CheckpointFolder(recipe.output)
    fingerprint = Fingerprint(_decisive_settings(recipe, fabric.world_size), recipe.tokenizer.lexicon)
    action = folder.plan(resume, recipe.output / WEIGHTS_FILE, fingerprint)
    if action == "nothing":
        reporter.line(f"{recipe.output} holds the finished model already; nothing to do")
        return recipe.output
    speech, tokenizer = _prepare(recipe, fabric, reporter)
    for cuts in speech:
        fingerprint.add(f"{cut.id} {cut.supervisions[0].text}" for cut in cuts)
    # A base that knows all tokens can be decoded and compared as the new model is.
    comparable = base if base is not None and covers(base.tokenizer, tokenizer) else None
    model_settings = recipe if comparable is None else inherit_decoder_settings(recipe, comparable)
    model = _build(model_settings, base, tokenizer, speech.train, reporter)
    trainer = Trainer(fabric, model.acoustic, _set_up(recipe, fabric, model, speech, folder, fingerprint, reporter))
    before = None if comparable is None else _evaluate(trainer, "before training", reporter)
    if action == "resume":
        trainer.restore()
        reporter.line(f"resuming in epoch {trainer.state.epoch + 1} after step {trainer.state.steps}")
    average = trainer.fit()
    dev = _choose(trainer, model, average, reporter)
    _compare_with_base(trainer, before, dev, reporter)
    if fabric.is_global_zero:
        model = calibrate_greedy(model, speech.dev, device=str(fabric.device))
        save_model(model, recipe.output)
        write_card(recipe, model, trainer.state, dev, f"{len(speech.train)} utterances, {_hours(speech.train)}")
        reporter.line(f"model written to {recipe.output}")
    fabric.barrier()
    return recipe.output


def _prepare(config: Config, fabric: Fabric, reporter: Reporter) -> tuple[Speech, Tokenizer]:
    """Load the cuts that can be used, and build the tokenizer of the training texts."""
    # First without an alphabet: what is left out must not put its letters into it.
    train_cuts = _usable(load_cuts(config.corpus.train), None, config, fabric, reporter, "train")
    texts = (normalize(cut.supervisions[0].text, config.normalizer) for cut in train_cuts)
    tokenizer = build_tokenizer(texts, config.tokenizer)
    dev_cuts = _usable(load_cuts(config.corpus.dev), tokenizer, config, fabric, reporter, "dev")
    return Speech(train_cuts, dev_cuts), tokenizer


def _usable(
    cuts: CutSet, tokenizer: Tokenizer | None, config: Config, fabric: Fabric, reporter: Reporter, part: str
) -> CutSet:
    """Leave out what cannot be learnt from, list it in the run's folder, and report how much that is."""
    speed = max(config.train.augment.speeds, default=1.0) if part == "train" else 1.0
    kept, problems = keep_usable(cuts, tokenizer, config, speed=speed)
    listing = config.output / "run" / f"left-out-{part}.tsv"
    if fabric.is_global_zero:  # processes that write the same file at once would trip over each other
        _list_problems(problems, listing)
    for problem in problems[:_MOST_PROBLEMS]:
        reporter.line(f"  {problem.utterance}: {problem.reason}")
    if problems:
        reporter.line(f"{part}: {len(cuts) - len(kept)} of {len(cuts)} utterances left out; {listing} has the reasons")
    if not kept:
        raise CorpusError(f"{part}: no usable utterance among {len(cuts)}; {listing} says what is wrong with them")
    reporter.line(f"{part}: {len(kept)} utterances, {_hours(kept)}")
    return kept


def _list_problems(problems: Sequence[Problem], listing: Path) -> None:
    write_text(listing, "".join(f"{problem.utterance}\t{problem.kind}\t{problem.reason}\n" for problem in problems))


def _build(config: Config, base: Model | None, tokenizer: Tokenizer, train_cuts: CutSet, reporter: Reporter) -> Model:
    """Build the network to train: new, with the statistics of the training speech, or from another model's weights."""
    torch.manual_seed(draw_seed(config.train.seed, "weights"))
    settings = ModelSettings(**{name: getattr(config, name) for name in ModelSettings.model_fields})
    acoustic = build_acoustic(settings, tokenizer.vocab_size)
    model = Model(acoustic, tokenizer, settings)
    num_weights = sum(parameter.numel() for parameter in acoustic.parameters())
    reporter.line(f"network: {num_weights / 1e6:.1f} million weights, {tokenizer.vocab_size} tokens")
    if base is not None:
        num_shared = copy_weights(base, model)
        reporter.line(
            f"starting from {config.train.init_from}, which knows {num_shared} of the tokens; "
            "features and sizes are those of that model"
        )
        return model
    mean, deviation = measure_features(train_cuts, FeatureExtractor(config.features))
    acoustic.feature_mean.copy_(mean)
    acoustic.feature_deviation.copy_(deviation)
    return model


def _set_up(
    config: Config,
    fabric: Fabric,
    model: Model,
    speech: Speech,
    folder: CheckpointFolder,
    fingerprint: Fingerprint,
    reporter: Reporter,
) -> TrainingSetup:
    """Put together what the trainer needs."""
    train_loader = SpeechLoader(
        speech.train,
        _dataset(config, model, training=True),
        batch_seconds=config.train.batch_seconds,
        shuffle=True,
        num_workers=config.train.num_workers,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )
    dev_dataset = _dataset(config, model, training=False)
    return TrainingSetup(
        settings=config.train,
        train_loader=train_loader,
        dev_loader=SpeechLoader(speech.dev, dev_dataset, batch_seconds=config.train.batch_seconds),
        train_seconds=_seconds(speech.train),
        frame_seconds=config.features.step_seconds * SUBSAMPLING,
        tokenizer=model.tokenizer,
        denominator=_denominator(config, model.tokenizer, speech.train, fabric.device),
        folder=folder,
        monitor=SpeechMonitor(folder.path, reporter, active=fabric.is_global_zero, num_epochs=config.train.epochs),
        fingerprint=fingerprint,
    )


def _denominator(config: Config, tokenizer: Tokenizer, train_cuts: CutSet, device: torch.device) -> Denominator | None:
    if config.train.loss.denominator_weight == 0:
        return None
    texts = [tokenizer.encode(normalize(cut.supervisions[0].text, config.normalizer)) for cut in train_cuts]
    return Denominator(estimate_trigrams(texts, tokenizer.vocab_size).to(device))


def _dataset(config: Config, model: Model, *, training: bool) -> SpeechDataset:
    extractor = FeatureExtractor(config.features, model.acoustic.feature_mean, model.acoustic.feature_deviation)
    return SpeechDataset(
        extractor,
        model.tokenizer,
        config.normalizer,
        augment=config.train.augment if training else None,
        views=2 if training and config.train.loss.consistency_weight > 0 else 1,
        epochs=config.train.epochs,
        seed=config.train.seed,
    )


def _choose(trainer: Trainer, model: Model, average: Weights, reporter: Reporter) -> DevResult:
    """Put the averaged weights into the model, or the best epoch's if averaging does harm on the dev set."""
    best = trainer.best_epochs()
    results = []
    for name, weights in (
        (f"average of {len(best)} epochs", average),
        ("best epoch", trainer.folder.average_epochs(best[:1])),
    ):
        model.acoustic.load_state_dict(weights)
        results.append((_evaluate(trainer, name, reporter), weights))
    dev, weights = min(results, key=lambda result: trainer.rank(result[0].loss, result[0].wer))
    if not math.isfinite(dev.loss):
        raise TrainingError("the loss on dev is not finite: training diverged; lower train.optimizer.learning_rate")
    model.acoustic.load_state_dict(weights)
    return dev


def _evaluate(trainer: Trainer, name: str, reporter: Reporter) -> DevResult:
    """Evaluate the present weights on the development set, and report the result under a name."""
    dev = trainer.evaluate()
    reporter.line(f"{name}: dev loss {dev.loss:.3f}, WER {dev.wer:.2%}, CER {dev.cer:.2%}")
    return dev


def _compare_with_base(trainer: Trainer, before: DevResult | None, after: DevResult, reporter: Reporter) -> None:
    """Warn if training did not improve on the base model."""
    if before is None or trainer.rank(after.loss, after.wer) < trainer.rank(before.loss, before.wer):
        return
    reporter.line(
        f"no better on dev than {trainer.settings.init_from}, which training began with; "
        "a lower train.optimizer.learning_rate or fewer epochs may help, or more speech"
    )


def _decisive_settings(config: Config, world_size: int) -> tuple[Any, ...]:
    """Return the settings that decide which weights come out, for a fingerprint."""
    # Not the corpus's paths: the same speech may have moved. Nor what is fitted after training.
    settings = config.model_dump(
        mode="json",
        exclude={"output": True, "corpus": True, "confidence": True, "train": _HARMLESS, "tokenizer": {"lexicon"}},
    )
    if config.train.loss.denominator_weight == 0:  # runs that were begun before there was one can be resumed
        del settings["train"]["loss"]["denominator_weight"]
    return settings, world_size, pick_precision(config.train.precision, training_device())


def _seconds(cuts: CutSet) -> float:
    return float(sum(cut.duration for cut in cuts))


def _hours(cuts: CutSet) -> str:
    return f"{_seconds(cuts) / 3600:.2f} h"
