"""Imported models beside the programs that they come from: texts, differences of log probabilities, times.

    python tools/imports/check.py deepspeech.pytorch --checkout DIR --packages DIR [--steps 30] WAV...
    python tools/imports/check.py coqui MODEL --tensorflow PYTHON --runtime PYTHON [--package stt] [--exact FILE] WAV...
    python tools/imports/check.py onnx --sherpa PYTHON WAV...

The first runs the model class of a checkout of SeanNaren/deepspeech.pytorch, with random weights and after some steps
of its own training; --packages holds omegaconf and Levenshtein (pip install --target). The second asks TensorFlow 1.15
(Python 3.7) for log probabilities, and stt 1.4.0, deepspeech-tflite 0.9.3 or deepspeech 0.9.3 (Python 3.9) for texts.
With --exact, a file of the same network with float weights, which TensorFlow can read, it also reports how far both
programs are from that. `rounded` is the difference once inputs are rounded to 8 bits (tests/convert/hybrid.py). The
third makes small models in sherpa-onnx's format, asks sherpa-onnx for texts, and kaldi-native-fbank and onnxruntime,
which have to be installed beside it, for log probabilities. Recordings are 16-bit WAV files at 16 kHz.
"""

import argparse
import dataclasses
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from asr.convert.coqui import import_coqui  # noqa: E402
from asr.convert.deepspeech_pytorch import import_deepspeech_pytorch  # noqa: E402
from asr.convert.folder import ImportOptions, blank_first  # noqa: E402
from asr.convert.onnx_ctc import import_onnx  # noqa: E402
from asr.recognize.options import DecodingOptions  # noqa: E402
from asr.recognize.recognizer import Recognizer, load_model  # noqa: E402
from asr.recognize.streaming.recognizer import StreamingRecognizer  # noqa: E402
from asr.signal.audio import load_audio  # noqa: E402
from tests.convert.hybrid import compute_log_probs, read_weights  # noqa: E402

WORKERS = Path(__file__).parent
_SURE = -11.0  # natural log; less probable tokens are rounded to zero elsewhere


_seconds: dict[str, list[float]] = {"theirs": [], "ours": []}


def report(name: str, *, theirs: float, ours: float, **values: object) -> None:
    """Print what was found of a recording, with seconds; `report_times` sums them up."""
    _seconds["theirs"].append(theirs)
    _seconds["ours"].append(ours)
    pairs = (values | {"theirs": theirs, "ours": ours}).items()
    print(name, *(f"{key} {value:.2g}" if isinstance(value, float) else f"{key} {value}" for key, value in pairs))


def report_times() -> None:
    """Print the medians; the first recording, for which code is compiled and memory taken, counts as the others."""
    medians = (f"{name} {1000 * statistics.median(values):.0f} ms" for name, values in _seconds.items())
    print("median times:", ", ".join(medians))


def check_deepspeech_pytorch(arguments: argparse.Namespace, folder: Path) -> None:
    network_class, settings = load_their_class(arguments.checkout, arguments.packages)
    import torch

    labels = json.loads((arguments.checkout / "labels.json").read_text())
    torch.manual_seed(1)
    network = network_class(labels=labels, **settings)
    for kind in ("random", "trained"):
        if kind == "trained":
            train(network, arguments.recordings, arguments.steps)
        network.eval()
        path = folder / f"{kind}.ckpt"
        torch.save({"state_dict": network.state_dict(), "hyper_parameters": dict(network.hparams)}, path)
        import_deepspeech_pytorch(path, ImportOptions(folder / kind))
        recognizer = load_model(folder / kind)
        for recording in arguments.recordings:
            samples = load_audio(recording, sample_rate=16000)
            features = torch.from_numpy(recognizer.runner.extract(samples).T.copy())[None, None]
            started = time.perf_counter()
            with torch.no_grad():
                theirs = network(features, torch.tensor([features.shape[3]]))[0][0].log().numpy()
            middle = time.perf_counter()
            (ours,) = recognizer.runner.compute_log_probs([samples])
            seconds = time.perf_counter() - middle
            order = [labels.index("_"), *(index for index, label in enumerate(labels) if label != "_")]
            difference = float(np.abs(ours - theirs[:, order]).max())
            report(f"{kind} {recording.name}", log_probs=difference, theirs=middle - started, ours=seconds)


