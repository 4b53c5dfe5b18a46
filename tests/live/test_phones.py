"""Models whose tokens are phones, live: what a client expects is known to its own stream alone."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from asr.live.server import decoder_factory
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.streaming.recognizer import StreamingRecognizer
from asr.recognize.streaming.stream import StreamingOptions
from tests.live.serving import ENGLISH_SAMPLES, RATE, read_pcm, run_server, talk, text_of

CONFIG = {"sample_rate": RATE}
RIVER = "we left the village before the sun was up and walked along the river"


@pytest.fixture(scope="module")
def english() -> Recognizer:
    return load_model("english", device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def server(english: Recognizer) -> Iterator[str]:
    with run_server(english) as address:
        yield address


def test_text_grows_by_whole_words_to_what_was_said(english: Recognizer, server: str):
    replies = asyncio.run(talk(server, read_pcm("river", ENGLISH_SAMPLES), {**CONFIG, "committed": True}))
    assert text_of(replies) == RIVER
    partials = [reply["partial"].strip() for reply in replies if reply.get("partial", "").strip()]
    assert len(partials) > 3
    assert set(" ".join(partials).split()) <= set(english.tokenizer.pronunciations)  # no phones
    committed = [reply["committed"].strip() for reply in replies if reply.get("committed")]
    assert all(f"{RIVER} ".startswith(f"{text} ") for text in committed)


def test_words_show_before_they_are_committed(english: Recognizer):
    samples = np.frombuffer(read_pcm("garden", ENGLISH_SAMPLES), "<i2")
    first = {}
    for preview in (False, True):
        stream = StreamingRecognizer(english, StreamingOptions(preview=preview))
        for at in range(0, len(samples), RATE // 10):
            partial = stream.feed(samples[at : at + RATE // 10])
            if partial and partial.text.startswith("there was"):
                first[preview] = at / RATE
                break
    assert first[True] <= first[False] - 0.5


def test_phrases_may_hold_words_that_no_lexicon_has(server: str):
    phrases = ["there was nobody in the gaardne", "the gate stood open"]
    replies = asyncio.run(talk(server, read_pcm("garden", ENGLISH_SAMPLES), {**CONFIG, "phrase_list": phrases}))
    assert "gaardne" in text_of(replies).split()
    assert set(text_of(replies).split()) <= set(" ".join(phrases).split())


def test_with_other_words_possible_the_language_model_stays(english: Recognizer, server: str):
    decoder = decoder_factory(english)(["village"], True)
    assert decoder.beam.language_model is english.decoder.beam.language_model
    config = {**CONFIG, "phrase_list": ["village", "[unk]"]}
    assert text_of(asyncio.run(talk(server, read_pcm("river", ENGLISH_SAMPLES), config))) == RIVER


def test_words_of_one_client_are_none_of_another(english: Recognizer, server: str):
    async def transcribe_both() -> list[str]:
        pcm = read_pcm("river", ENGLISH_SAMPLES)
        with_phrases, plain = await asyncio.gather(
            talk(server, pcm, {**CONFIG, "phrase_list": ["gaardne", "[unk]"]}), talk(server, pcm, CONFIG)
        )
        return [text_of(with_phrases), text_of(plain)]

    assert asyncio.run(transcribe_both())[1] == RIVER
    assert "gaardne" not in english.tokenizer.pronunciations


def test_a_phrase_that_cannot_be_pronounced_is_passed_over(server: str):
    config = {**CONFIG, "phrase_list": ["village", "日本", "[unk]"]}
    assert text_of(asyncio.run(talk(server, read_pcm("river", ENGLISH_SAMPLES), config))) == RIVER
