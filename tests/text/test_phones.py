"""The tokenizer of a lexicon."""

import pytest

from asr.config import TokenizerSettings
from asr.errors import ConfigError, ModelError, TextError
from asr.text.load import build_tokenizer, load_tokenizer


@pytest.fixture
def phones(tmp_path):
    """The settings of a lexicon in which "red" sounds like the second "read"."""
    lexicon = tmp_path / "given.txt"
    lexicon.write_text("read R IY D\nread R EH D\nred R EH D\nid IY D\n", encoding="utf-8")
    return TokenizerSettings(kind="phone", lexicon=lexicon)


def ids(tokenizer, symbols):
    return [tokenizer.symbols.index(symbol) for symbol in symbols.split()]


def test_words_are_their_phones_and_a_word_end_that_distinguishes_homophones(phones):
    tokenizer = build_tokenizer([], phones)
    said = ids(tokenizer, "R EH D |2 IY D |1 R IY D |1")
    assert tokenizer.encode("red id read") == said
    assert tokenizer.decode(said) == "red id read"
    assert tokenizer.decode(ids(tokenizer, "R EH D |1")) == "read"
    with pytest.raises(TextError, match="no pronunciation of 'blue'; add a line to it"):
        tokenizer.encode("red blue")


def test_a_larger_lexicon_can_follow_that_of_training(phones):
    tokenizer = build_tokenizer([], phones)
    assert tokenizer.symbols == ["<blank>", *(f"|{number}" for number in range(1, 9)), "D", "EH", "IY", "R"]
    assert tokenizer.word_ends == set(range(1, 9))
    phones.lexicon.write_text("".join(f"w{number} IY D\n" for number in range(9)))
    assert len(build_tokenizer([], phones).word_ends) == 9


def test_phones_that_are_no_word_stay_phones(phones):
    tokenizer = build_tokenizer([], phones)
    assert tokenizer.decode(ids(tokenizer, "D R |1 IY D |2")) == "d-r id"  # no second word sounds like "id"
    assert tokenizer.decode(ids(tokenizer, "IY D")) == "id"  # its word end is still to come
    assert tokenizer.decode(ids(tokenizer, "IY D |1 R")) == "id"
    assert tokenizer.decode(ids(tokenizer, "|1 <blank> |1")) == ""


def test_phones_are_saved_with_their_lexicon(phones, tmp_path):
    tokenizer = build_tokenizer([], phones)
    tokenizer.save(tmp_path)
    stored = TokenizerSettings(kind="phone")
    assert load_tokenizer(tmp_path, stored).pronunciations == tokenizer.pronunciations
    (tmp_path / "lexicon.txt").write_text("red R EH D\nrye R AY\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"lexicon\.txt: its phones are not those of tokens\.txt"):
        load_tokenizer(tmp_path, stored)
    (tmp_path / "lexicon.txt").write_text(
        "".join(f"w{number} R IY D\n" for number in range(9)) + "red EH", encoding="utf-8"
    )
    with pytest.raises(ModelError, match=r"lexicon\.txt: 9 of its words sound alike; 8 at most can be distinguished"):
        load_tokenizer(tmp_path, stored)
    (tmp_path / "lexicon.txt").unlink()
    with pytest.raises(ModelError, match=r"lexicon\.txt: cannot be read"):
        load_tokenizer(tmp_path, stored)


def test_a_lexicon_may_lack_phones_of_training(phones, tmp_path):
    tokenizer = build_tokenizer([], phones)
    tokenizer.save(tmp_path)
    (tmp_path / "lexicon.txt").write_text("deer D IY R\nid IY D\n", encoding="utf-8")  # no EH
    smaller = load_tokenizer(tmp_path, TokenizerSettings(kind="phone"))
    assert smaller.symbols == tokenizer.symbols
    assert smaller.encode("deer id") == ids(tokenizer, "D IY R |1 IY D |1")
    assert smaller.decode(ids(tokenizer, "IY D |1 R EH D |1")) == "id r-eh-d"


def test_phones_need_a_lexicon_of_phones(tmp_path):
    with pytest.raises(ConfigError, match=r"tokenizer\.lexicon=FILE"):
        build_tokenizer([], TokenizerSettings(kind="phone"))
    lexicon = tmp_path / "given.txt"
    for phone in ("|1", "|22", "<blank>", "<space>", "\u2581a"):
        lexicon.write_text(f"red {phone} EH\n", encoding="utf-8")
        with pytest.raises(TextError, match="cannot name a phone"):
            build_tokenizer([], TokenizerSettings(kind="phone", lexicon=lexicon))
