"""Error rates in, what people and programs read out: tables, alignments, JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import jiwer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from asr.atomic import atomic_write
from asr.evaluate.reliability import Reliability
from asr.evaluate.reliability import to_json as reliability_to_json
from asr.evaluate.wer import Edits, ErrorRates, count_edits

_MARKS = {"substitute": "yellow", "delete": "red", "insert": "magenta", "equal": ""}
_GAP = "*"  # stands where the other line has a word and this one none


class Evaluation(Protocol):
    """What a report is about: texts by utterance, and what scoring them gave.

    Attributes:
        utterances, references, hypotheses: Names and normalised texts, in one order.
        rates: Word and character error rates.
        real_time_factor: Seconds of computing per second of speech.
        oracle: The rates of the best of several readings, where there are several.
        reliability: How far the confidences of words can be believed, where there are any.
    """

    @property
    def utterances(self) -> Sequence[str]: ...
    @property
    def references(self) -> Sequence[str]: ...
    @property
    def hypotheses(self) -> Sequence[str]: ...
    @property
    def rates(self) -> ErrorRates: ...
    @property
    def real_time_factor(self) -> float: ...
    @property
    def oracle(self) -> ErrorRates | None: ...
    @property
    def reliability(self) -> Reliability | None: ...


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """A result as a dictionary that `json` can write; all rates are fractions (0.05 is 5 %)."""
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
    """Write a result whole or not at all. Raises AsrError if it cannot be written."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_texts(path: Path, evaluation: Evaluation) -> None:
    """Write a line an utterance: its name, what was said and what was heard, with tabs between.

    Raises:
        AsrError: If it cannot be written.
    """
    rows = zip(evaluation.utterances, evaluation.references, evaluation.hypotheses, strict=True)
    with atomic_write(path) as partial:
        partial.write_text("".join("\t".join(row) + "\n" for row in sorted(rows)), encoding="utf-8")


def print_report(evaluation: Evaluation, console: Console, *, worst: int = 5) -> None:
    """Print a result for people: a table in percent, then so many of the worst utterances."""
    console.print(result_table(evaluation.rates, evaluation.real_time_factor))
    if evaluation.oracle:
        console.print(f"word error rate of the best readings: {evaluation.oracle.wer:.2%}", highlight=False)
    if evaluation.reliability:
        console.print(describe(evaluation.reliability), highlight=False)
    if worst > 0:
        console.print(
            worst_utterances(evaluation.utterances, evaluation.references, evaluation.hypotheses, count=worst)
        )


def describe(reliability: Reliability) -> str:
    """Confidences in a line."""
    return (
        f"confidence of words: {reliability.confidence:.1%} on average, {reliability.accuracy:.1%} are right; "
        f"expected calibration error {reliability.error:.2%}"
    )


def result_table(rates: ErrorRates, real_time_factor: float) -> Table:
    """Error rates in percent, and the edits that they count."""
    table = Table(title=f"{rates.utterances} utterances, {rates.words} words")
    for name in ("", "rate", "95 % interval", "substituted", "deleted", "inserted"):
        table.add_column(name, justify="right" if name else "left")
    low, high = rates.wer_interval
    table.add_row("words", f"{rates.wer:.2%}", f"{low:.2%} to {high:.2%}", *_counts(rates.word_edits))
    low, high = rates.utterance_interval
    table.add_row("utterances", f"{rates.utterance_error_rate:.2%}", f"{low:.2%} to {high:.2%}")
    table.add_row("characters", f"{rates.cer:.2%}", "", *_counts(rates.character_edits))
    table.caption = f"real-time factor {real_time_factor:.3f}"
    return table


def worst_utterances(
    names: Sequence[str], references: Sequence[str], hypotheses: Sequence[str], *, count: int = 10
) -> RenderableType:
    """The utterances with the most word errors, reference above hypothesis, word below word.

    Args:
        names: Of the utterances.
        references, hypotheses: In the order of the names.
        count: At most so many; those without an error are left out.
    """
    edits = count_edits(references, hypotheses)
    ranked = sorted(range(len(names)), key=lambda index: -edits[index].errors)  # stable: ties keep their order
    chosen = [index for index in ranked[:count] if edits[index].errors > 0]
    return Group(
        *(
            Group(
                Text(f"{names[index]}: {edits[index].errors} errors in {edits[index].length} words", style="bold"),
                *align(references[index], hypotheses[index]),
                "",
            )
            for index in chosen
        )
    )


def align(reference: str, hypothesis: str) -> tuple[Text, Text]:
    """Reference and hypothesis with equal words one below the other and the differences marked."""
    output = jiwer.process_words([reference], [hypothesis])
    above, below = Text("  said: "), Text(" heard: ")
    for chunk in output.alignments[0]:
        said = output.references[0][chunk.ref_start_idx : chunk.ref_end_idx]
        heard = output.hypotheses[0][chunk.hyp_start_idx : chunk.hyp_end_idx]
        for index in range(max(len(said), len(heard))):
            words = [side[index] if index < len(side) else "" for side in (said, heard)]
            width = max(map(len, words))
            for line, word in zip((above, below), words, strict=True):
                line.append((word or _GAP * width).ljust(width), style=_MARKS[chunk.type])
                line.append(" ")
    return above, below


def _edits(edits: Edits) -> dict[str, int]:
    counts = asdict(edits)
    del counts["length"]
    return counts


def _counts(edits: Edits) -> tuple[str, str, str]:
    return str(edits.substitutions), str(edits.deletions), str(edits.insertions)
