from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import TokenizerSettings
from asr.errors import ConfigError, ModelError, TextError
from asr.text.tokenizer import CharTokenizer, build_tokenizer, load_tokenizer

CHAR = TokenizerSettings()
SUBWORD = TokenizerSettings(kind="subword", vocab_size=40)
WORD = TokenizerSettings(kind="word")
TEXTS = ["the quick brown fox jumps over the lazy dog", "it's a dog's life", "שלום עולם"] * 3
WORDS = sorted({word for text in TEXTS for word in text.split()})


@pytest.fixture(scope="module", params=[CHAR, SUBWORD], ids=["char", "subword"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def tokenizer(kind):
    return build_tokenizer(TEXTS, kind)


def test_characters_are_numbered_in_their_order_after_the_blank():
    tokenizer = build_tokenizer(["ba a"], CHAR)
    assert tokenizer.symbols == ["<blank>", " ", "a", "b"]
    assert tokenizer.vocab_size == 4
    assert tokenizer.encode("ab a") == [2, 3, 1, 2]
    assert tokenizer.decode([0, 3, 0, 2]) == "ba"


def test_every_text_comes_back_from_its_tokens(tokenizer):
    @settings(max_examples=50)
    @given(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join))
    def check(text):
        tokens = tokenizer.encode(text)
        assert tokenizer.decode(tokens) == text
        assert all(0 < token < tokenizer.vocab_size for token in tokens)

    check()


def test_a_saved_tokenizer_loads_as_it_was(tokenizer, kind, tmp_path):
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path, kind)
    assert loaded.symbols == tokenizer.symbols
    assert loaded.encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])


def test_the_same_texts_give_the_same_tokenizer(tokenizer, kind):
    assert build_tokenizer(iter(TEXTS), kind).symbols == tokenizer.symbols
    assert tokenizer.symbols[0] == "<blank>"
    assert len(set(tokenizer.symbols)) == tokenizer.vocab_size


def test_a_symbol_that_cannot_be_spelled_is_named(tokenizer):
    with pytest.raises(TextError, match=r"'ñ' \(U\+00F1 LATIN SMALL LETTER N WITH TILDE\).*'the ñandu'"):
        tokenizer.encode("the ñandu")


def test_a_token_that_does_not_exist_is_refused(tokenizer):
    with pytest.raises(ValueError, match=f"token {tokenizer.vocab_size} does not exist"):
        tokenizer.decode([1, tokenizer.vocab_size])
    with pytest.raises(ValueError, match="token -1"):
        tokenizer.decode([-1])


@pytest.mark.parametrize("texts", [[], [""], ["", " "]])
def test_without_text_there_is_no_tokenizer(texts, kind):
    with pytest.raises(TextError, match="no text"):
        build_tokenizer(texts, kind)


def test_tokens_txt_has_a_symbol_a_line(tmp_path):
    CharTokenizer(["<blank>", " ", "é"]).save(tmp_path)
    assert (tmp_path / "tokens.txt").read_text(encoding="utf-8") == "<blank>\n<space>\né\n"


def test_line_breaks_are_no_symbols():
    with pytest.raises(TextError, match="LINE SEPARATOR"):
        build_tokenizer(["a\u2028b"], CHAR)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        ("", "first line must be <blank>"),
        ("a\n<blank>\n", "first line must be <blank>"),
        ("<blank>\n", "no symbol but"),
        ("<blank>\na\nb\na\n", r"tokens\.txt:4: 'a' stands on line 2"),
        ("<blank>\na\n\nb\n", r"tokens\.txt:3: the line is empty"),
        ("<blank>\na\nbc\n", r"tokens\.txt:3: expected one character"),
    ],
)
def test_a_broken_tokens_file_is_named_with_the_line(content, reason, tmp_path: Path):
    if content is not None:
        (tmp_path / "tokens.txt").write_text(content)
    with pytest.raises(ModelError, match=reason):
        load_tokenizer(tmp_path, CHAR)


def test_windows_line_ends_are_read(tmp_path):
    (tmp_path / "tokens.txt").write_bytes(b"<blank>\r\n<space>\r\na\r\n")
    assert load_tokenizer(tmp_path, CHAR).symbols == ["<blank>", " ", "a"]


def test_a_broken_subword_model_is_named(tmp_path):
    tokenizer = build_tokenizer(TEXTS, SUBWORD)
    tokenizer.save(tmp_path)
    (tmp_path / "tokens.txt").write_text("<blank>\nother\n")
    with pytest.raises(ModelError, match=r"not those of tokens\.txt"):
        load_tokenizer(tmp_path, SUBWORD)
    for content in (b"garbage", b""):
        (tmp_path / "subword.model").write_bytes(content)
        with pytest.raises(ModelError, match="expected a SentencePiece model"):
            load_tokenizer(tmp_path, SUBWORD)
    (tmp_path / "subword.model").unlink()
    with pytest.raises(ModelError, match=r"subword\.model"):
        load_tokenizer(tmp_path, SUBWORD)


