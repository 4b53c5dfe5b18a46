"""Samples of lhotse's cuts, of shards or read by lhotse; and the line that explains a torchaudio that does not load.

lhotse falls back on torchaudio, where it is installed, for audio in memory and formats that libsndfile cannot read.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from asr.corpus.ranges import ByteRange, range_of, read_stored
from asr.errors import CorpusError

# Releases of torch and torchaudio that load together (docs/install.md has what was measured). torchaudio's own
# requirements do not tell: 2.11.1 asks for torch 2.11 or later, and does not load with 2.11.0.
PAIRS = (("2.9.1", "2.9.1"), ("2.11.0", "2.11.0"), ("2.14.1", "2.11.1"), ("2.15.0", "2.11.1"))


def read_samples(cut: Any, fetched: Mapping[ByteRange, bytes] | None = None) -> Any:
    """Read the samples of a cut: (channels, S) at its own rate; None if it has no recording.

    Args:
        cut: The cut.
        fetched: What `ranges.fetch` has read of shards already.

    Raises:
        ShardError: If the cut lies in a shard that cannot be read.
        AudioError: If the shard does not hold what the manifest says.
        CorpusError: If reading needs torchaudio, and it does not load. Anything else is lhotse's.
    """
    place = range_of(cut)
    if place is not None:
        return read_stored(cut, place, fetched)
    try:
        return cut.load_audio()
    except (ImportError, OSError, RuntimeError) as error:
        reason = explain_torchaudio()
        if reason is None:
            raise
        raise CorpusError(f"{cut.id}: lhotse reads its audio with torchaudio: {reason}") from error


def explain_torchaudio() -> str | None:
    """Say which torchaudio would load if the one that is installed does not; None if it does, or there is none."""
    try:
        import torchaudio  # noqa: F401
    except ModuleNotFoundError:
        return None
    except Exception:  # an undefined symbol is an OSError, another release of CUDA a RuntimeError
        pairs = ", ".join(f"{audio} with torch {torch}" for torch, audio in PAIRS)
        return (
            f"torchaudio {_release('torchaudio')} does not load with torch {_release('torch')}; remove it (python -m "
            f"pip uninstall torchaudio), since asr does not need it, or install one that does: {pairs}"
        )
    return None


def _release(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"
