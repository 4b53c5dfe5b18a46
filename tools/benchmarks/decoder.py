"""Measure speed and accuracy of beam search, next to flashlight-text and pyctcdecode.

    python tools/benchmarks/decoder.py --set "AN4 test" MODEL LM.arpa DEV.jsonl.gz TEST.jsonl.gz \
        --json out.json --plot out.png --pyctcdecode /path/to/python

The network runs once; then every decoder gets the same log probabilities, in one thread. Ours decodes the set as a
batch (and once, as "one by one", utterance by utterance); the peers, whose batches are no faster, decode utterance by
utterance. Times are processor times, the median of as many passes as a second allows. Without a language model the
peer is flashlight's lexicon-free decoder; with one, its lexicon decoder and pyctcdecode. "same" uses the peer's
pruning in both (a beam threshold of 50, every token tried, no frame skipped); "default" uses our own. Each decoder
has the language model weights that make its fewest errors on the development set, from one grid for all. Peers that
are not installed are skipped with a message.
"""

import argparse
import itertools
import json
import math
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import asr  # noqa: F401  before torch: it tames OpenMP

# isort: split
import numpy as np
import torch
from pyctcdecode_worker import median_seconds

from asr.config import DecoderSettings
from asr.corpus.cuts import load_cuts
from asr.decode.decoder import BeamDecoder
from asr.evaluate.evaluate import collect_log_probs
from asr.evaluate.wer import score_utterances
from asr.language.load import load_ngram
from asr.language.ngram.model import NgramModel
from asr.recognize.recognizer import Recognizer, load_model
from asr.text.tokenizer import Tokenizer

THRESHOLD = 50.0  # natural log; torchaudio's default
SAME = {"beam_threshold": THRESHOLD, "token_threshold": math.inf, "blank_skip": 2.0}
# pyctcdecode's defaults; blanks are skipped in neither.
PYCTCDECODE = {"beam_threshold": 10.0, "token_threshold": 5.0, "blank_skip": 2.0}
PYCTCDECODE_SAME = {"beam_prune_logp": -THRESHOLD, "token_min_logp": -THRESHOLD}
SPECIAL = ("<s>", "</s>", "<unk>")
TUNING_BEAM = 64
VARIANTS = ("closed vocabulary", "pyctcdecode's pruning")  # that are not drawn
ALPHAS, BETAS = (0.05, 0.25, 0.5, 1.0), (0.0, 1.5, 3.0)
Row = dict[str, Any]
Decode = Callable[[Sequence[np.ndarray]], list[str]]


class Weights(NamedTuple):
    """Language model weights, natural logs."""

    alpha: float
    beta: float


GRID = [Weights(*pair) for pair in itertools.product(ALPHAS, BETAS)]


class Speech(NamedTuple):
    """References and the network's output."""

    references: list[str]
    log_probs: list[np.ndarray]


class Setting(NamedTuple):
    """What all decoders of a set share."""

    tokenizer: Tokenizer
    lm: NgramModel
    lm_path: Path
    words: list[str]  # those of the language model that the alphabet can spell
    pyctcdecode: Path | None


