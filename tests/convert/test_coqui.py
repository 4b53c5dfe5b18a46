"""Models that Coqui STT's code made: the texts of its runtimes, the log probabilities of TensorFlow Lite."""

import contextlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from asr.convert.coqui import import_coqui, read_alphabet
from asr.convert.folder import ImportOptions
from asr.convert.scorer import read_scorer, read_words
from asr.convert.tflite import read_tflite
from asr.errors import ModelError
from asr.language.ngram.arpa import read_arpa
from asr.language.ngram.kenlm import read_trie
from asr.recognize.options import DecodingOptions
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.streaming.recognizer import StreamingRecognizer
from asr.runtime.network import ChunkSize
from asr.signal.audio import load_audio

FOLDER = Path(__file__).parent / "coqui"
SAMPLES = Path(__file__).parents[2] / "recipes" / "an4" / "samples"
TEXTS = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))


def imported(kind: str, tmp_path: Path, **given: Path) -> Recognizer:
    import_coqui(FOLDER / f"{kind}.tflite", ImportOptions(tmp_path / kind), **given)
    return load_model(tmp_path / kind, decoding=DecodingOptions(decoder="beam", beam_size=100))


@pytest.mark.parametrize("name", ["help", "code"])
def test_log_probs_are_those_of_tensorflow_lite(tmp_path: Path, name: str):
    recognizer = imported("float", tmp_path)
    (log_probs,) = recognizer.runner.compute_log_probs([load_audio(SAMPLES / f"{name}.flac", sample_rate=16000)])
    expected = np.roll(np.load(FOLDER / "log_probs.npz")[name], 1, axis=1)  # the blank comes first here
    np.testing.assert_allclose(log_probs, expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["float", "int8"])
@pytest.mark.parametrize("name", ["city", "code", "date", "help", "number", "phone"])
def test_texts_are_those_of_the_runtimes(tmp_path: Path, kind: str, name: str):
    recognizer = imported(kind, tmp_path)
    text = recognizer.transcribe(SAMPLES / f"{name}.flac").text
    assert text == " ".join(TEXTS[kind][name].split())
    samples = load_audio(SAMPLES / f"{name}.flac", sample_rate=16000)
    stream = StreamingRecognizer(recognizer)
    for first in range(0, len(samples), 3001):
        stream.feed(samples[first : first + 3001])
    assert stream.finish().text == text


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_streams_have_the_log_probs_of_whole_recordings(tmp_path: Path, chunk: int):
    runner = imported("float", tmp_path).runner
    samples = load_audio(SAMPLES / "help.flac", sample_rate=16000)
    (whole,) = runner.compute_log_probs([samples])
    network, features = runner.network.streaming(ChunkSize(chunk, 0)), runner.extractor.stream()
    stream, parts = network.start(), []
    for first in range(0, len(samples), 999):
        last = first + 999 >= len(samples)
        stream.feed(features.feed(samples[first : first + 999], last=last), last=last)
        (preview,) = network.preview([stream])
        parts += network.run([stream])
        done = sum(map(len, parts))
        assert len(preview) >= len(parts[-1])
    assert done == len(whole)
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)


def test_the_alphabet_of_the_file_is_that_of_its_text_file(tmp_path: Path):
    symbols = imported("float", tmp_path).tokenizer.symbols
    assert symbols == ["<blank>", *read_alphabet(FOLDER / "alphabet.txt")]
    assert imported("int8", tmp_path, alphabet=FOLDER / "alphabet.txt").tokenizer.symbols == symbols


def test_an_alphabet_has_comments_and_escapes(tmp_path: Path):
    (tmp_path / "alphabet.txt").write_text("# letters\n \na\n\\#\n\n", encoding="utf-8")
    assert read_alphabet(tmp_path / "alphabet.txt") == [" ", "a", "#"]


