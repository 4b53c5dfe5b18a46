"""The lexicon as a trie against a tree of dictionaries."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decode.scorer.word_trie import build_alphabet, build_trie, encode_words, smear


def grow_tree(words, letters):
    """The lexicon by the book: a tree of dictionaries, numbered unit by unit."""
    root = {}
    for number, word in enumerate(words):
        if word and all(letters.get(character, 0) > 0 for character in word):
            place = root
            for character in word:
                place = place.setdefault(letters[character], {})
            place[None] = number
    places, through, first_child = [root], [0], []
    for place in places:
        first_child.append(len(places))
        for letter in sorted(filter(None, place)):
            places.append(place[letter])
            through.append(letter)
    return [*first_child, len(places)], through, [place.get(None, -1) for place in places]


@given(words=st.lists(st.text("abéя語𝄞x \0▁", max_size=6), max_size=40))
@settings(max_examples=200, deadline=None)
def test_the_lexicon_is_the_tree_of_its_words(words):
    alphabet = build_alphabet(["", " ", *"b語aéя𝄞"])  # no x; letters are not numbered by their codes
    encoded, owners = encode_words(words, alphabet)
    lexicon = build_trie(encoded, owners.astype(np.int32))
    for found, expected in zip(lexicon, grow_tree(words, alphabet.letters), strict=True):
        assert found.dtype == np.int32
        assert found.tolist() == expected


@given(words=st.lists(st.text("abc", max_size=5), max_size=20), seed=st.integers(0, 99))
def test_a_node_has_the_best_score_of_the_words_below_it(words, seed):
    alphabet = build_alphabet(["", " ", *"abc"])
    encoded, owners = encode_words(words, alphabet)
    first_child, _, _ = build_trie(encoded, owners.astype(np.int32))
    scores = np.random.default_rng(seed).normal(size=len(first_child))
    smeared = scores.copy()
    smear(first_child, smeared)

    def best_below(node):
        children = range(first_child[node], first_child[node + 1])
        return max([scores[node], *map(best_below, children)])

    assert smeared[:-1].tolist() == [best_below(node) for node in range(len(first_child) - 1)]
    assert smeared[-1] == scores[-1]
