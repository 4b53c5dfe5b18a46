"""Models with a punctuator: what they write by default and on request, offline and as streams."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.config import ModelSettings
from asr.errors import ConfigError, ModelError
from asr.language.punctuator import PunctuationStream, Punctuator, save_punctuator
from asr.recognize.model_folder import find_model, quantize
from asr.recognize.options import DecodingOptions
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.streaming.endpoints import Endpoints
from asr.recognize.streaming.recognizer import MultiStreamRecognizer, StreamingRecognizer
from tests.language.punctuators import make_settings, random_weights

RATE = 16000
SAMPLES = Path(__file__).parents[2] / "recipes" / "an4" / "samples"
TEXTS = dict(line.split("\t") for line in (SAMPLES / "transcripts.txt").read_text().splitlines())
WORDS = sorted({word for text in TEXTS.values() for word in text.lower().split()})[:16]


def add_punctuator(folder: Path) -> None:
    (folder / "punctuator").mkdir()
    save_punctuator(random_weights(seed=3), make_settings(), WORDS, [], folder / "punctuator")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model an4, with a punctuator that knows nothing."""
    folder = tmp_path_factory.mktemp("models") / "an4"
    shutil.copytree(find_model("an4"), folder)
    add_punctuator(folder)
    return folder


@pytest.fixture(scope="module")
def recognizer(folder: Path) -> Recognizer:
    return load_model(folder, device="cpu")


def read(name: str) -> np.ndarray:
    return soundfile.read(SAMPLES / f"{name}.flac", dtype="float32")[0]


def test_a_model_with_a_punctuator_uses_it(folder: Path, recognizer: Recognizer):
    transcript = recognizer.transcribe((read("code"), RATE))
    assert transcript.raw_text == TEXTS["code"]
    pauses = [max(0.0, after.start - word.end) for word, after in pairwise(transcript.words)]
    pauses.append(transcript.duration - transcript.words[-1].end)
    written = Punctuator.load(folder / "punctuator").punctuate(TEXTS["code"].split(), pauses)
    assert [word.written for word in transcript.words] == written
    assert transcript.text == " ".join(written)
    assert transcript.text[-1] in ".?!"


def test_what_is_recognised_and_when_does_not_change(recognizer: Recognizer):
    plain = load_model("an4", device="cpu").transcribe((read("phone"), RATE))
    written = recognizer.transcribe((read("phone"), RATE))
    assert plain.raw_text is None
    for before, after in zip(plain.words, written.words, strict=True):
        assert (before.text, before.start, before.end) == (after.text, after.start, after.end)
        assert before.confidence == after.confidence
        assert before.written is None
    assert recognizer.decode_waveforms([read("phone")])[0].text == plain.text  # as evaluations see it


def test_the_user_and_the_folder_may_say_no(folder: Path, tmp_path: Path):
    off = load_model(folder, device="cpu", decoding=DecodingOptions(punctuate=False))
    assert off.transcribe((read("code"), RATE)).text == TEXTS["code"]
    quiet = tmp_path / "quiet"
    shutil.copytree(folder, quiet)
    settings = ModelSettings.load_saved(quiet / "config.yaml")
    written = settings.written.model_copy(update={"punctuate": False})
    settings.model_copy(update={"written": written}).save(quiet / "config.yaml")
    assert load_model(quiet, device="cpu").transcribe((read("code"), RATE)).raw_text is None
    on = load_model(quiet, device="cpu", decoding=DecodingOptions(punctuate=True))
    assert on.transcribe((read("code"), RATE)).raw_text == TEXTS["code"]


def test_a_model_without_a_punctuator_says_so_when_it_is_asked_for():
    with pytest.raises(ConfigError, match="has no punctuator"):
        load_model("an4", device="cpu", decoding=DecodingOptions(punctuate=True))
    with pytest.raises(ConfigError, match="words, digits"):
        load_model("an4", device="cpu", decoding=DecodingOptions(numbers="figures"))


