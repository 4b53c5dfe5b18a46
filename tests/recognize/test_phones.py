"""Models whose tokens are phones: what comes out is words, also such as no lexicon holds."""

import numpy as np
import pytest

from asr.config import DecoderSettings, ModelSettings, TokenizerSettings
from asr.errors import TextError
from asr.recognize.align import align_text
from asr.recognize.model_folder import find_model, read_model, save_model
from asr.recognize.options import DecodingOptions, add_oov_words, choose_decoder
from asr.recognize.recognizer import load_model
from asr.recognize.streaming.endpoints import Endpoints
from asr.recognize.streaming.recognizer import MultiStreamRecognizer
from asr.recognize.streaming.stream import StreamingOptions
from asr.recognize.utterance import decode_distinct
from asr.recognize.words import FrameTiming, align_decoded, find_words
from asr.text.load import build_tokenizer
from asr.text.tokenizer import group_tokens
from tests.models import make_model
from tests.recognize.test_recognizer import RATE, noise

LEXICON = "bad B AE D\ndab D AE B\nsad S AE D\nda D AE\ndah D AE\nbass B AE S\n"


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "given.txt"
    path.write_text(LEXICON, encoding="utf-8")
    small = {"num_layers": 1, "hidden_size": 8, "conv_channels": 4}
    return ModelSettings(tokenizer=TokenizerSettings(kind="phone", lexicon=path), acoustic=small)


@pytest.fixture
def tokenizer(settings):
    return build_tokenizer([], settings.tokenizer)


@pytest.fixture
def folder(settings, tokenizer, tmp_path):
    save_model(make_model(settings, tokenizer, head_scale=1), tmp_path / "model")
    return tmp_path / "model"


def say(tokens, vocab_size, certainty=0.99):
    """Log probabilities of tokens, each after two blanks."""
    rest = (1 - certainty) / (vocab_size - 1)
    probs = np.full((3 * len(tokens) + 2, vocab_size), rest, np.float32)
    probs[:, 0] = certainty
    places = np.arange(2, len(probs), 3)
    probs[places, 0], probs[places, tokens] = rest, certainty
    return np.log(probs)


def test_words_are_grouped_by_their_marks(tokenizer):
    tokens = tokenizer.encode("bad dah da")
    assert group_tokens(tokens, tokenizer) == [("bad", 0, 3), ("dah", 4, 6), ("da", 7, 9)]
    assert group_tokens(tokens[:-1], tokenizer)[-1] == ("da", 7, 9)


def test_times_of_a_word_are_those_of_its_phones_whatever_its_mark(tokenizer):
    spoken, meant = tokenizer.encode("bad da"), tokenizer.encode("bad dah")
    log_probs = say(spoken, tokenizer.vocab_size)
    before, after = (
        find_words(align_decoded(log_probs, tokens, tokenizer), tokens, tokenizer, FrameTiming(0.04, 0.025))
        for tokens in (spoken, meant)
    )
    assert [word.text for word in after] == ["bad", "dah"]
    assert [(word.start, word.end) for word in before] == [(word.start, word.end) for word in after]


def test_a_model_folder_keeps_its_lexicon_and_forgets_where_that_was(folder):
    assert (folder / "lexicon.txt").read_text(encoding="utf-8").replace("\t", " ") == LEXICON
    assert "given.txt" not in (folder / "config.yaml").read_text(encoding="utf-8")
    assert read_model(folder).tokenizer.encode("bad da") == build_tokenizer([], read_settings(folder)).encode("bad da")


def read_settings(folder):
    return TokenizerSettings(kind="phone", lexicon=folder / "lexicon.txt")


def test_words_are_read_by_the_lexicon_unless_the_best_path_is_asked_for(folder):
    recognizer = load_model(folder)
    tokens = recognizer.tokenizer.encode("bad da")
    tokens[2] = recognizer.tokenizer.symbols.index("B")  # "bab" is no word
    log_probs = say(tokens, recognizer.tokenizer.vocab_size, certainty=0.9)
    assert recognizer.decoder.decode(log_probs).text in {"bad da", "bass da", "dab da"}
    greedy = load_model(folder, decoding=DecodingOptions(decoder="greedy"))
    assert greedy.decoder.decode(log_probs).text == "b-ae-b da"


