"""Print mean and spread of the error rates of several runs: `python recipes/an4/summarize.py RESULT.json ...`."""

import json
import statistics
import sys
from pathlib import Path


def main() -> None:
    results = [json.loads(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:]]
    for path, result in zip(sys.argv[1:], results, strict=True):
        low, high = result["wer_interval"]
        print(f"{path}\tWER {result['wer']:.2%} ({low:.2%} to {high:.2%})\tCER {result['cer']:.2%}")
    rates = [result["wer"] for result in results]
    spread = f", standard deviation {statistics.stdev(rates):.2%}" if len(rates) > 1 else ""
    print(f"mean of {len(rates)}: WER {statistics.mean(rates):.2%}{spread}")


if __name__ == "__main__":
    main()
