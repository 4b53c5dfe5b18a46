"""Phrase boosting against counting phrases in the finished text."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decode.scorer.hotwords import DEFAULT_WEIGHT, build_phrases, parse_hotword, parse_hotwords
from asr.decode.scorer.word_trie import build_alphabet
from asr.errors import ConfigError, TextError
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import NgramModel
from tests.decode.decoders import EVERYTHING, make_decoder
from tests.decode.enumeration import random_log_probs, score_all_labellings
from tests.decode.scorer.test_build import WEIGHTS, Opaque, assert_matches, word_model

SYMBOLS = ["", "a", "b", " "]
PIECES = ["", "▁a", "▁b", "ab", "a", "▁"]


def walk(table, tokens):
    state, total = table.start, 0.0
    for token in tokens:
        total += table.gains[state, token]
        state = table.next_state[state, token]
    return total + table.credit[state], total + table.end_gains[state]


def count_phrase(text, phrase):
    words, phrase_words = text.split(" "), phrase.split(" ")
    return sum(words[i : i + len(phrase_words)] == phrase_words for i in range(len(words)))


@given(
    phrases=st.dictionaries(
        st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=3).map(" ".join),
        st.floats(-4, 8).map(lambda weight: round(weight, 2)),
        min_size=1,
        max_size=4,
    ),
    tokens=st.lists(st.integers(1, 5), max_size=12),
)
@settings(max_examples=300, deadline=None)
def test_a_text_ends_with_the_weights_of_the_phrases_it_holds(phrases, tokens):
    table = build_phrases(phrases, build_alphabet(PIECES))
    text = "".join(PIECES[token] for token in tokens).replace("▁", " ")
    expected = sum(weight * count_phrase(text, phrase) for phrase, weight in phrases.items())
    assert walk(table, tokens)[1] == pytest.approx(expected)


def test_credit_grows_with_the_match_and_is_given_back_when_it_fails():
    table = build_phrases({"abba": 8.0}, build_alphabet(SYMBOLS))
    earned = [walk(table, [1, 2, 2, 1][:length])[0] for length in range(5)]
    assert earned == pytest.approx([0, 2, 4, 6, 8])
    assert walk(table, [1, 2, 2, 2])[0] == 0
    assert walk(table, [1, 2, 2, 1, 1])[0] == 0  # "abbaa" is another word
    assert walk(table, [2, 1, 2, 2, 1])[0] == 0  # and so is "babba"
    assert walk(table, [1, 2, 2, 1, 3])[0] == 8
    assert walk(table, [1, 2, 2])[1] == 0  # broken off


def test_a_failed_phrase_may_go_on_as_another():
    table = build_phrases({"a b a": 9.0, "b b": 4.0}, build_alphabet(SYMBOLS))
    assert walk(table, [1, 3, 2, 3, 2])[1] == pytest.approx(4.0)  # "a b b"


@pytest.mark.parametrize("seed", range(4))
def test_boosted_search_is_exact(seed):
    log_probs = random_log_probs(6, 4, seed)
    hotwords = {"ab": 2.0, "b a": 3.0}
    decoder = make_decoder(
        SYMBOLS, beam_size=3000, beam_threshold=math.inf, token_threshold=math.inf, blank_skip=2.0, hotwords=hotwords
    )
    found = {h.tokens: (h.acoustic, h.boost) for h in decoder.decode(log_probs, nbest=5000)}
    acoustic, _ = score_all_labellings(log_probs)
    assert found.keys() == acoustic.keys()
    for tokens, (score, boost) in found.items():
        text = "".join(SYMBOLS[token] for token in tokens)
        assert score == pytest.approx(acoustic[tokens])
        assert boost == pytest.approx(sum(w * count_phrase(text, p) for p, w in hotwords.items()))


def test_boosting_brings_a_rare_phrase_through_a_narrow_beam():
    # Each letter of "abab" is less probable than the other one; a blank follows each.
    letters = [
        [0.02, 0.30, 0.66, 0.02],
        [0.94, 0.02, 0.02, 0.02],
        [0.02, 0.66, 0.30, 0.02],
        [0.94, 0.02, 0.02, 0.02],
    ] * 2
    plain = make_decoder(SYMBOLS, beam_size=4).decode(np.log(letters))[0].tokens
    boosted = make_decoder(SYMBOLS, beam_size=4, hotwords=["abab:4"]).decode(np.log(letters))[0].tokens
    assert (plain, boosted) == ((2, 1, 2, 1), (1, 2, 1, 2))


def test_hot_words_are_added_to_a_vocabulary():
    log_probs = random_log_probs(6, 4, seed=0)
    decoder = make_decoder(SYMBOLS, vocabulary=["a"], hotwords={"ab b": 20.0}, beam_size=1000)
    found = decoder.decode(log_probs, nbest=1000)
    texts = {"".join(SYMBOLS[t] for t in h.tokens) for h in found}
    assert {word for text in texts for word in text.split()} == {"a", "ab", "b"}
    assert "".join(SYMBOLS[t] for t in found[0].tokens).split()[:2] == ["ab", "b"]


HOTWORDS = {"bb a": 2.0, "aa": -3.0, "bab bb": 0.0}
NESTED = {"bb": 1.0, "bb a": 2.0, "b bb a": 3.0}


@pytest.mark.parametrize("hotwords", [HOTWORDS, NESTED])
@pytest.mark.parametrize("model", [word_model(), Opaque(word_model())])
@pytest.mark.parametrize("vocabulary", [None, ["a", "b", "ba"]])
def test_words_outside_cost_the_same_hot_or_not_and_only_a_whole_phrase_gives_that_back(hotwords, model, vocabulary):
    if vocabulary is None and isinstance(model, Opaque):
        return  # it knows all words
    decoder = make_decoder(
        SYMBOLS,
        language_model=model,
        unit="word",
        vocabulary=vocabulary,
        hotwords={**hotwords, "ab": 1.0},
        **EVERYTHING,
        **WEIGHTS,
    )
    known = set(vocabulary or ("a", "b", "ab", "ba", "abc"))
    ngram = model.model if isinstance(model, Opaque) else model

    def language(tokens):
        words = "".join(SYMBOLS[token] for token in tokens).split()
        outside = [word for word in words if word not in known]
        if vocabulary and not set(outside) <= {"ab", "bb"}:
            return None
        gains = WEIGHTS["beta"] * len(words) + WEIGHTS["unknown_score"] * len(outside)
        return gains + WEIGHTS["alpha"] * float(ngram.score_sentence(words).sum())

    def boost(text):
        given_back = -WEIGHTS["unknown_score"]
        total = sum(weight * count_phrase(text, phrase) for phrase, weight in hotwords.items())
        total += count_phrase(text, "bb" if "bb" in hotwords else "bb a") * given_back
        return total + count_phrase(text, "ab") * (1 + given_back * ("ab" not in known))

    log_probs = random_log_probs(6, 4, seed=3)
    assert_matches(decoder, log_probs, language)
    for hypothesis in decoder.decode(log_probs, nbest=5000):
        text = "".join(SYMBOLS[token] for token in hypothesis.tokens)
        assert hypothesis.boost == pytest.approx(boost(" ".join(text.split()))), text


@pytest.mark.parametrize(
    ("hotwords", "expected"),
    [
        ({}, "fork fork"),
        ({"york": 6}, "york york"),
        ({"york york": 6}, "york york"),
        ({"new york": 6}, "fork fork"),
        ({"new york": 0.001}, "fork fork"),
        ({"york york": 0}, "fork fork"),
        ({"york": -3}, "fork fork"),
    ],
)
def test_an_unknown_word_stays_unlikely_where_it_is_not_the_hot_phrase(hotwords, expected):
    with estimate(lambda: [["bark"], ["fork"]], 1) as tables:
        model = NgramModel.from_tables(tables)
    symbols = ["", *"abfknorwye "]
    frames = np.full((9, len(symbols)), 1e-6)
    for frame, letters in enumerate(["yf", "", "o", "", "r", "", "k", "", " "]):
        frames[frame, [symbols.index(letter) for letter in letters or [""]]] = (1, 0.02)[: max(len(letters), 1)]
    # "f" is less likely than "y" by 4, which is less than an unknown word costs.
    log_probs = np.log(frames / frames.sum(axis=1, keepdims=True))[[*range(9), *range(8)]]
    found = make_decoder(symbols, language_model=model, hotwords=hotwords).decode(log_probs)[0]
    assert "".join(symbols[token] for token in found.tokens) == expected


def test_how_hot_words_are_written():
    assert parse_hotword("new  york") == ("new york", DEFAULT_WEIGHT)
    assert parse_hotword("new york:8.5") == ("new york", 8.5)
    assert parse_hotwords(["a:1", "b"]) == {"a": 1.0, "b": DEFAULT_WEIGHT}
    assert parse_hotwords({" a  b ": 2}) == parse_hotwords(["a▁b:2"]) == {"a b": 2.0}


@pytest.mark.parametrize(
    ("text", "phrase", "weight"),
    [
        ("10:30", "10:30", DEFAULT_WEIGHT),  # times and verses
        ("at 10:30", "at 10:30", DEFAULT_WEIGHT),
        ("3:16", "3:16", DEFAULT_WEIGHT),
        ("10:30:15", "10:30:15", DEFAULT_WEIGHT),
        ("2:1", "2:1", DEFAULT_WEIGHT),
        ("room 101:8", "room 101", 8.0),
        ("at 10:30:8.5", "at 10:30", 8.5),
        ("route 66:7", "route 66", 7.0),
        ("Re:Zero", "Re:Zero", DEFAULT_WEIGHT),
        ("Star Trek: Picard:3", "Star Trek: Picard", 3.0),
        ("new york:-2e0", "new york", -2.0),
        ("new york: 8", "new york", 8.0),
    ],
)
def test_only_a_number_after_words_is_a_weight(text, phrase, weight):
    assert parse_hotword(text) == (phrase, weight)


@pytest.mark.parametrize("text", ["", ":3", "new york:", "a:inf", "a:nan", "a:101", "a:-1000"])
def test_wrong_hot_words_are_named(text):
    with pytest.raises(ConfigError, match="hot word"):
        parse_hotword(text)


def test_phrases_that_cannot_be_spelled_are_named():
    with pytest.raises(TextError, match="hot word 'café': the alphabet has no c f é"):
        make_decoder(SYMBOLS, hotwords=["café"])


def test_a_heavy_phrase_that_fails_takes_nothing_along():
    # Eight times "b", each of which might just be an "a"; the "c" that the phrase ends in is never there.
    letter, blank = [0.015, 0.004, 0.98, 0.0, 0.001], [0.996, 0.001, 0.001, 0.0, 0.002]
    with np.errstate(divide="ignore"):
        log_probs = np.log([letter, blank] * 8)
    symbols = ["", "a", "b", "c", " "]
    plain = make_decoder(symbols, beam_size=8).decode(log_probs)
    assert plain[0].tokens == (2,) * 8
    for weight in (6, 20, 100):
        assert make_decoder(symbols, beam_size=8, hotwords={"aaaac": weight}).decode(log_probs)[0] == plain[0]


def test_the_best_so_far_shows_credit_and_the_end_takes_it_back():
    state = make_decoder(SYMBOLS, hotwords={"abba": 8.0}).start()
    state.feed(np.log([[0.01, 0.97, 0.01, 0.01], [0.01, 0.01, 0.97, 0.01]]))
    so_far, at_last = state.best()[0], state.finish()[0]
    assert so_far.tokens == at_last.tokens == (1, 2)
    assert (so_far.boost, at_last.boost) == (4, 0)
    assert so_far.score == pytest.approx(at_last.score + 4)


def without(references, phrase):
    """A language model, and its words, that know nothing of a phrase's words."""
    text = [[word for word in reference.split() if word not in phrase.split()] for reference in references]
    with estimate(lambda: text, 2) as tables:
        model = NgramModel.from_tables(tables)
    return model, [word for word in model.words if word not in ("<s>", "</s>", "<unk>")]