def load_their_class(checkout: Path, packages: Path) -> tuple[Any, dict[str, Any]]:
    """Import the class of the network; Python 3.11 refuses the defaults of its settings, which have no hashes."""
    sys.path[:0] = [str(checkout), str(packages)]
    import pytorch_lightning  # noqa: F401  before `dataclass` is another
    import torchmetrics  # noqa: F401
    from omegaconf import OmegaConf

    real = dataclasses.dataclass

    def hashable(cls: Any = None, **options: Any) -> Any:
        options.setdefault("unsafe_hash", True)
        return functools.partial(hashable, **options) if cls is None else real(cls, **options)

    dataclasses.dataclass = hashable  # type: ignore[assignment]
    from deepspeech_pytorch.configs import train_config

    dataclasses.dataclass = real
    from deepspeech_pytorch.model import DeepSpeech

    model = train_config.BiDirectionalConfig(hidden_size=64, hidden_layers=3)
    parts = {"model_cfg": model, "optim_cfg": train_config.AdamConfig(), "spect_cfg": train_config.SpectConfig()}
    return DeepSpeech, {"precision": 32, **{name: OmegaConf.structured(part) for name, part in parts.items()}}


def train(network: Any, recordings: list[Path], steps: int) -> None:
    """Take some steps of their training on recordings, whose names are their texts."""
    import torch

    from asr.config import FeatureSettings, ToolkitSettings
    from asr.signal.front_end import build_extractor

    toolkit = ToolkitSettings(kind="spectrogram", normalization="recording", subsampling=2)
    extract = build_extractor(FeatureSettings(window_seconds=0.02, step_seconds=0.01, toolkit=toolkit))
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    network.train()
    for step in range(steps):
        recording = recordings[step % len(recordings)]
        features = torch.from_numpy(extract(load_audio(recording, sample_rate=16000)).T.copy())[None, None]
        text = [network.labels.index(letter) for letter in recording.stem.upper() if letter in network.labels]
        batch = features, torch.tensor(text), torch.ones(1), torch.tensor([len(text)])
        optimizer.zero_grad()
        network.training_step(batch, 0).backward()
        optimizer.step()


def check_coqui(arguments: argparse.Namespace, folder: Path) -> None:
    import_coqui(arguments.model, ImportOptions(folder / "model"), scorer=arguments.scorer)
    recognizer = load_model(folder / "model", decoding=DecodingOptions(decoder="beam", beam_size=500))
    paths = [str(recording) for recording in arguments.recordings]
    files = {"theirs": arguments.model, "exact": arguments.exact}
    if arguments.model.suffix == ".pbmm":  # packages for Python do not read it
        files = {"theirs": arguments.exact}
    log_probs = {
        name: run_tensorflow(arguments.tensorflow, path, folder, paths)
        for name, path in files.items()
        if path is not None
    }
    command = [
        arguments.runtime,
        WORKERS / "stt_worker.py",
        arguments.package,
        arguments.model,
        arguments.scorer or "-",
    ]
    texts = json.loads(subprocess.run([*command, "500", *paths], check=True, capture_output=True).stdout)
    weights = read_weights(folder / "model")
    for recording in arguments.recordings:
        samples = load_audio(recording, sample_rate=recognizer.sample_rate)
        (ours,) = recognizer.runner.compute_log_probs([samples])
        theirs = {name: np.roll(values[str(recording)], 1, axis=1) for name, values in log_probs.items()}
        measures = {"log_probs": measure(ours, theirs["theirs"])}
        if any(value.dtype == np.int8 for value in weights.values()):
            rounded = compute_log_probs(weights, recognizer.runner.extract(samples), 9)
            measures["rounded"] = measure(rounded, theirs["theirs"])
        if "exact" in theirs:
            measures["ours_from_exact"] = measure(ours, theirs["exact"])
            measures["theirs_from_exact"] = measure(theirs["theirs"], theirs["exact"])
        started = time.perf_counter()
        text = recognizer.transcribe(recording).text
        seconds = time.perf_counter() - started
        expected = texts[str(recording)]
        same = (
            text == " ".join(expected["text"].split()),
            stream(recognizer, samples) == " ".join(expected["stream"].split()),
        )
        report(recording.name, **measures, same_texts=same, theirs=expected["seconds"], ours=seconds)


