import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import TokenizerSettings
from asr.errors import ModelError, TextError
from asr.text.load import build_tokenizer, load_tokenizer
from asr.text.tokenizer import CharTokenizer

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


def test_tokens_txt_has_a_symbol_a_line(tmp_path):
    CharTokenizer(["<blank>", " ", "é"]).save(tmp_path)
    assert (tmp_path / "tokens.txt").read_text(encoding="utf-8") == "<blank>\n<space>\né\n"


def test_line_breaks_are_no_symbols():
    with pytest.raises(TextError, match="LINE SEPARATOR"):
        build_tokenizer(["a\u2028b"], CHAR)


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
