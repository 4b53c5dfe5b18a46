"""Make training utterances of recordings that have no transcript, from what a model recognised with confidence.

python recipes/english/label.py RESULTS OUTPUT

RESULTS: a folder of files as written by `asr transcribe --format json`; OUTPUT: a table for `asr prepare tsv`

Noisy student training (Xie et al. 2020; Park et al. 2020, section 3.2) with a filter: a recording is left out if the
confidence of its text is below LEAST_CONFIDENCE, or it has fewer than LEAST_WORDS words.
"""

import json
import sys
from pathlib import Path

from asr.atomic import atomic_write

LEAST_CONFIDENCE = 0.75
LEAST_WORDS = 3


def main() -> None:
    results, output = map(Path, sys.argv[1:])
    lines, seconds, count = [], 0.0, 0
    for path in sorted(results.rglob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        words = result["text"].split()
        count += 1
        if len(words) >= LEAST_WORDS and result["confidence"] >= LEAST_CONFIDENCE:
            lines.append(f"{Path(result['file']).resolve()}\t{result['text']}\n")
            seconds += result["duration"]
    with atomic_write(output) as unfinished:
        unfinished.write_text("".join(lines), "utf-8")
    print(f"{output}: {len(lines)} of {count} recordings, {seconds / 3600:.2f} h")


if __name__ == "__main__":
    main()
