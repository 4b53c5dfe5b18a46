"""A model on the driver's disk in, the same model on each worker's disk out.

Workers may lie on other machines, which have no such folder, or another version of it.
"""

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from asr.errors import ModelError

Files: TypeAlias = dict[str, bytes]
_LEFT_OUT = "run"  # what training keeps in a model folder


def pack(path: Path) -> Files:
    """Read a folder, or one file. Raises ModelError if that fails."""
    try:
        if path.is_file():
            return {path.name: path.read_bytes()}
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
        named = {file.relative_to(path): file for file in files}
        return {name.as_posix(): file.read_bytes() for name, file in named.items() if name.parts[0] != _LEFT_OUT}
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None


def unpack(files: Files) -> Path:
    """Write what `pack` read to a folder of this machine, unless a worker has done so; return the folder or file."""
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    user = os.getuid() if hasattr(os, "getuid") else 0
    parent = Path(tempfile.gettempdir(), f"asr-models-{user}")
    parent.mkdir(mode=0o700, exist_ok=True)
    folder = parent / digest.hexdigest()[:32]
    if not folder.is_dir():
        partial = Path(tempfile.mkdtemp(dir=parent))
        for name, content in files.items():
            file = partial / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        with suppress(OSError):  # another worker was faster
            partial.rename(folder)
        shutil.rmtree(partial, ignore_errors=True)
    (first,) = files if len(files) == 1 else ("",)
    return folder / first
