"""A whole training run: settings in, model folder out.

Reads the corpus, leaves out what cannot be learnt from, makes the alphabet and the feature
statistics from the training speech, trains, averages, and writes the folder with its card.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from lhotse import CutSet
from lightning.fabric import Fabric
from rich.console import Console

from asr.acoustic.ctc_crf import Denominator
from asr.acoustic.denominator_lm import estimate_trigrams
from asr.acoustic.model import SUBSAMPLING
from asr.atomic import atomic_write
from asr.config import Config, ModelSettings
from asr.corpus.doctor import Problem, keep_usable
from asr.corpus.prepare import load_cuts
from asr.errors import CorpusError, TrainingError
from asr.evaluate.calibrate import calibrate_greedy
from asr.recognize.model_folder import WEIGHTS, Model, read_model, save_model
from asr.runtime.precision import pick_precision
from asr.runtime.torch_network import build_acoustic
from asr.signal.features import FeatureExtractor
from asr.text.normalize import normalize
from asr.text.tokenizer import Tokenizer, build_tokenizer
from asr.train.augment import draw_seed
from asr.train.card import write_card
from asr.train.checkpoint import CheckpointFolder, Weights
from asr.train.dataset import SpeechDataset, SpeechLoader, measure_features
from asr.train.init_from import copy_weights, covers, inherit_architecture, inherit_decoder_settings
from asr.train.launch import launch, training_device
from asr.train.monitor import Monitor
from asr.train.trainer import DevResult, Trainer

Say = Callable[[str], None]
MOST_PROBLEMS = 10  # named before training; the rest are counted
HARMLESS = {"num_workers", "checkpoint_minutes"}  # settings that do not change what comes out


def train(config: Config, *, resume: bool = False, devices: int = 1, console: Console | None = None) -> Path:
    """Train a model.

    Args:
        config: All settings.
        resume: Continue the run that `config.output` holds.
        devices: Processes, each with a GPU or with a share of the CPU's cores.
        console: Where progress is told; standard error by default.

    Returns:
        The model folder, `config.output`.

    Raises:
        CorpusError: If there is nothing to train on, or on which to watch.
        ModelError: If the model to start from is not there or broken.
        TrainingInterrupted: On SIGINT and SIGTERM; `resume` continues.
        TrainingError: If training cannot go on, or there is nothing to resume.
    """
    console = console or Console(stderr=True)
    base = read_model(config.train.init_from) if config.train.init_from is not None else None
    config = inherit_architecture(config, base) if base is not None else config
    fabric = launch(config.train.precision, devices)
    say = partial(_say, console) if fabric.is_global_zero else _say_nothing
    _refuse_to_overwrite(config.output, CheckpointFolder(config.output), resume=resume)
    train_cuts, dev_cuts, tokenizer = _prepare(config, fabric, say)
    # A base that knows all tokens can be decoded, and compared, as what comes out.
    peer = base if base is not None and covers(base.tokenizer, tokenizer) else None
    decoded = inherit_decoder_settings(config, peer) if peer is not None else config
    model = _build(decoded, base, tokenizer, train_cuts, say)
    trainer = _make_trainer(config, fabric, model, train_cuts, dev_cuts, console)
    before = _look(trainer, "before training", say) if peer is not None else None
    if resume:
        trainer.restore()
        say(f"resuming in epoch {trainer.position.epoch + 1} after step {trainer.position.steps}")
    average = trainer.fit()
    dev = _choose(trainer, model, average, say)
    if before is not None and trainer.rank(dev.loss, dev.wer) >= trainer.rank(before.loss, before.wer):
        say(
            f"no better on dev than {config.train.init_from}, which training began with; "
            "a lower train.optimizer.learning_rate or fewer epochs may help, or more speech"
        )
    if fabric.is_global_zero:
        model = calibrate_greedy(model, dev_cuts, device=str(fabric.device))
        save_model(model, config.output)
        write_card(
            config, model, trainer.position, dev, train_seconds=_seconds(train_cuts), num_utterances=len(train_cuts)
        )
        say(f"model written to {config.output}")
    fabric.barrier()
    return config.output


def _prepare(config: Config, fabric: Fabric, say: Say) -> tuple[CutSet, CutSet, Tokenizer]:
    """The cuts that can be used, and the alphabet that spells the texts of training."""
    # First without an alphabet: what is left out must not put its letters into it.
    train_cuts = _usable(load_cuts(config.corpus.train), None, config, fabric, say, "train")
    texts = (normalize(cut.supervisions[0].text, config.normalizer) for cut in train_cuts)
    tokenizer = build_tokenizer(texts, config.tokenizer)
    dev_cuts = _usable(load_cuts(config.corpus.dev), tokenizer, config, fabric, say, "dev")
    return train_cuts, dev_cuts, tokenizer


def _usable(cuts: CutSet, tokenizer: Tokenizer | None, config: Config, fabric: Fabric, say: Say, part: str) -> CutSet:
    """Leave out what cannot be learnt from, list it in the run's folder, and say how much that is."""
    speed = max(config.train.augment.speeds, default=1.0) if part == "train" else 1.0
    kept, problems = keep_usable(cuts, tokenizer, config, speed=speed)
    listing = config.output / "run" / f"left-out-{part}.tsv"
    if fabric.is_global_zero:  # processes that write the same file at once would trip over each other
        _list_problems(problems, listing)
    for problem in problems[:MOST_PROBLEMS]:
        say(f"  {problem.utterance}: {problem.reason}")
    if problems:
        say(f"{part}: {len(cuts) - len(kept)} of {len(cuts)} utterances left out; {listing} has the reasons")
    if not kept:
        raise CorpusError(f"{part}: no usable utterance among {len(cuts)}; {listing} says what is wrong with them")
    say(f"{part}: {len(kept)} utterances, {_seconds(kept) / 3600:.2f} h")
    return kept


