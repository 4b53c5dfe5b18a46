"""Files by URL: what fsspec opens, such as s3://, gs://, az://, hf:// and http://.

Reads try again after errors that may pass. Writes are whole or not at all. Knows nothing of audio: a `RemoteFile` is
anything that is read from its beginning to its end.
"""

import io
import random
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from asr.errors import AsrError, AudioError, one_line

ATTEMPTS = 5  # of each request, after which an error counts
_FIRST_WAIT, _LONGEST_WAIT = 0.3, 10.0  # seconds between attempts, doubled each time
_ONE_REQUEST = 16 << 20  # bytes; smaller files are read by one request, if their size is known
_AT_ONCE = 16  # requests that one call sends
_WHOLE_PUTS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory"}  # show no object before it is whole
# Names of exceptions, most of which belong to packages that need not be installed.
_LASTING: tuple[str, ...] = (
    "FileNotFoundError",
    "PermissionError",
    "IsADirectoryError",
    "ImportError",
    "ModuleNotFoundError",
)
_LASTING += ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NotImplementedError", "TypeError")
_LASTING += ("ParamValidationError", "InvalidURL", "HttpError", "RepositoryNotFoundError")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LOCAL = "file://"
_Result = TypeVar("_Result")


def is_url(text: object) -> bool:
    """Return whether an argument is a URL, and not the path of a file of this machine; `file://` is a path."""
    return isinstance(text, str) and bool(_URL.match(text)) and not text.startswith(_LOCAL)


def without_scheme(text: str) -> str:
    """Return the path of a `file://` URL; any other text is unchanged."""
    return text.removeprefix(_LOCAL) if text.startswith(_LOCAL) else text


def join_url(folder: str, name: str) -> str:
    """Return the URL of a file below a folder."""
    return f"{folder.rstrip('/')}/{name.lstrip('/')}"


class RemoteFile:
    """A file by URL, opened when its first bytes are read; it can be pickled until then.

    Attributes:
        name: The URL.
        size: Bytes; None if nobody has asked yet.
    """

    def __init__(self, url: str, size: int | None = None) -> None:
        self.name = url
        self.size = size
        self._file: Any = None
        self._position = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFile, (self.name, self.size)

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes; nothing at the end. A `with` statement or the last read closes the file.

        Raises:
            AudioError: If they cannot be read, after several attempts.
        """
        try:
            piece = retry(lambda: self._read(size))
        except Exception as error:
            raise AudioError(f"{self.name}: {explain(self.name, error)}") from None
        self._position += len(piece)
        if not piece:
            self._close()
        return piece

    def _read(self, size: int) -> bytes:
        try:
            if self._file is None:
                self._file = self._open_at(self._position)
            piece: bytes = self._file.read(size)
            if not piece and self.size is not None and self._position < self.size and size != 0:
                raise OSError(f"the connection ended after {self._position} of {self.size} bytes")
            return piece
        except Exception:
            self._close()
            raise

    def _open_at(self, position: int) -> Any:
        system, path = find_system(self.name)
        if position == 0 and self.size is not None and self.size <= _ONE_REQUEST:
            return io.BytesIO(system.cat_file(path))
        file = system.open(path, "rb", block_size=_ONE_REQUEST)
        try:
            file.seek(position)
        except (ValueError, NotImplementedError, OSError):  # of a server that knows no ranges
            while position > 0 and (piece := file.read(min(position, _ONE_REQUEST))):
                position -= len(piece)
        return file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def find_system(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the path in it.

    Raises:
        AsrError: If there is none, or its package is not installed.
    """
    import fsspec  # of [cluster]

    try:
        system, path = fsspec.core.url_to_fs(url)
    except ModuleNotFoundError:
        raise
    except Exception as error:
        raise AsrError(f"{url}: {explain(url, error)}") from None
    return system, path