def test_too_few_units_for_the_alphabet_are_refused():
    with pytest.raises(ConfigError, match=r"tokenizer\.vocab_size=5"):
        build_tokenizer(TEXTS, TokenizerSettings(kind="subword", vocab_size=5))


def test_words_are_tokens_of_their_own(tmp_path):
    tokenizer = build_tokenizer(["yes no yes", "maybe"], WORD)
    assert tokenizer.symbols == ["<blank>", "▁maybe", "▁no", "▁yes"]
    assert tokenizer.encode("no  no yes") == [2, 2, 3]
    assert tokenizer.decode([0, 2, 0, 3]) == "no yes"
    tokenizer.save(tmp_path)
    assert load_tokenizer(tmp_path, WORD).symbols == tokenizer.symbols
    with pytest.raises(TextError, match="the word 'never' is none of the model's 3; found in 'no never'"):
        tokenizer.encode("no never")
    with pytest.raises(ValueError, match="token 4"):
        tokenizer.decode([4])
    (tmp_path / "tokens.txt").write_text("<blank>\n▁no\nyes\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"tokens\.txt:3: expected ▁WORD, found 'yes'"):
        load_tokenizer(tmp_path, WORD)


def test_letters_of_single_words_come_with_the_space_between_words():
    assert build_tokenizer(["yes", "no"], CHAR).symbols == ["<blank>", *" enosy"]


@pytest.fixture
def phones(tmp_path):
    """The settings of a lexicon in which "red" sounds like the second "read"."""
    lexicon = tmp_path / "given.txt"
    lexicon.write_text("read R IY D\nread R EH D\nred R EH D\nid IY D\n", encoding="utf-8")
    return TokenizerSettings(kind="phone", lexicon=lexicon)


def test_words_are_their_phones_and_a_mark_that_tells_those_apart_that_sound_alike(phones):
    tokenizer = build_tokenizer([], phones)
    assert tokenizer.symbols == ["<blank>", "|1", "|2", "D", "EH", "IY", "R"]
    assert tokenizer.marks == {1, 2}
    assert tokenizer.encode("red id read") == [6, 4, 3, 2, 5, 3, 1, 6, 5, 3, 1]
    assert tokenizer.decode([6, 4, 3, 2, 5, 3, 1, 6, 4, 3, 1]) == "red id read"
    assert tokenizer.pronunciations["read"] == [(6, 5, 3, 1), (6, 4, 3, 1)]
    with pytest.raises(TextError, match="no pronunciation of 'blue'; add a line to it"):
        tokenizer.encode("red blue")


def test_phones_that_are_no_word_stay_phones(phones):
    tokenizer = build_tokenizer([], phones)
    assert tokenizer.decode([3, 6, 1, 5, 3, 2]) == "d-r id"  # no second word sounds like "id"
    assert tokenizer.decode([5, 3]) == "id"  # its mark is still to come
    assert tokenizer.decode([5, 3, 1, 6]) == "id"
    assert tokenizer.decode([1, 0, 1]) == ""


def test_phones_are_saved_with_their_lexicon(phones, tmp_path):
    tokenizer = build_tokenizer([], phones)
    tokenizer.save(tmp_path)
    stored = TokenizerSettings(kind="phone")
    assert load_tokenizer(tmp_path, stored).pronunciations == tokenizer.pronunciations
    (tmp_path / "lexicon.txt").write_text("red R EH D\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"lexicon\.txt: its phones are not those of tokens\.txt"):
        load_tokenizer(tmp_path, stored)
    (tmp_path / "lexicon.txt").write_text("read R IY D\nreed R IY D\nreid R IY D\nred EH", encoding="utf-8")
    with pytest.raises(ModelError, match=r"lexicon\.txt: 3 of its words sound alike; 2 at most can be told apart"):
        load_tokenizer(tmp_path, stored)
    (tmp_path / "lexicon.txt").unlink()
    with pytest.raises(ModelError, match=r"lexicon\.txt: cannot be read"):
        load_tokenizer(tmp_path, stored)


def test_phones_need_a_lexicon_of_phones(tmp_path):
    with pytest.raises(ConfigError, match=r"tokenizer\.lexicon=FILE"):
        build_tokenizer([], TokenizerSettings(kind="phone"))
    lexicon = tmp_path / "given.txt"
    for phone in ("|1", "|22", "<blank>", "<space>", "\u2581a"):
        lexicon.write_text(f"red {phone} EH\n", encoding="utf-8")
        with pytest.raises(TextError, match="is no name for a phone"):
            build_tokenizer([], TokenizerSettings(kind="phone", lexicon=lexicon))
