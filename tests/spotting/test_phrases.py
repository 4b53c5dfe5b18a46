"""Phrases as labels: pronunciations, spellings and boundaries between words."""

import math

import numpy as np
import pytest

from asr.config import NormalizerSettings
from asr.errors import TextError
from asr.spotting.phrases import LabelEncoder
from asr.text.lexicon import Lexicon
from asr.text.phones import PhoneTokenizer
from asr.text.tokenizer import CharTokenizer, WordTokenizer

LEXICON = Lexicon(
    [
        (word, tuple(phones.split()))
        for word, phones in [
            ("red", "R EH D"),
            ("read", "R IY D"),
            ("read", "R EH D"),
            ("a", "AH"),
            ("a", "EY"),
            ("deed", "D IY D"),
        ]
    ]
)
NORMALIZER = NormalizerSettings()


@pytest.fixture
def phones() -> PhoneTokenizer:
    return PhoneTokenizer(LEXICON, 3)


def spelled(encoder: LabelEncoder, tokenizer: PhoneTokenizer | CharTokenizer, text: str) -> set[str]:
    """The label sequences of a phrase, with | for the boundary."""
    symbols = [*tokenizer.symbols, "|"]
    return {" ".join(symbols[label] for label in sequence) for sequence in encoder.encode(text).sequences}


def test_a_phrase_has_every_pronunciation_once_between_boundaries(phones: PhoneTokenizer):
    encoder = LabelEncoder(phones, NORMALIZER)
    assert encoder.boundary == phones.vocab_size
    assert spelled(encoder, phones, "Read, a") == {
        "| R IY D | AH |",
        "| R IY D | EY |",
        "| R EH D | AH |",
        "| R EH D | EY |",
    }
    assert encoder.encode("red").sequences[0] in encoder.encode("read").sequences  # the homophone's


def test_words_that_the_lexicon_lacks_are_pronounced_by_rule(phones: PhoneTokenizer):
    encoder = LabelEncoder(phones, NORMALIZER)
    guesses = spelled(encoder, phones, "dread")
    assert guesses
    assert all(guess.startswith("| D R ") and guess.endswith(" D |") for guess in guesses)
    assert phones.pronunciations.keys() == {"red", "read", "a", "deed"}  # nothing was added
    assert spelled(encoder, phones, "réad") == spelled(encoder, phones, "read")
    with pytest.raises(TextError, match=r"'straße': cannot be pronounced"):
        encoder.encode("straße")


def test_characters_are_spelled_between_spaces():
    tokenizer = CharTokenizer(["<blank>", " ", "a", "b"])
    encoder = LabelEncoder(tokenizer, NORMALIZER)
    assert spelled(encoder, tokenizer, "Ab a") == {"| a b | a |"}
    with pytest.raises(TextError, match="the alphabet has no c"):
        encoder.encode("abc")
    with pytest.raises(TextError, match="nothing to search for"):
        encoder.encode("?!")


def test_whole_words_have_no_boundaries():
    tokenizer = WordTokenizer(["<blank>", "▁yes", "▁no"])
    encoder = LabelEncoder(tokenizer, NORMALIZER)
    assert encoder.encode("yes no").sequences == ((1, 2),)
    ratios, _ = encoder.to_ratios(np.log(np.full((2, 3), 1 / 3)))
    assert (ratios[:, encoder.boundary] == -math.inf).all()


def test_word_ends_share_their_probability(phones: PhoneTokenizer):
    encoder = LabelEncoder(phones, NORMALIZER)
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(phones.vocab_size), size=5)
    ratios, best = encoder.to_ratios(np.log(probs))
    shared = probs[:, sorted(phones.word_ends)].sum(axis=1)
    labels = np.column_stack([probs, shared])
    np.testing.assert_allclose(np.exp(best), labels.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(np.exp(ratios), labels / labels.max(axis=1, keepdims=True), rtol=1e-4)