def test_numbers_are_english(tmp_path: Path):
    shutil.copytree(find_model("an4"), tmp_path / "german")
    settings = ModelSettings.load_saved(tmp_path / "german" / "config.yaml")
    normalizer = settings.normalizer.model_copy(update={"language": "de"})
    settings.model_copy(update={"normalizer": normalizer}).save(tmp_path / "german" / "config.yaml")
    with pytest.raises(ConfigError, match="English only"):
        load_model(tmp_path / "german", device="cpu", decoding=DecodingOptions(numbers="digits"))


def test_a_stream_is_written_utterance_by_utterance_however_it_is_cut(recognizer: Recognizer):
    quiet = 1e-3 * np.random.default_rng(0).standard_normal(RATE * 3 // 2).astype(np.float32)
    talk = np.concatenate([quiet, read("number"), quiet, read("code"), quiet, read("phone")])
    results = []
    for block in (1600, 5000, 48000):
        stream, finals = StreamingRecognizer(recognizer), []
        for at in range(0, len(talk), block):
            partial = stream.feed(talk[at : at + block])
            if partial is not None:
                finals += partial.finals
                assert not set(partial.text) & set(",.?!;:–ABCDEFGHIJKLMNOPQRSTUVWXYZ")  # as recognised
        transcript = stream.finish()
        assert list(transcript.segments[: len(finals)]) == finals  # what was final has not changed
        results.append(transcript)
    assert len({result.text for result in results}) == 1
    assert results[0].raw_text == " ".join(TEXTS[name] for name in ("number", "code", "phone"))
    assert [segment.text for segment in results[0].segments] == [segment.text for segment in results[1].segments]
    assert results[0].text != results[0].raw_text
    assert results[0].text[-1] in ".?!"


@pytest.mark.parametrize("block", [1600, 10**6])
def test_the_last_sentence_ends_though_its_words_were_final_before(recognizer: Recognizer, block: int):
    quiet = 1e-3 * np.random.default_rng(0).standard_normal(RATE * 3 // 2).astype(np.float32)
    is_open = 0
    for name in ("number", "code", "phone"):
        talk = np.concatenate([quiet, read(name), quiet, quiet])
        stream, finals = StreamingRecognizer(recognizer), []
        for at in range(0, len(talk), block):
            partial = stream.feed(talk[at : at + block])
            finals += partial.finals if partial is not None else ()
        (segment,) = stream.finish().segments
        assert segment.text[-1] in ".?!"
        assert [final.words[:-1] for final in finals] == [segment.words[:-1]]
        is_open += finals[0].text[-1] not in ".?!"
    assert is_open  # else this says nothing


def test_a_stream_is_ready_before_the_first_utterance(folder: Path):
    recognizer = load_model(folder, device="cpu")
    MultiStreamRecognizer(recognizer).warm_up()
    assert "_session" in vars(recognizer.decoder.writer.start_punctuation.__self__.network)


def test_a_stream_knows_the_whole_pause_that_ended_an_utterance(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
):
    silences, feed = [], PunctuationStream.feed

    def spy(self, words, following):
        silences.append(following[-1])
        return feed(self, words, following)

    monkeypatch.setattr(PunctuationStream, "feed", spy)
    stream = StreamingRecognizer(recognizer)
    stream.feed(np.concatenate([read("number"), np.zeros(RATE * 3 // 2, np.float32), read("phone")]))
    assert len(stream.finish().segments) == len(silences) == 2
    assert silences[0] == pytest.approx(Endpoints().pause, abs=0.05)  # a frame has 0.04 s


def test_a_model_with_an_incomplete_punctuator_is_refused(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "broken")
    (tmp_path / "broken" / "punctuator" / "spellings.txt").unlink()
    with pytest.raises(ModelError, match=r"spellings.txt: cannot be read"):
        load_model(tmp_path / "broken", device="cpu")


def test_a_folder_is_quantised_with_its_punctuator(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "copy")
    sizes = quantize(str(tmp_path / "copy"))
    before, after = sizes[tmp_path / "copy" / "punctuator" / "model.safetensors"]
    assert before == after  # it is in 8 bits already
