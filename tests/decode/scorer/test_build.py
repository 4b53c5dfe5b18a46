"""Language models and vocabularies in the search, against enumerating alignments and scoring each text."""

import math

import numpy as np
import pytest

from asr.decode.kernel.scores import TOKEN_LEVEL, WORD_LEVEL
from asr.decode.scorer.external import Context
from asr.errors import ConfigError
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import NgramModel
from tests.decode.decoders import EVERYTHING, make_decoder
from tests.decode.enumeration import random_log_probs, score_all_labellings

SYMBOLS = ["", "a", "b", " "]
PIECES = ["", "▁a", "▁b", "ab"]
WEIGHTS = {"alpha": 0.7, "beta": 0.9, "unknown_score": -1.5}


def word_model():
    text = [["a", "b", "a"], ["ab", "a"], ["ba", "b", "b"], ["a", "ab"], ["abc", "a"]] * 3
    with estimate(lambda: text, 3) as tables:
        return NgramModel.from_tables(tables)


def character_model(space="▁"):
    text = [list(line.replace(" ", space)) for line in ("ab a", "a b", "ba ab a", "b a")]
    with estimate(lambda: text, 3) as tables:
        return NgramModel.from_tables(tables)


class Opaque:
    """A model that the compiled search knows nothing of; its states are word histories."""

    def __init__(self, model):
        self.model = model

    def start(self):
        return ()

    def score(self, state, word):
        number = self.model.start()
        for earlier in state:
            number = self.model.score(number, earlier)[1]
        return self.model.score(number, "▁" if word == " " else word)[0], (*state, "▁" if word == " " else word)


def decode(tokens, symbols):
    return "".join(symbols[token] for token in tokens).replace("▁", " ").split()


def language_score(words, model, known, closed=False):
    """Weighted score of a whole sentence; None where it is not allowed."""
    if closed and any(word not in known for word in words):
        return None
    unknown = sum(word not in known for word in words)
    gains = WEIGHTS["beta"] * len(words) + WEIGHTS["unknown_score"] * unknown
    return gains + WEIGHTS["alpha"] * float(model.score_sentence(words).sum())


def by_tokens(hypotheses):
    return {h.tokens: (h.acoustic, h.language) for h in hypotheses}


def assert_matches(decoder, log_probs, expected_language):
    acoustic, _ = score_all_labellings(log_probs)
    expected = {tokens: (score, expected_language(tokens)) for tokens, score in acoustic.items()}
    expected = {tokens: parts for tokens, parts in expected.items() if parts[1] is not None}
    found = decoder.decode(log_probs, nbest=5000)
    assert found[0].score == max(h.score for h in found)
    assert by_tokens(found).keys() == expected.keys()
    for tokens, parts in by_tokens(found).items():
        assert parts == pytest.approx(expected[tokens], abs=1e-5), tokens
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(hypothesis.acoustic + hypothesis.language + hypothesis.boost)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("symbols", [SYMBOLS, PIECES])
@pytest.mark.parametrize("closed", [False, True])
def test_word_model_scores_every_labelling_as_it_would_the_text(seed, symbols, closed):
    model = word_model()
    known = {"a", "b", "ab", "ba"}
    decoder = make_decoder(
        symbols, language_model=model, vocabulary=sorted(known) if closed else None, **EVERYTHING, **WEIGHTS
    )
    assert_matches(
        decoder,
        random_log_probs(6, 4, seed),
        lambda tokens: language_score(decode(tokens, symbols), model, known, closed),
    )


@pytest.mark.parametrize("space", ["▁", "|", "<space>"])
def test_character_model_scores_each_token(space):
    if space == "<space>":
        text = [["<space>" if c == " " else c for c in line] for line in ("ab a", "a b", "b a")]
        with estimate(lambda: text, 3) as tables:
            model = NgramModel.from_tables(tables)
    else:
        model = character_model(space)
    decoder = make_decoder(SYMBOLS, language_model=model, **EVERYTHING, **WEIGHTS)

    def expected(tokens):
        characters = [space if SYMBOLS[t] == " " else SYMBOLS[t] for t in tokens]
        return WEIGHTS["beta"] * len(tokens) + WEIGHTS["alpha"] * float(model.score_sentence(characters).sum())

    assert_matches(decoder, random_log_probs(6, 4, seed=1), expected)


