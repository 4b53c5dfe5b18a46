"""Small n-gram models of random sentences, and what can be said of them by enumeration."""

import itertools
import math

import numpy as np

from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import END, UNKNOWN, NgramModel


def random_sentences(seed: int, words: str = "abcd", count: int = 40) -> list[list[str]]:
    """Sentences in which what comes next depends on what came before."""
    rng = np.random.default_rng(seed)
    follows = rng.dirichlet(np.full(len(words), 0.4), size=len(words))
    sentences = []
    for _ in range(count):
        number = int(rng.integers(len(words)))
        sentence = [number]
        while rng.random() < 0.7:
            number = int(rng.choice(len(words), p=follows[number]))
            sentence.append(number)
        sentences.append([words[number] for number in sentence])
    return sentences


def random_model(
    seed: int, order: int = 3, words: str = "abcd", count: int = 40, *, known: str | None = None
) -> NgramModel:
    """A model of such sentences; words beyond the known ones are the unknown word to it."""
    sentences = random_sentences(seed, words, count)
    if known is not None:
        sentences = [[word if word in known else UNKNOWN for word in sentence] for sentence in sentences]
    with estimate(lambda: sentences, order) as tables:
        return NgramModel.from_tables(tables)


def histories(model: NgramModel, length: int) -> list[tuple[str, ...]]:
    """All histories of a word: `length` words, or fewer after the beginning of a sentence."""
    words = [word for word in model.words if word not in ("<s>", END)]
    whole = list(itertools.product(words, repeat=length))
    return whole + [
        ("<s>", *history) for shorter in range(length) for history in itertools.product(words, repeat=shorter)
    ]


def probability(model: NgramModel, history: tuple[str, ...], word: str) -> float:
    state = 0
    for read in history:
        state = model.start() if read == "<s>" else model.score(state, read)[1]
    return math.exp(model.score(state, word)[0])


def distribution(model: NgramModel, history: tuple[str, ...]) -> dict[str, float]:
    """What may follow a history, with its probability."""
    return {word: probability(model, history, word) for word in model.words if word != "<s>"}
