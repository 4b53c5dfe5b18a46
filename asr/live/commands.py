"""Live audio in, a call or a program for each phrase that is said: voice commands.

Programs run without a shell, so nothing that is said, or written in a list of phrases, can be taken for shell code.
"""

import contextlib
import logging
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable

from asr.errors import AsrError
from asr.signal.resample import Waveform
from asr.spotting.find import Hit
from asr.spotting.listener import PhraseListener

logger = logging.getLogger(__name__)

_MOST_PROGRAMS = 8  # that run at the same time
_STDERR = 2  # the file descriptor
_FIELDS = ("phrase", "start", "end", "confidence")


def listen_for_phrases(listener: PhraseListener, blocks: Iterable[Waveform], on_hit: Callable[[Hit], None]) -> int:
    """Call `on_hit` for each phrase in live audio, until it ends or Ctrl-C is pressed; return how many there were.

    Raises:
        AudioError: If the audio fails.
    """
    num_hits = 0
    with contextlib.suppress(KeyboardInterrupt):  # the usual end of a microphone
        for block in blocks:
            for hit in listener.feed(block):
                num_hits += 1
                on_hit(hit)
    for hit in listener.finish():
        num_hits += 1
        on_hit(hit)
    return num_hits


class ProgramRunner:
    """Runs a program for each hit, without waiting for it.

    Args:
        command: The program and its arguments, quoted as for a shell. In each argument `{phrase}`, `{start}`, `{end}`
            and `{confidence}` are replaced.

    Raises:
        AsrError: If there is no such program, or a field in braces does not exist.
    """

    def __init__(self, command: str) -> None:
        try:
            self._arguments = shlex.split(command)
        except ValueError as error:
            raise AsrError(f"{command}: cannot be split into arguments: {error}") from None
        if not self._arguments:
            raise AsrError("the program to run has no name")
        if shutil.which(self._arguments[0]) is None:
            raise AsrError(f"{self._arguments[0]}: no such program, or it cannot be run")
        self._running: list[subprocess.Popen[bytes]] = []
        self.fill(Hit("", 0.0, 0.0, 0.0))

    def fill(self, hit: Hit) -> list[str]:
        """Return the program and its arguments for a hit."""
        values = {"phrase": hit.phrase, "start": f"{hit.start:.2f}", "end": f"{hit.end:.2f}"}
        values["confidence"] = f"{hit.confidence:.3f}"
        return [self._arguments[0], *(_replace(argument, values) for argument in self._arguments[1:])]

    def run(self, hit: Hit) -> None:
        """Start the program for a hit; one that cannot be started, or too many at the same time, are a warning."""
        self.reap()
        if len(self._running) >= _MOST_PROGRAMS:
            logger.warning("%r: not run, since %d programs still run", hit.phrase, len(self._running))
            return
        try:
            # Standard output holds the hits, so what the program prints goes to standard error.
            self._running.append(subprocess.Popen(self.fill(hit), stdin=subprocess.DEVNULL, stdout=_STDERR))
        except (OSError, ValueError) as error:
            logger.warning("%s: cannot be run: %s", self._arguments[0], error)

    def reap(self, *, wait: bool = False) -> None:
        """Forget the programs that have ended; warn of those that failed."""
        for process in self._running:
            if (status := process.wait() if wait else process.poll()) not in (None, 0):
                logger.warning("%s: ended with status %d", self._arguments[0], status)
        self._running = [process for process in self._running if process.returncode is None]


def _replace(argument: str, values: dict[str, str]) -> str:
    """Replace the fields in an argument; other braces stay, but a field that does not exist is an error."""
    pieces = argument.split("{")
    filled = pieces[0]
    for piece in pieces[1:]:
        name, brace, rest = piece.partition("}")
        if brace and name.isidentifier():
            if name not in values:
                raise AsrError(
                    f"{{{name}}}: no such field; there are: {', '.join(f'{{{field}}}' for field in _FIELDS)}"
                )
            filled += values[name] + rest
        else:
            filled += "{" + piece
    return filled
