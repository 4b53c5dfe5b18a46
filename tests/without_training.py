"""Where torch is not installed, skips the tests that need what makes models, and those alone.

A test is skipped when its own code, or a part of the package that makes models, imports a package of [train]. When a
part that runs models does, the import fails, and with it the test: that is what such an environment is for.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

import pytest

from asr.cli.extras import EXTRAS
from tests.test_architecture import BRIDGE, MAKES, part_of

TRAINING = {*EXTRAS["train"], "torchaudio", "lightning"}
_MAY_NEED_TRAINING = {*set.union(*MAKES), "cli"}


class SkipTests(MetaPathFinder):
    """The last of the finders, so that it is asked for nothing that is installed."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name in TRAINING and may_need_training(importer()):
            pytest.skip(f"needs {name}: python -m pip install --editable '.[dev]'", allow_module_level=True)


def importer() -> str:
    """The module whose import statement is being executed."""
    frame = sys._getframe(2)
    while frame.f_back and "importlib" in frame.f_globals["__name__"]:
        frame = frame.f_back
    return str(frame.f_globals["__name__"])


def may_need_training(module: str) -> bool:
    if module.split(".")[0] == "asr":
        return part_of(module) in _MAY_NEED_TRAINING or module.startswith(BRIDGE)
    return module.split(".")[0] in ("tests", "conftest")
