"""Check that a release's tag, such as v0.2.0, names the version of the project: release_version.py TAG."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Where the version stands, each with the pattern that finds it.
PLACES = {
    "pyproject.toml": r'^version = "([^"]+)"$',
    "asr/__init__.py": r'^__version__ = "([^"]+)"$',
    "CITATION.cff": r"^version: (\S+)$",
}


def read_versions() -> dict[str, str]:
    """Return the version in each file; empty where there is none."""
    found = {}
    for name, pattern in PLACES.items():
        match = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        found[name] = match.group(1) if match else ""
    return found


def main() -> None:
    expected = sys.argv[1].removeprefix("v")
    if wrong := [f"{name}: {version}" for name, version in read_versions().items() if version != expected]:
        sys.exit(f"the tag names version {expected}, but: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
