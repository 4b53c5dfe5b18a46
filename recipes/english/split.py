"""Combine the training parts of several corpora, and set aside a development set.

python recipes/english/split.py DATA OUTPUT [CORPUS ...] [--share SHARE]

DATA has one folder per corpus, as written by `asr prepare`; all corpora of the recipe are used unless some are named.
SHARE: 8 keeps only every eighth utterance of the training parts
"""

import argparse
import hashlib
from pathlib import Path

from lhotse import CutSet

from asr.corpus.cuts import load_cuts, write_manifests

# Speakers that training does not see, chosen before any training: every Nth of a corpus. Kathleen and LJSpeech have one
# speaker each, so sentences are held out there: all takes of about one in 20.
DEV_SPEAKERS = {
    "librispeech-dev-clean-half": 16,
    "librispeech-train-clean-5": 9,
    "speechocean762": 14,
    "common-voice-13-delta": 20,
}
DEV_SENTENCES = {"kathleen": 20, "ljspeech-part": 20}
WITH_DEV = ("an4", "common-voice", "robotutor")  # have a development part already
TRAIN_ONLY = ("librispeech-three", "common-voice-small")


def is_dev(corpus: str, cut: object, speakers: list[str]) -> bool:
    """Return whether an utterance of a training part is held out."""
    supervision = cut.supervisions[0]
    if corpus in DEV_SPEAKERS:
        return supervision.speaker in speakers[:: DEV_SPEAKERS[corpus]]
    if corpus in DEV_SENTENCES:
        digest = hashlib.sha256(supervision.text.lower().encode()).digest()
        return digest[0] % DEV_SENTENCES[corpus] == 0
    return False


def split(source: Path, corpus: str) -> dict[str, list]:
    """Return a corpus's utterances by part, their names prefixed with the corpus."""
    cuts = load_cuts([source / corpus / "train.jsonl.gz"])
    speakers = sorted({str(cut.supervisions[0].speaker) for cut in cuts})
    parts = {"train": [], "dev": []}
    for cut in cuts:
        parts["dev" if is_dev(corpus, cut, speakers) else "train"].append(cut)
    if corpus in WITH_DEV:
        parts["dev"] = list(load_cuts([source / corpus / "dev.jsonl.gz"]))
    return {part: [cut.with_id(f"{corpus}-{cut.id}") for cut in chosen] for part, chosen in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "corpora", metavar="CORPUS", nargs="*", default=[*WITH_DEV, *DEV_SPEAKERS, *DEV_SENTENCES, *TRAIN_ONLY]
    )
    parser.add_argument("--share", type=int, default=1)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    together = {"dev": [], "train": []}  # run.sh checks for the training part, so it comes last
    for corpus in arguments.corpora:
        for part, cuts in split(arguments.data, corpus).items():
            together[part] += cuts
    together["train"] = together["train"][:: arguments.share]
    write_manifests(arguments.output, {part: CutSet(cuts) for part, cuts in together.items()})
    for part, cuts in together.items():
        print(f"{part}: {len(cuts)} utterances, {sum(cut.duration for cut in cuts) / 3600:.2f} h")


if __name__ == "__main__":
    main()
