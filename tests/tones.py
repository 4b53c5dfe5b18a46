"""A language of tones that a tiny network learns in seconds: each letter sounds at a pitch of its own."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
PITCHES = {"a": 300.0, "b": 700.0, "c": 1600.0, " ": 3500.0}  # Hz
LETTERS = "abc"


def speak(text: str, rng: np.random.Generator) -> np.ndarray:
    """The sound of a text: (S,) float32."""
    silence = np.zeros(int(0.06 * RATE))
    pieces = [silence]
    for letter in text:
        time = np.arange(int(rng.uniform(0.10, 0.16) * RATE)) / RATE
        pieces += [0.4 * np.sin(2 * np.pi * PITCHES[letter] * time) * np.hanning(len(time)), silence]
    samples = np.concatenate(pieces)
    return (samples + 0.002 * rng.standard_normal(len(samples))).astype(np.float32)


def write_corpus(folder: Path, *, train: int, dev: int, seed: int = 0) -> None:
    """A Kaldi-style corpus with two parts of random words."""
    rng = np.random.default_rng(seed)
    for part, count in (("train", train), ("dev", dev)):
        (folder / part).mkdir(parents=True)
        texts, places = [], []
        for number in range(count):
            words = ["".join(rng.choice(list(LETTERS), rng.integers(1, 4))) for _ in range(rng.integers(1, 4))]
            name = f"{part}{number:03d}"
            soundfile.write(folder / part / f"{name}.wav", speak(" ".join(words), rng), RATE)
            texts.append(f"{name} {' '.join(words)}\n")
            places.append(f"{name} {name}.wav\n")
        (folder / part / "text").write_text("".join(texts))
        (folder / part / "wav.scp").write_text("".join(places))
