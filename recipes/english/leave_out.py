"""Remove sentences of the development and test sets from a text, so that a language model of it does not know them.

python recipes/english/leave_out.py TEXT SENTENCES OUTPUT [SHARE]

TEXT: one sentence per line, plain, .gz or .xz; SHARE: 8 keeps only every eighth line

Lines that equal one of SENTENCES, or share six consecutive words with one, are removed.
"""

import gzip
import sys
from collections.abc import Iterable
from functools import partial
from itertools import islice
from pathlib import Path

from asr.atomic import atomic_write
from asr.config import NormalizerSettings
from asr.language.text_files import read_sentences
from asr.text.normalize import normalize

WORDS = 6


def runs(words: list[str]) -> Iterable[tuple[str, ...]]:
    """Yield all runs of WORDS words; of a shorter sentence, the whole."""
    return (tuple(words[start : start + WORDS]) for start in range(max(1, len(words) - WORDS + 1)))


def main() -> None:
    text, others, output = map(Path, sys.argv[1:4])
    share = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    settings = NormalizerSettings()
    sentences = partial(read_sentences, unit="word", prepare=lambda line: normalize(line, settings))
    known = {run for words in sentences([others]) for run in runs(words)}
    left_out = 0
    with atomic_write(output) as unfinished, gzip.open(unfinished, "wt", encoding="utf-8", compresslevel=1) as file:
        for words in islice(sentences([text]), 0, None, share):
            if known.isdisjoint(runs(words)):
                file.write(" ".join(words) + "\n")
            else:
                left_out += 1
    print(f"{output}: {left_out} lines left out")


if __name__ == "__main__":
    main()
