"""Small corpora that tests write."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000


def write_sound(path: Path, *, seconds: float = 0.5, channels: int = 1) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(len(path.name)).uniform(-0.5, 0.5, (round(seconds * RATE), channels))
    soundfile.write(path, samples, RATE)
    return samples


def write_kaldi(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
