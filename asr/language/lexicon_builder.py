"""A dictionary of pronunciations and text in, the lexicon of the text's words out."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from asr.atomic import atomic_write, check_writable
from asr.config import NormalizerSettings
from asr.errors import TextError
from asr.language.g2p import G2P
from asr.language.text_files import read_sentences
from asr.text.lexicon import Lexicon, Phones, read_lexicon
from asr.text.normalize import normalize

MOST_ALIKE = 8  # words of one pronunciation
MOST_WAYS, SHARE = 3, 0.35  # of guesses: further ways that are less probable than this share of the best are left out
_STRESSED = re.compile(r"(?<=^[A-Z]{2})[012]$")  # of ARPAbet's vowels


def build_lexicon(
    dictionary: Path,
    texts: Sequence[Path],
    output: Path,
    *,
    least: int,
    normalizer: NormalizerSettings | None,
    exceptions: Path | None = None,
) -> tuple[int, list[str], list[str]]:
    """Write the lexicon of the words that occur in texts so often at least, the most frequent first.

    The marks of stress in ARPAbet are left out: it takes more than hours of speech to learn them.

    Args:
        dictionary: A lexicon of many words; words that it lacks are pronounced by guess.
        texts: UTF-8 text, a sentence a line; `.gz` and `.xz` are decompressed.
        output: The lexicon.
        least: Rarer words are left out.
        normalizer: What is done to each line first; None: nothing.
        exceptions: A lexicon whose words are pronounced as it says. Where it is given all other words are pronounced
            by guess, also those that the dictionary holds: the lexicon then is as free as a model that was estimated
            from the dictionary, and holds nothing else of it.

    Returns:
        How many words there are, those pronounced by guess, and those left out: nothing in the dictionary tells
        how they are pronounced, or too many words sound alike.

    Raises:
        TextError: If a file cannot be read, or no word is left.
        AsrError: If the lexicon cannot be written.
    """
    check_writable(output)
    known = without_stress(read_lexicon(dictionary))
    prepare = str if normalizer is None else lambda line: normalize(line, normalizer)
    counts = Counter(word for sentence in read_sentences(texts, "word", prepare) for word in sentence)
    words = sorted((word for word, count in counts.items() if count >= least), key=lambda word: (-counts[word], word))
    if not words:
        raise TextError(f"no word occurs {least} times in the text")
    given = known.pronunciations if exceptions is None else without_stress(read_lexicon(exceptions)).pronunciations
    guessed = _guess([word for word in words if word not in given], known, 1.0 if exceptions is None else SHARE)
    ways = {**given, **guessed}
    entries = list(_leave_out((word, phones) for word in words for phones in ways.get(word, ())))
    if not entries:
        raise TextError(f"{dictionary}: tells of no word of the text, such as {words[0]!r}; is its case another?")
    lexicon = Lexicon(entries)
    with atomic_write(output) as partial:
        lexicon.save(partial)
    return (
        len(lexicon.pronunciations),
        [word for word in guessed if word in lexicon.pronunciations],
        [word for word in words if word not in lexicon.pronunciations],
    )


def _leave_out(entries: Iterable[tuple[str, Phones]]) -> Iterator[tuple[str, Phones]]:
    """The entries but the rarest of too many words that sound alike: each needs a mark of its own in the network."""
    alike: Counter[Phones] = Counter()
    for word, phones in entries:
        alike[phones] += 1
        if alike[phones] <= MOST_ALIKE:
            yield word, phones


def without_stress(lexicon: Lexicon) -> Lexicon:
    """The lexicon without the marks of stress of ARPAbet."""
    entries = ((word, phones) for word, ways in lexicon.pronunciations.items() for phones in ways)
    return Lexicon((word, tuple(_STRESSED.sub("", phone) for phone in phones)) for word, phones in entries)


def _guess(words: Sequence[str], known: Lexicon, least: float) -> dict[str, list[Phones]]:
    if not words:
        return {}
    pronouncer = G2P(known)
    return {word: ways for word in words if (ways := pronouncer.ways(word, least)[:MOST_WAYS])}
