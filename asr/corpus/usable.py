"""Manifests in, the cuts that can be used out; kept in a file, so that the next start need not examine them again.

What is kept counts as long as the manifests, the settings and the size and time of every recording are the same, and of
shards the size.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from asr import remote
from asr.config import ModelSettings
from asr.corpus.cuts import Manifest
from asr.corpus.doctor import Examined, Problem, pack_usable
from asr.corpus.packed import PackedCuts
from asr.corpus.ranges import forget_sizes
from asr.corpus.verdicts import size_and_time
from asr.text.tokenizer import Tokenizer

_VERSION = 1  # of the checks


def load_usable(
    manifests: Sequence[Manifest],
    tokenizer: Tokenizer | None,
    settings: ModelSettings,
    *,
    speed: float = 1.0,
    kept: Path,
) -> Examined:
    """Return what `pack_usable` returns, whose arguments these are, from a file if that holds it.

    Args:
        kept: The file; see `keep`.
    """
    forget_sizes()
    key = _key(manifests, tokenizer, settings, speed)
    found = PackedCuts.load(kept)
    if found is not None and found[1].get("key") == key:
        examined = _from_notes(*found)
        if all(size_and_time(file) == known for file, known in examined.files.items()):
            return examined
    examined = pack_usable(manifests, tokenizer, settings, speed=speed)
    examined.key = key
    return examined


def keep(examined: Examined, path: Path) -> None:
    """Write what `load_usable` returned into a file, from which it then takes it."""
    notes = {
        "key": examined.key,
        "problems": examined.problems,
        "num_cuts": examined.num_cuts,
        "annotations": examined.annotations,
        "files": examined.files,
    }
    examined.usable.save(path, notes)


def _from_notes(usable: PackedCuts, notes: dict[str, object]) -> Examined:
    examined = Examined(usable, is_kept=True, **notes)  # type: ignore[arg-type]
    examined.problems = [Problem(*problem) for problem in examined.problems]
    examined.files = {file: None if known is None else (known[0], known[1]) for file, known in examined.files.items()}
    return examined


def _key(manifests: Sequence[Manifest], tokenizer: Tokenizer | None, settings: ModelSettings, speed: float) -> str:
    """Return a digest of everything that decides which cuts are usable, but for their recordings."""
    lexicon = settings.tokenizer.lexicon
    files = [*manifests, *([] if lexicon is None else [lexicon])]
    states = [_state(str(path)) for path in files]
    symbols = None if tokenizer is None else list(tokenizer.symbols)
    parts = [settings.normalizer, settings.tokenizer, settings.features]
    return hashlib.sha256(repr((_VERSION, states, symbols, speed, parts)).encode()).hexdigest()


def _state(file: str) -> tuple[str, object]:
    if remote.is_url(file):
        return file, remote.find_version(file)
    path = Path(remote.without_scheme(file))
    return str(path.absolute()), size_and_time(str(path))
