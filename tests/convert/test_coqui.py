"""Models that Coqui STT's code made: the texts of its runtimes, the log probabilities of TensorFlow Lite."""

import contextlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from asr.convert.coqui import import_coqui, read_alphabet
from asr.convert.coqui_file import read_coqui
from asr.convert.folder import ImportOptions
from asr.convert.graph_def import read_graph_def
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
from tests.convert.hybrid import compute_log_probs, read_weights

FOLDER = Path(__file__).parent / "coqui"
SAMPLES = Path(__file__).parents[2] / "recipes" / "an4" / "samples"
FILES = {"float": "float.tflite", "int8": "int8.tflite", "plain": "plain.pbmm"}
TEXTS = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))


def imported(kind: str, tmp_path: Path, **given: Path) -> Recognizer:
    import_coqui(FOLDER / FILES.get(kind, kind), ImportOptions(tmp_path / kind), **given)
    return load_model(tmp_path / kind, decoding=DecodingOptions(decoder="beam", beam_size=100))


def log_probs_of_tensorflow(kind: str, name: str) -> np.ndarray:
    return np.roll(np.load(FOLDER / "log_probs.npz")[f"{kind}.{name}"], 1, axis=1)  # the blank comes first here


@pytest.mark.parametrize("kind", ["float", "plain", "float.pb"])
@pytest.mark.parametrize("name", ["help", "code"])
def test_log_probs_are_those_of_tensorflow_lite(tmp_path: Path, kind: str, name: str):
    recognizer = imported(kind, tmp_path)
    (log_probs,) = recognizer.runner.compute_log_probs([load_audio(SAMPLES / f"{name}.flac", sample_rate=16000)])
    expected = log_probs_of_tensorflow(kind.removesuffix(".pb"), name)
    np.testing.assert_allclose(log_probs, expected, atol=1e-3)


@pytest.mark.parametrize("name", ["help", "code"])
def test_8_bit_weights_give_the_log_probs_of_tensorflow_lite_once_inputs_are_rounded(tmp_path: Path, name: str):
    runner, samples = imported("int8", tmp_path).runner, load_audio(SAMPLES / f"{name}.flac", sample_rate=16000)
    weights, features = read_weights(tmp_path / "int8"), runner.extract(samples)
    expected = log_probs_of_tensorflow("int8", name)
    np.testing.assert_allclose(compute_log_probs(weights, features, 9), expected, atol=1e-3)
    (log_probs,) = runner.compute_log_probs([samples])
    np.testing.assert_allclose(compute_log_probs(weights, features, 9, rounded=False), log_probs, atol=1e-3)


@pytest.mark.parametrize("name", ["help", "code"])
def test_8_bit_weights_are_closer_to_the_float_network_than_in_tensorflow_lite(tmp_path: Path, name: str):
    samples = load_audio(SAMPLES / f"{name}.flac", sample_rate=16000)
    (log_probs,) = imported("int8", tmp_path).runner.compute_log_probs([samples])
    exact, theirs = log_probs_of_tensorflow("plain", name), log_probs_of_tensorflow("int8", name)
    assert np.abs(log_probs - exact).mean() < np.abs(theirs - exact).mean()


@pytest.mark.parametrize("kind", ["float", "int8", "plain"])
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


def test_constants_of_a_mapped_graph_are_where_its_directory_says():
    content = (FOLDER / "plain.pbmm").read_bytes()
    nodes = read_graph_def(content, FOLDER)
    kernel = nodes["layer_1/weights"].value
    assert isinstance(kernel, np.ndarray)
    assert kernel.shape == (494, 40)
    assert content.index(kernel.tobytes()) % 64 == 0  # TensorFlow aligns constants
    assert nodes["metadata_sample_rate"].value == np.array([16000])
    assert nodes["input_node"].shape == (1, 16, 19, 26)


@pytest.mark.parametrize(
    ("name", "size"), [("float.tflite", size) for size in (0, 3, 8, 100, 5000, 150_000)]
    + [(name, size) for name in ("float.pb", "plain.pbmm") for size in (1, 9, 5000, 100_000, 155_000)]
)  # fmt: skip
def test_files_that_are_cut_short_are_refused(tmp_path: Path, name: str, size: int):
    path = tmp_path / f"a{Path(name).suffix}"
    path.write_bytes((FOLDER / name).read_bytes()[:size])
    with pytest.raises(ModelError, match=r"a\.\w+: "):
        import_coqui(path, ImportOptions(tmp_path / "model"))


@pytest.mark.parametrize("name", ["int8.tflite", "float.pb", "plain.pbmm"])
def test_no_change_of_a_byte_does_anything_but_fail_or_read(tmp_path: Path, name: str):
    content = (FOLDER / name).read_bytes()
    rng = np.random.default_rng(5)
    # Mostly where the structure is, which is a small part of a file.
    positions = [*rng.integers(0, len(content), 40), *rng.integers(len(content) - 20_000, len(content), 160)]
    for position in positions:
        broken = bytearray(content)
        struct.pack_into("<B", broken, position, broken[position] ^ int(rng.integers(1, 256)))
        with contextlib.suppress(ModelError):  # any other error fails
            read_coqui(bytes(broken), tmp_path)


def test_a_graph_of_another_program_is_refused(tmp_path: Path):
    node = b"\x0a\x01x\x12\x06MatMul"  # name and operator
    (tmp_path / "a.pb").write_bytes(b"\x0a" + bytes([len(node)]) + node)
    with pytest.raises(ModelError, match=r"a\.pb: has no metadata_sample_rate; models of DeepSpeech before 0\.7"):
        import_coqui(tmp_path / "a.pb", ImportOptions(tmp_path / "model"))
    (tmp_path / "a.bin").write_bytes(b"what else")
    with pytest.raises(ModelError, match=r"a\.bin: neither a file of TensorFlow Lite nor a frozen graph"):
        import_coqui(tmp_path / "a.bin", ImportOptions(tmp_path / "model"))
