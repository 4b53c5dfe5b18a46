"""Compare models on the same test: error rates, and a paired bootstrap of their differences.

    asr evaluate --model A TEST.jsonl.gz --texts a.tsv
    asr evaluate --model B TEST.jsonl.gz --texts b.tsv
    python tools/compare_results.py a.tsv b.tsv ...

Each is compared with the first. If the interval of a difference excludes 0, it is not an accident of which utterances
are in the test. It does not cover the effect of a training's seed.
"""

import argparse
import json
from pathlib import Path

from asr.evaluate.wer import compare, score_utterances


def read(path: Path) -> dict[str, tuple[str, str]]:
    """Read utterances with references and hypotheses."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if any(len(row) != 3 for row in rows):
        raise SystemExit(
            f"{path}: expected name, reference and hypothesis on each line, as `asr evaluate --texts` writes them"
        )
    return {name: (reference, hypothesis) for name, reference, hypothesis in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", type=Path, help="files that `asr evaluate --texts` wrote")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    first, *_ = results = [read(path) for path in options.texts]
    rows = []
    print("| | WER | 95 % interval | against the first, paired |\n| --- | --- | --- | --- |")
    for path, result in zip(options.texts, results, strict=True):
        if [(name, said) for name, (said, _) in result.items()] != [(name, said) for name, (said, _) in first.items()]:
            raise SystemExit(f"{path}: not the utterances of {options.texts[0]}")
        references, hypotheses = zip(*result.values(), strict=True)
        rates = score_utterances(references, hypotheses)
        low, high = rates.wer_interval
        line = f"| {path.stem} | {rates.wer:.1%} | {low:.1%} to {high:.1%} |"
        row = {"name": path.stem, "wer": rates.wer, "wer_interval": [low, high]}
        if result is not first:
            found = compare(references, [text for _, text in first.values()], hypotheses)
            line += f" {found.difference:+.1%} ({found.interval[0]:+.1%} to {found.interval[1]:+.1%})"
            row |= {"difference": found.difference, "difference_interval": list(found.interval)}
        print(f"{line} |")
        rows.append(row)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
