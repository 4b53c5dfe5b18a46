"""Models in sherpa-onnx's format give the log probabilities of the same file, run as sherpa-onnx runs it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from asr.convert.folder import ImportOptions
from asr.convert.onnx_ctc import import_onnx, read_tokens
from asr.errors import ConfigError, ModelError
from asr.recognize.recognizer import Recognizer, load_model
from asr.runtime.network import ChunkSize
from tests.convert import onnx_models
from tests.convert.onnx_models import STREAM_CHUNK, STREAM_WINDOW, SYMBOLS

NEMO_SYMBOLS = [*SYMBOLS[1:], "<blk>"]


def noise(seconds: float, rate: int = 16000) -> np.ndarray:
    samples = np.random.default_rng(3).normal(0, 0.1, round(seconds * rate))
    return (samples * np.linspace(0.1, 1, len(samples))).astype(np.float32)


def imported(tmp_path: Path, name: str, symbols: list[str], *, sample_rate: int = 16000) -> Recognizer:
    onnx_models.write_tokens(tmp_path / "tokens.txt", symbols)
    options = ImportOptions(tmp_path / name)
    import_onnx(tmp_path / f"{name}.onnx", tmp_path / "tokens.txt", options, sample_rate=sample_rate)
    return load_model(tmp_path / name)


def run_file(path: Path, *inputs: np.ndarray) -> list[np.ndarray]:
    session = ort.InferenceSession(str(path))
    return session.run(None, dict(zip([value.name for value in session.get_inputs()], inputs, strict=True)))


def test_zipformer(tmp_path: Path):
    onnx_models.zipformer(tmp_path / "a.onnx")
    recognizer = imported(tmp_path, "a", SYMBOLS)
    samples = noise(1.03)
    features = recognizer.runner.extract(samples)
    assert features.shape == (103, 80)
    log_probs, lengths = run_file(tmp_path / "a.onnx", features[None], np.array([103]))
    (found,) = recognizer.runner.compute_log_probs([samples])
    np.testing.assert_allclose(found, log_probs[0][: lengths[0]], atol=1e-5)
    assert recognizer.runner.frame_seconds == 0.04
    assert recognizer.tokenizer.symbols == ["<blank>", *SYMBOLS[1:]]


def test_wenet_has_samples_of_16_bits(tmp_path: Path):
    onnx_models.zipformer(tmp_path / "a.onnx", kind="wenet_ctc", subsampling_factor=4)
    runner = imported(tmp_path, "a", ["<blank>", *SYMBOLS[1:]]).runner
    onnx_models.zipformer(tmp_path / "b.onnx")
    other = imported(tmp_path, "b", SYMBOLS).runner
    np.testing.assert_allclose(runner.extract(noise(0.5)), other.extract(noise(0.5) * 32768), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("normalize_type", ["per_feature", "NA", ""])
def test_nemo_has_the_blank_last_and_may_normalise(tmp_path: Path, normalize_type: str):
    onnx_models.nemo(tmp_path / "a.onnx", normalize_type=normalize_type)
    recognizer = imported(tmp_path, "a", NEMO_SYMBOLS)
    samples = noise(1)
    features = recognizer.runner.extract(samples)
    if normalize_type == "per_feature":
        np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-3)
    (log_probs,) = run_file(tmp_path / "a.onnx", features.T[None], np.array([len(features)]))
    (found,) = recognizer.runner.compute_log_probs([samples])
    np.testing.assert_allclose(found, np.roll(log_probs[0], 1, axis=1), atol=1e-5)
    if normalize_type == "per_feature":
        with pytest.raises(ConfigError, match="cannot follow"):
            recognizer.runner.network.streaming(ChunkSize(1, 0))


def test_tdnn_says_neither_bands_nor_subsampling(tmp_path: Path):
    onnx_models.tdnn(tmp_path / "a.onnx")
    recognizer = imported(tmp_path, "a", ["<eps>", "N", "Y", "SIL"], sample_rate=8000)
    features = recognizer.runner.extract(noise(1, 8000))
    assert features.shape == (100, 23)
    (log_probs,) = run_file(tmp_path / "a.onnx", features[None])
    (found,) = recognizer.runner.compute_log_probs([noise(1, 8000)])
    np.testing.assert_allclose(found, log_probs[0], atol=1e-5)
    assert recognizer.runner.frame_seconds == 0.03


def test_a_zipformer_for_streams_goes_chunk_by_chunk(tmp_path: Path):
    onnx_models.streaming_zipformer(tmp_path / "a.onnx")
    runner = imported(tmp_path, "a", SYMBOLS).runner
    samples = noise(2.5)
    features = runner.extract(samples)
    padded = np.pad(features, ((0, 100), (0, 0)), constant_values=np.float32(np.log(1e-10)))
    session = ort.InferenceSession(str(tmp_path / "a.onnx"))
    states = [
        np.zeros(
            [dim if isinstance(dim, int) else 1 for dim in value.shape], np.int64 if "int64" in value.type else "f4"
        )
        for value in session.get_inputs()[1:]
    ]
    expected = []
    for first in range(0, len(features), STREAM_CHUNK):
        window = padded[None, first : first + STREAM_WINDOW]
        log_probs, *states = run_file(tmp_path / "a.onnx", window, *states)
        expected.append(log_probs[0])
    reference = np.concatenate(expected)[: -(-len(features) // 4)]
    (whole,) = runner.compute_log_probs([samples])
    np.testing.assert_allclose(whole, reference, atol=1e-5)
    network, extractor = runner.network.streaming(ChunkSize(1, 0)), runner.extractor.stream()
    stream, parts = network.start(), []
    for first in range(0, len(samples), 1234):
        last = first + 1234 >= len(samples)
        stream.feed(extractor.feed(samples[first : first + 1234], last=last), last=last)
        network.preview([stream])
        parts += network.run([stream])
    np.testing.assert_allclose(np.concatenate(parts), reference, atol=1e-5)


def test_pieces_become_words(tmp_path: Path):
    onnx_models.zipformer(tmp_path / "a.onnx")
    recognizer = imported(tmp_path, "a", SYMBOLS)
    tokenizer = recognizer.tokenizer
    assert tokenizer.decode([1, 4, 0, 2, 3]) == "ade" + "b c"
    assert tokenizer.encode("ade c") == [1, 4, 3]
    transcript = recognizer.transcribe((noise(2), 16000))
    assert [word.text for word in transcript.words] == transcript.text.split()


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("EncDecRNNTBPEModel", "a transducer"),
        ("zipformer2", "a transducer"),
        ("whisper-tiny", "a network with attention"),
        ("canary", "a network with attention"),
        ("t-one", "of no known type"),
        ("", "without metadata"),
    ],
)
def test_other_models_are_refused_by_name(tmp_path: Path, kind: str, what: str):
    onnx_models.zipformer(tmp_path / "a.onnx", kind=kind)
    onnx_models.write_tokens(tmp_path / "tokens.txt", SYMBOLS)
    with pytest.raises(ModelError, match=rf"a\.onnx: {what}") as caught:
        import_onnx(tmp_path / "a.onnx", tmp_path / "tokens.txt", ImportOptions(tmp_path / "a"))
    assert kind in str(caught.value)
    assert not (tmp_path / "a").exists()


def test_weights_in_other_files_are_refused(tmp_path: Path):
    onnx_models.zipformer(tmp_path / "a.onnx")
    model = onnx.load(str(tmp_path / "a.onnx"))
    onnx.save_model(model, str(tmp_path / "b.onnx"), save_as_external_data=True, size_threshold=0)
    onnx_models.write_tokens(tmp_path / "tokens.txt", SYMBOLS)
    with pytest.raises(ModelError, match="lie in other files"):
        import_onnx(tmp_path / "b.onnx", tmp_path / "tokens.txt", ImportOptions(tmp_path / "b"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("<blk> 0\na 2\n", "not 0 to 1"),
        ("<blk> 0\na b 1\n", "tokens.txt:2: expected a symbol and its number"),
        ("", "expected|not 0 to"),
        ("<blk> 0\n\u01a1 1\n", "byte-level"),
    ],
)
def test_broken_tokens_are_refused(tmp_path: Path, content: str, problem: str):
    (tmp_path / "tokens.txt").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=problem):
        read_tokens(tmp_path / "tokens.txt")


def test_a_number_alone_is_the_space(tmp_path: Path):
    (tmp_path / "tokens.txt").write_text("<blk> 0\n  1\na 2\n", encoding="utf-8")
    assert read_tokens(tmp_path / "tokens.txt") == ["<blk>", " ", "a"]


def test_another_number_of_tokens_is_refused(tmp_path: Path):
    onnx_models.zipformer(tmp_path / "a.onnx")
    onnx_models.write_tokens(tmp_path / "tokens.txt", SYMBOLS[:-1])
    with pytest.raises(ModelError, match=r"tokens\.txt: 6 tokens, but the network has 7"):
        import_onnx(tmp_path / "a.onnx", tmp_path / "tokens.txt", ImportOptions(tmp_path / "a"))
