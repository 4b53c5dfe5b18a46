"""Builds the scorer of a search from a language model, a vocabulary and boosted phrases.

Symbols, words and phrases come in as text; a `Scorer` of arrays (kernel/scores.py) goes out, since
compiled code knows no text. For the symbols `_ a b c` (`_` for the space) and the words "a", "ab",
"cab" the lexicon is a trie of letters, its nodes numbered level by level:

    node     0 ─a─► 1 ─b─► 3                first_child[n] to first_child[n + 1]: the children of n
             ╰─c──► 2 ─a─► 4 ─b─► 5         letters[n]: leads to n;  words[n]: word that ends there
                                            best_scores[n]: the best unigram score of any word below n

A prefix at node 1 has the word "a", or the beginning of "ab". Its look-ahead is
`look_ahead[1] = alpha * best_scores[1] + beta`, so that it competes fairly with prefixes whose words have
ended; at the end of the word the model's true score replaces the look-ahead.

Words that are neither in the vocabulary nor known to the model, but in a hot phrase, are in the
trie as well: numbered below `HOT` (kernel/scores.py), since they cost `unknown_score` like other unknown
words. They do so only once they have ended, so that the phrase has a chance to be spelled.

A `Scorer` has one of three levels: NO_MODEL, WORD_LEVEL (a language model of words or a vocabulary) and
TOKEN_LEVEL (a language model of tokens, which scores each token; it needs no trie).
"""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np

from asr.config import DecoderSettings
from asr.decode.kernel.memory import NONE
from asr.decode.kernel.scores import (
    HOT,
    NO_MODEL,
    TOKEN_LEVEL,
    WORD_LEVEL,
    Bounds,
    LanguageTables,
    Scorer,
    TrieTables,
    Weights,
)
from asr.decode.scorer.external import LanguageModel
from asr.decode.scorer.hotwords import build_phrases, find_outside_words
from asr.decode.scorer.word_trie import Alphabet, build_alphabet, build_trie, encode_words, smear
from asr.errors import ConfigError
from asr.jit import Array
from asr.language.ngram.model import SPACES, SPECIAL, NgramModel, unigram_automaton

logger = logging.getLogger(__name__)

Unit: TypeAlias = Literal["auto", "word", "token"]


def build_scorer(
    symbols: Sequence[str],
    settings: DecoderSettings,
    *,
    language_model: LanguageModel | None,
    unit: Unit,
    vocabulary: Sequence[str] | None,
    hotwords: Mapping[str, float],
    pronunciations: Mapping[str, Sequence[tuple[int, ...]]] | None = None,
) -> Scorer:
    """Build everything that compiled code needs besides the acoustics.

    Raises:
        ConfigError: If the parts do not fit one another or the alphabet.
        TextError: If the alphabet cannot spell a boosted phrase.
    """
    alphabet = build_alphabet(symbols, pronunciations)
    ngram = language_model if isinstance(language_model, NgramModel) else None
    if pronunciations is not None and vocabulary is None:  # words without a pronunciation cannot be decoded
        vocabulary = ngram.words if ngram else list(pronunciations)
    lm_level = _find_level(language_model, unit, symbols, alphabet, has_vocabulary=vocabulary is not None)
    words: Sequence[str] = ()
    outside: Sequence[str] = ()
    if lm_level == WORD_LEVEL and (vocabulary is not None or ngram):  # else all words are known
        words = vocabulary if vocabulary is not None else ngram.words if ngram else ()
        outside = find_outside_words(hotwords, frozenset(words)) if hotwords else ()
    scorer = Scorer(
        lm_level=lm_level,
        weights=Weights(0.0, 0.0, 0.0),
        lm=LanguageTables(
            is_present=language_model is not None,
            is_external=language_model is not None and ngram is None,
            unknown_word=ngram.unknown if ngram else NONE,
            end_word=ngram.end if ngram else NONE,
            token_words=_token_words(ngram if lm_level == TOKEN_LEVEL else None, symbols),
            automaton=ngram.automaton if ngram else unigram_automaton(np.zeros(1), np.zeros(1)),
        ),
        trie=_trie_part(ngram, words, outside, alphabet, is_closed=vocabulary is not None),
        tokens=alphabet.tokens,
        phrases=build_phrases(hotwords, alphabet, outside=outside, unknown_score=settings.unknown_score),
        bounds=Bounds(np.ones(len(symbols)), 1.0, 1.0),
    )
    return reweigh(scorer, settings)


