"""Where an encoder's weights are looked for, and what is said if they, or what runs them, are missing."""

import pickle
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asr.config import FeatureSettings
from asr.errors import AsrError, ConfigError
from asr.signal import encoder
from asr.signal.encoder import find_encoder, load_encoder
from asr.signal.front_end import build_extractor, frame_layout
from tests.processes import is_true_in_fork, needs_fork


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASR_WHISPER", raising=False)


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "model.bin").write_bytes(b"")
    return path


def test_the_variable_names_a_folder_of_weights_or_of_such_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plain, tiny = make_folder(tmp_path / "plain"), make_folder(tmp_path / "all" / "tiny.en")
    monkeypatch.setenv("ASR_WHISPER", str(plain))
    assert find_encoder("tiny.en") == plain
    assert find_encoder("/where/it/was/trained") == plain  # a model that was moved
    monkeypatch.setenv("ASR_WHISPER", str(tmp_path / "all"))
    assert find_encoder("tiny.en") == tiny
    with pytest.raises(AsrError, match=r"^ASR_WHISPER=.*all: holds neither model\.bin nor base/model\.bin$"):
        find_encoder("base")


def test_a_name_may_be_a_folder_and_others_are_asked_of_faster_whisper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = make_folder(tmp_path / "mine")
    assert find_encoder(str(folder)) == folder
    asked: list[tuple[str, bool]] = []

    def download(name: str, local_files_only: bool = False) -> str:
        asked.append((name, local_files_only))
        if local_files_only or name == "base":
            raise OSError("no\nnetwork")
        return str(tmp_path / name)

    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(download_model=download))
    assert find_encoder("small") == tmp_path / "small"
    assert asked == [("small", True), ("small", False)]
    with pytest.raises(AsrError, match=r"^encoder base: cannot be downloaded \(no network\); set ASR_WHISPER to a .*"):
        find_encoder("base")
    with pytest.raises(AsrError, match=r"^encoder tiny\.fr: neither a folder .* nor one of tiny, tiny\.en, .*$"):
        find_encoder("tiny.fr")


@pytest.mark.parametrize("missing", ["ctranslate2", "faster_whisper"])
def test_a_missing_package_is_named_with_what_installs_it(missing: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ctranslate2", SimpleNamespace())
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError, match=rf"needs {missing}, .*: install asr's extra `whisper`$") as raised:
        build_extractor(FeatureSettings(kind="whisper"))
    assert raised.value.name == missing  # by which the command line finds the extra


def test_the_size_of_an_encoder_without_a_name_must_be_given():
    assert frame_layout(FeatureSettings(kind="whisper", encoder="base.en")).size == 1024
    assert frame_layout(FeatureSettings(kind="whisper", encoder="mine", encoder_size=100)).size == 200
    with pytest.raises(ConfigError, match=r"features\.encoder: mine is none of .* set features\.encoder_size"):
        frame_layout(FeatureSettings(kind="whisper", encoder="mine"))


# The real encoder


def test_weights_of_another_encoder_are_refused(whisper_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASR_WHISPER", str(whisper_weights))
    assert load_encoder("tiny.en", 384).num_mels == 80
    with pytest.raises(AsrError, match=r"gives 384 numbers per frame, but base\.en gives 512"):
        load_encoder("base.en", 512)
    with pytest.raises(AsrError, match=r"holds an English encoder, which is not tiny$"):
        load_encoder("tiny", 384)
    broken = make_folder(tmp_path / "broken")
    shutil.copy(whisper_weights / "config.json", broken)
    monkeypatch.setenv("ASR_WHISPER", str(broken))
    with pytest.raises(AsrError, match="broken: not a Whisper model for CTranslate2: "):
        load_encoder("tiny.en", 384)


def test_an_extractor_can_be_sent_to_another_process(whisper_weights: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASR_WHISPER", str(whisper_weights))
    extractor = build_extractor(FeatureSettings(kind="whisper"), np.ones(768, np.float32))
    waveform = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    expected = extractor(waveform)
    again = pickle.loads(pickle.dumps(extractor))
    np.testing.assert_array_equal(again(waveform), expected)


@needs_fork
def test_a_forked_process_opens_its_own(whisper_weights: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASR_WHISPER", str(whisper_weights))
    ours = load_encoder("tiny.en", 384)
    mel = np.random.default_rng(0).normal(0, 0.3, (40, 80)).astype(np.float32)
    expected = ours(mel)
    assert is_true_in_fork(lambda: np.array_equal(ours(mel), expected))
    assert len({process for process, _ in encoder._models}) == 1
