"""UTF-8 text files, plain or compressed: how every part of the package reads lines."""

import gzip
import io
import lzma
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import IO, Literal, cast

from asr.errors import AsrError, TextError
from asr.remote import is_url, read_file


def read_lines(
    path: Path | str, error: type[AsrError] = TextError, *, hint: str = "", errors: str = "strict"
) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file without their line breaks.

    Args:
        path: The file; it is decompressed if its name ends in `.gz` or `.xz`.
        hint: What to do about a file that cannot be read; ends the message.
        errors: How bytes that are not UTF-8 are decoded, as for `bytes.decode`.

    Raises:
        error: If the file cannot be read or a line is not UTF-8. The message names the line.
    """
    try:
        with _open(path, "rb") as file:
            yield from decode_lines(file, path, error, errors=errors)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as problem:
        raise error(f"{path}: cannot be read: {getattr(problem, 'strerror', None) or problem}{hint}") from None


def decode_lines(
    lines: Iterable[bytes], name: Path | str, error: type[AsrError] = TextError, *, errors: str = "strict"
) -> Iterator[str]:
    """Yield the lines of an open file, called `name` in messages; see `read_lines`."""
    number, encoding = 1, "utf-8-sig"  # spreadsheets and editors put a byte-order mark before the first line
    try:
        for line in lines:
            yield from line.decode(encoding, errors).rstrip("\r\n").split("\r")  # the oldest Macs wrote \r alone
            number, encoding = number + 1, "utf-8"
    except UnicodeDecodeError as problem:
        raise error(f"{name}:{number}: not UTF-8 text: {problem.reason}; save it as UTF-8") from None


def open_text(path: Path | str) -> IO[str]:
    """Open a text file to write UTF-8 to; it is compressed if its name ends in `.gz` or `.xz`."""
    return io.TextIOWrapper(_open(path, "wb"), encoding="utf-8", newline="\n")


def _open(path: Path | str, mode: Literal["rb", "wb"]) -> IO[bytes]:
    if is_url(path):
        if mode == "wb":
            raise AsrError(f"{path}: text is written to files of this machine only; name one")
        content = io.BytesIO(read_file(str(path)))
        suffix = PurePath(str(path)).suffix
        return (
            cast(IO[bytes], gzip.open(content))
            if suffix == ".gz"
            else lzma.open(content)
            if suffix == ".xz"
            else content
        )
    path = Path(path)
    if path.suffix == ".gz":
        # Level 9, the default, takes four times as long for a few per cent.
        return cast(IO[bytes], gzip.open(path, mode, compresslevel=5))
    if path.suffix == ".xz":
        return lzma.open(path, mode)
    return cast(IO[bytes], path.open(mode))