@pytest.mark.parametrize(
    ("unit", "model", "num_frames", "beam_size"),
    # Narrow beams may keep others: slow models get no look-ahead, and their states cannot be compared.
    [("word", word_model(), 7, 3000), ("token", character_model(), 7, 3000), ("token", character_model(), 60, 1)],
)
def test_any_object_with_start_and_score_gives_the_same_hypotheses(unit, model, num_frames, beam_size):
    log_probs = random_log_probs(num_frames, 4, seed=2)
    vocabulary = ["a", "b", "ab", "ba", "bb"] if unit == "word" else None
    chosen = {"beam_size": beam_size, "unit": unit, "vocabulary": vocabulary, "beam_threshold": 99, **WEIGHTS}
    fast = make_decoder(SYMBOLS, language_model=model, **chosen).decode(log_probs, nbest=9)
    slow = make_decoder(SYMBOLS, language_model=Opaque(model), **chosen).decode(log_probs, nbest=9)
    assert [h.tokens for h in slow] == [h.tokens for h in fast]
    assert [h.score for h in slow] == pytest.approx([h.score for h in fast])


@pytest.mark.parametrize("beam_size", [3, 40])
def test_an_object_scores_what_a_narrow_beam_finds_with_a_model_of_ngrams(beam_size):
    model, log_probs = character_model(), random_log_probs(60, 4, seed=2)
    chosen = {"beam_size": beam_size, "unit": "token", "beam_threshold": 99, **WEIGHTS}
    fast = by_tokens(make_decoder(SYMBOLS, language_model=model, **chosen).decode(log_probs, nbest=50))
    slow = by_tokens(make_decoder(SYMBOLS, language_model=Opaque(model), **chosen).decode(log_probs, nbest=50))
    common = fast.keys() & slow.keys()
    assert len(common) >= 2
    for tokens in common:
        assert fast[tokens][1] == pytest.approx(slow[tokens][1])
    assert max(map(sum, fast.values())) > max(map(sum, slow.values())) - 1e-6  # n-grams recombine: fewer are pruned


@pytest.mark.parametrize(("unit", "model"), [("word", word_model()), ("token", character_model())])
def test_slow_models_survive_compaction(unit, model, monkeypatch):
    log_probs = random_log_probs(400, 4, seed=2, spread=3)
    decoder = make_decoder(SYMBOLS, beam_size=6, language_model=Opaque(model), unit=unit, **WEIGHTS)
    whole = decoder.decode(log_probs)[0]
    state, committed = decoder.start(), []
    for first in range(0, 400, 7):
        state.feed(log_probs[first : first + 7])
        committed += state.commit()[0]
    rest = state.finish()[0]
    assert (*committed, *rest.tokens) == whole.tokens
    assert rest.score == pytest.approx(whole.score)


def test_memory_of_earlier_utterances_holds_no_gains_of_theirs():
    decoder = make_decoder(SYMBOLS, beam_size=5, language_model=character_model(), **WEIGHTS)
    for seed in range(6):
        log_probs = random_log_probs(40, 4, seed)
        fresh = make_decoder(SYMBOLS, beam_size=5, language_model=character_model(), **WEIGHTS)
        assert decoder.decode(log_probs, nbest=5) == fresh.decode(log_probs, nbest=5)


def test_a_vocabulary_needs_no_language_model():
    log_probs = random_log_probs(6, 4, seed=4)
    found = make_decoder(SYMBOLS, vocabulary=["ab", "b"], beta=0.0, **EVERYTHING).decode(log_probs, nbest=999)
    acoustic, _ = score_all_labellings(log_probs)
    expected = {t: s for t, s in acoustic.items() if set(decode(t, SYMBOLS)) <= {"ab", "b"}}
    assert {h.tokens: h.score for h in found} == pytest.approx(expected)


@pytest.mark.parametrize(("path", "kept"), [([1, 2], ()), ([1, 2, 1, 3, 1, 2], (1, 2, 1)), ([1, 2, 1], (1, 2, 1))])
def test_an_utterance_that_breaks_off_within_a_word_keeps_those_that_are_whole(path: list[int], kept: tuple[int, ...]):
    probs = np.full((len(path), 4), 1e-6)
    probs[np.arange(len(path)), path] = 1 - 3e-6
    (found,) = make_decoder(SYMBOLS, vocabulary=["aba"], beam_size=1).decode(np.log(probs))
    assert found.tokens == kept
    assert len(found.frames) == len(kept)


def test_hypotheses_that_break_off_within_a_word_are_returned_once_each_best_first():
    probs = np.full((6, 4), 1e-6)
    probs[[0, 0, 1, 2, 3, 4, 4, 5], [0, 1, 2, 1, 3, 0, 1, 2]] = [0.6, 0.4, 1, 1, 1, 0.3, 0.7, 1]  # [a]ba [a]b
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True))
    found = make_decoder(SYMBOLS, vocabulary=["aba", "ba"], beta=0.0).decode(log_probs, nbest=9)
    assert [one.tokens for one in found] == [(2, 1), (1, 2, 1)]
    assert [math.exp(one.score) for one in found] == pytest.approx([0.6 * 0.7, 0.4 * 0.7], rel=1e-3)