def main() -> None:
    options = parse_options()
    torch.set_num_threads(1)
    rows: list[Row] = []
    for name, model, lm, dev, test in options.sets:
        recognizer = load_model(model, device=options.device)
        setting = prepare(recognizer.tokenizer, Path(lm), options.pyctcdecode)
        weights = tune(listen(recognizer, Path(dev), options.dev_utterances), setting)
        speech = listen(recognizer, Path(test), options.utterances)
        rows += measure_set(name, speech, setting, weights, options.beams)
    print_table(rows)
    if options.json:
        result = {"machine": platform.processor(), "python": platform.python_version(), "rows": rows}
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        draw(rows, options.plot)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("NAME", "MODEL", "LM.arpa", "DEV", "TEST")
    parser.add_argument("--set", dest="sets", action="append", nargs=5, required=True, metavar=names, help="repeatable")
    parser.add_argument("--beams", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--utterances", type=int, default=150, help="about how many of each test set, at most")
    parser.add_argument("--dev-utterances", type=int, default=150, help="the same for each development set")
    parser.add_argument("--pyctcdecode", type=Path, help="Python of an environment with pyctcdecode")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--plot", type=Path, help="draw WER against time to this file")
    return parser.parse_args()


def prepare(tokenizer: Tokenizer, lm_path: Path, pyctcdecode: Path | None) -> Setting:
    lm = load_ngram(lm_path)
    letters = set(tokenizer.symbols[1:])
    words = [word for word in lm.words if word not in SPECIAL and set(word) <= letters]
    return Setting(tokenizer, lm, lm_path, words, pyctcdecode)


def listen(recognizer: Recognizer, manifest: Path, num_utterances: int) -> Speech:
    """Return log probabilities of evenly spaced utterances of a set, so that all its speakers are included."""
    cuts = list(load_cuts([manifest]))
    return Speech(*collect_log_probs(recognizer, cuts[:: max(1, round(len(cuts) / num_utterances))]))


def tune(speech: Speech, setting: Setting) -> dict[str, Weights]:
    """Find the weights with the fewest word errors, for each kind of decoder."""
    closed, opened = (beam_decoder(setting, TUNING_BEAM, {}, GRID[0], closed=closed) for closed in (True, False))
    errors: dict[str, list[float]] = {}
    for weights in GRID:
        chosen = {**weights._asdict(), "beam_size": TUNING_BEAM}
        kinds = {
            "closed": ours(setting, closed.reweighted(**chosen)),
            "open": ours(setting, opened.reweighted(**chosen)),
        }
        if (peer := flashlight(setting, TUNING_BEAM, weights)) is not None:
            kinds["flashlight"] = peer
        for kind, decode in kinds.items():
            texts = decode(speech.log_probs)
            errors.setdefault(kind, []).append(word_error_rate(speech, texts))
    runs = run_pyctcdecode(speech, setting, [make_run(TUNING_BEAM, weights, {}) for weights in GRID])
    errors["pyctcdecode"] = [word_error_rate(speech, run["texts"]) for run in runs]
    best = {kind: GRID[int(np.argmin(found))] for kind, found in errors.items() if found}
    for kind, (alpha, beta) in best.items():
        print(f"{kind}: alpha {alpha}, beta {beta}: {100 * min(errors[kind]):.2f} % on dev", file=sys.stderr)
    return best


def measure_set(
    name: str, speech: Speech, setting: Setting, weights: dict[str, Weights], beams: Sequence[int]
) -> list[Row]:
    """Measure all decoders on one set; returns rows."""
    rows = []
    for beam in beams:
        for decoder, (decode, chosen) in decoders(setting, beam, weights).items():
            decode(speech.log_probs[:1])
            seconds, texts = median_seconds(partial(decode, speech.log_probs))
            rows.append(make_row(decoder, name, beam, seconds, speech, texts, chosen))
    if "pyctcdecode" not in weights:
        return rows
    best = weights["pyctcdecode"]
    for decoder, settings in (
        ("pyctcdecode + LM, same", PYCTCDECODE_SAME),
        ("pyctcdecode + LM, its default", {}),
    ):
        rows += [
            make_row(decoder, name, result["beam"], result["seconds"], speech, result["texts"], best)
            for result in run_pyctcdecode(speech, setting, [make_run(beam, best, settings) for beam in beams])
        ]
    return rows


def decoders(setting: Setting, beam: int, weights: dict[str, Weights]) -> dict[str, tuple[Decode, Weights | None]]:
    """Return every available decoder by name, with its weights."""
    found: dict[str, tuple[Decode, Weights | None]] = {}

    def add(
        name: str, pruning: Row, chosen: Weights | None = None, *, closed: bool = False, together: bool = True
    ) -> None:
        decoder = beam_decoder(setting, beam, pruning, chosen, closed=closed)
        found[name] = ours(setting, decoder, together=together), chosen

    for name, pruning in (("same", SAME), ("default", {})):
        add(f"asr, {name}", pruning)
        add(f"asr + LM, closed vocabulary, {name}", pruning, weights["closed"], closed=True)
        add(f"asr + LM, open vocabulary, {name}", pruning, weights["open"])
    name = "asr + LM, open vocabulary, pyctcdecode's pruning"
    add(name, PYCTCDECODE, weights["open"])
    add(f"{name}, one by one", PYCTCDECODE, weights["open"], together=False)
    for name, chosen in (("flashlight", None), ("flashlight + LM, lexicon", weights.get("flashlight"))):
        if "flashlight" in weights and (decode := flashlight(setting, beam, chosen)) is not None:
            found[name] = decode, chosen
    return found


def beam_decoder(setting: Setting, beam: int, pruning: Row, weights: Weights | None, *, closed: bool) -> BeamDecoder:
    settings = DecoderSettings(beam_size=beam, **pruning, **(weights._asdict() if weights else {}))
    vocabulary = setting.words if closed else None
    language_model = setting.lm if weights else None
    return BeamDecoder(setting.tokenizer.symbols, settings, language_model=language_model, vocabulary=vocabulary)


def ours(setting: Setting, decoder: BeamDecoder, *, together: bool = True) -> Decode:
    def decode(log_probs: Sequence[np.ndarray]) -> list[str]:
        found = decoder.decode_batch(log_probs, num_threads=1) if together else map(decoder.decode, log_probs)
        return [setting.tokenizer.decode(hypotheses[0].tokens) for hypotheses in found]

    return decode


def flashlight(setting: Setting, beam: int, weights: Weights | None) -> Decode | None:
    """Return flashlight's lexicon-free decoder, or with weights its lexicon decoder; None if it is not installed."""
    try:
        from torchaudio.models.decoder import ctc_decoder
    except (ImportError, RuntimeError) as error:  # torchaudio raises either
        print(f"flashlight left out: {error}", file=sys.stderr)
        return None
    symbols = setting.tokenizer.symbols[1:]
    tokens = ["<blank>", *("|" if symbol == " " else symbol for symbol in symbols)]
    common = {"tokens": tokens, "blank_token": "<blank>", "sil_token": "|", "log_add": True, "beam_size": beam}
    common["beam_threshold"] = THRESHOLD
    if weights is None:
        made = ctc_decoder(lexicon=None, **common)
    else:
        with tempfile.TemporaryDirectory() as folder:
            lexicon = Path(folder) / "lexicon.txt"
            lexicon.write_text("".join(f"{word}\t{' '.join(word)} |\n" for word in setting.words), encoding="utf-8")
            # KenLM's scores are log10; our weights are for natural logs.
            common |= {"lm": str(setting.lm_path), "lm_weight": weights.alpha * math.log(10)}
            made = ctc_decoder(lexicon=str(lexicon), word_score=weights.beta, **common)

    def decode(log_probs: np.ndarray) -> str:
        best = made(torch.from_numpy(log_probs)[None])[0][0]
        return "".join(made.idxs_to_tokens(best.tokens)).replace("|", " ").strip()

    return lambda log_probs: list(map(decode, log_probs))


def make_run(beam: int, weights: Weights, settings: Row) -> Row:
    return {"beam": beam, **weights._asdict(), "settings": settings}


def run_pyctcdecode(speech: Speech, setting: Setting, runs: list[Row]) -> list[Row]:
    """Return texts and seconds of each run; empty if pyctcdecode is not available."""
    if setting.pyctcdecode is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "log_probs.npz"
        np.savez(stored, **{f"{index:06d}": one for index, one in enumerate(speech.log_probs)})
        labels = ["", *setting.tokenizer.symbols[1:]]
        job = {"log_probs": str(stored), "labels": labels, "lm": str(setting.lm_path), "words": setting.words}
        worker = Path(__file__).parent / "pyctcdecode_worker.py"
        command = [setting.pyctcdecode, worker]
        request = json.dumps({**job, "runs": runs})
        done = subprocess.run(command, input=request, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"pyctcdecode left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return []
    results: list[Row] = json.loads(done.stdout[done.stdout.index("[") :])
    return results


def word_error_rate(speech: Speech, texts: Sequence[str]) -> float:
    return score_utterances(speech.references, [" ".join(text.split()) for text in texts]).wer


def make_row(
    decoder: str, name: str, beam: int, seconds: float, speech: Speech, texts: Sequence[str], weights: Weights | None
) -> Row:
    num_frames = sum(map(len, speech.log_probs))
    wer = word_error_rate(speech, texts)
    row = {"decoder": decoder, "set": name, "beam": beam, "us_per_frame": 1e6 * seconds / num_frames, "wer": wer}
    row |= {"utterances": len(speech.references), "frames": num_frames, **(weights._asdict() if weights else {})}
    print(f"{name}  {decoder}  beam {beam}: {row['us_per_frame']:.2f} us, {100 * wer:.2f} %", file=sys.stderr)
    return row


def print_table(rows: Sequence[Row]) -> None:
    """Print Markdown: one line per decoder and set, two columns per beam size."""
    beams = sorted({row["beam"] for row in rows})
    print("| set | decoder |" + "".join(f" beam {beam}: µs per frame | WER % |" for beam in beams))
    print("|---|---|" + "--:|--:|" * len(beams))
    for name, decoder in dict.fromkeys((row["set"], row["decoder"]) for row in rows):
        found = {row["beam"]: row for row in rows if (row["set"], row["decoder"]) == (name, decoder)}
        cells = [
            f" {found[beam]['us_per_frame']:.1f} | {100 * found[beam]['wer']:.2f} |" if beam in found else " | |"
            for beam in beams
        ]
        print(f"| {name} | {decoder} |" + "".join(cells))


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw WER against time, one panel per set; variants of one decoder are left out."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(row["set"] for row in rows))
    shown = [row["decoder"] for row in rows if not any(variant in row["decoder"] for variant in VARIANTS)]
    colours = dict(zip(dict.fromkeys(shown), pyplot.get_cmap("tab10").colors, strict=False))
    figure, panels = pyplot.subplots(1, len(names), figsize=(7 * len(names), 5), squeeze=False)
    for panel, name in zip(panels[0], names, strict=True):
        for decoder, colour in colours.items():
            points = sorted(
                (r["us_per_frame"], 100 * r["wer"]) for r in rows if (r["set"], r["decoder"]) == (name, decoder)
            )
            if points:
                marker = "o-" if decoder.startswith("asr") else "s--"
                panel.plot(*zip(*points, strict=True), marker, label=decoder, color=colour)
        panel.set(xscale="log", xlabel="microseconds per frame, one core", ylabel="word error rate, %", title=name)
        panel.grid(alpha=0.3)
    panels[0][0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
