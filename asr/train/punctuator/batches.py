"""A text with marks and cases in, windows for the network out.

The text is cut into windows at every `length` words, from another word in each epoch, so that sentences begin and end
anywhere in them. What is drawn depends on the seed, the epoch and the batch alone: a resumed run draws the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from asr.config import PunctuatorTrainSettings
from asr.language.punctuated_text import UNKNOWN_CASE, PunctuatedText
from asr.language.written_words import FULL_STOP, UNKNOWN_ROW, WordRows
from asr.runtime.punctuator_network import encode_silences
from asr.seeds import draw_seed
from asr.train.punctuator.silences import draw_silences
from asr.weights import Array


@dataclass(frozen=True)
class EncodedText:
    """A text for the network."""

    rows: Array  # (V, P) int32 rows of each word of the vocabulary
    words: Array  # (N,) positions in the vocabulary
    punctuation: Array  # (N,)
    cases: Array  # (N,)

    @classmethod
    def from_text(cls, text: PunctuatedText, rows: WordRows) -> "EncodedText":
        """Look up the rows of a text's vocabulary."""
        table = np.array([rows(word) for word in text.vocabulary], np.int32)
        return cls(table, text.words, text.punctuation, text.cases)

    def __len__(self) -> int:
        return len(self.words)


class Batch(NamedTuple):
    """B windows of T words."""

    rows: Array  # (T, B, P) int64
    silences: Array  # (T, B, 2) float32; see `encode_silences`
    punctuation: Array  # (T, B) int64, of the words
    previous: Array  # (T, B) int64, the mark before each word
    cases: Array  # (T, B) int64, or UNKNOWN_CASE

    @property
    def num_words(self) -> int:
        """The number of words in all windows."""
        return int(self.punctuation.size)


def training_batches(
    text: EncodedText, settings: PunctuatorTrainSettings, *, length: int, epoch: int, first: int = 0
) -> Iterator[Batch]:
    """Yield an epoch's batches from number `first` on, in random order."""
    rng = np.random.default_rng(draw_seed(settings.seed, "windows", epoch))
    offset = int(rng.integers(length)) if len(text) >= 2 * length else 0
    starts = offset + length * rng.permutation(max(1, (len(text) - offset) // length))
    length = min(length, len(text))
    for number in range(first, -(-len(starts) // settings.batch_size)):
        chosen = starts[number * settings.batch_size :][: settings.batch_size]
        drawing = np.random.default_rng(draw_seed(settings.seed, "batch", epoch, number))
        yield _cut(text, chosen, length, drawing, settings)


def development_batches(text: EncodedText, *, length: int, batch_size: int) -> Iterator[Batch]:
    """Yield the windows of a text in their order, without silences; a rest that fills none is left out."""
    length = min(length, len(text))
    starts = np.arange(0, len(text) - length + 1, length)
    for first in range(0, len(starts), batch_size):
        yield _cut(text, starts[first : first + batch_size], length, np.random.default_rng(0), None)


def _cut(
    text: EncodedText, starts: Array, length: int, rng: np.random.Generator, settings: PunctuatorTrainSettings | None
) -> Batch:
    indices = np.arange(length)[:, None] + starts  # (T, B)
    punctuation = text.punctuation[indices].astype(np.int64)
    before = np.where(indices > 0, text.punctuation[indices - 1], FULL_STOP).astype(np.int64)
    words, cases = text.words[indices], text.cases[indices].astype(np.int64)
    silences = np.full(indices.shape, np.nan)
    rows = text.rows[words].astype(np.int64)  # (T, B, P)
    if settings is not None:
        known = rng.random(len(starts)) < settings.silence_probability
        silences = np.where(known, draw_silences(punctuation, rng), np.nan)
        is_noise = rng.random(indices.shape) < settings.noise_probability
        # Another word of the text in its place; its case cannot be told from the wrong word.
        others = text.words[rng.integers(len(text), size=indices.shape)]
        rows = np.where(is_noise[..., None], text.rows[others], rows)
        cases = np.where(is_noise, UNKNOWN_CASE, cases)
        rows[..., 0] = np.where(rng.random(indices.shape) < settings.unknown_probability, UNKNOWN_ROW, rows[..., 0])
    return Batch(rows, encode_silences(silences), punctuation, before, cases)
