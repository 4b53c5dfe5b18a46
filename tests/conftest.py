"""Fixtures and options that all tests share."""

import os
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import asr  # noqa: F401  before torch, so that its idle threads sleep: they slow a busy machine down tenfold

if TYPE_CHECKING:
    from tests.encoders import StandInEncoder

ROOT = Path(__file__).parent.parent
os.environ["ASR_MODEL"] = "an4"  # whose samples the tests transcribe; commands use it unless they name another
os.environ["ASR_PRECISION"] = "fp32"  # so that texts and sums are the same on every processor
HAS_TRAINING = find_spec("torch") is not None


def pytest_configure() -> None:
    if not HAS_TRAINING:
        from tests.without_training import SkipTests  # which parses all modules

        sys.meta_path.append(SkipTests())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "slow" in item.keywords and not config.getoption("--run-slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with --run-slow"))
        if "training" in item.keywords and not HAS_TRAINING:
            item.add_marker(pytest.mark.skip(reason="needs torch: python -m pip install --editable '.[dev]'"))


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real speech; skips where it is missing."""
    folder = Path(os.environ.get("ASR_CORPORA", ROOT.parent / "shared" / "corpora"))
    if not folder.is_dir():
        pytest.skip(f"needs real speech: {folder} is missing; set ASR_CORPORA")
    return folder


@pytest.fixture(scope="session")
def an4_manifests(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.jsonl.gz, dev.jsonl.gz and test.jsonl.gz of AN4."""
    from asr.corpus.prepare import prepare  # heavy, and needed by few tests

    folder = tmp_path_factory.mktemp("an4")
    prepare("an4", corpora / "an4", folder)
    return folder


@pytest.fixture(scope="session")
def tone_manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.jsonl.gz and dev.jsonl.gz of the language of tones."""
    from asr.corpus.prepare import prepare  # heavy, and needed by few tests
    from tests.tones import write_corpus

    folder = tmp_path_factory.mktemp("tones")
    write_corpus(folder / "corpus", train=48, dev=12)
    prepare("kaldi", folder / "corpus", folder / "cuts")
    return folder / "cuts"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> "StandInEncoder":
    """Have features of kind whisper take a stand-in of six numbers; settings: `features.encoder_size=6`."""
    from tests.encoders import StandInEncoder

    encoder = StandInEncoder()
    monkeypatch.setattr("asr.signal.whisper.load_encoder", lambda name, size, num_threads: encoder)
    return encoder


@pytest.fixture(scope="session")
def whisper_weights() -> Path:
    """The folder of tiny.en's weights; skips where it, or what runs it, is missing. Downloads nothing."""
    pytest.importorskip("ctranslate2", reason="needs CTranslate2: python -m pip install --editable '.[whisper]'")
    given = Path(os.environ.get("ASR_WHISPER", ""))
    for folder in (given / "tiny.en", given):
        if (folder / "model.bin").is_file():
            return folder
    download = pytest.importorskip("faster_whisper", reason="needs faster-whisper").download_model
    try:
        return Path(download("tiny.en", local_files_only=True))
    except Exception as error:  # of the libraries that it uses
        pytest.skip(f"needs the weights of Whisper tiny.en, such as in ASR_WHISPER: {type(error).__name__}")


@pytest.fixture
def _heeding_interrupts() -> Iterator[None]:
    """A shell without job control starts what it puts in the background, and so all below it, deaf to SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
