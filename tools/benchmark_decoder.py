"""How fast and how good is beam search, beside flashlight-text and pyctcdecode?

    python tools/benchmark_decoder.py --model an4 --lm lm.arpa --set "AN4 test=data/an4/test.jsonl.gz" \
        --json out.json --plot out.png --pyctcdecode /path/to/python

The network runs once; then every decoder gets the same log probabilities, one utterance after
another, in one thread. Without a language model flashlight's lexicon-free decoder is the
peer; with one its lexicon decoder and pyctcdecode are. "same" has the peer's pruning and ours
alike (a beam threshold of 50, every token tried, no frame skipped); "default" has our own.
Peers that are not installed are left out, and a line says so.
"""

import argparse
import json
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asr  # noqa: F401  before torch: it tames OpenMP

# isort: split
import numpy as np
import torch

from asr.decode.beam import BeamDecoder
from asr.language.ngram import NgramModel, load_ngram
from asr.recognize.recognizer import load_model
from asr.score.wer import score_utterances
from asr.text.tokenizer import Tokenizer
from asr.train.corpus import load_cuts
from asr.train.evaluate import collect_log_probs

THRESHOLD = 50.0  # natural log; torchaudio's default
SAME = {"beam_threshold": THRESHOLD, "token_threshold": math.inf, "blank_skip": 2.0}
# pyctcdecode's defaults; blanks are skipped in neither.
PYCTCDECODE = {"beam_threshold": 10.0, "token_threshold": 5.0, "blank_skip": 2.0}
SPECIAL = ("<s>", "</s>", "<unk>")
Row = dict[str, Any]
Decode = Callable[[np.ndarray], str]


def main() -> None:
    options = parse_options()
    torch.set_num_threads(1)
    recognizer = load_model(options.model, device=options.device)
    lm = load_ngram(options.lm) if options.lm else None
    rows: list[Row] = []
    for item in options.sets:
        name, _, manifest = item.partition("=")
        references, log_probs = collect_log_probs(recognizer, load_cuts([Path(manifest)]))
        # Every so many utterances, since they are sorted by length.
        step = max(1, len(references) // options.utterances) if options.utterances else 1
        chosen = (references[::step], log_probs[::step])
        rows += measure_set(name, *chosen, recognizer.tokenizer, lm, options)
    print_table(rows)
    if options.json:
        result = {"machine": platform.processor(), "python": platform.python_version(), "rows": rows}
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        draw(rows, options.plot)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="an4", help="a model folder or name")
    parser.add_argument("--set", dest="sets", action="append", required=True, help="NAME=MANIFEST; repeatable")
    parser.add_argument("--lm", type=Path, help="a word model as ARPA text")
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--beams", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--utterances", type=int, help="at most about so many of each set")
    parser.add_argument("--pyctcdecode", type=Path, help="the python of an environment that has pyctcdecode")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    parser.add_argument("--plot", type=Path, help="draw WER against time there")
    return parser.parse_args()


def measure_set(
    name: str,
    references: list[str],
    log_probs: list[np.ndarray],
    tokenizer: Tokenizer,
    lm: NgramModel | None,
    options: argparse.Namespace,
) -> list[Row]:
    """Rows of all decoders on one set."""
    rows = []
    num_frames = sum(map(len, log_probs))
    for beam in options.beams:
        for decoder, decode in decoders(tokenizer, lm, beam, options).items():
            decode(log_probs[0])
            started = time.process_time()
            texts = [decode(one) for one in log_probs]
            seconds = time.process_time() - started
            rows.append(make_row(decoder, name, beam, seconds, num_frames, references, texts))
    if lm and options.pyctcdecode:
        for decoder, settings in (
            ("pyctcdecode + LM, same", {"beam_prune_logp": -THRESHOLD, "token_min_logp": -THRESHOLD}),
            ("pyctcdecode + LM, its default", {}),
        ):
            rows += [
                make_row(decoder, name, result["beam"], result["seconds"], num_frames, references, result["texts"])
                for result in run_pyctcdecode(log_probs, tokenizer, lm, settings, options)
            ]
    return rows


def decoders(tokenizer: Tokenizer, lm: NgramModel | None, beam: int, options: argparse.Namespace) -> dict[str, Decode]:
    """Every decoder that is at hand, by name."""
    found: dict[str, Decode] = {}
    for name, settings in (("same", SAME), ("default", {})):
        found[f"asr, {name}"] = ours(tokenizer, beam_size=beam, **settings)
        if lm:
            weights = {"language_model": lm, "alpha": options.alpha, "beta": options.beta, **settings}
            words = [word for word in lm.words if word not in SPECIAL]
            found[f"asr + LM, closed vocabulary, {name}"] = ours(tokenizer, beam_size=beam, vocabulary=words, **weights)
            found[f"asr + LM, open vocabulary, {name}"] = ours(tokenizer, beam_size=beam, **weights)
    if lm:
        weights = {"language_model": lm, "alpha": options.alpha, "beta": options.beta, **PYCTCDECODE}
        found["asr + LM, open vocabulary, pyctcdecode's pruning"] = ours(tokenizer, beam_size=beam, **weights)
    try:
        from torchaudio.models.decoder import ctc_decoder
    except ImportError as error:
        print(f"flashlight left out: {error}", file=sys.stderr)
        return found
    tokens = ["<blank>", *("|" if symbol == " " else symbol for symbol in tokenizer.symbols[1:])]
    common = {"tokens": tokens, "blank_token": "<blank>", "sil_token": "|", "log_add": True, "beam_size": beam}
    common["beam_threshold"] = THRESHOLD
    found["flashlight"] = flashlight(ctc_decoder(lexicon=None, **common))
    if lm:
        found["flashlight + LM, lexicon"] = flashlight(with_lexicon(ctc_decoder, common, tokenizer, lm, options))
    return found


