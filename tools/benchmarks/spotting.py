"""Measure `asr find` and `asr listen`: what is found, what is found wrongly, and how fast.

    python tools/benchmarks/spotting.py --model english --set "AN4 test=data/an4/test.jsonl.gz" \
        --set "LibriSpeech dev=data/librispeech-dev-clean-half/dev.jsonl.gz" \
        --commands --noise corpora/esc10-noise --json out.json

Words: all content words of two syllables and more that a set's references have, each searched for in the whole set. A
hit is right if its utterance has the word; recall is given at one false alarm per hour of speech and word and at a
tenth of that, with one threshold for all words, and at confidence 0.5. Beside it stands what a search of the
transcripts finds, as `asr transcribe` writes them; with words in the order of their confidence for the same numbers of
false alarms.

Speed: processor seconds on one core for a search of an index of the longest set (--copies times), for 1, 10 and 100
words.

Commands (--commands): ten words, which AN4 has as commands, and twenty phrases of several words, in all sets and in
noise, each recording as a stream of its own: what is missed, and what is found where it was not said. With `alone`, a
phrase is to be found only if nothing else is said in the recording. Those phrases are hardly ever said in the sets, so
the utterances of two to five words stand in for commands of several words: each is listened to with twenty phrases, its
own text and those of others.
"""

import argparse
import json
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transcribe import RATE, TestSet, read_set

from asr.evaluate.spotting import SpottingExamples, collect_hits, measure_recall, measure_threshold
from asr.recognize.recognizer import Recognizer, load_model, read_model_or_file
from asr.runtime.network import LogProbs
from asr.signal.audio import load_audio
from asr.spotting.find import PhraseFinder
from asr.spotting.index import About, IndexedSegment, LogProbIndex, digest_model
from asr.spotting.listener import PhraseListener
from asr.spotting.spotter import PhraseSpotter
from asr.text.normalize import normalize
from asr.text.phones import PhoneTokenizer

