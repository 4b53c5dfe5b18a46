"""Voice commands: phrases in streams, alone or not, and the programs that they run."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AsrError
from asr.live.commands import ProgramRunner, listen_for_phrases
from asr.live.microphone import RawInput, ReadFile
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.stream import StreamingOptions
from asr.spotting.find import Hit, find
from asr.spotting.listener import PhraseListener, find_sounds, is_alone
from asr.spotting.phrases import Phrase
from asr.spotting.spotter import Match, PhraseSpotter
from tests.cli.test_app import run
from tests.live.serving import PHONE, RATE

SAMPLES = Path(PHONE).parent


def listener(recognizer: Recognizer, phrases: list[str], **options: object) -> PhraseListener:
    spotter = PhraseSpotter(phrases, recognizer.tokenizer, recognizer.settings, exclusive=True)
    return PhraseListener(recognizer, spotter, StreamingOptions(0.4, 1.0, preview=False), **options)


def test_a_stream_finds_what_the_recording_holds(recognizer: Recognizer):
    hits: list[Hit] = []
    count = listen_for_phrases(listener(recognizer, ["five", "oh one"]), ReadFile(Path(PHONE), RATE), hits.append)
    expected = list(find(["five", "oh one"], [PHONE], model="an4", context=False))
    assert count == len(hits) == len(expected) == 4
    assert [hit.phrase for hit in hits] == [hit.phrase for hit in expected]
    assert [hit.start for hit in hits] == pytest.approx([hit.start for hit in expected], abs=0.1)


def test_hits_come_soon_and_at_their_time_in_the_stream(recognizer: Recognizer):
    samples, _ = soundfile.read(PHONE, dtype="float32")
    quiet = np.zeros(2 * RATE, np.float32)
    stream = listener(recognizer, ["oh one"])
    seconds, found = 0.0, []
    for block in np.array_split(np.concatenate([samples, quiet, samples, quiet, quiet]), 100):
        seconds += len(block) / RATE
        found += [(hit, seconds) for hit in stream.feed(block)]
    (first, first_time), (second, second_time) = found
    assert second.start - first.start == pytest.approx((len(samples) + len(quiet)) / RATE, abs=0.1)
    # The look-ahead of 1 s, a chunk of 0.4 s, and 0.8 s in which nothing better comes.
    assert first.end < first_time < first.end + 2.5
    assert second.end < second_time < second.end + 2.5
    assert stream.finish() == []


def test_a_phrase_that_must_be_alone_is_not_found_among_others(recognizer: Recognizer):
    phone, _ = soundfile.read(PHONE, dtype="float32")
    alone, _ = soundfile.read(SAMPLES / "help.flac", dtype="float32")
    quiet = np.zeros(2 * RATE, np.float32)
    together = np.concatenate([alone, quiet, phone, quiet])
    found = {}
    for only_alone in (False, True):
        stream = listener(recognizer, ["oh one", "help"], alone=only_alone)
        found[only_alone] = [hit.phrase for hit in [*stream.feed(together), *stream.finish()]]
    assert found == {False: ["help", "oh one"], True: ["help"]}


def test_sounds_outside_a_phrase_are_counted():
    path = np.array([0, 5, 5, 0, 1, 6, 0, 6, 0, 7])
    sounds = find_sounds(path, silent=np.array([0, 1]))
    assert sounds.tolist() == [1, 5, 7, 9]
    phrase = Phrase("", ())
    assert is_alone(Match(phrase, 5, 8, 1.0), sounds) is False
    assert is_alone(Match(phrase, 5, 10, 1.0), sounds) is True


def test_programs_get_what_was_said_without_a_shell(tmp_path: Path):
    output = tmp_path / "arguments.json"
    script = "import json, sys; open(sys.argv[1], 'w').write(json.dumps(sys.argv[2:]))"
    runner = ProgramRunner(f"'{sys.executable}' -c \"{script}\" '{output}' {{phrase}} 'at {{start}}' '{{not one}}'")
    runner.run(Hit("$(touch x); {start} | `y`", 1.5, 2.0, 0.9))
    runner.reap(wait=True)
    assert json.loads(output.read_text()) == ["$(touch x); {start} | `y`", "at 1.50", "{not one}"]


def test_programs_that_cannot_run_are_refused_before_anything_is_said(caplog: pytest.LogCaptureFixture):
    for command, message in {
        "no-such-program-anywhere {phrase}": "no such program",
        f"'{sys.executable}' {{word}}": "no such field; there are: {phrase}",
        "'": "cannot be split",
        " ": "has no name",
    }.items():
        with pytest.raises(AsrError, match=message):
            ProgramRunner(command)
    runner = ProgramRunner(f"'{sys.executable}' -c 'raise SystemExit(3)'")
    runner.run(Hit("stop", 0.0, 1.0, 0.9))
    runner.reap(wait=True)
    assert "ended with status 3" in caplog.text


def test_raw_audio_is_read_as_it_arrives(tmp_path: Path):
    samples = np.arange(-3000, 3001, dtype="<i2")
    path = tmp_path / "raw"
    path.write_bytes(samples.tobytes() + b"x")
    with path.open("rb") as file:
        blocks = list(RawInput(file, 16000))
    assert len(blocks[0]) == 1600
    np.testing.assert_allclose(np.concatenate(blocks) * 32768, samples)


def test_the_command_writes_a_line_for_each(tmp_path: Path):
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("oh one\nhelp\n")
    status, output, _ = run("listen", "--phrases", str(phrases), str(PHONE))
    (hit,) = map(json.loads, output.splitlines())
    assert (status, hit["phrase"]) == (0, "oh one")
    assert run("listen", "--phrases", str(phrases), "-")[0] == 1  # the sample rate is missing
    status, _, errors = run("listen", "--phrases", str(phrases), "--device", "2", str(PHONE))
    assert (status, errors.startswith("error: --device 2: a microphone, but ")) == (1, True)
    phrases.write_text("oh one\n日本\n")
    status, _, errors = run("listen", "--phrases", str(phrases), str(PHONE))
    assert (status, errors.startswith(f"error: {phrases}: '日本'")) == (1, True)
