"""The `asr` command: what it does about signals, errors, and streams that are closed, full or of few characters.

Signals count from the first instant, so nothing is imported here that takes time: the commands are in commands.py.
"""

import _thread
import atexit
import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, NoReturn, TextIO, cast

from asr.errors import STOPPED, AsrError

if TYPE_CHECKING:
    from asr.cli.commands import app as app

_EXHAUSTED = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_IMPORT_SECONDS = 0.02  # after which a signal that came during an import is tried again


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from asr.cli.commands import app

    return app


def main() -> None:
    """Run the command line; errors that users can fix end as one line, not as a stack trace."""
    with _stopping_on_signals(), _tame_streams():
        try:
            _run()
        except AsrError as error:
            _end_with(error)
        except ModuleNotFoundError as error:
            from asr.cli.extras import explain_missing

            explained = explain_missing(error, sys.argv[1:])
            if explained is None:
                raise
            _end_with(explained)
        except KeyboardInterrupt:
            _end_with(_Stopped("the command was interrupted"))
        except BrokenPipeError:
            _discard(sys.stdout)
            sys.exit(1)
        except OSError as error:
            if getattr(sys.stdout, "is_broken", False):
                _discard(sys.stdout)
                _end_with(AsrError(f"standard output cannot be written to: {error.strerror or error}"))
            if error.errno not in _EXHAUSTED and "requested and" not in str(error):  # numpy's words for a full disk
                raise
            reason = f"{error.filename or 'a temporary file'}: {os.strerror(errno.ENOSPC)}"
            _end_with(AsrError(f"{reason}; make room, or set TMPDIR to a folder that has some"))


class _Stopped(AsrError):
    exit_status = STOPPED


def _run() -> None:
    from asr.cli.commands import app
    from asr.cli.console import show_warnings

    show_warnings()
    try:
        app()
    except SystemExit as ended:
        if ended.code == STOPPED:  # Typer's answer to KeyboardInterrupt
            raise KeyboardInterrupt from None
        sys.stdout.flush()
        raise


def _end_with(error: AsrError) -> NoReturn:
    from rich.markup import escape

    from asr.cli.console import console

    label = "[yellow]stopped:[/]" if error.exit_status == STOPPED else "[bold red]error:[/]"
    console.print(f"{label} {escape(str(error))}", soft_wrap=True, highlight=False, emoji=False)
    sys.exit(error.exit_status)


@contextlib.contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """Make SIGTERM interrupt as SIGINT does; a second signal ends the process at once."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    stop = _Stop()
    previous = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in previous.items():
        if handler is not signal.SIG_IGN:  # a script's background job, or one under nohup, must continue
            signal.signal(number, stop)
    try:
        yield
    finally:
        # While the interpreter ends, there is nothing left to stop.
        stop.is_finished = True
        atexit.register(_ignore_signals)
        if not _is_program():
            for number, handler in previous.items():
                signal.signal(number, handler)


class _Stop:
    """The handler of signals: raises KeyboardInterrupt, after an import that is under way.

    An exception in the middle of an import may be caught there, or come out as another one.
    """

    def __init__(self) -> None:
        self.is_finished = False  # the command has done its work
        self._is_stopping = self._is_waiting = self._is_repeated = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        is_repeated, self._is_repeated = self._is_repeated, False
        if self._is_stopping or (self._is_waiting and not is_repeated):
            with contextlib.suppress(OSError):
                os.write(2, b"stopped: the command was interrupted\n")
            os._exit(STOPPED)
        if self.is_finished:
            return
        if _is_importing(frame):
            self._is_waiting = True
            timer = threading.Timer(_IMPORT_SECONDS, self._repeat, [number])
            timer.daemon = True
            timer.start()
            return
        self._is_stopping = True
        raise KeyboardInterrupt

    def _repeat(self, number: int) -> None:
        self._is_repeated = True
        _thread.interrupt_main(signal.Signals(number))


def _is_program() -> bool:
    """Return whether this process runs nothing but the command: `asr`, or `python -m asr`."""
    path = Path(getattr(sys.modules["__main__"], "__file__", None) or "")
    return "asr" in (path.stem, path.parent.stem)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _tame_streams() -> Iterator[None]:
    """Make the standard streams bear whatever a command does to them, while the block runs.

    Characters that a terminal cannot show are escaped. Messages that nobody can read are lost without an error.
    Closed streams lead nowhere, instead of into the next file that is opened; writing to a closed output is an error.
    """
    streams = sys.stdout, sys.stderr
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout = cast(TextIO, _CheckedStream(sys.stdout))
    if sys.stderr is not None:
        sys.stderr = cast(TextIO, _LossyStream(sys.stderr))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


class _CheckedStream:
    """Standard output that remembers whether it could not be written to; without a stream it never can."""

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream
        self.is_broken = False

    def __getattr__(self, name: str) -> Any:
        if self._stream is None and name == "buffer":
            return self
        return getattr(self._stream or io.StringIO(), name)

    def write(self, text: Any) -> int:
        """Write a text. Raises OSError if that fails."""
        try:
            if self._stream is None:
                raise OSError(errno.EBADF, "it is closed")
            return self._stream.write(text)
        except OSError:
            self.is_broken = True
            raise

    def flush(self) -> None:
        """Write what is buffered. Raises OSError if that fails."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except OSError:
            self.is_broken = True
            raise


class _LossyStream:
    """Standard error, which may be full: that must not stop the work."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, or lose it."""
        try:
            self._stream.write(text)
        except OSError:
            self._discard()
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or lose it."""
        try:
            self._stream.flush()
        except OSError:
            self._discard()

    def _discard(self) -> None:
        _discard(self._stream)


def _discard(stream: Any) -> None:
    """Lead a stream nowhere; the interpreter would complain when it flushes it at the end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
