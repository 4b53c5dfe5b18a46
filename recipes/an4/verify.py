"""Check that a copy of AN4 is the one of the published results: `python recipes/an4/verify.py CORPUS`.

The digest of the audio is that of its samples, so the published WAV files and a lossless copy agree.
"""

import hashlib
import sys
from pathlib import Path

import soundfile

AUDIO_DIGEST = "6b663bda2ce6f94c33ddc9e91a67f1829c5e830ff651d07f685426e22bd33f1e"
TEXT_DIGESTS = {
    "an4_train.fileids": "a8a4c7f10776bb7d6804b9f1acd0bb6eedd9978490b514c185cebc216a0efed6",
    "an4_train.transcription": "6773e208c26be55101aac7a982983706bc6fcae1375fcff938008bddb7f9a286",
    "an4_test.fileids": "6860eb5ead0e3219b8aa6510fd1a0f1c0717c560bb18928329728ab2614261ce",
    "an4_test.transcription": "a36c14d7473eeba948ea64aa95be1e4fa42321ae6d535ea91e2381cb16faacfd",
}


def main() -> None:
    corpus = Path(sys.argv[1])
    wrong = [name for name, digest in TEXT_DIGESTS.items() if digest_text(corpus / "etc" / name) != digest]
    if not wrong and digest_audio(corpus) != AUDIO_DIGEST:
        wrong.append("wav/")
    if wrong:
        sys.exit(f"{corpus}: differs from the AN4 of the published results in {', '.join(wrong)}; download it anew")


def digest_text(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"


def digest_audio(corpus: Path) -> str:
    digest = hashlib.sha256()
    for part in ("train", "test"):
        listed = (corpus / "etc" / f"an4_{part}.fileids").read_text().split()
        for path in (find_recording(corpus / "wav" / name) for name in listed):
            digest.update(soundfile.read(path, dtype="int16")[0].tobytes())
    return digest.hexdigest()


def find_recording(stem: Path) -> Path:
    for suffix in (".wav", ".flac"):
        if (path := stem.with_name(stem.name + suffix)).exists():
            return path
    sys.exit(f"{stem}.wav: missing; download the corpus anew")


if __name__ == "__main__":
    main()
