"""Prepare what is fused into the search: a language model, a vocabulary, boosted phrases.

Symbols, words and phrases come in as text; a `Scorer` of arrays (fusion.py) goes out, since
compiled code knows no text. For the symbols `_ a b c` (`_` for the space) and the words "a", "ab",
"cab" the vocabulary is a tree of letters, its places numbered level by level:

    place    0 ─a─► 1 ─b─► 3                first_child[p] to first_child[p + 1]: the children of p
             ╰─c──► 2 ─a─► 4 ─b─► 5         letters[p]: leads to p;  words[p]: word that ends there
                                            ahead[p]: the best unigram score of any word below p

A prefix at place 1 has heard the word "a", or the beginning of "ab". It is lent
`advance[1] = alpha * ahead[1] + beta`, so that it competes fairly with prefixes whose words have
ended; at the end of the word the model's true score takes the advance's place.

Words that are neither in the vocabulary nor known to the model, but in a hot phrase, stand in the
tree, too: marked (`HOT` in fusion.py), since they cost `unknown_score` like other unknown words.
They owe it only once they have ended, so that the phrase has a chance to be spelled.

A `Scorer` has three levels: NO_MODEL, WORD_LEVEL (a language model of words or a vocabulary) and
TOKEN_LEVEL (a language model of tokens, asked at each; it needs no tree).
"""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from asr.decode.kernel.memory import NONE
from asr.decode.kernel.scores import HOT, NO_MODEL, TOKEN_LEVEL, WORD_LEVEL, Scorer
from asr.decode.scorer.hotwords import build_phrase_table, find_outside_words
from asr.decode.scorer.word_trie import (
    Pronunciations,
    Spelling,
    WordTrie,
    build_trie,
    look_ahead,
    spell_tokens,
    spell_words,
)
from asr.errors import ConfigError
from asr.jit import Array
from asr.language.ngram.automaton import Automaton
from asr.language.ngram.model import SPACES, SPECIAL, NgramModel

logger = logging.getLogger(__name__)

Level: TypeAlias = Literal["auto", "word", "token"]


class LanguageModel(Protocol):
    """What a language model has to be able to do.

    `NgramModel` runs inside the compiled search. Any other object is asked from Python, word
    by word or token by token, which is slower and otherwise the same.
    """

    def start(self) -> Any:
        """The state at the beginning of an utterance."""

    def score(self, state: Any, word: str) -> tuple[float, Any]:
        """Natural-log probability, at most 0, of a word (or token, or `</s>`), and the state after it."""


def build_scorer(
    symbols: Sequence[str],
    *,
    language_model: LanguageModel | None,
    level: Level,
    alpha: float,
    beta: float,
    unknown_score: float,
    vocabulary: Sequence[str] | None,
    hotwords: Mapping[str, float],
    pronunciations: Pronunciations | None = None,
) -> tuple[Scorer, Spelling, int]:
    """Everything that compiled code needs besides the acoustics.

    Returns:
        The fusion, the spelling of the tokens, and the state that matching of phrases starts in.

    Raises:
        ConfigError: If the parts do not fit one another or the alphabet.
        TextError: If the alphabet cannot spell a boosted phrase.
    """
    spelling = spell_tokens(symbols, pronunciations)
    ngram = language_model if isinstance(language_model, NgramModel) else None
    if pronunciations is not None:
        _check_words_known(ngram, has_model=language_model is not None)
        if vocabulary is None:  # of which nothing is heard that has no pronunciation
            vocabulary = ngram.words if ngram else list(pronunciations)
    kind = _find_level(language_model, level, symbols, spelling, has_vocabulary=vocabulary is not None)
    words: Sequence[str] = ()
    outside: Sequence[str] = ()
    if kind == WORD_LEVEL and (vocabulary is not None or ngram):  # else all words are known
        words = vocabulary if vocabulary is not None else ngram.words if ngram else ()
        outside = find_outside_words(hotwords, frozenset(words)) if hotwords else ()
    tree = _word_tree(ngram, words, outside, spelling)
    phrases = build_phrase_table(hotwords, spelling, outside=outside, unknown_score=unknown_score)
    fusion = Scorer(
        level=kind,
        scored=language_model is not None,
        external=language_model is not None and ngram is None,
        closed=vocabulary is not None,
        marked=pronunciations is not None,
        boosted=bool(hotwords),
        alpha=float(alpha),
        beta=float(beta),
        unknown_gain=float(unknown_score),
        unknown_word=ngram.unknown if ngram else NONE,
        end_word=ngram.end if ngram else NONE,
        automaton=ngram.automaton if ngram else _no_automaton(),
        first_child=tree.first_child,
        letters=tree.letters,
        words=tree.words,
        ahead=look_ahead(tree, _unigram_scores(ngram, tree)),
        advance=np.zeros(len(tree.words) + 1),
        starts_word=spelling.starts_word,
        ends_word=spelling.ends_word,
        first_letter=spelling.first_letter,
        token_letters=spelling.token_letters,
        token_words=_token_words(ngram, symbols) if ngram and kind == TOKEN_LEVEL else np.zeros(len(symbols), np.int32),
        phrase_next=phrases.next_state,
        phrase_gains=phrases.gains,
        phrase_credit=phrases.credit,
        phrase_lift=np.exp(phrases.lift),
        phrase_end=phrases.end_gains,
        bounds=np.ones(len(symbols)),
        start_bound=1.0,
        word_bound=1.0,
    )
    fusion = reweigh(fusion, alpha, beta)
    return fusion, spelling, phrases.start


