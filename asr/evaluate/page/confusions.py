"""References and hypotheses in, aligned words and the most frequent confusions out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import jiwer

from asr.evaluate.page.results import UtteranceResult

Kind = Literal["equal", "substitute", "delete", "insert"]


class WordPair(NamedTuple):
    """A word of the reference and what was recognised in its place; one of them may be empty."""

    kind: Kind
    reference: str
    hypothesis: str


class Confusions(NamedTuple):
    """The most frequent errors with their counts: pairs of words, words left out, words made up."""

    substituted: list[tuple[tuple[str, str], int]]
    deleted: list[tuple[str, int]]
    inserted: list[tuple[str, int]]


def align_words(reference: str, hypothesis: str) -> list[WordPair]:
    """Align two texts by the fewest edits."""
    output = jiwer.process_words([reference], [hypothesis])
    return [
        pair for chunk in output.alignments[0] for pair in _pairs(chunk, output.references[0], output.hypotheses[0])
    ]


def _pairs(chunk: jiwer.AlignmentChunk, reference: Sequence[str], hypothesis: Sequence[str]) -> list[WordPair]:
    expected = reference[chunk.ref_start_idx : chunk.ref_end_idx]
    recognised = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
    count = max(len(expected), len(recognised))
    padded = [[*words, *[""] * (count - len(words))] for words in (expected, recognised)]
    return [WordPair(chunk.type, *words) for words in zip(*padded, strict=True)]


def count_confusions(utterances: Iterable[UtteranceResult], most: int = 20) -> Confusions:
    """Count the errors of all utterances and return up to `most` of each kind, the most frequent first."""
    counts: dict[Kind, Counter[WordPair]] = {"equal": Counter(), "substitute": Counter(), "delete": Counter()}
    counts["insert"] = Counter()
    for utterance in utterances:
        for pair in align_words(utterance.reference, utterance.hypothesis):
            counts[pair.kind][pair] += 1
    return Confusions(
        [((pair.reference, pair.hypothesis), count) for pair, count in counts["substitute"].most_common(most)],
        [(pair.reference, count) for pair, count in counts["delete"].most_common(most)],
        [(pair.hypothesis, count) for pair, count in counts["insert"].most_common(most)],
    )
