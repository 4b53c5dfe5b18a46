"""A whole training of a recurrent language model: texts and settings in, model folder out."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from asr.config import LanguageConfig, LanguageSettings
from asr.errors import TrainingError
from asr.language.rnn.folder import build_network, load_rnn, save_rnn
from asr.language.rnn.model import RnnModel
from asr.language.text_files import read_text
from asr.model_files import WEIGHTS_FILE
from asr.runtime.precision import pick_precision
from asr.text.load import build_tokenizer
from asr.text.tokenizer import BLANK_SYMBOL, CharTokenizer, Tokenizer
from asr.train.augment import draw_seed
from asr.train.checkpoint import CheckpointFolder
from asr.train.init_from import copy_rows
from asr.train.launch import launch, training_device
from asr.train.rnn_monitor import RnnMonitor
from asr.train.rnn_trainer import RnnTrainer, Text

Say = Callable[[str], None]
_BY_TOKEN = ("embedding.weight", "head_weight", "head_bias")  # parameters with a row a token


def train_language_model(
    texts: Sequence[Path],
    output: Path,
    config: LanguageConfig,
    *,
    dev: Sequence[Path] = (),
    base: Path | None = None,
    resume: bool = False,
    console: Console,
) -> None:
    """Train a recurrent language model.

    Args:
        texts: UTF-8 text; `.gz` and `.xz` are decompressed.
        output: The folder to write.
        config: All settings.
        dev: Texts to watch and to choose the weights by; none: a share of `texts`, held out.
        base: A model folder to start from: it gives the network's shape, the normalisation and its
            alphabet, to which characters of the texts are added.
        resume: Continue the run that `output` holds.
        console: Told of progress.

    Raises:
        TextError: If a text cannot be read or holds nothing.
        ModelError: If `base` is not a usable model.
        TrainingInterrupted: On SIGINT and SIGTERM; `resume` continues.
        TrainingError: If training cannot go on, there is nothing to resume, or something to overwrite.
    """
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    folder = CheckpointFolder(output)
    _refuse_to_overwrite(output, folder, resume=resume)
    parent = load_rnn(base) if base is not None else None
    if parent is not None:
        config = _take_shape(config, parent.settings, say)
    train_lines, dev_lines = _split(texts, dev, config)
    if not resume:
        _make(folder.path)
    fabric = launch(config.train.precision)
    model = _build(config, parent, train_lines, say)
    text = _spell(model, train_lines, dev_lines, say)
    trainer = RnnTrainer(
        fabric,
        model,
        text,
        settings=config.train,
        folder=folder,
        monitor=RnnMonitor(folder.path, console),
        fingerprint=_fingerprint(config, base, train_lines, dev_lines),
    )
    if resume:
        trainer.restore()
        say(f"resuming after step {trainer.position.steps}")
    model.network.load_state_dict(trainer.fit())
    save_rnn(RnnModel(model.network.cpu().eval(), model.tokenizer, model.settings), output)
    say(f"model written to {output}")


def _split(texts: Sequence[Path], dev: Sequence[Path], config: LanguageConfig) -> tuple[list[str], list[str]]:
    """Lines to train on, and lines to watch.

    What is held out are the last characters of a text that runs on, where it may break within a
    line, and lines evenly spread where they stand apart.
    """
    lines = read_text(texts, config)
    if dev:
        return lines, read_text(dev, config)
    share = config.train.dev_share
    if config.lines == "running":
        return _cut(lines, int((1 - share) * sum(len(line) + 1 for line in lines)))
    held_out = {int(index / share) for index in range(int(len(lines) * share))}
    kept = [line for index, line in enumerate(lines) if index not in held_out]
    if not held_out or not kept:
        raise TrainingError(f"{len(lines)} lines are too few to hold out a share of {share:g}; give --dev a text")
    return kept, [lines[index] for index in sorted(held_out)]


def _cut(lines: Sequence[str], size: int) -> tuple[list[str], list[str]]:
    """The first `size` characters of lines and the rest; a line break, which is one too, goes with either."""
    text = "\n".join(lines) + "\n"
    before, after = text[:size], text[size:]
    return before.removesuffix("\n").split("\n"), after.removesuffix("\n").split("\n")


def _build(config: LanguageConfig, base: RnnModel | None, lines: Iterable[str], say: Say) -> RnnModel:
    """The network to train: new, or from another model's weights."""
    torch.manual_seed(draw_seed(config.train.seed, "weights"))
    settings = LanguageSettings(**{name: getattr(config, name) for name in LanguageSettings.model_fields})
    tokenizer = build_tokenizer(lines, config.tokenizer) if base is None else _grow(base.tokenizer, lines)
    network = build_network(settings, tokenizer.vocab_size)
    num_weights = sum(parameter.numel() for parameter in network.parameters())
    say(f"network: {num_weights:,} weights, {tokenizer.vocab_size} tokens")
    model = RnnModel(network, tokenizer, settings)
    if base is not None:
        _copy_weights(base, model)
        say(f"starting from a model of {base.tokenizer.vocab_size} tokens")
    return model


