"""The table of results in a model card, which grows with each evaluation."""

import re
from itertools import takewhile
from pathlib import Path

from asr.atomic import atomic_write
from asr.errors import ModelError
from asr.evaluate.reliability import Reliability
from asr.evaluate.wer import ErrorRates

CARD = "README.md"
TABLE = (
    "| speech | utterances | words | WER | 95 % interval | CER | ECE of confidences |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
)
# By its first words: cards of before 2026-11-24 lack the last column.
_HEAD = re.compile(r"^\| speech \| utterances .*\n\|[ |:-]+\n", re.MULTILINE)


def add_result(folder: Path, name: str, rates: ErrorRates, reliability: Reliability | None = None) -> None:
    """Add a row to a card's table of results, in place of one of the same name.

    Args:
        folder: The model's.
        name: Of the speech.
        rates: Error rates of the model there.
        reliability: Of its confidences, if it has any.

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
        partial.write_text(before + TABLE + "\n".join([*kept, *lines[len(rows) :]]) + "\n", encoding="utf-8")


def read_results(folder: Path) -> tuple[str, str]:
    """Read what comes before and after the head of a card's table of results.

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
    """Widen a row to the table's width."""
    missing = TABLE.partition("\n")[0].count("|") - row.count("|")
    return row + "  |" * missing
