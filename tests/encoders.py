"""A stand-in for a pre-trained encoder, which sees a second to both sides, and counts what it is asked."""

import numpy as np

NUM_MELS = 80
REACH = 50  # frames of 20 ms to each side


class StandInEncoder:
    """Mixes each pair of frames at random, and adds the mean of those around it."""

    def __init__(self, size: int = 6) -> None:
        rng = np.random.default_rng(7)
        self.num_mels, self.size = NUM_MELS, size
        self.seen: list[np.ndarray] = []  # the spectrograms
        self._weights = rng.normal(0, 0.3, (2 * NUM_MELS, size))
        self._around = rng.normal(0, 0.3, (NUM_MELS, size))

    def __call__(self, mel: np.ndarray) -> np.ndarray:
        assert mel.dtype == np.float32
        assert mel.shape[1] == NUM_MELS
        assert 0 < len(mel) <= 3000, "more than 30 s"
        assert len(mel) % 4 == 0, "half a frame"
        self.seen.append(mel)
        pairs = mel.astype(np.float64).reshape(-1, 2, NUM_MELS)
        means = pairs.mean(axis=1)
        around = [means[max(0, t - REACH) : t + REACH + 1].mean(axis=0) for t in range(len(means))]
        return (pairs.reshape(len(pairs), -1) @ self._weights + around @ self._around).astype(np.float32)