def test_a_hotword_that_no_lexicon_holds_is_recognized_and_nothing_else_changes(tokenizer, tmp_path):
    wider = add_oov_words(tokenizer, ["sabsab", "bad"])
    sabsab = wider.encode("sabsab")
    assert [wider.symbols[token] for token in sabsab] == ["S", "AE", "B", "S", "AE", "B", "|1"]
    beam = choose_decoder(tmp_path, wider, DecoderSettings(), DecodingOptions(hotwords=["sabsab"]))
    assert wider.decode(beam.decode(say(sabsab, tokenizer.vocab_size))[0].tokens) == "sabsab"
    bad = say(tokenizer.encode("bad"), tokenizer.vocab_size)
    assert wider.decode(beam.decode(bad)[0].tokens) == "bad"
    assert tokenizer.decode(sabsab) == "s-ae-b-s-ae-b"
    plain = choose_decoder(tmp_path, tokenizer, DecoderSettings(), DecodingOptions())
    assert "sabsab" not in tokenizer.decode(plain.decode(say(sabsab, tokenizer.vocab_size))[0].tokens)


def test_a_hot_word_is_known_to_the_model_that_was_loaded_for_it_alone(folder):
    recognizer = load_model(folder, decoding=DecodingOptions(hotwords=["SABSAB!:9"]))
    sabsab = recognizer.tokenizer.encode("sabsab")
    log_probs = say(sabsab, recognizer.tokenizer.vocab_size)
    assert recognizer.decoder.decode(log_probs).text == "sabsab"
    assert "sabsab" not in load_model(folder).decoder.decode(log_probs).text


def test_a_text_with_several_pronunciations_is_one_hypothesis(tmp_path):
    path = tmp_path / "ways.txt"
    path.write_text("bad B AE D\nbad B AA D\nbad B AH D\ndab D AE B\n", encoding="utf-8")
    tokenizer = build_tokenizer([], TokenizerSettings(kind="phone", lexicon=path))
    beam = choose_decoder(
        tmp_path, tokenizer, DecoderSettings(token_threshold=50, beam_threshold=50), DecodingOptions()
    )
    log_probs = [say(tokenizer.encode(text), tokenizer.vocab_size, certainty=0.6) for text in ("bad dab", "dab")]
    different = decode_distinct(beam, tokenizer, log_probs, 3)
    for utterance, found in zip(log_probs, different, strict=True):
        everything = beam.decode(utterance, beam.beam_size)
        texts = [tokenizer.decode(one.tokens) for one in found]
        assert len(set(texts)) == len(texts) == 3
        assert len({tokenizer.decode(one.tokens) for one in everything[:3]}) < 3  # some are the same text
        for text, one in zip(texts, found, strict=True):
            assert one.score == max(other.score for other in everything if tokenizer.decode(other.tokens) == text)
    assert [one[:1] for one in different] == decode_distinct(beam, tokenizer, log_probs, 1)


def test_what_cannot_be_pronounced_is_named(tokenizer, tmp_path):
    assert "quiz" not in add_oov_words(tokenizer, ["quiz"]).pronunciations
    with pytest.raises(TextError, match="the lexicon has no pronunciation of quiz"):
        choose_decoder(tmp_path, tokenizer, DecoderSettings(), DecodingOptions(hotwords=["quiz"]))
    assert add_oov_words(tokenizer, ["bad"]) is tokenizer


def test_a_text_with_a_word_that_no_lexicon_holds_is_aligned(folder):
    transcript = align_text(load_model(folder), (noise(3.0, 0), RATE), "Bad sabsab, da!")
    assert [word.text for word in transcript.words] == ["Bad", "sabsab,", "da!"]


def test_letters_are_not_learned():
    tokenizer = read_model(find_model("an4")).tokenizer
    assert add_oov_words(tokenizer, ["quiz"]) is tokenizer


def test_what_a_stream_commits_to_never_changes(folder):
    recognizer = load_model(folder)
    tokens = [token for _ in range(40) for token in recognizer.tokenizer.encode("bad dah sad da")]
    log_probs = say(tokens, recognizer.tokenizer.vocab_size)
    stream = MultiStreamRecognizer(recognizer, StreamingOptions(endpoints=Endpoints(pause=99, longest=999))).start()
    before = ""
    stream.feed(np.zeros(10 * RATE, np.float32))
    for first in range(0, len(log_probs), 20):
        stream._utterance._text.feed(log_probs[first : first + 20])
        committed, text = stream._utterance.texts()
        assert committed.startswith(before)
        assert text.startswith(committed)
        before = committed
    assert before.startswith("bad da sad da bad")  # without a language model the first of those that sound alike
