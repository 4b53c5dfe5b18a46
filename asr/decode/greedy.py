"""Greedy CTC decoding: log probabilities in, the labels of the most probable path out."""

import numpy as np
import numpy.typing as npt

from asr.alignment import BLANK
from asr.jit import Array


def greedy_decode(log_probs: Array, lengths: Array, *, blank: int = BLANK) -> list[list[int]]:
    """Decode each utterance by its most probable frame path.

    Args:
        log_probs: (B, T, V) natural-log probabilities.
        lengths: (B,) valid frames; later frames are padding and ignored.
        blank: Token of the CTC blank.

    Returns:
        Token ids per utterance; an empty list if every frame is blank.

    Raises:
        ValueError: If shapes disagree, or a length exceeds T or is negative.
    """
    if log_probs.ndim != 3 or lengths.shape != log_probs.shape[:1]:
        raise ValueError(f"expected log_probs (B, T, V) and lengths (B,), found {log_probs.shape} and {lengths.shape}")
    num_frames = log_probs.shape[1]
    if any(not 0 <= length <= num_frames for length in lengths.tolist()):
        raise ValueError(f"lengths must lie between 0 and T={num_frames}, found {lengths.tolist()}")
    paths = zip(log_probs.argmax(axis=-1), lengths.tolist(), strict=True)  # (T,) each
    return [collapse_path(path[:length], previous=blank, blank=blank) for path, length in paths]


def collapse_path(path: npt.ArrayLike, *, previous: int = BLANK, blank: int = BLANK) -> list[int]:
    """Merge the repeated tokens of a path (T,), then drop blanks (Graves et al. 2006, section 3.2).

    `previous` is the token of the frame before the path.
    """
    path = np.asarray(path, np.int64)
    changes = np.diff(path, prepend=previous) != 0
    return path[changes & (path != blank)].tolist()
