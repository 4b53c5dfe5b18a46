"""A package that is missing in, one line that says how to install it out.

The base install runs models; plots and training need packages of the extras (pyproject.toml, docs/install.md).
"""

import json
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asr
from asr.errors import AsrError

DISTRIBUTION = "ctc-asr"  # on package indexes, where the name asr is another project's
# Modules of the packages that each extra adds; the first extra that brings a module is named.
EXTRAS = {
    "plot": ("matplotlib",),
    "whisper": ("faster_whisper", "ctranslate2"),
    "cluster": ("ray", "fsspec", "s3fs", "pyarrow"),
    "wyoming": ("wyoming",),
    "train": ("torch", "lightning_fabric", "lhotse", "urllib3", "tensorboard", "jiwer", "scipy"),
}
_GROUPS = (("lm", "punctuate"), ("lm",), ("import",))  # commands that have subcommands, the deepest first


def explain_missing(error: ModuleNotFoundError, arguments: Sequence[str]) -> AsrError | None:
    """Return what to install for the command that needed a module; None if no extra brings it.

    Args:
        error: What the import raised.
        arguments: The command line without the program's name.
    """
    module = (error.name or "").split(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            words = [word for word in arguments if not word.startswith("-")]
            depth = next((len(group) for group in _GROUPS if tuple(words[: len(group)]) == group), 0)
            command = " ".join(["asr", *words[: depth + 1]])
            remedy = f"python -m pip install {install_target(extra)}"
            return AsrError(f"{command} needs {module}, which is not installed: {remedy}")
    return None


def install_target(extra: str) -> str:
    """Return pip's arguments that add an extra to this installation; in a checkout, in the recorded versions."""
    root = Path(asr.__file__).parent.parent
    if (root / "pyproject.toml").is_file():
        known = _short(root / "constraints" / f"python3.{sys.version_info.minor}.txt")
        return f"-c {shlex.quote(known)} --editable '{_short(root)}[{extra}]'"
    try:
        source = json.loads(distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        source = {}
    url = urlsplit(source.get("url", ""))
    if url.scheme == "file" and Path(unquote(url.path)).is_dir():
        return f"'{_short(Path(unquote(url.path)))}[{extra}]'"
    if "vcs_info" in source:
        return f"'{DISTRIBUTION}[{extra}] @ {source['vcs_info']['vcs']}+{source['url']}'"
    return f"'{DISTRIBUTION}[{extra}]'"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
