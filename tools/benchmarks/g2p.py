"""How many words are pronounced right that the lexicon lacks: some are held out of a dictionary and guessed.

    python tools/benchmarks/g2p.py cmudict.dict [--words 1000] [--seed 1]
    python tools/benchmarks/g2p.py cmudict.dict --lexicon asr/models/english/lexicon.txt

The second compares a lexicon that was guessed by what the whole dictionary teaches.
"""

import argparse
import random
import time
from pathlib import Path

from asr.language.g2p import G2P
from asr.language.lexicon_builder import without_stress
from asr.text.lexicon import Lexicon, read_lexicon


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dictionary", type=Path)
    parser.add_argument("--words", type=int, default=1000, help="that are held out, of letters alone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lexicon", type=Path, help="to compare with the dictionary instead")
    options = parser.parse_args()
    known = without_stress(read_lexicon(options.dictionary))
    if options.lexicon:
        compare(read_lexicon(options.lexicon), known)
    else:
        hold_out(known, options.words, options.seed)


def compare(lexicon: Lexicon, known: Lexicon) -> None:
    shared = [word for word in lexicon.pronunciations if word in known.pronunciations]
    same = sum(lexicon.pronunciations[word][0] == known.pronunciations[word][0] for word in shared)
    among = sum(known.pronunciations[word][0] in lexicon.pronunciations[word] for word in shared)
    print(f"words of the lexicon\t{len(lexicon.pronunciations)}")
    print(f"in the dictionary\t{len(shared) / len(lexicon.pronunciations):.1%}")
    print(f"of these: first pronunciation the dictionary's first\t{same / len(shared):.1%}")
    print(f"of these: the dictionary's first among all\t{among / len(shared):.1%}")


def hold_out(known: Lexicon, words: int, seed: int) -> None:
    held_out = set(random.Random(seed).sample(sorted(filter(str.isalpha, known.pronunciations)), words))
    rest = [(word, way) for word, ways in known.pronunciations.items() if word not in held_out for way in ways]
    start = time.process_time()
    pronouncer = G2P(Lexicon(rest))
    learned = time.process_time()
    right = sum(pronouncer.guess(word) in known.pronunciations[word] for word in held_out)
    end = time.process_time()
    print(f"words learned from\t{len(known.pronunciations) - len(held_out)}")
    print(f"seconds to learn\t{learned - start:.1f}")
    print(f"milliseconds a word\t{1000 * (end - learned) / len(held_out):.2f}")
    print(f"words right\t{right / len(held_out):.1%}")


if __name__ == "__main__":
    main()
