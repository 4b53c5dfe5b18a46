"""Synthetic voices by the program flite: few, but made from the speech of real people."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16000
VOICES = ["awb", "rms", "slt"]  # those of flite with more than telephone bandwidth


def speak(text: str, voice: str, *, duration: float = 1.0) -> NDArray[np.float32]:
    """Return the audio of a text, (S,) at 16 kHz; with a relative duration above 1 it is slower."""
    if shutil.which("flite") is None:
        sys.exit("the program flite is not installed; on Debian and Ubuntu: apt-get install flite")
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={duration}", "-t", text, "-o", str(sound)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        samples, rate = soundfile.read(sound, dtype="float32")
    if rate != RATE:
        sys.exit(f"flite's voice {voice} has {rate} Hz instead of {RATE}; is it another program of that name?")
    return np.asarray(samples, dtype=np.float32)
