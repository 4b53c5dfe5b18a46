"""Words that a model of phones has in no lexicon, but somebody expects: pronounced by guess."""

import functools
import threading
from collections.abc import Iterable

from asr.language.g2p import G2P
from asr.text.lexicon import Lexicon
from asr.text.phones import PhoneTokenizer
from asr.text.tokenizer import Tokenizer

_lock = threading.Lock()  # learning takes seconds: clients that come together learn once


def add_oov_words(tokenizer: Tokenizer, words: Iterable[str]) -> Tokenizer:
    """A tokenizer that also spells words that the lexicon lacks, as far as they can be pronounced.

    The one that is given stays as it is, and is returned where there is nothing to learn.
    """
    if not isinstance(tokenizer, PhoneTokenizer):
        return tokenizer
    unknown = [word for word in dict.fromkeys(words) if word not in tokenizer.pronunciations]
    if not unknown:
        return tokenizer
    with _lock:
        pronouncer = _learn(tokenizer.lexicon)
    guesses = {word: pronouncer.guess(word) for word in unknown}
    return tokenizer.with_words({word: phones for word, phones in guesses.items() if phones is not None})


@functools.lru_cache(maxsize=2)
def _learn(lexicon: Lexicon) -> G2P:
    return G2P(lexicon)