def ours(tokenizer: Tokenizer, **settings: Any) -> Decode:
    decoder = BeamDecoder(tokenizer.symbols, **settings)
    return lambda log_probs: tokenizer.decode(decoder.decode(log_probs)[0].tokens)


def flashlight(decoder: Any) -> Decode:
    def decode(log_probs: np.ndarray) -> str:
        best = decoder(torch.from_numpy(log_probs)[None])[0][0]
        return "".join(decoder.idxs_to_tokens(best.tokens)).replace("|", " ").strip()

    return decode


def with_lexicon(ctc_decoder: Any, common: Row, tokenizer: Tokenizer, lm: NgramModel, options: Any) -> Any:
    """Flashlight's lexicon decoder over the words of the language model that the alphabet can spell."""
    letters = set(tokenizer.symbols[1:])
    words = [word for word in lm.words if word not in SPECIAL and set(word) <= letters]
    with tempfile.TemporaryDirectory() as folder:
        lexicon = Path(folder) / "lexicon.txt"
        lexicon.write_text("".join(f"{word}\t{' '.join(word)} |\n" for word in words), encoding="utf-8")
        # KenLM speaks in log10, our weights are for natural logs.
        weight = options.alpha * math.log(10)
        return ctc_decoder(
            lexicon=str(lexicon), lm=str(options.lm), lm_weight=weight, word_score=options.beta, **common
        )


def run_pyctcdecode(
    log_probs: list[np.ndarray], tokenizer: Tokenizer, lm: NgramModel, settings: Row, options: argparse.Namespace
) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "log_probs.npz"
        np.savez(stored, **{f"{index:06d}": one for index, one in enumerate(log_probs)})
        job = {
            "log_probs": str(stored),
            "labels": ["", *tokenizer.symbols[1:]],
            "lm": str(options.lm),
            "words": [word for word in lm.words if word not in SPECIAL],
            "alpha": options.alpha,
            "beta": options.beta,
            "beams": options.beams,
            "settings": settings,
        }
        worker = Path(__file__).parent / "pyctcdecode_worker.py"
        done = subprocess.run(
            [options.pyctcdecode, worker], input=json.dumps(job), capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        print(f"pyctcdecode left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return []
    results: list[Row] = json.loads(done.stdout[done.stdout.index("[") :])
    return results


def make_row(
    decoder: str, name: str, beam: int, seconds: float, num_frames: int, references: Sequence[str], texts: Sequence[str]
) -> Row:
    texts = [" ".join(text.split()) for text in texts]
    rates = score_utterances(references, texts, resamples=1)
    row = {"decoder": decoder, "set": name, "beam": beam, "us_per_frame": 1e6 * seconds / num_frames, "wer": rates.wer}
    row |= {"utterances": len(references), "frames": num_frames}
    print(f"{name}  {decoder}  beam {beam}: {row['us_per_frame']:.2f} us, {100 * rates.wer:.2f} %", file=sys.stderr)
    return row


def print_table(rows: Sequence[Row]) -> None:
    """Markdown: a line a decoder and set, two columns a beam."""
    beams = sorted({row["beam"] for row in rows})
    print("| set | decoder |" + "".join(f" beam {beam}: µs a frame | WER % |" for beam in beams))
    print("|---|---|" + "--:|--:|" * len(beams))
    for name, decoder in dict.fromkeys((row["set"], row["decoder"]) for row in rows):
        found = {row["beam"]: row for row in rows if (row["set"], row["decoder"]) == (name, decoder)}
        cells = [
            f" {found[beam]['us_per_frame']:.1f} | {100 * found[beam]['wer']:.2f} |" if beam in found else " | |"
            for beam in beams
        ]
        print(f"| {name} | {decoder} |" + "".join(cells))


def draw(rows: Sequence[Row], path: Path) -> None:
    """WER against time, a panel a set."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(row["set"] for row in rows))
    figure, panels = pyplot.subplots(1, len(names), figsize=(7 * len(names), 5), squeeze=False)
    for panel, name in zip(panels[0], names, strict=True):
        for decoder in dict.fromkeys(row["decoder"] for row in rows if row["set"] == name):
            points = sorted(
                (r["us_per_frame"], 100 * r["wer"]) for r in rows if (r["set"], r["decoder"]) == (name, decoder)
            )
            marker = "o-" if decoder.startswith("asr") else "s--"
            panel.plot(*zip(*points, strict=True), marker, label=decoder)
        panel.set(xscale="log", xlabel="microseconds a frame, one core", ylabel="word error rate, %", title=name)
        panel.grid(alpha=0.3)
    panels[0][-1].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