def reweigh(scorer: Scorer, settings: DecoderSettings) -> Scorer:
    """Return the scorer with the weights of the settings."""
    weights = Weights(settings.alpha, settings.beta, settings.unknown_score)
    trie = scorer.trie
    if scorer.lm_level == WORD_LEVEL:
        look_ahead = weights.alpha * trie.best_scores + weights.beta
        look_ahead[0] = 0.0
        # An external model knows all words that can be spelled.
        look_ahead[-1] += 0.0 if scorer.lm.is_external else weights.unknown_score
        trie = trie._replace(look_ahead=look_ahead)
    return _with_bounds(scorer._replace(weights=weights, trie=trie))


def _find_level(
    language_model: LanguageModel | None,
    unit: Unit,
    symbols: Sequence[str],
    alphabet: Alphabet,
    *,
    has_vocabulary: bool,
) -> int:
    """Return NO_MODEL, WORD_LEVEL or TOKEN_LEVEL. Raises ConfigError if the parts do not fit one another."""
    if language_model is None and not has_vocabulary:
        return NO_MODEL
    if alphabet.pronunciations is not None:  # a language model has to distinguish homophones
        if language_model is not None and not isinstance(language_model, NgramModel):
            raise ConfigError("a model of phones needs a language model of n-grams; no other object or network will do")
        if language_model is not None and not set(SPACES).isdisjoint(language_model.words):
            raise ConfigError("a model of phones needs a language model of words; this one is of characters")
        return WORD_LEVEL
    if language_model is not None and _is_token_level(language_model, unit, symbols):
        if has_vocabulary:
            raise ConfigError("a vocabulary needs a language model of words or none; this one scores tokens")
        return TOKEN_LEVEL
    if not alphabet.tokens.starts_word.any():
        raise ConfigError("no token is or begins with a space or ▁, so words have no end; use a model of tokens")
    return WORD_LEVEL


def _is_token_level(language_model: LanguageModel, unit: Unit, symbols: Sequence[str]) -> bool:
    if unit != "auto":
        return unit == "token"
    if not isinstance(language_model, NgramModel):
        raise ConfigError('say whether this language model scores words or tokens: unit="word" or unit="token"')
    tokens = {*symbols, *SPACES, *SPECIAL}
    missing = [word for word in language_model.words if word not in tokens]
    if not missing or not language_model.is_of_characters:
        return not missing
    # One stray character in its text must not make it a model of words.
    logger.warning(
        "%d characters of the language model, such as %s, are no tokens of the recogniser and cannot be recognised",
        len(missing),
        " ".join(missing[:10]),
    )
    return True


def _token_words(ngram: NgramModel | None, symbols: Sequence[str]) -> Array:
    """(V,) the numbers of the tokens in a model of tokens, or zeros without one."""
    if ngram is None:
        return np.zeros(len(symbols), np.int32)
    numbers = np.full(len(symbols), ngram.unknown, np.int32)
    for token, symbol in enumerate(symbols[1:], start=1):
        names = SPACES if symbol in SPACES else (symbol,)
        known = [ngram.number(name) for name in names if ngram.number(name) != ngram.unknown]
        if known:
            numbers[token] = known[0]
    if (numbers[1:] == ngram.unknown).all():
        raise ConfigError("the language model knows none of the tokens; train it on tokens, or use unit='word'")
    return numbers


