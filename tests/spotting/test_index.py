"""The index: what is stored comes back, unchanged files are skipped, and nothing half-written remains."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import AsrError
from asr.spotting.index import About, IndexedSegment, LogProbIndex, compress, decompress, is_index
from tests.decode.enumeration import random_log_probs

ABOUT = About("english", "abc", "mix")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(2, 60), st.integers(0, 10**6), st.sampled_from([0.3, 3.0, 10.0]))
def test_log_probs_come_back_as_precisely_as_they_are_kept(num_frames: int, size: int, seed: int, spread: float):
    log_probs = random_log_probs(num_frames, size, seed, spread).astype(np.float32)
    restored = decompress(compress(log_probs), num_frames)
    np.testing.assert_allclose(np.exp(restored).sum(axis=1), 1.0, atol=1e-4)
    distances, found = (one.max(axis=1, keepdims=True) - one for one in (log_probs, restored))
    np.testing.assert_allclose(found, np.minimum(distances, 12.0), atol=0.063)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "ä\udcff.wav"  # a name that is not UTF-8
    path.write_bytes(b"sound")
    return path


def segments(*seeds: int) -> Iterator[IndexedSegment]:
    for number, seed in enumerate(seeds):
        yield IndexedSegment(10.0 * number, random_log_probs(50, 5, seed).astype(np.float32), None)


def test_recordings_are_kept_with_their_segments(tmp_path: Path, recording: Path):
    path = tmp_path / "folder" / "calls.index"
    with LogProbIndex.open(path, ABOUT) as index:
        assert index.add(recording, segments(1, 2), 0.04) == pytest.approx(12.0)
        index.add(recording, segments(3), 0.04)  # it has changed
    assert is_index(path)
    with LogProbIndex(path) as index:
        assert index.about == ABOUT
        (found,) = index.recordings()
        assert (found.path, found.seconds, found.error) == (recording, pytest.approx(2.0), None)
        (segment,) = index.segments(found)
    np.testing.assert_allclose(segment.log_probs, next(segments(3)).log_probs, atol=0.13)


def test_a_file_that_has_not_changed_is_held(tmp_path: Path, recording: Path):
    with LogProbIndex.open(tmp_path / "calls.index", ABOUT) as index:
        assert not index.holds(recording)
        index.add_error(recording, "no sound")
        assert not index.holds(recording)  # it is tried again
        assert [one.error for one in index.recordings()] == ["no sound"]
        index.add(recording, segments(1), 0.04)
        assert index.holds(recording)
        status = recording.stat()
        os.utime(recording, ns=(status.st_atime_ns, status.st_mtime_ns + 1000))
        assert not index.holds(recording)
        index.add(recording, segments(1), 0.04)
        recording.write_bytes(b"longer sound")
        os.utime(recording, ns=(status.st_atime_ns, status.st_mtime_ns + 1000))
        assert not index.holds(recording)


def test_a_recording_that_fails_halfway_leaves_what_was_there(tmp_path: Path, recording: Path):
    def fail() -> Iterator[IndexedSegment]:
        yield from segments(2)
        raise KeyboardInterrupt

    with LogProbIndex.open(tmp_path / "calls.index", ABOUT) as index:
        index.add(recording, segments(1), 0.04)
        with pytest.raises(KeyboardInterrupt):
            index.add(recording, fail(), 0.04)
        (found,) = index.recordings()
        (segment,) = index.segments(found)
    np.testing.assert_allclose(segment.log_probs, next(segments(1)).log_probs, atol=0.13)


def test_what_is_no_index_or_another_models_is_refused(tmp_path: Path):
    path = tmp_path / "calls.index"
    with pytest.raises(AsrError, match="not an index"):
        LogProbIndex(path)
    path.write_bytes(b"RIFF")
    with pytest.raises(AsrError, match="not an index"):
        LogProbIndex.open(path, ABOUT)
    path.unlink()
    LogProbIndex.open(path, ABOUT).close()
    with pytest.raises(AsrError, match="another model"):
        LogProbIndex.open(path, About("an4", "abd", "mix"))
    with pytest.raises(AsrError, match="another choice of channels"):
        LogProbIndex.open(path, About("english", "abc", "each"))
    LogProbIndex.open(path, About("moved/english", "abc", "mix")).close()  # the same files in another place
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE about SET value = '99' WHERE key = 'version'")
    connection.close()
    with pytest.raises(AsrError, match="version 99"):
        LogProbIndex(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(AsrError, match="cannot be used as an index"):
        LogProbIndex(path)