@pytest.mark.corpora
@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("weight", [DEFAULT_WEIGHT, 20, 60])
@pytest.mark.parametrize("phrase", ["pittsburgh", "new york", "scott street", "zanzibar", "pennsylvania avenue", "yes"])
def test_boosting_leaves_utterances_without_the_phrase_alone(phrase, weight, closed, scored, an4_log_probs):
    references, log_probs, symbols = an4_log_probs
    vocabulary = sorted({word for reference in references for word in reference.split()}) if closed else None
    chosen = {"vocabulary": vocabulary}
    if scored:
        model, words = without(references, phrase)
        chosen = {"language_model": model, "vocabulary": words if closed else None}
    plain = make_decoder(symbols, **chosen).decode_batch(log_probs)
    boosted = make_decoder(symbols, hotwords={phrase: weight}, **chosen).decode_batch(log_probs)
    taken = 0
    for reference, (before,), (after,) in zip(references, plain, boosted, strict=True):
        if count_phrase(reference, phrase) or after.tokens == before.tokens:
            continue
        # Only the phrase itself, heard where it sounds alike, may change anything.
        assert count_phrase("".join(symbols[token] for token in after.tokens), phrase), reference
        taken += 1
    # A short word of a weight that no evidence of its letters outweighs may do so.
    assert taken <= (3 if phrase == "yes" and weight > DEFAULT_WEIGHT else 0)


@pytest.mark.corpora
@pytest.mark.parametrize("phrase", ["seven b", "zero oh", "yes no", "march may"])
def test_single_words_of_a_phrase_are_found_no_more_often_than_before(phrase, an4_log_probs):
    references, log_probs, symbols = an4_log_probs
    model, _ = without(references, phrase)  # though they are said in many utterances
    plain = make_decoder(symbols, language_model=model).decode_batch(log_probs)
    boosted = make_decoder(symbols, language_model=model, hotwords={phrase: 20}).decode_batch(log_probs)
    changed = [
        text
        for (before,), (after,) in zip(plain, boosted, strict=True)
        if after.tokens != before.tokens
        and not count_phrase(text := "".join(symbols[token] for token in after.tokens), phrase)
    ]
    # A beam is no enumeration: heavy credit may crowd a hypothesis out that was as good. (Words that cost nothing
    # because a phrase holds them change 21 utterances of "seven b".)
    assert len(changed) <= 1, changed
