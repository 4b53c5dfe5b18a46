"""Words that a model of phones has in no lexicon, but somebody expects: pronounced by guess."""

import functools
import threading
from collections.abc import Iterable, Mapping, Sequence

from asr.language.pronouncing import Pronouncer
from asr.text.lexicon import Lexicon
from asr.text.tokenizer import PhoneTokenizer, Tokenizer

_lock = threading.Lock()


def learn_words(tokenizer: Tokenizer, words: Iterable[str]) -> Mapping[str, Sequence[tuple[int, ...]]] | None:
    """Have a tokenizer spell words that its lexicon lacks, as far as they can be pronounced.

    They are heard where a beam search is given what is returned; from then on, the best path may spell them, too.

    Returns:
        The pronunciations of the lexicon's words and of these; None where words are not spelled by phones.
    """
    if not isinstance(tokenizer, PhoneTokenizer):
        return tokenizer.pronunciations
    words = list(dict.fromkeys(words))
    with _lock:
        for word in words:
            if not tokenizer.can_spell(word):
                phones = _learn(tokenizer.lexicon).guess(word)
                if phones is not None:
                    tokenizer.add(word, phones)
    guessed = {word: tokenizer.guessed[word] for word in words if word in tokenizer.guessed}
    return {**tokenizer.pronunciations, **guessed} if guessed else tokenizer.pronunciations


@functools.lru_cache(maxsize=2)
def _learn(lexicon: Lexicon) -> Pronouncer:
    return Pronouncer(lexicon)