def run_tensorflow(python: str, model: Path, folder: Path, recordings: list[str]) -> dict[str, np.ndarray]:
    """Return what TensorFlow computes with a file, the blank last."""
    output = folder / "out.npz"
    subprocess.run([python, WORKERS / "tflite_worker.py", model, output, *recordings], check=True, capture_output=True)
    return dict(np.load(output))


def measure(values: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference of what is not rounded to zero."""
    return float(np.abs(values - expected)[expected > _SURE].max())


def stream(recognizer: Recognizer, samples: np.ndarray) -> str:
    recognition = StreamingRecognizer(recognizer)
    for first in range(0, len(samples), 4000):
        recognition.feed(samples[first : first + 4000])
    return recognition.finish().text


def check_onnx(arguments: argparse.Namespace, folder: Path) -> None:
    from tests.convert import onnx_models
    from tests.convert.onnx_models import SYMBOLS

    onnx_models.zipformer(folder / "zipformer.onnx")
    onnx_models.nemo(folder / "nemo.onnx")
    onnx_models.streaming_zipformer(folder / "stream.onnx")
    paths = [str(recording) for recording in arguments.recordings]
    for kind, symbols in (("zipformer", SYMBOLS), ("nemo", [*SYMBOLS[1:], "<blk>"]), ("stream", SYMBOLS)):
        tokens = folder / f"{kind}.txt"
        onnx_models.write_tokens(tokens, symbols)
        import_onnx(folder / f"{kind}.onnx", tokens, ImportOptions(folder / kind))
        recognizer = load_model(folder / kind)
        command = [arguments.sherpa, WORKERS / "sherpa_worker.py", kind, folder / f"{kind}.onnx", tokens, *paths]
        texts = json.loads(subprocess.run(command, check=True, capture_output=True, env={}).stdout)
        command = [arguments.sherpa, WORKERS / "fbank_worker.py", kind, folder / f"{kind}.onnx", folder / "out.npz"]
        subprocess.run([*command, *paths], check=True, capture_output=True, env={})
        log_probs = dict(np.load(folder / "out.npz"))
        order = blank_first(symbols.index("<blk>"), len(symbols))
        for recording in arguments.recordings:
            (computed,) = recognizer.runner.compute_log_probs([load_audio(recording, sample_rate=16000)])
            exact = log_probs[str(recording)][:, order]
            assert len(exact) == len(computed) or kind == "stream"
            difference = float(np.abs(computed[: len(exact)] - exact).max())
            started = time.perf_counter()
            text = recognizer.transcribe(recording).text
            seconds = time.perf_counter() - started
            expected = texts[str(recording)]
            theirs = " ".join(expected["text"].split())
            # sherpa-onnx leaves out the frames of a stream that fill no chunk.
            same = text.startswith(theirs) if kind == "stream" else text == theirs
            report(
                f"{kind} {recording.name}",
                log_probs=difference,
                same_text=same,
                theirs=expected["seconds"],
                ours=seconds,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, run in (("deepspeech.pytorch", check_deepspeech_pytorch), ("coqui", check_coqui), ("onnx", check_onnx)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        if name == "deepspeech.pytorch":
            command.add_argument("--checkout", type=Path, required=True)
            command.add_argument("--packages", type=Path, required=True)
            command.add_argument("--steps", type=int, default=30)
        elif name == "coqui":
            command.add_argument("model", type=Path)
            command.add_argument("--tensorflow", required=True)
            command.add_argument("--runtime", required=True)
            command.add_argument("--package", default="stt")
            command.add_argument("--scorer", type=Path)
            command.add_argument("--exact", type=Path)
        else:
            command.add_argument("--sherpa", required=True)
        command.add_argument("recordings", type=Path, nargs="+")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arguments.run(arguments, Path(folder))
    report_times()


if __name__ == "__main__":
    main()
