"""The errors of two systems on the same utterances in, paired tests of their difference out."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from asr.evaluate.wer import Comparison, Edits, compare_edits


class PairedTests(NamedTuple):
    """Is the difference between two systems more than chance? Probabilities are two-sided."""

    comparison: Comparison  # word error rate of the second minus that of the first, by a paired bootstrap
    matched_pairs: float  # probability of such a difference in errors per utterance by chance
    mcnemar: float  # probability of such a difference in wrong utterances by chance
    only_first_wrong: int  # utterances
    only_second_wrong: int

    @property
    def is_significant(self) -> bool:
        """Whether the 95 % interval of the difference does not contain zero."""
        low, high = self.comparison.interval
        return low > 0 or high < 0


def run_tests(first: Sequence[Edits], second: Sequence[Edits]) -> PairedTests:
    """Compare two systems on the same utterances, of which at least one has a word."""
    differences = [after.errors - before.errors for before, after in zip(first, second, strict=True)]
    wrong = [(before.errors > 0, after.errors > 0) for before, after in zip(first, second, strict=True)]
    only_first, only_second = wrong.count((True, False)), wrong.count((False, True))
    return PairedTests(
        compare_edits(first, second),
        compute_matched_pairs(differences),
        compute_mcnemar(only_first, only_second),
        only_first,
        only_second,
    )


def compute_matched_pairs(differences: Sequence[int]) -> float:
    """Return the p-value of the mean difference by the matched-pairs test (Gillick & Cox 1989), with utterances as
    segments; it is 1 if all differences are zero. The normal distribution needs about 30 utterances.
    """
    values = np.asarray(differences, dtype=float)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if deviation == 0:
        return 0.0 if len(values) > 1 and values.any() else 1.0
    return math.erfc(abs(float(values.mean())) / (deviation / math.sqrt(len(values))) / math.sqrt(2))


def compute_mcnemar(only_first: int, only_second: int) -> float:
    """Return the p-value of McNemar's exact test: are utterances that one system gets wrong shared evenly?"""
    from scipy.stats import binomtest  # heavy

    total = only_first + only_second
    return float(binomtest(only_first, total).pvalue) if total else 1.0
