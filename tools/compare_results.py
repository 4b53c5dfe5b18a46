"""Compare models on the same test: error rates, and a paired bootstrap of their differences.

    asr evaluate --model A TEST.jsonl.gz --texts a.tsv
    asr evaluate --model B TEST.jsonl.gz --texts b.tsv
    python tools/compare_results.py a.tsv b.tsv ...

Each is compared with the first. If the interval of a difference excludes 0, it is not an accident of which utterances
are in the test. It does not cover the effect of a training's seed.
"""

import sys
from pathlib import Path

from asr.evaluate.wer import compare, score_utterances


def read(path: Path) -> dict[str, tuple[str, str]]:
    """Read utterances with references and hypotheses."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if any(len(row) != 3 for row in rows):
        raise SystemExit(
            f"{path}: expected name, reference and hypothesis on each line, as `asr evaluate --texts` writes them"
        )
    return {name: (said, heard) for name, said, heard in rows}


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    first, *_ = results = [read(Path(path)) for path in sys.argv[1:]]
    print("| | WER | 95 % interval | against the first, paired |\n| --- | --- | --- | --- |")
    for path, result in zip(sys.argv[1:], results, strict=True):
        if [(name, said) for name, (said, _) in result.items()] != [(name, said) for name, (said, _) in first.items()]:
            raise SystemExit(f"{path}: not the utterances of {sys.argv[1]}")
        said, heard = zip(*result.values(), strict=True)
        rates = score_utterances(said, heard)
        low, high = rates.wer_interval
        line = f"| {Path(path).stem} | {rates.wer:.1%} | {low:.1%} to {high:.1%} |"
        if result is not first:
            found = compare(said, [text for _, text in first.values()], heard)
            line += f" {found.difference:+.1%} ({found.interval[0]:+.1%} to {found.interval[1]:+.1%}) |"
        print(line if result is not first else f"{line} |")


if __name__ == "__main__":
    main()
