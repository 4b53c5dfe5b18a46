"""Utterances in, error rates of groups of them out: by speaker, by length, by confidence."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from asr.evaluate.page.results import SystemResult, UtteranceResult
from asr.evaluate.wer import Edits, ErrorRates

DURATIONS = (2.0, 4.0, 8.0, 16.0)  # seconds, between the groups
WORDS = (3, 6, 12, 24)
CONFIDENCES = (0.5, 0.7, 0.8, 0.9, 0.95)


class Group(NamedTuple):
    """Utterances that have something in common."""

    label: str
    utterances: int
    words: int
    wer: float
    interval: tuple[float, float]  # 95 % bootstrap


def group_by_speaker(result: SystemResult) -> list[Group]:
    """Return the speakers, the worst first; nothing if the result does not name them."""
    groups = _group(result, lambda utterance: utterance.speaker)
    return sorted(groups, key=lambda group: -group.wer)


def group_by_length(result: SystemResult) -> list[Group]:
    """Return groups by increasing duration; by the number of words if the result does not say durations."""
    if all(utterance.duration is not None for utterance in result.utterances):
        labels = _label_ranges(DURATIONS, "{:g}", " s")
        return _group(result, lambda one: labels[bisect_right(DURATIONS, one.duration or 0.0)], labels)
    labels = _label_ranges(WORDS, "{:d}", " words")
    return _group(result, lambda one: labels[bisect_right(WORDS, len(one.reference.split()))], labels)


def group_by_confidence(result: SystemResult) -> list[Group]:
    """Return groups by increasing mean confidence of their words; nothing if there are no confidences."""
    labels = _label_ranges(CONFIDENCES, "{:.0%}", "")

    def label(utterance: UtteranceResult) -> str | None:
        confidence = utterance.confidence
        return None if confidence is None else labels[bisect_right(CONFIDENCES, confidence)]

    return _group(result, label, labels)


def _label_ranges(bounds: Sequence[float], number: str, unit: str) -> list[str]:
    """Name the ranges below, between and from the bounds; each contains its lower bound."""
    texts = [number.format(bound) for bound in bounds]
    between = [f"{low} to {high}{unit}" for low, high in pairwise(texts)]
    return [f"under {texts[0]}{unit}", *between, f"{texts[-1]}{unit} and more"]


def _group(
    result: SystemResult, label: Callable[[UtteranceResult], str | None], order: Iterable[str] | None = None
) -> list[Group]:
    members: dict[str, list[Edits]] = defaultdict(list)
    for utterance, edits in zip(result.utterances, result.edits, strict=True):
        if (name := label(utterance)) is not None:
            members[name].append(edits)
    names = members if order is None else [name for name in order if name in members]
    return [_measure(name, members[name]) for name in names if any(edits.length for edits in members[name])]


def _measure(label: str, edits: Sequence[Edits]) -> Group:
    rates = ErrorRates(tuple(edits), character_edits=Edits(0, 0, 0, 0))
    return Group(label, rates.utterances, rates.words, rates.wer, rates.wer_interval)