class Grammar:
    """Some words are impossible; asking without end is an error."""

    def __init__(self, impossible):
        self.impossible = impossible
        self.num_asked = 0

    def start(self):
        return None

    def score(self, state, word):
        self.num_asked += 1
        assert self.num_asked < 10_000
        return (-math.inf if word in self.impossible else -1.0), None


class BatchGrammar(Grammar):
    """The same for many states at once."""

    def begin(self):
        return Context(np.array([self.score(None, word)[0] for word in [*SYMBOLS, "</s>"]]), None)

    def extend(self, contexts, tokens):
        return [self.begin() for _ in tokens]


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize(("kind", "unit"), [(Grammar, "word"), (Grammar, "token"), (BatchGrammar, "token")])
def test_what_a_model_says_is_impossible_is_never_found_whatever_its_weight(kind, unit, alpha):
    log_probs = random_log_probs(6, 4, seed=0)
    decoder = make_decoder(SYMBOLS, language_model=kind({"b"}), unit=unit, alpha=alpha, **EVERYTHING)
    found = {one.tokens for one in decoder.decode(log_probs, nbest=5000)}
    everything = score_all_labellings(log_probs)[0]
    parts = {
        tokens: decode(tokens, SYMBOLS) if unit == "word" else [SYMBOLS[t] for t in tokens] for tokens in everything
    }
    assert found == {tokens for tokens in everything if "b" not in parts[tokens]}


@pytest.mark.parametrize(
    ("unit", "impossible", "kept"),
    [("word", {"ba"}, (1,)), ("word", {"</s>"}, (1, 3, 2, 1)), ("token", {"</s>"}, (1, 3, 2, 1))],
)
def test_where_a_model_allows_no_end_something_is_found_all_the_same(unit, impossible, kept):
    probs = np.full((4, 4), 1e-6)
    probs[range(4), [1, 3, 2, 1]] = 1 - 3e-6  # "a ba"
    decoder = make_decoder(SYMBOLS, language_model=Grammar(impossible), unit=unit, beam_size=1)
    assert [one.tokens for one in decoder.decode(np.log(probs))] == [kept]


def test_models_that_read_many_states_at_once_may_not_answer_nan():
    model = BatchGrammar(())
    model.begin = lambda: Context(np.full(5, np.nan), None)
    with pytest.raises(ValueError, match="log probability NaN"):
        make_decoder(SYMBOLS, language_model=model, unit="token").decode(random_log_probs(6, 4, seed=0))


def test_a_stray_character_makes_no_model_of_words(caplog):
    with estimate(lambda: [list("ab▁é"), list("ba")], 2) as tables:
        model = NgramModel.from_tables(tables)
    decoder = make_decoder(SYMBOLS, language_model=model)
    assert decoder.parts.scorer.lm_level == TOKEN_LEVEL
    assert "1 characters of the language model, such as é, are no tokens" in caplog.text
    with estimate(lambda: [["a", "b", "ab"]], 2) as tables:
        assert make_decoder(SYMBOLS, language_model=NgramModel.from_tables(tables)).parts.scorer.lm_level == WORD_LEVEL


def test_alphabets_that_cannot_write_the_models_words_are_refused():
    with estimate(lambda: [["ÄRGER", "ÜBEL"]], 2) as tables:
        model = NgramModel.from_tables(tables)
    with pytest.raises(ConfigError, match=r"cannot spell any word .* such as 'ÄRGER'"):
        make_decoder(SYMBOLS, language_model=model)


def test_words_that_cannot_be_spelled_are_left_out(caplog):
    decoder = make_decoder(SYMBOLS, language_model=word_model(), **WEIGHTS)  # "abc" needs a c
    assert "1 words, such as 'abc', cannot be spelled" in caplog.text
    assert decoder.decode(random_log_probs(9, 4, seed=0))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"symbols": ["", "a", "b"], "language_model": word_model()}, "words have no end"),
        ({"symbols": ["", "a", "b a"]}, "word separator can only stand at a token's beginning"),
        ({"symbols": SYMBOLS, "language_model": Opaque(word_model())}, 'unit="word" or unit="token"'),
        ({"symbols": SYMBOLS, "language_model": character_model(), "vocabulary": ["a"]}, "this one scores tokens"),
        ({"symbols": ["", "x", "y"], "language_model": character_model(), "unit": "token"}, "knows none of the tokens"),
    ],
)
def test_parts_that_do_not_fit_are_named(chosen, message):
    with pytest.raises(ConfigError, match=message):
        make_decoder(**chosen)


def test_slow_models_must_give_probabilities():
    class Wrong:
        def start(self):
            return None

        def score(self, state, word):
            return 0.5, None

    with pytest.raises(ValueError, match=r"log probability 0\.5; expected at most 0"):
        make_decoder(SYMBOLS, language_model=Wrong(), unit="word").decode(random_log_probs(9, 4, seed=0))