def _check_words_known(ngram: NgramModel | None, *, has_model: bool) -> None:
    """Raise ConfigError where a language model cannot be asked for words that sound alike."""
    if has_model and ngram is None:
        raise ConfigError("a model of phones needs a language model of n-grams; no other object or network will do")
    if ngram is not None and any(space in ngram.words for space in SPACES):
        raise ConfigError("a model of phones needs a language model of words; this one is of characters")


def _find_level(
    language_model: LanguageModel | None,
    level: Level,
    symbols: Sequence[str],
    spelling: Spelling,
    *,
    has_vocabulary: bool,
) -> int:
    """NO_MODEL, WORD_LEVEL or TOKEN_LEVEL. Raises ConfigError if the parts do not fit one another."""
    if language_model is None and not has_vocabulary:
        return NO_MODEL
    if spelling.pronunciations is not None:
        return WORD_LEVEL
    ngram = language_model if isinstance(language_model, NgramModel) else None
    if language_model is not None and _is_token_level(ngram, level, symbols):
        if has_vocabulary:
            raise ConfigError("a vocabulary needs a language model of words or none; this one scores tokens")
        return TOKEN_LEVEL
    if not spelling.has_separator:
        raise ConfigError("no token is or begins with a space or ▁, so words have no end; use a model of tokens")
    return WORD_LEVEL


def reweigh(fusion: Scorer, alpha: float, beta: float, unknown_score: float | None = None) -> Scorer:
    """The same fusion with other weights of the language model, and another price of unknown words if one is given."""
    unknown_gain = fusion.unknown_gain if unknown_score is None else float(unknown_score)
    fusion = fusion._replace(alpha=float(alpha), beta=float(beta), unknown_gain=unknown_gain)
    if fusion.level == WORD_LEVEL:
        advance = alpha * fusion.ahead + beta
        advance[0] = 0.0
        # An external model knows all words that can be spelled.
        advance[-1] += 0.0 if fusion.external else fusion.unknown_gain
        fusion = fusion._replace(advance=advance)
    return _with_bounds(fusion)


def _unigram_scores(ngram: NgramModel | None, tree: WordTrie) -> Array:
    """(L + 1,) natural logs of unigram probabilities, -inf where no word ends; last, the unknown word's."""
    scores = np.zeros(len(tree.words) + 1)
    if ngram:
        numbers = np.where(tree.words <= HOT, HOT - tree.words, tree.words)
        scores = ngram.automaton.word_scores.astype(np.float64)[np.append(numbers, ngram.unknown)]
    scores[:-1][tree.words == NONE] = -np.inf
    return scores