def list_files(url: str, suffixes: Sequence[str] | frozenset[str]) -> list[RemoteFile]:
    """Find the files that a URL names: itself, those below a folder by their suffixes, or those that a glob matches.

    Raises:
        AudioError: If it names none, or the store cannot be asked.
    """
    system, path = find_system(url)
    try:
        found = retry(lambda: _find(system, path, url, suffixes))
    except Exception as error:
        raise AudioError(f"{url}: {explain(url, error)}") from None
    if not found:
        raise AudioError(f"{url}: no recording; looked for {', '.join(sorted(suffixes))}")
    return found


def _find(system: Any, path: str, url: str, suffixes: Sequence[str] | frozenset[str]) -> list[RemoteFile]:
    system.invalidate_cache()
    if url.startswith(("http://", "https://")):  # servers list nothing; reading tells whether it exists
        return [RemoteFile(url)]
    ends = tuple(suffixes)
    if any(sign in path for sign in "*?["):
        infos = system.glob(path, detail=True)
        if re.search(r"\.[^/*?\[\]]+$", path):  # a pattern that names its suffix
            ends = ("",)
    else:
        infos = system.find(path, detail=True)
        if list(infos) == [path]:
            ends = ("",)
        elif not infos:
            system.info(path)  # raises the reason
    scheme = url.partition("://")[0]
    return [
        RemoteFile(_as_url(scheme, system, name), info.get("size"))
        for name, info in sorted(infos.items())
        if info.get("type") != "directory" and name.lower().endswith(ends)
        if not any(part.startswith(".") for part in name[len(path.rstrip("/")) :].split("/"))
    ]


def _as_url(scheme: str, system: Any, name: str) -> str:
    return name if "://" in name else f"{scheme}://{system._strip_protocol(name).lstrip('/')}"


def read_file(url: str) -> bytes:
    """Read a whole file. Raises AsrError if it cannot be read."""
    system, path = find_system(url)
    try:
        return bytes(retry(lambda: system.cat_file(path)))
    except Exception as error:
        raise AsrError(f"{url}: {explain(url, error)}") from None


def read_ranges(ranges: Sequence[tuple[str, int, int]]) -> list[bytes]:
    """Read parts of files, each given by URL, first byte and size; each by a request of its own, many at once.

    Raises:
        AsrError: If one cannot be read, after several attempts.
    """
    # Found here, since fsspec makes another file system, with connections of its own, for each thread that asks.
    found = [(url, *find_system(url), start, size) for url, start, size in ranges]
    if len(found) < 2:
        return [_read_range(*one) for one in found]
    with ThreadPoolExecutor(min(_AT_ONCE, len(found))) as pool:
        return list(pool.map(lambda one: _read_range(*one), found))


def _read_range(url: str, system: Any, path: str, start: int, size: int) -> bytes:
    def request() -> bytes:
        content = bytes(system.cat_file(path, start=start, end=start + size))
        if len(content) != size:
            raise OSError(f"{len(content)} bytes came of {size} from byte {start} on")
        return content

    try:
        return retry(request)
    except Exception as error:
        raise AsrError(f"{url}: {explain(url, error)}") from None


def find_size(url: str) -> int | None:
    """Return the bytes of a file; None if it does not exist, or nobody knows. Raises AsrError as `list_names`."""
    found = _find_info(url)
    return None if found is None else found.get("size")


def find_version(url: str) -> str | None:
    """Return what changes when a file does; None if it does not exist. Raises AsrError as `list_names`."""
    found = _find_info(url)
    return None if found is None else repr(sorted((key, str(value)) for key, value in found.items()))


def _find_info(url: str) -> dict[str, Any] | None:
    system, path = find_system(url)

    def request() -> dict[str, Any]:
        system.invalidate_cache()
        return dict(system.info(path))

    try:
        return retry(request)
    except FileNotFoundError:
        return None
    except Exception as error:
        raise AsrError(f"{url}: {explain(url, error)}") from None


