"""A whole training of a recurrent language model: texts and settings in, model folder out."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from asr.acoustic.weights import get_weights
from asr.config import EARLIER_LINES, LanguageConfig, LanguageSettings
from asr.errors import TrainingError
from asr.language.rnn.model import RnnModel, read_rnn_files
from asr.language.text_files import read_text
from asr.model_files import WEIGHTS_FILE, save_model_files
from asr.reporter import SILENT, Reporter
from asr.runtime.torch_device import pick_torch_device, pick_torch_precision
from asr.seeds import draw_seed
from asr.text.load import build_tokenizer
from asr.text.tokenizer import BLANK_SYMBOL, CharTokenizer, Tokenizer
from asr.train.checkpoint import CheckpointFolder, Fingerprint, Resume, without_later_settings
from asr.train.init_from import copy_weights
from asr.train.launch import launch
from asr.train.loop import LoopSetup
from asr.train.monitor import RnnMonitor
from asr.train.rnn_network import LanguageNetwork, TorchLanguageNetwork
from asr.train.rnn_trainer import RnnTrainer, Text
from asr.weights import Weights


class BaseModel(NamedTuple):
    """The model that a training starts from."""

    weights: Weights
    tokenizer: Tokenizer
    settings: LanguageSettings


def train_language_model(
    texts: Sequence[Path],
    output: Path,
    config: LanguageConfig,
    *,
    dev: Sequence[Path] = (),
    base: Path | None = None,
    resume: Resume = False,
    reporter: Reporter = SILENT,
) -> None:
    """Train a recurrent language model.

    Args:
        texts: UTF-8 text; `.gz` and `.xz` are decompressed.
        output: The folder to write.
        config: All settings.
        dev: Texts to watch and to choose the weights by; none: a share of `texts`, held out.
        base: A model folder to start from: it gives the network's shape, the normalisation and its
            alphabet, to which characters of the texts are added.
        resume: Whether to continue the run that `output` holds; see `CheckpointFolder.plan`.
        reporter: Shows progress.

    Raises:
        TextError: If a text cannot be read or holds nothing.
        ModelError: If `base` is not a usable model.
        TrainingInterrupted: On SIGINT and SIGTERM; `resume` continues.
        TrainingError: If training cannot continue, there is nothing to resume, or something would be overwritten.
    """
    parent = BaseModel(*read_rnn_files(base)) if base is not None else None
    recipe = config if parent is None else _inherit_architecture(config, parent.settings)
    folder = CheckpointFolder(output)
    fingerprint = Fingerprint(_decisive_settings(recipe, base))
    action = folder.plan(resume, output / WEIGHTS_FILE, fingerprint)
    if action == "nothing":
        reporter.line(f"{output} is finished; to train again, remove it or choose another output")
        return
    # Defaults may differ from the base's; a setting that was asked for must not be dropped in silence.
    for difference in _differences(config.model_dump(exclude_unset=True), recipe.model_dump()):
        reporter.line(f"the base decides: {difference}")
    train_lines, dev_lines = _split(texts, dev, recipe)
    if action == "begin":
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remedy = "a recurrent language model is a folder, so choose another output"
            raise TrainingError(f"{folder.path}: cannot be made: {error.strerror}; {remedy}") from None
    for lines in (train_lines, dev_lines):
        fingerprint.add([str(len(lines)), *lines])
    fabric = launch(recipe.train.precision)
    network, model = _build(recipe, parent, train_lines, reporter)
    text = _encode(model, train_lines, dev_lines, reporter)
    setup = LoopSetup(recipe.train, folder, RnnMonitor(folder.path, reporter), fingerprint)
    trainer = RnnTrainer(fabric, network, model, text, setup)
    if action == "resume":
        trainer.restore()
        reporter.line(f"resuming after step {trainer.state.steps}")
    network.load_state_dict(trainer.fit())
    save_model_files(get_weights(network), model.tokenizer, model.settings, output)
    reporter.line(f"model written to {output}")


def _split(texts: Sequence[Path], dev: Sequence[Path], config: LanguageConfig) -> tuple[list[str], list[str]]:
    """Read the lines to train on, and the lines to watch."""
    lines = read_text(texts, config)
    if dev:
        return lines, read_text(dev, config)
    share = config.train.dev_share
    if config.lines == "continuous":  # the last characters are held out, which may begin within a line
        text = "".join(f"{line}\n" for line in lines)
        size = int((1 - share) * len(text))
        return text[:size].removesuffix("\n").split("\n"), text[size:].removesuffix("\n").split("\n")
    # Of separate sentences, evenly spread ones are held out.
    held_out = {int(index / share) for index in range(int(len(lines) * share))}
    kept = [line for index, line in enumerate(lines) if index not in held_out]
    if not held_out or not kept:
        reason = f"{len(lines)} lines are too few to hold out a share of {share:g}"
        raise TrainingError(f"{reason}; give a development text as well")
    return kept, [lines[index] for index in sorted(held_out)]


def _build(
    config: LanguageConfig, base: BaseModel | None, lines: Iterable[str], reporter: Reporter
) -> tuple[LanguageNetwork, RnnModel]:
    """Build the network to train: new, or from another model's weights."""
    torch.manual_seed(draw_seed(config.train.seed, "weights"))
    settings = LanguageSettings(**{name: getattr(config, name) for name in LanguageSettings.model_fields})
    tokenizer = build_tokenizer(lines, config.tokenizer) if base is None else _extend(base.tokenizer, lines)
    network = LanguageNetwork(settings.network, tokenizer.vocab_size)
    num_weights = sum(parameter.numel() for parameter in network.parameters())
    reporter.line(f"network: {num_weights:,} weights, {tokenizer.vocab_size} tokens")
    if base is not None:
        copy_weights(base.weights, base.tokenizer, network, tokenizer)
        reporter.line(f"starting from a model of {base.tokenizer.vocab_size} tokens")
    return network, RnnModel(TorchLanguageNetwork(network), tokenizer, settings)