def _take_shape(config: LanguageConfig, base: LanguageSettings, say: Say) -> LanguageConfig:
    """The settings with what the base's weights demand; dropout and training stay."""
    network = base.network.model_copy(update={"dropout": config.network.dropout})
    taken = config.model_copy(
        update={"network": network, "tokenizer": base.tokenizer, "normalizer": base.normalizer, "lines": base.lines}
    )
    # Defaults may differ from the base as they like; what somebody asked for may not go unheard.
    for difference in _differences(config.model_dump(exclude_unset=True), taken.model_dump()):
        say(f"the base decides: {difference}")
    return taken


def _differences(asked: Mapping[str, Any], taken: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The settings, by their paths, that came out otherwise than asked for."""
    for name, value in asked.items():
        own = taken[name]
        if isinstance(value, dict) and isinstance(own, dict):
            yield from _differences(value, own, f"{prefix}{name}.")
        elif value != own:
            yield f"{prefix}{name} is {own}, not {value}"


def _grow(tokenizer: Tokenizer, lines: Iterable[str]) -> Tokenizer:
    """The alphabet with what else the lines hold; subword units stay as they are."""
    if not isinstance(tokenizer, CharTokenizer):
        return tokenizer
    return CharTokenizer([BLANK_SYMBOL, *sorted(set().union(tokenizer.symbols[1:], *lines))])


def _copy_weights(base: RnnModel, model: RnnModel) -> None:
    weights = base.network.state_dict()
    with torch.no_grad():
        for name, value in model.network.state_dict().items():
            if name in _BY_TOKEN:
                copy_rows(weights[name], base.tokenizer, value, model.tokenizer)
            else:
                value.copy_(weights[name])


def _spell(model: RnnModel, train_lines: Sequence[str], dev_lines: Sequence[str], say: Say) -> Text:
    train = [model.encode(line) for line in train_lines]
    dev = [model.encode(line) for line in dev_lines]
    unknown = sum(len(line.unknown) for line in (*train, *dev))
    if unknown:
        say(f"{unknown} characters are not in the alphabet and left out")
    characters = sum(len(line) + 1 for line in dev_lines)
    dev_unknown = sum(len(line.unknown) for line in dev)
    text = Text([line.to_tensor() for line in train], [line.to_tensor() for line in dev], characters, dev_unknown)
    say(f"train: {sum(map(len, text.train)):,} tokens; dev: {characters:,} characters")
    return text


def _refuse_to_overwrite(output: Path, folder: CheckpointFolder, *, resume: bool) -> None:
    if resume:
        return
    for path, remedy in ((folder.last, "continue it with --resume"), (output / WEIGHTS_FILE, "it is a trained model")):
        if path.exists():
            raise TrainingError(f"{path} exists: {remedy}, or choose another --output, or delete it")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"{folder}: cannot be made: {error.strerror}; a recurrent language model is a folder, "
            "so choose another --output"
        ) from None


def _fingerprint(config: LanguageConfig, base: Path | None, *texts: Sequence[str]) -> str:
    """Changes with everything that decides which weights come out."""
    settings = config.model_dump(mode="json", exclude={"train": {"checkpoint_minutes"}})
    precision = pick_precision(config.train.precision, training_device())
    origin = "" if base is None else hashlib.sha256((base / WEIGHTS_FILE).read_bytes()).hexdigest()
    digest = hashlib.sha256(repr((settings, precision, origin)).encode())
    for lines in texts:
        digest.update(f"{len(lines)}\n".encode())
        for line in lines:
            digest.update(f"{line}\n".encode())
    return digest.hexdigest()
