"""Files of `asr evaluate` in, the results of one system each out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from asr.errors import CorpusError
from asr.evaluate.report import UTTERANCES
from asr.evaluate.wer import Edits, ErrorRates, require_words, score_utterances
from asr.files import read_lines
from asr.transcript.transcript import Word, mean_confidence


@dataclass(frozen=True)
class UtteranceResult:
    """What was said and what was recognised; without what the file does not tell."""

    name: str
    reference: str
    hypothesis: str
    duration: float | None = None  # seconds
    speaker: str | None = None
    audio: str | None = None  # path of the recording
    start: float = 0.0  # seconds into it
    channel: int | None = None
    words: tuple[Word, ...] = ()  # recognised, with times from the start of the utterance

    @property
    def confidence(self) -> float | None:
        """The mean confidence of its words; None if there are none, or one has no confidence."""
        return mean_confidence(self.words) if self.words else None


@dataclass(frozen=True)
class SystemResult:
    """The result of one system on a set of utterances."""

    label: str  # unique on the page
    model: str | None  # name or folder; None if the file does not tell
    utterances: Sequence[UtteranceResult]
    summary: dict[str, Any] = field(default_factory=dict)  # the rest of the file

    @cached_property
    def rates(self) -> ErrorRates:
        """Error rates of all utterances."""
        return score_utterances([one.reference for one in self.utterances], [one.hypothesis for one in self.utterances])

    @property
    def edits(self) -> tuple[Edits, ...]:
        """Word edits of each utterance."""
        return self.rates.utterance_edits


def read_results(paths: Sequence[Path]) -> list[SystemResult]:
    """Read results, each a JSON file or a TSV file of `asr evaluate`; their names become labels.

    Raises:
        CorpusError: If a file cannot be read, is something else, or holds no texts.
    """
    labels = _label(paths)
    return [_read_result(path, label) for path, label in zip(paths, labels, strict=True)]


def _label(paths: Sequence[Path]) -> list[str]:
    """Return the files' names without suffixes; where they are not unique, with their folders, or else a number."""
    for candidates in ([path.stem for path in paths], [f"{path.parent.name}/{path.stem}" for path in paths]):
        if len(set(candidates)) == len(candidates):
            return candidates
    return [f"{number}: {path.stem}" for number, path in enumerate(paths, start=1)]


def _read_result(path: Path, label: str) -> SystemResult:
    lines = list(read_lines(path, CorpusError))
    text = "\n".join(lines)
    if text.lstrip().startswith("{"):
        model, utterances, summary = _parse_json(path, text)
    else:
        model, utterances, summary = None, [_parse_row(path, line) for line in lines if line.strip()], {}
    if not utterances:
        raise CorpusError(
            f"{path}: the result holds no utterances; write it again by `asr evaluate`, or give the file of its texts"
        )
    require_words([utterance.reference for utterance in utterances])
    return SystemResult(label, model, utterances, summary)


def _parse_row(path: Path, line: str) -> UtteranceResult:
    parts = line.rstrip("\n").split("\t")
    if len(parts) != 3:
        raise CorpusError(f"{path}: neither a JSON result nor lines of name, reference and hypothesis: {line[:60]!r}")
    name, reference, hypothesis = parts
    return UtteranceResult(name, reference, hypothesis)


def _parse_json(path: Path, text: str) -> tuple[str | None, list[UtteranceResult], dict[str, Any]]:
    try:
        content = json.loads(text)
        utterances = [_parse_utterance(row) for row in content.pop(UTTERANCES, [])]
        model = content.pop("model", None)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CorpusError(f"{path}: not a result as `asr evaluate` writes it: {error}") from None
    return model, utterances, content


def _parse_utterance(row: dict[str, Any]) -> UtteranceResult:
    words = tuple(Word(*word) for word in row.get("words", ()))
    known = {key: row[key] for key in UtteranceResult.__dataclass_fields__ if key in row}
    return UtteranceResult(**known | {"words": words})


@dataclass(frozen=True)
class Pairs:
    """Utterances that two systems share, in the order of the first."""

    first: Sequence[int]  # their indices there
    second: Sequence[int]
    left_out: int  # that only one of them has, or whose references differ


def pair_utterances(first: SystemResult, second: SystemResult) -> Pairs:
    """Find the utterances of the same name and reference in both results."""
    theirs = {(one.name, one.reference): index for index, one in enumerate(second.utterances)}
    keys = [(one.name, one.reference) for one in first.utterances]
    shared = [(index, theirs[key]) for index, key in enumerate(keys) if key in theirs]
    names = {one.name for result in (first, second) for one in result.utterances}
    return Pairs([index for index, _ in shared], [index for _, index in shared], len(names) - len(shared))
