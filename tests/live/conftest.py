"""One recogniser and one server for all tests of live recognition."""

from collections.abc import Iterator

import pytest

from asr.recognize.recognizer import Recognizer, load_model
from tests.live.serving import run_server


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return load_model("an4", device="cpu")


@pytest.fixture(scope="session")
def server(recognizer: Recognizer) -> Iterator[str]:
    with run_server(recognizer) as address:
        yield address
