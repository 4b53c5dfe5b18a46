"""Vosk's protocol as its published clients speak it."""

import asyncio
import json
from itertools import pairwise

import numpy as np
import pytest
import soxr
import websockets

from asr.live.vosk import Refusal, StreamConfig, is_text, update_config
from tests.live.serving import RATE, TEXTS, pause, read_pcm, talk, text_of


def test_a_client_gets_a_reply_for_each_message_and_the_text_at_the_end(server: str):
    replies = asyncio.run(talk(server, read_pcm("code"), {"sample_rate": RATE}))
    assert all(set(reply) == {"partial"} for reply in replies[:-1])
    assert replies[-3]["partial"].startswith("enter q")
    assert replies[-1]["text"] == TEXTS["code"]
    words = replies[-1]["result"]
    assert [word["word"] for word in words] == TEXTS["code"].split()
    assert all(set(word) == {"conf", "start", "end", "word"} for word in words)
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[-1] < 2.4
    assert all(0 <= word["conf"] <= 1 for word in words)


def test_utterances_come_as_results_in_between(server: str):
    pcm = read_pcm("number") + pause(1.5) + read_pcm("phone") + pause(2.5)
    replies = asyncio.run(talk(server, pcm, {"sample_rate": RATE}))
    results = [reply for reply in replies if reply.get("text")]
    assert [result["text"] for result in results] == [TEXTS["number"], TEXTS["phone"]]
    assert results[1]["result"][0]["start"] > len(read_pcm("number")) / 2 / RATE + 1.3
    assert replies[-1] == {"text": ""}


def test_without_a_config_sound_has_8000_hertz(server: str):
    waveform = np.frombuffer(read_pcm("phone"), "<i2").astype(np.float32)
    pcm = soxr.resample(waveform, RATE, 8000).astype("<i2").tobytes()
    last = asyncio.run(talk(server, pcm))[-1]
    assert last["result"][-1]["end"] == pytest.approx(len(waveform) / RATE, abs=0.5)


def test_words_can_be_left_out_and_alternatives_asked_for(server: str):
    last = asyncio.run(talk(server, read_pcm("phone"), {"sample_rate": RATE, "words": 0}))[-1]
    assert last == {"text": TEXTS["phone"]}
    last = asyncio.run(talk(server, read_pcm("phone"), {"sample_rate": RATE, "max_alternatives": 2}))[-1]
    assert [alternative["text"] for alternative in last["alternatives"]] == [TEXTS["phone"]]


def test_a_phrase_list_leaves_no_other_words(server: str):
    config = {"sample_rate": RATE, "phrase_list": ["three hundred", "sixty nine"]}
    assert set(text_of(asyncio.run(talk(server, read_pcm("number"), config))).split()) <= {
        "three",
        "hundred",
        "sixty",
        "nine",
    }
    config = {"sample_rate": RATE, "phrase_list": ["three hundred", "[unk]"]}
    assert text_of(asyncio.run(talk(server, read_pcm("number"), config))) == TEXTS["number"]


def test_how_sound_is_cut_into_messages_changes_nothing_even_within_a_sample(server: str):
    replies = asyncio.run(talk(server, read_pcm("number"), {"sample_rate": RATE}, block=5001))
    assert replies[-1]["text"] == TEXTS["number"]


def test_reset_ends_an_utterance_and_time_goes_on(server: str):
    async def run() -> list[dict]:
        async with websockets.connect(f"ws://{server}/any/path") as client:
            await client.send(json.dumps({"config": {"sample_rate": RATE}}))
            results = []
            for name in ("phone", "number"):
                await client.send(read_pcm(name))
                await client.recv()
                await client.send('{"reset" : 1}')
                results.append(json.loads(await client.recv()))
            return results

    first, second = asyncio.run(run())
    assert [first["text"], second["text"]] == [TEXTS["phone"], TEXTS["number"]]
    assert second["result"][0]["start"] >= len(read_pcm("phone")) / 2 / RATE