def _list_problems(problems: Sequence[Problem], listing: Path) -> None:
    with atomic_write(listing) as partial_listing:
        lines = (f"{problem.utterance}\t{problem.kind}\t{problem.reason}\n" for problem in problems)
        partial_listing.write_text("".join(lines), encoding="utf-8")


def _build(config: Config, base: Model | None, tokenizer: Tokenizer, train_cuts: CutSet, say: Say) -> Model:
    """The network to train: new, with the statistics of the training speech, or from another model's weights."""
    torch.manual_seed(draw_seed(config.train.seed, "weights"))
    settings = ModelSettings(**{name: getattr(config, name) for name in ModelSettings.model_fields})
    acoustic = build_acoustic(settings, tokenizer.vocab_size)
    model = Model(acoustic, tokenizer, settings)
    num_weights = sum(parameter.numel() for parameter in acoustic.parameters())
    say(f"network: {num_weights / 1e6:.1f} million weights, {tokenizer.vocab_size} tokens")
    if base is not None:
        known = copy_weights(base, model)
        say(
            f"starting from {config.train.init_from}, which knows {known} of the tokens; features and sizes are its own"
        )
        return model
    mean, deviation = measure_features(train_cuts, FeatureExtractor(config.features))
    acoustic.feature_mean.copy_(mean)
    acoustic.feature_deviation.copy_(deviation)
    return model


def _make_trainer(
    config: Config, fabric: Fabric, model: Model, train_cuts: CutSet, dev_cuts: CutSet, console: Console
) -> Trainer:
    folder = CheckpointFolder(config.output)
    train_seconds = _seconds(train_cuts)
    train_loader = SpeechLoader(
        train_cuts,
        _dataset(config, model, training=True),
        batch_seconds=config.train.batch_seconds,
        shuffle=True,
        num_workers=config.train.num_workers,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )
    dev_dataset = _dataset(config, model, training=False)
    return Trainer(
        fabric,
        model.acoustic,
        train_loader,
        SpeechLoader(dev_cuts, dev_dataset, batch_seconds=config.train.batch_seconds),
        tokenizer=model.tokenizer,
        denominator=_denominator(config, model.tokenizer, train_cuts, fabric.device),
        settings=config.train,
        train_seconds=train_seconds,
        frame_seconds=config.features.step_seconds * SUBSAMPLING,
        folder=folder,
        monitor=Monitor(
            folder.path,
            console,
            active=fabric.is_global_zero,
            num_epochs=config.train.epochs,
            epoch_seconds=train_seconds,
        ),
        fingerprint=_fingerprint(config, fabric.world_size, train_cuts, dev_cuts),
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


def _choose(trainer: Trainer, model: Model, average: Weights, say: Say) -> DevResult:
    """Put the averaged weights into the model, or the best epoch's where averaging does harm on the dev set."""
    best = trainer.best_epochs()
    results = []
    for name, weights in (
        (f"average of {len(best)} epochs", average),
        ("best epoch", trainer.folder.average_epochs(best[:1])),
    ):
        model.acoustic.load_state_dict(weights)
        results.append((_look(trainer, name, say), weights))
    dev, weights = min(results, key=lambda result: trainer.rank(result[0].loss, result[0].wer))
    if not math.isfinite(dev.loss):
        raise TrainingError("the loss on dev is not finite: training diverged; lower train.optimizer.learning_rate")
    model.acoustic.load_state_dict(weights)
    return dev


def _look(trainer: Trainer, name: str, say: Say) -> DevResult:
    """What the present weights make of the development set, told under a name."""
    dev = trainer.evaluate()
    say(f"{name}: dev loss {dev.loss:.3f}, WER {dev.wer:.2%}, CER {dev.cer:.2%}")
    return dev


def _refuse_to_overwrite(output: Path, folder: CheckpointFolder, *, resume: bool) -> None:
    if resume:
        return
    for path, remedy in ((folder.last, "continue it with --resume"), (output / WEIGHTS, "it is a trained model")):
        if path.exists():
            raise TrainingError(f"{path} exists: {remedy}, or choose another output=FOLDER, or delete it")


def _fingerprint(config: Config, world_size: int, train_cuts: CutSet, dev_cuts: CutSet) -> str:
    """Changes with everything that decides which weights come out."""
    # Not the corpus's paths: the same speech may have moved.
    # What is found after training has no say in it either.
    settings = config.model_dump(
        mode="json",
        exclude={"output": True, "corpus": True, "confidence": True, "train": HARMLESS, "tokenizer": {"lexicon"}},
    )
    if config.train.loss.denominator_weight == 0:  # runs that were begun before there was one go on
        del settings["train"]["loss"]["denominator_weight"]
    digest = hashlib.sha256(
        repr((settings, world_size, pick_precision(config.train.precision, training_device()))).encode()
    )
    if config.tokenizer.lexicon is not None:
        digest.update(config.tokenizer.lexicon.read_bytes())
    for cuts in (train_cuts, dev_cuts):
        for cut in cuts:
            digest.update(f"{cut.id} {cut.supervisions[0].text}\n".encode())
    return digest.hexdigest()


def _seconds(cuts: CutSet) -> float:
    """Speech in cuts."""
    return float(sum(cut.duration for cut in cuts))


def _say(console: Console, message: str) -> None:
    console.print(message, markup=False, highlight=False, soft_wrap=True)


def _say_nothing(message: str) -> None:
    """What processes but the first have to say."""
