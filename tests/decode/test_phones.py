"""Words spelled as they are pronounced, against enumerating alignments and scoring each text."""

import numpy as np
import pytest

from asr.errors import ConfigError, TextError
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import NgramModel
from tests.decode.decoders import EVERYTHING, make_decoder
from tests.decode.enumeration import random_log_probs, score_all_labellings
from tests.decode.scorer.test_build import WEIGHTS, Opaque, character_model, language_score

SYMBOLS = ["", "|1", "|2", "T", "A"]
WORD_ENDS = [1, 2]
PRONUNCIATIONS = {
    "to": [(3, 1), (3, 4, 1)],
    "two": [(3, 2)],
    "a": [(4, 1)],
    "at": [(4, 3, 1)],
}  # "to" and "two" sound alike


def word_model():
    text = [["to", "at", "two"], ["two", "a", "two"], ["at", "to"], ["a", "two", "to"]] * 3
    with estimate(lambda: text, 3) as tables:
        return NgramModel.from_tables(tables)


def share(log_probs):
    """Word ends as probable as their mean."""
    shared = np.exp(log_probs)
    shared[:, WORD_ENDS] = shared[:, WORD_ENDS].mean(axis=1, keepdims=True)
    return np.log(shared)


def read(tokens):
    """The words of tokens; None where they are none."""
    words, sounds = {way: word for word, ways in PRONUNCIATIONS.items() for way in ways}, ()
    text = []
    for token in tokens:
        sounds = (*sounds, token)
        if token in WORD_ENDS:
            text.append(words.get(sounds))
            sounds = ()
    return None if sounds or None in text else text


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scored", [True, False])
def test_every_hypothesis_is_scored_as_its_words_are(seed, scored):
    model = word_model()
    log_probs = random_log_probs(6, 5, seed)
    decoder = make_decoder(
        SYMBOLS, language_model=model if scored else None, pronunciations=PRONUNCIATIONS, **EVERYTHING, **WEIGHTS
    )

    def expected(tokens):
        words = read(tokens)
        if words is None or not scored:
            return None if words is None else WEIGHTS["beta"] * len(words)
        return language_score(words, model, PRONUNCIATIONS)

    acoustic, _ = score_all_labellings(share(log_probs))
    allowed = {tokens: (score, expected(tokens)) for tokens, score in acoustic.items() if expected(tokens) is not None}
    for (
        tokens,
        score,
    ) in acoustic.items():  # a last word's word end may not have been heard: it is the best that may follow
        if not tokens or tokens[-1] in WORD_ENDS:
            continue
        ended = [((*tokens, word_end), expected((*tokens, word_end))) for word_end in WORD_ENDS]
        ended = [(whole, language) for whole, language in ended if language is not None]
        if ended:
            whole, language = max(ended, key=lambda one: one[1])
            allowed[whole] = max((score, language), allowed.get(whole, (-np.inf, language)), key=sum)
    found = decoder.decode(log_probs, nbest=5000)
    assert {hypothesis.tokens for hypothesis in found} == allowed.keys()
    for hypothesis in found:
        parts = hypothesis.acoustic, hypothesis.language
        assert parts == pytest.approx(allowed[hypothesis.tokens], abs=1e-5), hypothesis.tokens
    assert found[0].score == max(hypothesis.score for hypothesis in found)


def test_blocks_give_what_the_whole_gives():
    log_probs = random_log_probs(60, 5, seed=3)
    decoder = make_decoder(SYMBOLS, language_model=word_model(), pronunciations=PRONUNCIATIONS, beam_size=20, **WEIGHTS)
    state = decoder.start()
    for first in range(0, 60, 7):
        state.feed(log_probs[first : first + 7])
        state.best()
    assert state.finish(5) == decoder.decode(log_probs, nbest=5)


def say(*tokens, certainty=0.9):
    """Log probabilities of tokens, each after a blank."""
    probs = np.full((2 * len(tokens), len(SYMBOLS)), (1 - certainty) / (len(SYMBOLS) - 1))
    probs[::2, 0] = certainty
    probs[np.arange(1, len(probs), 2), tokens] = certainty
    return np.log(probs)