def _trie_part(
    ngram: NgramModel | None, words: Sequence[str], outside: Sequence[str], alphabet: Alphabet, *, is_closed: bool
) -> TrieTables:
    """Return the lexicon: words that are allowed (closed) or that the model knows (open), and those of hot words."""
    special = frozenset(SPECIAL)
    kept = [index for index, word in enumerate(words) if word not in special]
    listed = [words[index] for index in kept]
    encoded, owners = encode_words([*listed, *outside], alphabet)
    unspelled = np.flatnonzero(np.bincount(owners, minlength=len(listed))[: len(listed)] == 0)
    if len(unspelled):
        example = listed[unspelled[0]]
        if len(unspelled) == len(listed):
            raise ConfigError(
                f"the alphabet cannot spell any word of the language model or vocabulary, such as {example!r}; "
                "normalise its text as the transcripts of the acoustic model are"
            )
        logger.warning("%d words, such as %r, cannot be spelled and will not be recognised", len(unspelled), example)
    # Without a model of n-grams the number only says that the word is there.
    numbers = np.zeros(len(listed), np.int32), np.zeros(len(outside), np.int32)
    if ngram:
        numbers = ngram.find_numbers(words)[kept], ngram.find_numbers(outside)
    first_child, letters, entries = build_trie(encoded, owners.astype(np.int32))
    ending = np.concatenate([numbers[0], HOT - numbers[1], [NONE]]).astype(np.int32)[entries]  # NONE is the last
    # Unigram scores of the words that end at each node; last, the unknown word's.
    best_scores = np.zeros(len(ending) + 1)
    if ngram:
        ngram_words = np.append(np.where(ending <= HOT, HOT - ending, ending), ngram.unknown)
        best_scores = ngram.automaton.word_scores.astype(np.float64)[ngram_words]
    best_scores[:-1][ending == NONE] = -np.inf
    smear(first_child, best_scores)
    # No word is at or below the root of an empty lexicon: -inf there would become NaN with an alpha of 0.
    best_scores[np.isneginf(best_scores)] = 0.0
    return TrieTables(
        is_closed, first_child, letters, ending, entries, best_scores, look_ahead=np.zeros_like(best_scores)
    )


def _with_bounds(scorer: Scorer) -> Scorer:
    """Set the largest factors that the scorer can put on expansions, log probabilities being at most 0."""
    phrases, tokens, look_ahead, beta = scorer.phrases, scorer.tokens, scorer.trie.look_ahead, scorer.weights.beta
    gains = phrases.gains.max(axis=0).clip(min=0) + np.log(phrases.pruning_boost[phrases.next_state]).max(axis=0)
    word_start = in_word = 0.0
    if scorer.lm_level == TOKEN_LEVEL:
        gains = gains + max(beta, 0.0)
    elif scorer.lm_level == WORD_LEVEL:
        # Within a word the best that is still possible only gets worse, unless unknown words are favoured.
        in_word = max(look_ahead[-1] - look_ahead.min(), 0.0)
        word_start = max(look_ahead.max(), in_word)
        word_end = max(beta + max(scorer.weights.unknown_score, 0.0) - look_ahead.min(), 0.0)
        starts_next = tokens.starts_word & (np.diff(tokens.first_letter) > 0)
        gains = gains + np.where(tokens.starts_word | tokens.ends_word, word_end, 0.0)
        gains = gains + np.where(starts_next, word_start, 0.0)
    # A probability (below 2**100, see kernel/frame.py) is multiplied by two of these bounds. With a third of the range
    # of exponents each, the product stays finite, and 0 times infinity cannot arise.
    most = math.log(np.finfo(np.float64).max) / 3
    word_bounds = math.exp(min(word_start, most)), math.exp(min(in_word, most))
    return scorer._replace(bounds=Bounds(np.exp(np.minimum(gains, most)), *word_bounds))
