"""A whole training of a punctuator: texts and settings in, a punctuator's folder out."""

from collections.abc import Sequence
from pathlib import Path

import torch

from asr.acoustic.weights import get_weights
from asr.config import PunctuatorConfig, PunctuatorSettings
from asr.errors import TrainingError
from asr.files import read_lines
from asr.language.punctuated_text import PunctuatedText, read_punctuated_text
from asr.language.punctuator import save_punctuator
from asr.language.text_files import parse_weighted_text
from asr.language.written_words import NO_MARK, WordRows
from asr.model_files import WEIGHTS_FILE
from asr.reporter import SILENT, Reporter
from asr.runtime.torch_device import pick_torch_device, pick_torch_precision
from asr.seeds import draw_seed
from asr.train.checkpoint import CheckpointFolder, Fingerprint, Resume
from asr.train.launch import launch
from asr.train.loop import LoopSetup
from asr.train.monitor import PunctuatorMonitor
from asr.train.punctuator.batches import EncodedText
from asr.train.punctuator.network import PunctuatorNetwork
from asr.train.punctuator.trainer import PunctuatorTrainer


def train_punctuator(
    texts: Sequence[Path],
    output: Path,
    config: PunctuatorConfig,
    *,
    dev: Sequence[Path],
    resume: Resume = False,
    reporter: Reporter = SILENT,
) -> None:
    """Train a punctuator.

    Args:
        texts: UTF-8 text with its case and punctuation, a sentence or paragraph per line; `.gz` and `.xz` are
            decompressed.
        output: The folder to write.
        config: All settings.
        dev: Texts to watch and to choose the weights by.
        resume: Whether to continue the run that `output` holds; see `CheckpointFolder.plan`.
        reporter: Shows progress.

    Raises:
        TextError: If a text cannot be read or holds nothing.
        TrainingInterrupted: On SIGINT and SIGTERM; `resume` continues.
        TrainingError: If training cannot continue, there is nothing to resume, or something would be overwritten.
    """
    folder = CheckpointFolder(output)
    settings = PunctuatorSettings(**{name: getattr(config, name) for name in PunctuatorSettings.model_fields})
    decisive = config.model_dump(mode="json", exclude={"train": {"checkpoint_minutes"}})
    precision = pick_torch_precision(config.train.precision, pick_torch_device("auto"))
    fingerprint = Fingerprint((decisive, precision))
    action = folder.plan(resume, output / WEIGHTS_FILE, fingerprint)
    if action == "nothing":
        reporter.line(f"{output} is finished; to train again, remove it or choose another output")
        return
    for path, weight in map(parse_weighted_text, (*texts, *dev)):
        fingerprint.add([str(weight), *read_lines(path)])
    if action == "begin":
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remedy = "a punctuator is a folder, so choose another output"
            raise TrainingError(f"{folder.path}: cannot be made: {error.strerror}; {remedy}") from None
    text, dev_text = (_read(paths, name, settings, reporter) for paths, name in ((texts, "train"), (dev, "dev")))
    fabric = launch(config.train.precision)
    torch.manual_seed(draw_seed(config.train.seed, "weights"))
    network = PunctuatorNetwork(settings.network)
    reporter.line(f"network: {sum(parameter.numel() for parameter in network.parameters()):,} weights")
    words = text.frequent_words(settings.network.num_words)
    rows = WordRows(words, settings.network.num_words, settings.network.num_pieces)
    setup = LoopSetup(config.train, folder, PunctuatorMonitor(folder.path, reporter), fingerprint)
    encoded = EncodedText.from_text(text, rows), EncodedText.from_text(dev_text, rows)
    trainer = PunctuatorTrainer(fabric, network, encoded, settings, setup)
    if action == "resume":
        trainer.restore()
        reporter.line(f"resuming after step {trainer.state.steps}")
    network.load_state_dict(trainer.fit())
    penalty = trainer.find_penalty()
    with torch.no_grad():
        network.marks.bias[NO_MARK] -= penalty
    reporter.line(f"the score of no mark is lowered by {penalty:g}, which gives the best F1 on the development text")
    save_punctuator(get_weights(network), settings, words, text.find_spellings(), output)
    reporter.line(f"punctuator written to {output}")


def _read(paths: Sequence[Path], name: str, settings: PunctuatorSettings, reporter: Reporter) -> PunctuatedText:
    """Read a text and report its size."""
    with reporter.progress(f"reading {name} text", transient=True):
        text = read_punctuated_text(paths, settings.normalizer)
    left_out = f"; {text.left_out:,} lines left out, whose words are uncertain" if text.left_out else ""
    reporter.line(f"{name}: {len(text.words):,} words, {len(text.vocabulary):,} different{left_out}")
    return text
