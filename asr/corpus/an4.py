"""AN4 as in the repository cmusphinx/an4 in, cuts of train, dev and test out.

The lists and transcripts are in `etc/`, the recordings in `wav/`, as WAV or FLAC files.
"""

from collections.abc import Iterator
from pathlib import Path

from lhotse import CutSet

from asr.corpus.cuts import Utterance, describe_recording, first_file, numbered_lines, to_cuts
from asr.errors import CorpusError
from asr.signal.channels import ChannelChoice

# AN4 has no development set. Every 14th training speaker by name makes one: six of 74, of both
# sexes in the proportion of the whole, since names begin with f or m.
DEV_EVERY = 14


def read_an4(source: Path, channel: ChannelChoice = "mix") -> dict[str, CutSet]:
    """Read the parts `train`, `dev` and `test`; `dev` is every 14th training speaker by name.

    Raises:
        CorpusError: If a list or recording is missing or malformed.
    """
    train, test = (list(_read_part(source, part)) for part in ("train", "test"))
    dev_speakers = set(sorted({str(utterance.speaker) for utterance in train})[::DEV_EVERY])
    return {
        "train": to_cuts((utterance for utterance in train if utterance.speaker not in dev_speakers), channel),
        "dev": to_cuts((utterance for utterance in train if utterance.speaker in dev_speakers), channel),
        "test": to_cuts(test, channel),
    }


def _read_part(source: Path, part: str) -> Iterator[Utterance]:
    listing = source / "etc" / f"an4_{part}.fileids"
    transcription = source / "etc" / f"an4_{part}.transcription"
    texts = _read_texts(transcription)
    for number, file_id in numbered_lines(listing):
        origin = f"{listing}:{number}"
        name, speaker = Path(file_id).name, Path(file_id).parent.name
        if name not in texts:
            raise CorpusError(f"{origin}: {name} has no transcript in {transcription.name}")
        path = first_file([source / "wav" / f"{file_id}{suffix}" for suffix in (".wav", ".flac")], origin=origin)
        yield Utterance(name, describe_recording(name, path, origin), texts[name], speaker, gender=speaker[:1])


def _read_texts(transcription: Path) -> dict[str, str]:
    texts = {}
    for number, line in numbered_lines(transcription):
        text, _, name = line.rpartition("(")
        if not name.endswith(")"):
            raise CorpusError(f"{transcription}:{number}: expected `TEXT (utterance)`, found {line!r}")
        texts[name[:-1]] = " ".join(word for word in text.split() if word not in ("<s>", "</s>"))
    return texts
