"""Evaluations in, files out: JSON and texts for programs, the model card's table of results for people."""

import json
import re
from itertools import takewhile
from pathlib import Path
from typing import Any

from asr.atomic import write_text
from asr.errors import ModelError
from asr.evaluate.evaluate import Evaluation
from asr.evaluate.reliability import Reliability
from asr.evaluate.wer import Edits, ErrorRates
from asr.model_files import CARD, TABLE
from asr.transcript.transcript import Word

UTTERANCES = "utterance_results"  # the key of the list of utterances in a result's JSON
# By its first words: cards of before 2026-11-24 lack the last column.
_HEAD = re.compile(r"^\| speech \| utterances .*\n\|[ |:-]+\n", re.MULTILINE)


def to_json(evaluation: Evaluation, model: str | None = None) -> dict[str, Any]:
    """Return a result as a dictionary that `json` can write; all rates are fractions (0.05 is 5 %).

    Args:
        evaluation: The result.
        model: Name or folder of the model, by which the page of `asr report` finds it.
    """
    rates = evaluation.rates
    failures = {"failures": list(map(str, evaluation.failures))} if evaluation.failures else {}
    oracle = {"oracle_wer": evaluation.oracle.wer} if evaluation.oracle else {}
    confidence = {"confidence": _describe_confidence(evaluation.reliability)} if evaluation.reliability else {}
    warned = {"warned": evaluation.warned._asdict()} if evaluation.warned else {}
    named = {} if model is None else {"model": model}
    return {
        **named,
        "wer": rates.wer,
        "wer_interval": list(rates.wer_interval),
        "cer": rates.cer,
        "utterances": rates.utterances,
        "wrong_utterances": rates.wrong_utterances,
        "utterance_error_rate": rates.utterance_error_rate,
        "utterance_interval": list(rates.utterance_interval),
        "words": rates.words,
        "characters": rates.character_edits.length,
        "word_edits": _count_kinds(rates.word_edits),
        "character_edits": _count_kinds(rates.character_edits),
        "real_time_factor": evaluation.real_time_factor,
        **failures,
        **oracle,
        **confidence,
        **warned,
        UTTERANCES: _describe_utterances(evaluation),
    }


def _describe_utterances(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return one dictionary per utterance; a word is a list of its text, start, end and confidence."""
    described = []
    for index, (name, reference, hypothesis) in enumerate(
        zip(evaluation.utterances, evaluation.references, evaluation.hypotheses, strict=True)
    ):
        row: dict[str, Any] = {"name": name, "reference": reference, "hypothesis": hypothesis}
        if evaluation.details:
            row |= evaluation.details[index]._asdict()
            row["words"] = [_describe_word(word) for word in row["words"]]
        described.append(row)
    return described


def _describe_word(word: Word) -> list[Any]:
    confidence = None if word.confidence is None else round(word.confidence, 4)
    return [word.text, round(word.start, 3), round(word.end, 3), confidence]


def _describe_confidence(reliability: Reliability) -> dict[str, Any]:
    return {
        "ece": reliability.error,
        "mean_confidence": reliability.confidence,
        "accuracy": reliability.accuracy,
        "bins": list(map(list, reliability.bins)),
    }


def _count_kinds(edits: Edits) -> dict[str, int]:
    return {name: count for name, count in edits._asdict().items() if name != "length"}


def write_json(path: Path, result: dict[str, Any]) -> None:
    """Write a result atomically, with one line per utterance. Raises AsrError if it cannot be written."""
    summary = {key: value for key, value in result.items() if key != UTTERANCES}
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    if rows := result.get(UTTERANCES):
        lines = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in rows)
        text = f'{text.removesuffix("}").rstrip()},\n  "{UTTERANCES}": [\n{lines}\n  ]\n}}'
    write_text(path, text + "\n")


def write_texts(path: Path, evaluation: Evaluation) -> None:
    """Write lines `name<TAB>reference<TAB>hypothesis`, one per utterance. Raises AsrError if they cannot be written."""
    rows = zip(evaluation.utterances, evaluation.references, evaluation.hypotheses, strict=True)
    write_text(path, "".join("\t".join(row) + "\n" for row in sorted(rows)))


def add_result(folder: Path, name: str, rates: ErrorRates, reliability: Reliability | None = None) -> None:
    """Add the error rates, and the reliability if there is one, to the card of a model's folder.

    They become a row of its table of results, in place of one with the same name.

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
    width = TABLE.partition("\n")[0].count("|")
    kept = [row + "  |" * (width - row.count("|")) for row in rows if not row.startswith(f"| {label} |")]
    kept.append(f"| {' | '.join(map(str, cells))} |")
    write_text(folder / CARD, before + TABLE + "\n".join([*kept, *lines[len(rows) :]]) + "\n")


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
