"""Greedy CTC decoding: log probabilities in, the labels of the most probable path out.

Knows nothing of audio or networks: tokens are integers.
"""

import torch
from torch import Tensor


def greedy_decode(log_probs: Tensor, lengths: Tensor, *, blank: int = 0) -> list[list[int]]:
    """Decode each utterance by its most probable frame path.

    Repeated tokens are merged, then blanks dropped (Graves et al. 2006, section 3.2).

    Args:
        log_probs: (B, T, V) natural-log probabilities.
        lengths: (B,) valid frames; later frames are padding and ignored.
        blank: Token id of the CTC blank.

    Returns:
        Token ids per utterance; an empty list where every frame is blank.

    Raises:
        ValueError: If shapes disagree, or a length exceeds T or is negative.
    """
    if log_probs.dim() != 3 or lengths.shape != log_probs.shape[:1]:
        raise ValueError(
            f"expected log_probs (B, T, V) and lengths (B,), found {tuple(log_probs.shape)} and {tuple(lengths.shape)}"
        )
    num_frames = log_probs.shape[1]
    if any(not 0 <= length <= num_frames for length in lengths.tolist()):
        raise ValueError(f"lengths must lie between 0 and T={num_frames}, found {lengths.tolist()}")
    # One transfer from the device instead of one an utterance.
    paths = log_probs.argmax(-1).cpu()
    merged = [torch.unique_consecutive(path[:length]) for path, length in zip(paths, lengths.tolist(), strict=True)]
    return [path[path != blank].tolist() for path in merged]
