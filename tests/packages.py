"""What pyproject.toml requires."""

import sys
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(extra: str | None = None) -> list[Requirement]:
    """What an extra adds, other extras apart; None: the base."""
    table = project()
    lines = table["dependencies"] if extra is None else table["optional-dependencies"][extra]
    found = [Requirement(line) for line in lines]
    return [requirement for requirement in found if requirement.name != table["name"]]
