"""Measure marks and capitals on speech: `python tools/benchmarks/punctuation.py CORPUS PUNCTUATOR [--model MODEL]`.

CORPUS is a Kaldi folder whose transcripts have case and punctuation, such as LJSpeech; its recordings, in the order of
their names, are read as one continuous text. They were cut at pauses of unknown length, for which one is assumed.
Scores of the words that were said, with the times of a forced alignment, and of those that are recognised: the
punctuator with silences and without, a full stop at each pause, and no marks at all. Ends with what `asr transcribe`
takes with and without the punctuator.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from asr.evaluate.punctuation import PAUSE, Score, match_words, score, write_at_pauses, write_majority
from asr.language.punctuated_text import label_lines
from asr.language.punctuator import Decisions, Punctuator
from asr.recognize.align import align_text
from asr.recognize.options import DecodingOptions
from asr.recognize.recognizer import Recognizer, load_model
from asr.text.normalize import normalize
from asr.transcript.transcript import Word

UNKNOWN = float("nan")


class Spoken(NamedTuple):
    """Words and the silences after them."""

    words: list[str]
    silences: list[float]
    pause: float  # seconds after each recording

    def add(self, words: Sequence[Word], texts: Sequence[str]) -> None:
        self.words.extend(texts)
        self.silences.extend([after.start - word.end for word, after in pairwise(words)])
        self.silences.extend([self.pause] * bool(words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder with wav.scp and text; paths are relative to its parent")
    parser.add_argument("punctuator", type=Path)
    parser.add_argument("--model", default="english", help="recogniser: a model folder or name")
    parser.add_argument("--pause", type=float, default=PAUSE, help="seconds of silence between recordings")
    parser.add_argument("--limit", type=int, help="number of recordings")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    punctuator = Punctuator.load(options.punctuator)
    recognizer = load_model(options.model, device="cpu", decoding=DecodingOptions(punctuate=False))
    paths, texts = read_corpus(options.corpus, options.limit)
    said, expected = align(recognizer, paths, texts, options.pause)
    recognised, seconds = recognize(recognizer, paths, options.pause)
    result = {
        "said": measure(said, punctuator, lambda written: (expected, written)),
        "recognised": measure(
            recognised, punctuator, lambda written: (expected, match_words(said.words, recognised.words, written))
        ),
        "seconds": {"without": seconds, "punctuator": time_punctuator(recognised, options.punctuator)},
    }
    for kind in ("said", "recognised"):
        print(f"{kind}\nsystem\twhat\tprecision\trecall\tF1")
        for system, scores in result[kind].items():
            for name, (precision, recall, f1) in scores.items():
                print(f"{system}\t{name}\t{precision:.3f}\t{recall:.3f}\t{f1:.3f}")
    print(f"seconds: {result['seconds']}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def read_corpus(folder: Path, limit: int | None) -> tuple[list[Path], list[str]]:
    """Return the recordings and their texts, in the order of their names."""
    tables = [
        dict(line.split(maxsplit=1) for line in (folder / name).read_text(encoding="utf-8").splitlines())
        for name in ("wav.scp", "text")
    ]
    names = sorted(tables[0].keys() & tables[1].keys())[:limit]
    return [folder.parent / tables[0][name].strip() for name in names], [tables[1][name] for name in names]


def align(recognizer: Recognizer, paths: list[Path], texts: list[str], pause: float) -> tuple[Spoken, Decisions]:
    """Find the times of the words that were said; those of a recording that cannot be aligned are unknown."""
    text = label_lines(texts, recognizer.settings.normalizer)
    words = [text.vocabulary[index] for index in text.words]
    spoken = Spoken([], [], pause)
    for path, transcript in zip(paths, texts, strict=True):
        expected = normalize(transcript, recognizer.settings.normalizer).split()
        aligned = align_text(recognizer, str(path), transcript).words
        if len(aligned) == len(expected):
            spoken.add(aligned, expected)
        else:
            spoken.words.extend(expected)
            spoken.silences.extend([*[UNKNOWN] * (len(expected) - 1), pause])
    if spoken.words != words:
        raise SystemExit("the words of the texts cannot be assigned to what is written; see label_lines")
    return spoken, Decisions(text.punctuation, text.cases)


def recognize(recognizer: Recognizer, paths: list[Path], pause: float) -> tuple[Spoken, float]:
    """Return the recognised words, and the seconds that it took."""
    spoken, started = Spoken([], [], pause), time.perf_counter()
    for transcript in recognizer.transcribe_many([str(path) for path in paths], jobs=1):
        if isinstance(transcript, Exception):
            raise transcript
        spoken.add(transcript.words, [word.text for word in transcript.words])
    return spoken, time.perf_counter() - started


def measure(
    spoken: Spoken, punctuator: Punctuator, compare: Callable[[Decisions], tuple[Decisions, Decisions]]
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Score each system."""
    systems = {
        "with silences": punctuator.decide(spoken.words, spoken.silences),
        "without": punctuator.decide(spoken.words),
        "pauses": write_at_pauses([0.0 if math.isnan(seconds) else seconds for seconds in spoken.silences]),
        "majority": write_majority(len(spoken.words)),
    }
    return {name: dict(map(describe, score(*compare(written)))) for name, written in systems.items()}


def describe(one: Score) -> tuple[str, tuple[float, float, float]]:
    return one.name, (one.precision, one.recall, one.f1)


def time_punctuator(spoken: Spoken, folder: Path) -> float:
    """Return the seconds to load the punctuator and to punctuate all words."""
    started = time.perf_counter()
    Punctuator.load(folder).punctuate(spoken.words, spoken.silences)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
