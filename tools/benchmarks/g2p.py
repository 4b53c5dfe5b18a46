"""Measure how many words outside the lexicon get the right pronunciation.

    python tools/benchmarks/g2p.py cmudict.dict [--words 1000] [--seed 1]
    python tools/benchmarks/g2p.py cmudict.dict --lexicon asr/models/english/lexicon.txt

The first holds words out of the dictionary and guesses them. The second compares a guessed lexicon with the dictionary.
"""

import argparse
import json
import random
import time
from pathlib import Path

from asr.language.g2p import G2P
from asr.language.lexicon_builder import without_stress
from asr.text.lexicon import Lexicon, read_lexicon


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dictionary", type=Path)
    parser.add_argument("--words", type=int, default=1000, help="how many words to hold out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lexicon", type=Path, help="lexicon to compare with the dictionary instead")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    known = without_stress(read_lexicon(options.dictionary))
    if options.lexicon:
        result = compare(read_lexicon(options.lexicon), known)
    else:
        result = hold_out(known, options.words, options.seed)
    for name, value in result.items():
        print(f"{name.replace('_', ' ')}\t{value:.4g}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def compare(lexicon: Lexicon, known: Lexicon) -> dict[str, float]:
    """Compare a lexicon's pronunciations with a dictionary's; shares are of the words that both have."""
    ways, reference = lexicon.pronunciations, known.pronunciations
    shared = [word for word in ways if word in reference]
    return {
        "words_of_lexicon": len(ways),
        "share_in_dictionary": len(shared) / len(ways),
        "share_with_same_first_pronunciation": sum(ways[word][0] == reference[word][0] for word in shared)
        / len(shared),
        "share_that_includes_the_first": sum(reference[word][0] in ways[word] for word in shared) / len(shared),
    }


def hold_out(known: Lexicon, words: int, seed: int) -> dict[str, float]:
    """Guess words that were held out of the dictionary."""
    reference = known.pronunciations
    held_out = set(random.Random(seed).sample(sorted(filter(str.isalpha, reference)), words))
    rest = [(word, way) for word, ways in reference.items() if word not in held_out for way in ways]
    start = time.process_time()
    g2p = G2P(Lexicon(rest))
    learned = time.process_time()
    right = sum(g2p.guess(word) in reference[word] for word in held_out)
    end = time.process_time()
    return {
        "words_learned_from": len(reference) - len(held_out),
        "seconds_to_learn": learned - start,
        "milliseconds_per_word": 1000 * (end - learned) / len(held_out),
        "share_of_words_right": right / len(held_out),
    }


if __name__ == "__main__":
    main()