def test_the_language_model_chooses_among_words_that_sound_alike():
    decoder = make_decoder(SYMBOLS, language_model=word_model(), pronunciations=PRONUNCIATIONS, alpha=1.0)
    for word_end in WORD_ENDS:  # whatever the network takes it for
        assert decoder.decode(say(4, 1, 3, word_end))[0].tokens == (4, 1, 3, 2)  # "a two"
        assert decoder.decode(say(4, 3, 1, 3, word_end))[0].tokens == (4, 3, 1, 3, 1)  # "at to"


def test_boosting_finds_a_phrase_in_whatever_way_it_is_said_and_nothing_that_only_sounds_alike():
    model = word_model()
    plain = make_decoder(SYMBOLS, language_model=model, pronunciations=PRONUNCIATIONS)
    boosted = make_decoder(SYMBOLS, language_model=model, pronunciations=PRONUNCIATIONS, hotwords={"at two": 9.0})
    log_probs = say(4, 3, 1, 3, 1)
    assert read(plain.decode(log_probs)[0].tokens) == ["at", "to"]
    best = boosted.decode(log_probs)[0]
    assert (read(best.tokens), best.boost) == (["at", "two"], 9.0)
    other = say(3, 4, 1, 4, 1, certainty=0.9999)
    assert boosted.decode(other)[0] == plain.decode(other)[0]
    twice = make_decoder(SYMBOLS, pronunciations=PRONUNCIATIONS, hotwords={"to a": 5.0})
    for way in PRONUNCIATIONS["to"]:
        assert twice.decode(say(*way, 4, 1))[0].boost == 5.0


def test_a_last_word_without_its_word_end_is_chosen_and_boosted_as_others_are():
    model = word_model()
    beam = {"language_model": model, "pronunciations": PRONUNCIATIONS, "alpha": 1.0}
    assert read(make_decoder(SYMBOLS, **beam).decode(say(4, 1, 3))[0].tokens) == ["a", "two"]
    assert read(make_decoder(SYMBOLS, **beam).decode(say(4, 3, 1, 3))[0].tokens) == ["at", "to"]
    best = make_decoder(SYMBOLS, **beam, hotwords={"at two": 9.0}).decode(say(4, 3, 1, 3))[0]
    assert (read(best.tokens), best.boost) == (["at", "two"], 9.0)
    only = make_decoder(SYMBOLS, pronunciations=PRONUNCIATIONS, vocabulary=["two", "a"])
    assert read(only.decode(say(4, 1, 3))[0].tokens) == ["a", "two"]


def test_a_language_model_without_a_word_of_the_lexicon_is_refused():
    with estimate(lambda: [["TO", "AT"]] * 3, 2) as tables:
        model = NgramModel.from_tables(tables)
    with pytest.raises(ConfigError, match=r"cannot spell any word .* such as 'AT'"):
        make_decoder(SYMBOLS, language_model=model, pronunciations=PRONUNCIATIONS)


def test_words_may_be_named_as_tokens_are():
    with estimate(lambda: [["T", "A"]] * 3, 2) as tables:
        model = NgramModel.from_tables(tables)
    ways = {"T": [(3, 1)], "A": [(4, 1)]}
    best = make_decoder(SYMBOLS, language_model=model, pronunciations=ways).decode(say(3, 1, 4, 1))[0]
    assert best.tokens == (3, 1, 4, 1)


def test_a_vocabulary_leaves_out_other_words_with_pronunciations():
    decoder = make_decoder(SYMBOLS, pronunciations=PRONUNCIATIONS, vocabulary=["two", "a", "zebra"])
    assert read(decoder.decode(say(4, 1, 3, 1))[0].tokens) == ["a", "two"]


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        ({"hotwords": ["zebra"]}, TextError, "the lexicon has no pronunciation of zebra"),
        ({"pronunciations": {"a": [(1, 4)], "b": [(4, 1)]}}, ConfigError, "has a word-end symbol within it"),
        ({"language_model": Opaque(word_model()), "unit": "word"}, ConfigError, "needs a language model of n-grams"),
        ({"language_model": character_model()}, ConfigError, "needs a language model of words"),
        ({"vocabulary": ["zebra"]}, ConfigError, "cannot spell any word"),
    ],
)
def test_what_phones_cannot_do_is_said(chosen, error, message):
    with pytest.raises(error, match=message):
        make_decoder(SYMBOLS, **{"pronunciations": PRONUNCIATIONS, **chosen})