def _inherit_architecture(config: LanguageConfig, base: LanguageSettings) -> LanguageConfig:
    """Return the settings with those that the base's weights demand; dropout and training stay."""
    network = base.network.model_copy(update={"dropout": config.network.dropout})
    return config.model_copy(
        update={"network": network, "tokenizer": base.tokenizer, "normalizer": base.normalizer, "lines": base.lines}
    )


def _differences(requested: Mapping[str, Any], actual: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the settings, by their paths, that differ from those requested."""
    for name, value in requested.items():
        if isinstance(value, dict) and isinstance(actual[name], dict):
            yield from _differences(value, actual[name], f"{prefix}{name}.")
        elif value != actual[name]:
            yield f"{prefix}{name} is {actual[name]}, not {value}"


def _extend(tokenizer: Tokenizer, lines: Iterable[str]) -> Tokenizer:
    """Add the lines' characters to an alphabet; subword units are unchanged."""
    if not isinstance(tokenizer, CharTokenizer):
        return tokenizer
    return CharTokenizer([BLANK_SYMBOL, *sorted(set().union(tokenizer.symbols[1:], *lines))])


def _encode(model: RnnModel, train_lines: Sequence[str], dev_lines: Sequence[str], reporter: Reporter) -> Text:
    train = [model.encode(line) for line in train_lines]
    dev = [model.encode(line) for line in dev_lines]
    unknown = sum(len(line.unknown) for line in (*train, *dev))
    if unknown:
        reporter.line(f"{unknown} characters are not in the alphabet and left out")
    characters = sum(len(line) + 1 for line in dev_lines)
    dev_unknown = sum(len(line.unknown) for line in dev)
    text = Text([line.to_array() for line in train], [line.to_array() for line in dev], characters, dev_unknown)
    reporter.line(f"train: {sum(map(len, text.train)):,} tokens; dev: {characters:,} characters")
    return text


def _decisive_settings(config: LanguageConfig, base: Path | None) -> tuple[Any, ...]:
    """Return the settings that decide which weights come out, for a fingerprint."""
    # Runs that were begun when settings had earlier names can be resumed.
    settings = config.model_dump(mode="json", exclude={"train": {"checkpoint_minutes"}}, by_alias=True)
    settings["lines"] = EARLIER_LINES[config.lines]
    if settings["normalizer"] is not None:
        settings["normalizer"] = without_later_settings(settings["normalizer"])
    origin = "" if base is None else hashlib.sha256((base / WEIGHTS_FILE).read_bytes()).hexdigest()
    return settings, pick_torch_precision(config.train.precision, pick_torch_device("auto")), origin
