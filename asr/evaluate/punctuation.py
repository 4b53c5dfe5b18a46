"""Marks and capitals as written and as they should be in; precision, recall and F1 out.

A mark is right if the reference has the same mark after the same word, a capital if the reference's word has one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asr.language.punctuated_text import UNKNOWN_CASE, read_punctuated_text
from asr.language.punctuator import Decisions, Punctuator
from asr.language.written_words import COMMA, FULL_STOP, LOWER, NO_MARK, QUESTION
from asr.weights import Array

PAUSE = 0.7  # seconds after which the baseline of pauses writes a full stop
NAMES: Mapping[str, int] = {"comma": COMMA, "full stop": FULL_STOP, "question mark": QUESTION}


@dataclass(frozen=True)
class Score:
    """How well one thing was found; rates are fractions, and 0 where nothing was found or sought."""

    name: str
    right: int
    found: int
    expected: int

    @property
    def precision(self) -> float:
        """The share of those found that are right."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """The share of those expected that were found."""
        return self.right / self.expected if self.expected else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / (self.found + self.expected) if self.found + self.expected else 0.0


def score(expected: Decisions, found: Decisions) -> list[Score]:
    """Score comma, full stop and question mark, any mark, and capitals; unknown cases do not count."""
    scores = [_compare(name, expected.punctuation == mark, found.punctuation == mark) for name, mark in NAMES.items()]
    all_right = (expected.punctuation == found.punctuation) & (expected.punctuation != NO_MARK)
    totals = (int((one.punctuation != NO_MARK).sum()) for one in (found, expected))
    scores.append(Score("all marks", int(all_right.sum()), *totals))
    known = expected.cases != UNKNOWN_CASE
    return [*scores, _compare("capitals", expected.cases[known] != LOWER, found.cases[known] != LOWER)]


def _compare(name: str, expected: Array, found: Array) -> Score:
    return Score(name, int((expected & found).sum()), int(found.sum()), int(expected.sum()))


def match_words(reference: Sequence[str], hypothesis: Sequence[str], found: Decisions) -> Decisions:
    """Move what was written with recognised words to the words that were said.

    Words are aligned with the fewest errors. A mark after a word that was not said counts as that of the word before
    it, if that has none; words that were not recognised get neither mark nor capital.

    Args:
        reference: The words that were said.
        hypothesis: The words that were recognised, at least one.
        found: Decisions about the latter.

    Returns:
        Decisions about the former.
    """
    from jiwer import process_words  # not needed for text

    chunks = process_words([" ".join(reference)], [" ".join(hypothesis)]).alignments[0]
    marks, cases = np.full(len(reference), NO_MARK), np.full(len(reference), LOWER)
    for chunk in chunks:
        own, other = chunk.ref_start_idx, chunk.hyp_start_idx
        if chunk.type == "insert":
            later = found.punctuation[other : chunk.hyp_end_idx]
            if own and marks[own - 1] == NO_MARK and later.any():
                marks[own - 1] = later[later != NO_MARK][0]
        elif chunk.type != "delete":
            size = chunk.ref_end_idx - own
            marks[own : own + size] = found.punctuation[other : other + size]
            cases[own : own + size] = found.cases[other : other + size]
    return Decisions(marks, cases)


def write_majority(num_words: int) -> Decisions:
    """Write what most words have: no mark, small letters."""
    return Decisions(np.full(num_words, NO_MARK), np.full(num_words, LOWER))


def write_at_pauses(silences: Sequence[float]) -> Decisions:
    """Write a full stop after each pause of `PAUSE` seconds and at the end, and a capital after each full stop."""
    ends = np.asarray(silences) >= PAUSE
    if len(ends):
        ends[-1] = True
    starts = np.append(True, ends[:-1])[: len(ends)]
    return Decisions(np.where(ends, FULL_STOP, NO_MARK), starts.astype(np.int8))


class TextResult(NamedTuple):
    """The scores of each system on a text."""

    num_words: int
    left_out: int  # lines whose words are uncertain
    systems: dict[str, list[Score]]


def evaluate_text(texts: Sequence[Path], punctuator: Punctuator) -> TextResult:
    """Score a punctuator and a baseline on punctuated text, of which it gets the words alone.

    Raises:
        TextError: If a text cannot be read or holds nothing.
    """
    text = read_punctuated_text(texts, punctuator.settings.normalizer)
    words = [text.vocabulary[index] for index in text.words]
    expected = Decisions(text.punctuation, text.cases)
    found = {"punctuator": punctuator.decide(words), "majority": write_majority(len(words))}
    return TextResult(len(words), text.left_out, {name: score(expected, one) for name, one in found.items()})
