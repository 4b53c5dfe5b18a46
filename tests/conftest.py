"""Fixtures and options that all tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--run-slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with --run-slow"))


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real speech; skips where it is missing."""
    folder = Path(os.environ.get("ASR_CORPORA", ROOT.parent / "shared" / "corpora"))
    if not folder.is_dir():
        pytest.skip(f"needs real speech: {folder} is missing; set ASR_CORPORA")
    return folder
