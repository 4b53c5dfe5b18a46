"""The model card: what a model was made of, how good it is, where it must not be trusted."""

import datetime
import re
from itertools import takewhile
from pathlib import Path

from asr import __version__
from asr.atomic import atomic_write
from asr.config import Config
from asr.errors import ModelError
from asr.evaluate.reliability import Reliability
from asr.evaluate.wer import ErrorRates
from asr.recognize.model_folder import Model, find_model
from asr.train.trainer import DevResult, TrainState

CARD = "README.md"
_TEMPLATE = """# {name}

A speech recognition model: `asr transcribe --model <this folder> FILE`.

| | |
| --- | --- |
{facts}

## Results

On the development set, which chose the weights, greedily and without a language model:
{wer:.2%} WER, {cer:.2%} CER. On other speech, as `asr evaluate --add-to-card` measured:

{table}
## Limits

It writes only what its tokens and, where it has one, its lexicon spell, and is as good as above
only on speech like that it was trained on: other accents, microphones, rooms and subjects cost
accuracy. Its confidences are fitted to the development set; on other speech it may be surer than
it is right.
"""
_TABLE = (
    "| speech | utterances | words | WER | 95 % interval | CER | ECE of confidences |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
)
# By its first words: cards of before 2026-11-24 lack the last column.
_HEAD = re.compile(r"^\| speech \| utterances .*\n\|[ |:-]+\n", re.MULTILINE)

_FACT = re.compile(r"^\| ([a-z ]+) \| (.+) \|$", re.MULTILINE)


def write_card(
    config: Config, model: Model, position: TrainState, dev: DevResult, *, train_seconds: float, num_utterances: int
) -> None:
    """Write `README.md` into a freshly trained model's folder."""
    epochs = f"{position.epoch} epoch" + "s" * (position.epoch != 1)
    speech = f"{num_utterances} utterances, {train_seconds / 3600:.2f} h"
    facts = {
        **_describe_model(config, model),
        "training speech": f"{config.corpus.name or 'not named'}: {speech}",
        "licence of the speech": config.corpus.licence or "not stated",
        **_describe_base(config.train.init_from),
        "training": f"{epochs}, {position.steps} steps, {position.elapsed / 60:.0f} minutes, "
        f"seed {config.train.seed}; {position.bad_steps} steps skipped",
        "made with": f"asr {__version__}, {datetime.date.today().isoformat()}",
    }
    text = _TEMPLATE.format(
        name=config.output.name,
        facts="\n".join(f"| {name} | {value} |" for name, value in facts.items()),
        wer=dev.wer,
        cer=dev.cer,
        table=_TABLE,
    )
    with atomic_write(config.output / CARD) as partial:
        partial.write_text(text, encoding="utf-8")


def _describe_base(name: str | None) -> dict[str, str]:
    """Of a model that another was begun from, what speech it had heard: its licences reach this one."""
    if name is None:
        return {}
    card = find_model(name) / CARD
    facts = dict(_FACT.findall(card.read_text(encoding="utf-8"))) if card.is_file() else {}
    told = [facts[fact] for fact in ("training speech", "licence of the speech", "begun from") if fact in facts]
    heard = f" ({'; '.join(told)})" if told else ", which tells nothing of its speech"
    return {"begun from": f"`{Path(name).name}`{heard}"}


def _describe_model(config: Config, model: Model) -> dict[str, str]:
    acoustic = config.acoustic
    num_weights = sum(parameter.numel() for parameter in model.acoustic.parameters())
    loss = "CTC-CRF" if config.train.loss.denominator_weight else "CTC"
    return {
        "task": f"speech to text, {model.tokenizer.vocab_size - 1} symbols ({config.tokenizer.kind})",
        "network": f"{acoustic.num_layers} {acoustic.cell} layers ({acoustic.direction}) of {acoustic.hidden_size} "
        f"units a direction, {loss}; {num_weights / 1e6:.1f} million weights",
        "audio": f"{config.features.sample_rate} Hz, mono, {config.features.num_mels} mel bands",
    }


def add_result(folder: Path, name: str, rates: ErrorRates, reliability: Reliability | None = None) -> None:
    """Add a row to a card's table of results; one of the same name is replaced.

    Args:
        folder: The model's.
        name: Of the speech.
        rates: How often the model errs there.
        reliability: How far its confidences can be believed, where it has any.

    Raises:
        ModelError: If the folder has no card with such a table.
    """
    before, after = read_results(folder)
    lines = after.splitlines()
    rows = list(takewhile(lambda line: line.startswith("|"), lines))
    low, high = rates.wer_interval
    label = name.replace("|", "/")
    cells = [label, rates.utterances, rates.words, f"{rates.wer:.2%}", f"{low:.2%} to {high:.2%}", f"{rates.cer:.2%}"]
    cells.append("" if reliability is None else f"{reliability.error:.2%}")
    kept = [_fill(row) for row in rows if not row.startswith(f"| {label} |")]
    kept.append(f"| {' | '.join(map(str, cells))} |")
    with atomic_write(folder / CARD) as partial:
        partial.write_text(before + _TABLE + "\n".join([*kept, *lines[len(rows) :]]) + "\n", encoding="utf-8")


def read_results(folder: Path) -> tuple[str, str]:
    """What stands before and after the head of a card's table of results.

    Raises:
        ModelError: If the folder has no card with such a table.
    """
    card = folder / CARD
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    head = _HEAD.search(text)
    if head is None:
        raise ModelError(f"{card}: no model card with a table of results, as `asr train` writes it")
    return text[: head.start()], text[head.end() :]


def _fill(row: str) -> str:
    """A row as wide as the table."""
    missing = _TABLE.partition("\n")[0].count("|") - row.count("|")
    return row + "  |" * missing