Row = dict[str, Any]
RATES = (1.0, 0.1)  # false alarms per hour and word
_FUNCTION_WORDS = """
    about above after again against all also am any are because before being below between both but cannot could did
    do does doing down during each either ever every few for from had has have having her here hers herself himself
    his how however into itself just many may me might more most much must my myself neither never nor not now of
    off on once only onto or other others our ours ourselves out over own perhaps rather same shall she should since
    so some such than that the their theirs them themselves then there therefore these they this those though
    through thus till to too toward towards under until up upon us very was we were what whatever when where whether
    which while who whoever whom whose why will with within without would yet you your yours yourself
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
COMMANDS = ["enter", "erase", "rubout", "repeat", "start", "stop", "help", "go", "yes", "no"]
PHRASES = [
    *("turn on the light", "turn off the light", "open the window", "close the window", "set a timer"),
    *("stop the music", "play the next song", "what time is it", "volume up", "volume down"),
    *("call my mother", "send the message", "read the news", "start recording", "stop recording"),
    *("next page", "previous page", "save the file", "good night", "good morning"),
]
_SHORT = range(2, 6)  # words of an utterance that stands in for a command
_TOGETHER = 20  # phrases that are searched for at once
_VOWEL_PHONE = re.compile(r"^[AEIOU][A-Z]$")
_VOWEL_LETTERS = re.compile(r"[aeiouy]+")


def main() -> None:
    options = parse_options()
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    recognizer = load_model(options.model, device="cpu")
    sets = [read_set(item, None, lambda text: normalize(text, recognizer.settings.normalizer)) for item in options.sets]
    result: dict[str, list[Row]] = {"words": [], "speed": [], "commands": []}
    longest = max(sets, key=lambda test: test.seconds)
    for test in sets:
        log_probs = compute_log_probs(recognizer, test.waveforms)
        words = choose_words(test.references, recognizer)
        result["words"] += measure_words(test, words, recognizer, log_probs, with_transcripts=options.transcripts)
        if test is longest:
            result["speed"] = measure_speed(options.model, words, recognizer, log_probs, options.copies)
    if options.commands:
        model, _ = read_model_or_file(options.model)
        # Without beam search, as in `asr listen`.
        result["commands"] = measure_commands(options.noise, Recognizer(model, device="cpu"), sets)
    for rows in result.values():
        print_table(rows)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="english", help="a model folder or name")
    parser.add_argument("--set", dest="sets", action="append", default=[], help="NAME=MANIFEST[::STEP]; repeatable")
    parser.add_argument("--no-transcripts", dest="transcripts", action="store_false", help="do not transcribe")
    parser.add_argument("--copies", type=int, default=2, help="how often the index of the speed holds the longest set")
    parser.add_argument("--commands", action="store_true", help="also measure voice commands on all sets")
    parser.add_argument("--noise", type=Path, help="a folder of recordings without speech, for commands")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    return parser.parse_args()


def compute_log_probs(recognizer: Recognizer, waveforms: Sequence[np.ndarray]) -> list[LogProbs]:
    return [recognizer.runner.compute_log_probs([waveform])[0] for waveform in waveforms]


def choose_words(references: Iterable[str], recognizer: Recognizer) -> list[str]:
    """Return the content words of two syllables and more, the most frequent first."""
    counts = Counter(word for text in references for word in text.split())
    words = (word for word, _ in counts.most_common() if word not in FUNCTION_WORDS)
    return [word for word in words if count_syllables(word, recognizer) >= 2]


def count_syllables(word: str, recognizer: Recognizer) -> int:
    """Count the vowels of the shortest pronunciation, or groups of vowel letters if there is none."""
    tokenizer = recognizer.tokenizer
    if isinstance(tokenizer, PhoneTokenizer) and word in tokenizer.pronunciations:
        ways = ([tokenizer.symbols[token] for token in tokens] for tokens in tokenizer.pronunciations[word])
        return min(sum(bool(_VOWEL_PHONE.match(symbol)) for symbol in way) for way in ways)
    return len(_VOWEL_LETTERS.findall(word.removesuffix("e")))


def measure_words(
    test: TestSet,
    words: Sequence[str],
    recognizer: Recognizer,
    log_probs: Sequence[LogProbs],
    *,
    with_transcripts: bool,
) -> list[Row]:
    found = collect_hits(words, recognizer, test.references, log_probs)
    rows = [make_row(test.name, "asr find", found, found.confidences(recognizer.settings.spotting))]
    if with_transcripts:
        transcripts, confidences = search_transcripts(test, words, recognizer, log_probs)
        rows.append(make_row(test.name, "transcripts", transcripts, confidences))
    return rows


def search_transcripts(
    test: TestSet, words: Sequence[str], recognizer: Recognizer, log_probs: Sequence[LogProbs]
) -> tuple[SpottingExamples, np.ndarray]:
    """Search what is recognised: each of the words there is a hit with its confidence."""
    numbers = {word: number for number, word in enumerate(words)}
    hits: list[tuple[float, bool, int]] = []
    for reference, frames in zip(test.references, log_probs, strict=True):
        said = Counter(reference.split())
        recognised = [word for word in recognizer.decoder.decode(frames).words if word.text in numbers]
        for word in sorted(recognised, key=lambda one: -(one.confidence or 1.0)):
            hits.append((1.0 if word.confidence is None else word.confidence, said[word.text] > 0, numbers[word.text]))
            said[word.text] -= 1
    num_said = sum(word in numbers for text in test.references for word in text.split())
    confidences, correct, owners = (np.array(column) for column in zip(*hits, strict=True))
    features = np.zeros((len(hits), 4))
    hours = sum(map(len, log_probs)) * recognizer.runner.frame_seconds / 3600
    return SpottingExamples(features, correct.astype(bool), owners, len(words), num_said, hours), confidences


def make_row(name: str, method: str, found: SpottingExamples, confidences: np.ndarray) -> Row:
    row: Row = {"set": name, "search": method, "words": found.num_words, "said": found.num_said, "hours": found.hours}
    for rate in RATES:
        row[f"recall at {rate:g}"] = measure_recall(found, confidences, rate).recall
    point = measure_threshold(found, confidences, 0.5 if method == "asr find" else 0.0)
    return row | {"recall": point.recall, "precision": point.precision, "false alarms": point.false_alarms}


def measure_speed(
    model: str, words: Sequence[str], recognizer: Recognizer, log_probs: Sequence[LogProbs], copies: int
) -> list[Row]:
    """Search an index on disk, which holds each utterance as a segment."""
    frame_seconds = recognizer.runner.frame_seconds
    _, folder = read_model_or_file(model)
    with tempfile.TemporaryDirectory() as name:
        path, file = Path(name) / "speed.index", Path(name) / "recording"
        file.touch()
        segments = [IndexedSegment(10.0 * number, frames) for number, frames in enumerate([*log_probs] * copies)]
        with LogProbIndex.open(path, About(model, digest_model(folder), "mix")) as index:
            index.add(file, segments, frame_seconds)
        hours = sum(len(segment.log_probs) for segment in segments) * frame_seconds / 3600
        return [time_search(model, list(words[:count]), path, hours) for count in (1, 10, 100)]


def time_search(model: str, words: list[str], path: Path, hours: float) -> Row:
    finder = PhraseFinder(model, words, context=False, device="cpu")
    with LogProbIndex(path) as index:
        started = time.process_time()
        num_hits = len(list(finder.search_index(index)))
        seconds = time.process_time() - started
    megabytes = path.stat().st_size / 1e6 / hours
    return {
        "words": len(words),
        "hours": hours,
        "hits": num_hits,
        "MB per hour": megabytes,
        "hours per second": hours / seconds,
        "times real time": 3600 * hours / seconds,
    }


def measure_commands(folder: Path | None, recognizer: Recognizer, sets: Sequence[TestSet]) -> list[Row]:
    files = sorted(path for path in folder.rglob("*.*") if path.suffix in (".opus", ".wav")) if folder else []
    noise = [load_audio(path) for path in files]
    rows: list[Row] = []
    for name, phrases in (("10 words", COMMANDS), ("20 phrases", PHRASES)):
        for alone in (False, True):
            listen = Listening(recognizer, phrases, alone=alone)
            rows += [listen.measure(name, test.name, test.waveforms, test.references) for test in sets]
            if noise:
                rows.append(listen.measure(name, "noise", noise, [""] * len(noise)))
    for alone in (False, True):
        rows += [measure_short_utterances(recognizer, test, alone=alone) for test in sets]
    return rows


def measure_short_utterances(recognizer: Recognizer, test: TestSet, *, alone: bool) -> Row:
    """Listen to each utterance of a few words with its own text and those of others as the phrases."""
    pairs = zip(test.waveforms, test.references, strict=True)
    short = [(waveform, text) for waveform, text in pairs if len(text.split()) in _SHORT]
    total: Counter[str] = Counter()
    for first in range(0, len(short), _TOGETHER):
        waveforms, references = zip(*short[first : first + _TOGETHER], strict=True)
        listen = Listening(recognizer, sorted(set(references)), alone=alone)
        total.update(listen.count(waveforms, references))
    return make_commands_row("their own texts", test.name, total, alone=alone)


class Listening:
    """Voice commands over recordings, each as a stream of its own."""

    def __init__(self, recognizer: Recognizer, phrases: Sequence[str], *, alone: bool) -> None:
        self._recognizer, self._phrases, self._alone = recognizer, list(phrases), alone
        settings = recognizer.settings
        self._spotter = PhraseSpotter(self._phrases, recognizer.tokenizer, settings, exclusive=True)

    def measure(self, name: str, where: str, waveforms: Sequence[np.ndarray], references: Sequence[str]) -> Row:
        return make_commands_row(name, where, self.count(waveforms, references), alone=self._alone)

    def count(self, waveforms: Sequence[np.ndarray], references: Sequence[str]) -> dict[str, float]:
        """Count phrases that were said, missed and found wrongly, and seconds of speech and processor."""
        num_said = num_missed = num_false = 0
        started = time.process_time()
        for waveform, reference in zip(waveforms, references, strict=True):
            said = Counter(phrase for phrase in self._phrases for _ in find_phrase(phrase, reference))
            if self._alone:  # only what is said alone should be found
                said = Counter({phrase: 1 for phrase in said if phrase == reference})
            listener = PhraseListener(self._recognizer, self._spotter, alone=self._alone)
            hits = Counter(hit.phrase for hit in [*listener.feed(waveform), *listener.finish()])
            num_said += said.total()
            num_missed += (said - hits).total()
            num_false += (hits - said).total()
        counts = {"said": num_said, "missed": num_missed, "false alarms": num_false}
        return counts | {"seconds": sum(map(len, waveforms)) / RATE, "processor": time.process_time() - started}


def make_commands_row(name: str, where: str, counts: Mapping[str, float], *, alone: bool) -> Row:
    hours = counts["seconds"] / 3600
    row: Row = {"phrases": name, "alone": alone, "speech": where, "hours": hours}
    row |= {key: counts[key] for key in ("said", "missed", "false alarms")}
    return row | {
        "per hour": counts["false alarms"] / (hours or 1.0),
        "real-time factor": counts["processor"] / (counts["seconds"] or 1.0),
    }


def find_phrase(phrase: str, text: str) -> list[re.Match[str]]:
    return list(re.finditer(rf"(?<!\S){re.escape(phrase)}(?!\S)", text))


def print_table(rows: Sequence[Row]) -> None:
    if not rows:
        return
    print(f"\n| {' | '.join(rows[0])} |\n|{' --- |' * len(rows[0])}")
    for row in rows:
        print(
            "| "
            + " | ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values())
            + " |"
        )


if __name__ == "__main__":
    main()
