"""A dictionary of pronunciations and text in, the lexicon of the text's words out."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from asr.atomic import atomic_write, check_writable
from asr.config import NormalizerSettings
from asr.errors import TextError
from asr.language.g2p import G2P
from asr.language.text_files import read_sentences
from asr.text.lexicon import MOST_HOMOPHONES, Lexicon, Phones, read_lexicon
from asr.text.normalize import normalize

# Further guesses are kept if they are at least this probable, relative to the best.
_MOST_GUESSES, _GUESS_SHARE = 3, 0.35
_STRESS = re.compile(r"(?<=^[A-Z]{2})[012]$")  # of ARPAbet's vowels


class LexiconReport(NamedTuple):
    """What went into a lexicon."""

    num_words: int
    guessed: list[str]
    left_out: list[str]  # words that the dictionary gives no way to pronounce, or with too many homophones


def build_lexicon(
    dictionary: Path,
    texts: Sequence[Path],
    output: Path,
    *,
    least: int = 1,
    normalizer: NormalizerSettings | None = None,
    exceptions: Path | None = None,
    base: Path | None = None,
) -> LexiconReport:
    """Write the lexicon of a text's words, the most frequent first.

    The stress marks of ARPAbet are removed: learning them takes more than hours of speech.

    Args:
        dictionary: A lexicon of many words; the pronunciations of words that it lacks are guessed.
        texts: See `read_sentences`.
        least: Words that occur less often than this are left out.
        normalizer: Applied to each line first.
        exceptions: A lexicon that fixes pronunciations. If it is given, those of all other words are guessed, even of
            words in the dictionary: the lexicon is then as free as a model that was estimated from the dictionary,
            and contains nothing else of it.
        base: A lexicon, such as a trained model's, whose entries all come first and are unchanged. Only words
            that it lacks are added, and none with more homophones than the base has: its model could not
            distinguish them.

    Raises:
        TextError: If a file cannot be read, or there is no word to write.
        AsrError: If the lexicon cannot be written.
    """
    check_writable(output)
    known = without_stress(read_lexicon(dictionary))
    base_lexicon = None if base is None else read_lexicon(base)
    words = _count_words(texts, least, normalizer)
    if not words and base_lexicon is None:
        raise TextError(f"no word occurs {least} times in the text")
    new_words = [word for word in words if base_lexicon is None or word not in base_lexicon.pronunciations]
    given = known if exceptions is None else without_stress(read_lexicon(exceptions))
    missing = [word for word in new_words if word not in given.pronunciations]
    guesses = _guess(missing, known, _GUESS_SHARE if exceptions else 1.0)
    pronunciations = {**given.pronunciations, **guesses}
    entries = ((word, phones) for word in new_words for phones in pronunciations.get(word, ()))
    lexicon = _extend(base_lexicon, entries)
    if lexicon is None:
        raise TextError(f"{dictionary}: has no word of the text, such as {words[0]!r}; is it in another case?")
    with atomic_write(output) as partial:
        lexicon.save(partial)
    return LexiconReport(
        len(lexicon.pronunciations),
        [word for word in guesses if word in lexicon.pronunciations],
        [word for word in words if word not in lexicon.pronunciations],
    )


def without_stress(lexicon: Lexicon) -> Lexicon:
    """Return the lexicon without the stress marks of ARPAbet."""
    return Lexicon(
        (word, tuple(_STRESS.sub("", phone) for phone in phones))
        for word, pronunciations in lexicon.pronunciations.items()
        for phones in pronunciations
    )


def _count_words(texts: Sequence[Path], least: int, normalizer: NormalizerSettings | None) -> list[str]:
    """Return the words that occur at least this often, the most frequent first."""
    prepare = str if normalizer is None else lambda line: normalize(line, normalizer)
    counts = Counter(word for sentence in read_sentences(texts, "word", prepare) for word in sentence)
    return sorted((word for word, count in counts.items() if count >= least), key=lambda word: (-counts[word], word))


def _guess(words: Sequence[str], known: Lexicon, share: float) -> dict[str, list[Phones]]:
    if not words:
        return {}
    g2p = G2P(known)
    return {word: guesses for word in words if (guesses := g2p.pronounce(word, share)[:_MOST_GUESSES])}


def _extend(base: Lexicon | None, entries: Iterable[tuple[str, Phones]]) -> Lexicon | None:
    """Append entries to those of the base, except the rarest of too many homophones; None if there is no entry."""
    most = MOST_HOMOPHONES if base is None else base.most_homophones
    kept = [] if base is None else list(base.entries)
    homophones = Counter(phones for _, phones in kept)
    for word, phones in entries:
        homophones[phones] += 1
        if homophones[phones] <= most:
            kept.append((word, phones))
    return Lexicon(kept) if kept else None
