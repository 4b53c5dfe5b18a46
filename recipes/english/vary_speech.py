"""Vary half of the recordings of a manifest in a way that training cannot, to measure what it would be worth.

python recipes/english/vary_speech.py MANIFEST OUTPUT pitch|codecs|impulses [FOLDER]

pitch     a voice higher or lower by up to two semitones, at the same speed
codecs    GSM 06.10, as mobile telephones use it, or MP3 of the lowest quality
impulses  a microphone, loudspeaker or room that was measured: one of the impulse responses in FOLDER, as of
          https://github.com/idiap/acoustic-simulator

The first two need `pip install pedalboard`. The draws are always the same.
"""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from lhotse import CutSet

from asr.corpus.cuts import Utterance, describe_recording, load_cuts, read_waveform, to_cuts, write_manifests
from asr.signal.audio import SAMPLE_RATE, Waveform, load_audio
from asr.train.augment import reverberate

SEMITONES = 2.0
LOWEST_QUALITY = 9.9  # of MP3 with a variable rate: some 32 kb/s


def main() -> None:
    manifest, output, kind = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    impulses = sorted(path for folder in sys.argv[4:] for path in Path(folder).rglob("*.wav"))
    if kind == "impulses" and not impulses:
        sys.exit("impulses: name a folder that has impulse responses (WAV)")
    draws = random.Random(1)
    (output / "audio").mkdir(parents=True, exist_ok=True)
    cuts = []
    for cut in load_cuts([manifest]):
        if draws.random() < 0.5:
            name, path = f"{cut.recording_id}-{kind}", output / "audio" / f"{cut.id}.flac"
            soundfile.write(path, vary(read_waveform(cut, SAMPLE_RATE), kind, draws, impulses), SAMPLE_RATE)
            (said,) = cut.supervisions
            recording = describe_recording(name, path, str(manifest))
            cuts += to_cuts([Utterance(cut.id, recording, said.text, speaker=said.speaker, gender=said.gender)])
        else:
            cuts.append(cut)
    write_manifests(output, {"train": CutSet(cuts)})


def vary(waveform: Waveform, kind: str, draws: random.Random, impulses: list[Path]) -> Waveform:
    """Return a variation (S,) of a waveform (S,), with its energy unless that would clip."""
    if kind == "impulses":
        varied = reverberate(torch.from_numpy(waveform), torch.from_numpy(load_audio(draws.choice(impulses)))).numpy()
    else:
        varied = draw_effect(kind, draws)(waveform, SAMPLE_RATE)[: len(waveform)]
        varied = np.pad(varied, (0, len(waveform) - len(varied)))
        varied *= np.linalg.norm(waveform) / max(float(np.linalg.norm(varied)), 1e-8)
    return varied / max(1.0, float(np.abs(varied).max()))


def draw_effect(kind: str, draws: random.Random) -> Callable[[Waveform, float], Waveform]:
    """Draw what changes a waveform, given its sample rate."""
    import pedalboard  # here, so that impulse responses do without it

    if kind == "pitch":
        return pedalboard.PitchShift(draws.uniform(-SEMITONES, SEMITONES))
    return draws.choice([pedalboard.GSMFullRateCompressor(), pedalboard.MP3Compressor(LOWEST_QUALITY)])


if __name__ == "__main__":
    main()