def remove_file(url: str) -> None:
    """Remove a file, if it exists. Raises AsrError if it cannot be removed."""
    system, path = find_system(url)
    try:
        retry(lambda: system.rm_file(path))
    except FileNotFoundError:
        return
    except Exception as error:
        raise AsrError(f"{url}: cannot be removed: {explain(url, error)}") from None


def write_file(url: str, content: bytes) -> None:
    """Write a file whole or not at all. Raises AsrError if it cannot be written."""
    system, path = find_system(url)
    try:
        retry(lambda: _write(system, path, content, is_whole=url.partition("://")[0] in _WHOLE_PUTS))
    except Exception as error:
        raise AsrError(f"{url}: cannot be written: {explain(url, error)}") from None


def _write(system: Any, path: str, content: bytes, *, is_whole: bool) -> None:
    if is_whole:
        system.pipe_file(path, content)
        return
    folder, _, name = path.rpartition("/")
    system.makedirs(folder, exist_ok=True)
    partial = f"{folder}/.partial-{name}"
    system.pipe_file(partial, content)
    system.mv(partial, path)


def list_names(folder: str) -> dict[str, int]:
    """Return the names of all files below a folder, relative to it, with their sizes; none if it does not exist.

    Raises:
        AsrError: If the store cannot be asked.
    """
    system, path = find_system(folder)
    try:
        system.invalidate_cache()
        found = retry(lambda: system.find(path, detail=True))
    except FileNotFoundError:
        return {}
    except Exception as error:
        raise AsrError(f"{folder}: {explain(folder, error)}") from None
    return {name[len(path.rstrip("/")) + 1 :]: info.get("size") or 0 for name, info in found.items()}


def check_writable(folder: str) -> None:
    """Check before the work that files can be written below a folder. Raises AsrError if they cannot."""
    system, path = find_system(folder)
    probe = f"{path.rstrip('/')}/.probe"
    try:
        retry(lambda: (system.pipe_file(probe, b"asr"), system.rm_file(probe)))
    except Exception as error:
        raise AsrError(f"{folder}: cannot be written to: {explain(folder, error)}") from None


def retry(request: Callable[[], _Result]) -> _Result:
    """Return what a request returns; errors that may pass are waited out, with growing pauses."""
    for attempt in range(ATTEMPTS):
        try:
            return request()
        except Exception as error:
            if attempt == ATTEMPTS - 1 or is_lasting(error):
                raise
            # At random, since many workers meet the same error at the same time.
            time.sleep(min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt) * random.uniform(0.5, 1.5))
    raise AssertionError


def is_lasting(error: BaseException) -> bool:
    """Return whether an error would come again at once, as that of a missing file would."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, AsrError) or not names.isdisjoint(_LASTING)


def explain(url: str, error: BaseException) -> str:
    """Say in one line why a URL cannot be used, and what to do."""
    scheme, name = url.partition("://")[0], type(error).__name__
    container = "/".join(url.split("/")[:3])
    text = one_line(error)
    if name in ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"):
        return f"no credentials for {scheme}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile"
    if "bucket does not exist" in text or "NoSuchBucket" in text:
        return f"{container} does not exist; check its name, or create it"
    if isinstance(error, FileNotFoundError):
        return "no such file; check the URL"
    if isinstance(error, PermissionError):
        return f"access denied ({text}); check the credentials and their rights"
    if isinstance(error, ImportError):
        return f"{text}; that package opens {scheme}:// (python -m pip install)"
    if isinstance(error, ValueError) and "Protocol not known" in text:
        return f"nothing here opens {scheme}://; give s3://, gs://, az://, hf:// or http://"
    if "timeout" in f"{name} {text}".lower() or "timed out" in text.lower():
        return f"no answer in time, {ATTEMPTS} times in a row ({name}); check the network, or try again later"
    if "connect" in f"{name} {text}".lower():
        return f"the store cannot be reached ({text}); check the network and the address"
    return f"failed {'at once' if is_lasting(error) else f'{ATTEMPTS} times in a row'}: {name}: {text}"
