"""Tokenizers made from texts and read from model folders: what is refused."""

from pathlib import Path

import pytest

from asr.config import TokenizerSettings
from asr.errors import ConfigError, ModelError, TextError
from asr.text.load import build_tokenizer, load_tokenizer

CHAR = TokenizerSettings()
SUBWORD = TokenizerSettings(kind="subword", vocab_size=40)
TEXTS = ["the quick brown fox jumps over the lazy dog", "it's a dog's life", "שלום עולם"] * 3


@pytest.mark.parametrize("texts", [[], [""], ["", " "]])
@pytest.mark.parametrize("kind", [CHAR, SUBWORD], ids=["char", "subword"])
def test_without_text_there_is_no_tokenizer(texts, kind):
    with pytest.raises(TextError, match="no text"):
        build_tokenizer(texts, kind)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        ("", "first line must be <blank>"),
        ("a\n<blank>\n", "first line must be <blank>"),
        ("<blank>\n", "no symbol but"),
        ("<blank>\na\nb\na\n", r"tokens\.txt:4: 'a' is already on line 2"),
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