def test_an_alphabet_of_another_size_is_refused(tmp_path: Path):
    (tmp_path / "alphabet.txt").write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"alphabet\.txt: 2 letters, but the network has 28"):
        imported("float", tmp_path, alphabet=tmp_path / "alphabet.txt")
    assert not (tmp_path / "float").exists()


@pytest.mark.parametrize("suffix", ["scorer", "arpa"])
@pytest.mark.parametrize("kind", ["float", "int8"])
def test_a_scorer_corrects_as_in_the_runtime(tmp_path: Path, kind: str, suffix: str):
    recognizer = imported(kind, tmp_path, scorer=FOLDER / f"words.{suffix}")
    spoken = dict(line.split("\t") for line in (SAMPLES / "transcripts.txt").read_text(encoding="utf-8").splitlines())
    for name, text in spoken.items():  # stt 1.4.0 gives these with words.scorer, and others without
        assert recognizer.transcribe(SAMPLES / f"{Path(name).stem}.flac").text == text
    if suffix == "scorer":
        assert (recognizer.settings.decoder.alpha, round(recognizer.settings.decoder.beta, 6)) == (0.75, 1.85)


def test_the_words_of_a_scorer_are_those_it_was_made_with():
    content, letters = (FOLDER / "words.scorer").read_bytes(), read_alphabet(FOLDER / "alphabet.txt")
    end = read_trie(content, (), FOLDER).end
    words = list(read_words(content, end + 4 + 4 + 1 + 8 + 8, letters))
    assert sorted(words) == sorted(set(read_arpa(FOLDER / "words.arpa").words) - {"<s>", "</s>", "<unk>"})


def test_a_scorer_for_another_alphabet_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match="has no word that these letters spell"):
        read_scorer(FOLDER / "words.scorer", ["x", "z", " "])


@pytest.mark.parametrize("size", [100, 7000, 7100, 8000])
def test_a_scorer_that_is_cut_short_is_refused(tmp_path: Path, size: int):
    (tmp_path / "a.scorer").write_bytes((FOLDER / "words.scorer").read_bytes()[:size])
    with pytest.raises(ModelError, match=r"a\.scorer: .*(broken|vocabulary)"):
        read_scorer(tmp_path / "a.scorer", read_alphabet(FOLDER / "alphabet.txt"))


def test_8_bit_weights_stay_in_8_bits(tmp_path: Path):
    imported("int8", tmp_path)
    assert (tmp_path / "int8" / "network.onnx").stat().st_size < 60_000  # 40,000 weights


def test_a_reader_of_its_own_finds_the_same_constants():
    content = (FOLDER / "float.tflite").read_bytes()
    graph = read_tflite(content, FOLDER)
    assert graph.constant("metadata_sample_rate") == np.array([16000])
    weights = [tensor for tensor in graph.tensors if tensor.name == "layer_2/weights/transpose"]
    (tensor,) = weights
    assert tensor.shape == (36, 36)
    assert np.asarray(tensor.value, "<f4").tobytes() in content


@pytest.mark.parametrize("size", [0, 3, 8, 100, 5000, 150_000])
def test_files_that_are_cut_short_are_refused(tmp_path: Path, size: int):
    content = (FOLDER / "float.tflite").read_bytes()
    path = tmp_path / "a.tflite"
    path.write_bytes(content[:size])
    with pytest.raises(ModelError, match=r"a\.tflite: "):
        import_coqui(path, ImportOptions(tmp_path / "model"))


def test_no_change_of_a_byte_does_anything_but_fail_or_read(tmp_path: Path):
    content = (FOLDER / "int8.tflite").read_bytes()
    rng = np.random.default_rng(5)
    for position in rng.integers(0, len(content), 60):
        broken = bytearray(content)
        struct.pack_into("<B", broken, position, broken[position] ^ int(rng.integers(1, 256)))
        with contextlib.suppress(ModelError):  # any other error fails
            read_tflite(bytes(broken), tmp_path)