def _is_token_level(ngram: NgramModel | None, level: Level, symbols: Sequence[str]) -> bool:
    if level != "auto":
        return level == "token"
    if ngram is None:
        raise ConfigError('say whether this language model scores words or tokens: level="word" or level="token"')
    known = {*symbols, *SPACES, *SPECIAL}
    if all(word in known for word in ngram.words):
        return True
    if not ngram.is_of_characters:
        return False
    # One stray character in its text must not make it a model of words.
    lacking = [word for word in ngram.words if word not in known]
    logger.warning(
        "%d characters of the language model, such as %s, are no tokens of the recogniser and will not be heard",
        len(lacking),
        " ".join(lacking[:10]),
    )
    return True


def _word_tree(ngram: NgramModel | None, words: Sequence[str], outside: Sequence[str], spelling: Spelling) -> WordTrie:
    """The words that may be spelled (closed) or that the model knows (open), and the marked ones of hot words."""
    listed = [word for word in words if word not in SPECIAL]
    spelled, owners = spell_words([*listed, *outside], spelling)
    unspelled = np.setdiff1d(np.arange(len(listed)), owners)
    if len(unspelled) and len(unspelled) == len(listed):
        raise ConfigError(
            f"the alphabet cannot spell any word of the language model or vocabulary, such as {listed[0]!r}; "
            "normalise its text as the transcripts of the acoustic model are"
        )
    if len(unspelled):
        example = listed[unspelled[0]]
        logger.warning("%d words, such as %r, cannot be spelled and will not be heard", len(unspelled), example)
    # Without a model of n-grams the number only says that the word is there.
    number = ngram.number if ngram else lambda word: 0
    numbers = np.array([*map(number, listed), *(HOT - number(word) for word in outside)], np.int32)
    return build_trie(spelled, numbers[owners])


def _token_words(ngram: NgramModel, symbols: Sequence[str]) -> Array:
    """Numbers of the tokens in a model of tokens."""
    numbers = np.full(len(symbols), ngram.unknown, np.int32)
    for token, symbol in enumerate(symbols[1:], start=1):
        names = SPACES if symbol in SPACES else (symbol,)
        known = [ngram.number(name) for name in names if ngram.number(name) != ngram.unknown]
        if known:
            numbers[token] = known[0]
    if (numbers[1:] == ngram.unknown).all():
        raise ConfigError("the language model knows none of the tokens; train it on tokens, or use level='word'")
    return numbers


def _with_bounds(fusion: Scorer) -> Scorer:
    """The largest factors that fusion can put on extensions, log probabilities being at most 0."""
    gains = fusion.phrase_gains.max(axis=0).clip(min=0) + np.log(fusion.phrase_lift[fusion.phrase_next]).max(axis=0)
    starting = going_on = 0.0
    if fusion.level == TOKEN_LEVEL:
        gains = gains + max(fusion.beta, 0.0)
    elif fusion.level == WORD_LEVEL:
        # Within a word the best that is still possible only gets worse, unless unknown words are favoured.
        going_on = max(fusion.advance[-1] - fusion.advance.min(), 0.0)
        starting = max(fusion.advance.max(), going_on)
        ending = max(fusion.beta + max(fusion.unknown_gain, 0.0) - fusion.advance.min(), 0.0)
        begins_anew = fusion.starts_word & (np.diff(fusion.first_letter) > 0)
        gains = (
            gains + np.where(fusion.starts_word | fusion.ends_word, ending, 0.0) + np.where(begins_anew, starting, 0.0)
        )
    most = math.log(np.finfo(np.float64).max) / 3
    return fusion._replace(
        bounds=np.exp(np.minimum(gains, most)),
        start_bound=math.exp(min(starting, most)),
        word_bound=math.exp(min(going_on, most)),
    )


def _no_automaton() -> Automaton:
    return Automaton(
        word_scores=np.zeros(1, np.float32),
        first_arc=np.zeros(2, np.int32),
        backoff=np.zeros(1, np.float32),
        suffix=np.zeros(1, np.int32),
        arc_words=np.zeros(1, np.int32),
        arc_scores=np.zeros(1, np.float32),
        arc_states=np.zeros(1, np.int32),
    )
