"""Fixtures and options that all tests share."""

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import asr  # noqa: F401  before torch, so that its idle threads sleep: they slow a busy machine down tenfold

ROOT = Path(__file__).parent.parent
os.environ["ASR_MODEL"] = "an4"  # whose samples the tests transcribe; commands use it unless they name another
os.environ["ASR_PRECISION"] = "fp32"  # so that texts and sums are the same on every processor

# What makes a model needs packages that what runs one does not: its tests are skipped where they are not installed.
_TRAINING_PACKAGES = ("torch", "lightning_fabric", "lhotse", "jiwer", "tensorboard")
MISSING = [name for name in _TRAINING_PACKAGES if find_spec(name) is None]
_WITHOUT_TRAINING = f"needs asr[train]; not installed: {', '.join(MISSING)}"
_TRAINING_FOLDERS = {"acoustic", "corpus", "evaluate", "train"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "slow" in item.keywords and not config.getoption("--run-slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with --run-slow"))
        if "training" in item.keywords and MISSING:
            item.add_marker(pytest.mark.skip(reason=_WITHOUT_TRAINING))


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Skip, before they are imported, modules that test what makes a model: see `_needs_training`."""
    return _SkippedModule.from_parent(parent, path=module_path) if MISSING and _needs_training(module_path) else None


def _needs_training(path: Path) -> bool:
    """Whether a module lies in a folder of the training wing, or tests the network in torch."""
    first = path.relative_to(Path(__file__).parent).parts[0]
    return first in _TRAINING_FOLDERS or path.name.startswith("test_torch_")


class _SkippedModule(pytest.Module):
    def collect(self) -> list[pytest.Item | pytest.Collector]:
        return pytest.skip(_WITHOUT_TRAINING, allow_module_level=True)


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
def _heeding_interrupts() -> Iterator[None]:
    """A shell without job control starts what it puts in the background, and so all below it, deaf to SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
