"""Evaluations in, tables for people out."""

import jiwer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from asr.evaluate.evaluate import Evaluation
from asr.evaluate.reliability import Reliability
from asr.evaluate.wer import Edits, ErrorRates, count_edits
from asr.transcript.transcript import ENOUGH_WORDS

_STYLES = {"substitute": "yellow", "delete": "red", "insert": "magenta", "equal": ""}
_GAP = "*"  # fills the line that lacks the other line's word


def print_report(evaluation: Evaluation, console: Console, *, worst: int) -> None:
    """Print a table of rates in percent, then the `worst` utterances with the most word errors."""
    console.print(_make_table(evaluation.rates, evaluation.real_time_factor))
    if evaluation.oracle:
        console.print(f"word error rate of the best hypotheses: {evaluation.oracle.wer:.2%}", highlight=False)
    if evaluation.reliability:
        console.print(describe_reliability(evaluation.reliability), highlight=False)
    if evaluation.warned:
        judged, unfamiliar = evaluation.warned
        text = f"low confidence throughout: {unfamiliar} of {judged} utterances of {ENOUGH_WORDS} words or more"
        console.print(text, highlight=False)
    if worst > 0:
        console.print(_show_worst(evaluation, worst))


def describe_reliability(reliability: Reliability) -> str:
    """Describe the reliability of confidences in one line."""
    return (
        f"word confidence: {reliability.confidence:.1%} on average, {reliability.accuracy:.1%} are right; "
        f"expected calibration error {reliability.error:.2%}"
    )


def _make_table(rates: ErrorRates, real_time_factor: float) -> Table:
    table = Table(title=f"{rates.utterances} utterances, {rates.words} words")
    for name in ("", "rate", "95 % interval", "substituted", "deleted", "inserted"):
        # On narrow terminals names stay whole, and figures are wrapped.
        table.add_column(name, justify="right" if name else "left", no_wrap=not name, overflow="fold")
    low, high = rates.wer_interval
    table.add_row("words", f"{rates.wer:.2%}", f"{low:.2%} to {high:.2%}", *_counts(rates.word_edits))
    low, high = rates.utterance_interval
    table.add_row("utterances", f"{rates.utterance_error_rate:.2%}", f"{low:.2%} to {high:.2%}")
    table.add_row("characters", f"{rates.cer:.2%}", "", *_counts(rates.character_edits))
    table.caption = f"real-time factor {real_time_factor:.3f}"
    return table


def _counts(edits: Edits) -> tuple[str, str, str]:
    return str(edits.substitutions), str(edits.deletions), str(edits.insertions)


def _show_worst(evaluation: Evaluation, count: int) -> RenderableType:
    """Show up to `count` utterances with errors, the worst first, with each reference above its hypothesis."""
    edits = count_edits(evaluation.references, evaluation.hypotheses)
    ranked = sorted(range(len(edits)), key=lambda index: -edits[index].errors)  # stable: ties keep their order
    lines: list[RenderableType] = []
    for index in (index for index in ranked[:count] if edits[index].errors > 0):
        heading = f"{evaluation.utterances[index]}: {edits[index].errors} errors in {edits[index].length} words"
        lines += [Text(heading, style="bold"), *_align(evaluation.references[index], evaluation.hypotheses[index]), ""]
    return Group(*lines)


def _align(reference: str, hypothesis: str) -> tuple[Text, Text]:
    """Align both texts word by word, with the differences marked."""
    output = jiwer.process_words([reference], [hypothesis])
    lines = Text("  ref: "), Text("  hyp: ")
    for chunk in output.alignments[0]:
        reference_words = output.references[0][chunk.ref_start_idx : chunk.ref_end_idx]
        hypothesis_words = output.hypotheses[0][chunk.hyp_start_idx : chunk.hyp_end_idx]
        for index in range(max(len(reference_words), len(hypothesis_words))):
            words = [side[index] if index < len(side) else "" for side in (reference_words, hypothesis_words)]
            width = max(map(len, words))
            for line, word in zip(lines, words, strict=True):
                line.append((word or _GAP * width).ljust(width), style=_STYLES[chunk.type])
                line.append(" ")
    return lines