def test_clients_side_by_side_each_get_their_own_text(server: str):
    names = ["code", "phone", "number", "city"] * 2

    async def run() -> list[list[dict]]:
        return await asyncio.gather(*(talk(server, read_pcm(name), {"sample_rate": RATE}) for name in names))

    assert [replies[-1]["text"] for replies in asyncio.run(run())] == [TEXTS[name] for name in names]


def test_the_page_learns_how_much_is_committed(server: str):
    replies = asyncio.run(talk(server, read_pcm("code"), {"sample_rate": RATE, "committed": True}))
    committed = [reply["committed"] for reply in replies[:-1]]
    assert any(committed)
    for before, after in pairwise(committed):
        assert after.startswith(before)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"sample_rate": "fast"}, "sample_rate"),
        ({"sample_rate": 1}, "sample_rate"),
        ({"sample_rate": float("nan")}, "sample_rate"),
        ({"phrase_list": "yes"}, "phrase_list"),
        ({"phrase_list": ["a"] * 1001}, "1000 phrases"),
        ({"phrase_list": ["a" * 32_001]}, "32000 characters"),
        ([], "object"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(chosen: object, message: str):
    with pytest.raises(Refusal, match=message):
        update_config(StreamConfig(), chosen)


def test_a_rate_may_be_a_string():
    assert update_config(StreamConfig(), {"sample_rate": "16000"}).sample_rate == 16000.0


def test_a_config_counts_from_the_next_reset_on(server: str):
    """Sound is counted, and decoded, at the rate it began with."""
    low = soxr.resample(np.frombuffer(read_pcm("number"), "<i2").astype(np.float32), RATE, 8000).astype("<i2")

    async def run() -> list[dict]:
        async with websockets.connect(f"ws://{server}") as client:
            half = len(low) // 2
            results = []
            await client.send(low[:half].tobytes())
            await client.recv()
            await client.send(json.dumps({"config": {"sample_rate": RATE, "phrase_list": ["Five", "f", "three"]}}))
            await client.send(low[half:].tobytes())
            await client.recv()
            for sound in (b"", read_pcm("phone")):
                await client.send(sound)
                await client.recv()
                await client.send('{"reset" : 1}')
                results.append(json.loads(await client.recv()))
            return results

    first, second = asyncio.run(run())
    assert first["text"] == text_of(asyncio.run(talk(server, low.tobytes())))
    assert set(second["text"].split()) <= {"five", "f", "three"}
    assert second["result"][0]["start"] == pytest.approx(len(low) / 8000, abs=0.6)


def test_text_in_a_binary_frame_is_distinguished_from_audio():
    assert is_text(b'{"eof" : 1}')
    assert not is_text(b'{"eof" : ')
    assert not is_text(b"{" * 100_000)
    assert not is_text(read_pcm("help"))


@pytest.mark.parametrize("no", ["false", "False", "0", 0, "no", None, ""])
def test_flags_may_be_texts(no: object):
    config = update_config(StreamConfig(), {"words": no, "max_alternatives": no, "committed": no})
    assert (config.words, config.alternatives, config.committed) == (False, False, False)
    config = update_config(config, {"words": "true", "max_alternatives": "3", "sample_rate": "16000"})
    assert (config.words, config.alternatives, config.sample_rate) == (True, True, 16000.0)


def test_a_phrase_list_may_be_a_text_as_in_vosks_library():
    assert update_config(StreamConfig(), {"phrase_list": '["one", "[unk]"]'}).phrases == ("one", "[unk]")
    with pytest.raises(Refusal, match="must be a list"):
        update_config(StreamConfig(), {"phrase_list": "one"})


@pytest.mark.parametrize("phrases", [["three hundred", "Björk", "[unk]"], ["three hundred sixty nine", "Björk"]])
def test_a_word_that_cannot_be_spelled_is_passed_over(
    server: str, phrases: list[str], caplog: pytest.LogCaptureFixture
):
    replies = asyncio.run(talk(server, read_pcm("number"), {"sample_rate": RATE, "phrase_list": phrases}))
    assert set(text_of(replies).split()) & {"three", "hundred", "sixty", "nine"}
    assert "cannot spell them: björk" in caplog.text
