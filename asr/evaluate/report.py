"""Evaluations in, files for programs out: JSON and tab-separated texts."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asr.atomic import atomic_write
from asr.evaluate.evaluate import Evaluation
from asr.evaluate.reliability import to_json as reliability_to_json
from asr.evaluate.wer import Edits


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return a result as a dictionary that `json` can write; all rates are fractions (0.05 is 5 %)."""
    rates = evaluation.rates
    oracle = {"oracle_wer": evaluation.oracle.wer} if evaluation.oracle else {}
    confidence = {"confidence": reliability_to_json(evaluation.reliability)} if evaluation.reliability else {}
    return {
        "wer": rates.wer,
        "wer_interval": list(rates.wer_interval),
        "cer": rates.cer,
        "utterances": rates.utterances,
        "wrong_utterances": rates.wrong_utterances,
        "utterance_error_rate": rates.utterance_error_rate,
        "utterance_interval": list(rates.utterance_interval),
        "words": rates.words,
        "characters": rates.character_edits.length,
        "word_edits": _edits(rates.word_edits),
        "character_edits": _edits(rates.character_edits),
        "real_time_factor": evaluation.real_time_factor,
        **oracle,
        **confidence,
    }


def write_json(path: Path, result: dict[str, Any]) -> None:
    """Write a result atomically. Raises AsrError if it cannot be written."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_texts(path: Path, evaluation: Evaluation) -> None:
    """Write one line per utterance: its name, reference and hypothesis, separated by tabs.

    Raises:
        AsrError: If the file cannot be written.
    """
    rows = zip(evaluation.utterances, evaluation.references, evaluation.hypotheses, strict=True)
    with atomic_write(path) as partial:
        partial.write_text("".join("\t".join(row) + "\n" for row in sorted(rows)), encoding="utf-8")


def _edits(edits: Edits) -> dict[str, int]:
    return {name: count for name, count in asdict(edits).items() if name != "length"}
