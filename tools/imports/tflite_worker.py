"""Log probabilities of a model of Coqui STT by TensorFlow (Lite); runs where that is, and knows nothing of asr.

    python tflite_worker.py MODEL.tflite|MODEL.pb OUT.npz WAV...

It feeds the file as the runtime does (native_client/stt.cc in coqui-ai/STT): windows of samples to its MFCC, the last
one filled up with zeros, and 16 frames at a time to its network, with zeros before the first and after the last.
"""

import sys
import time
import wave
from pathlib import Path

import numpy as np
import tensorflow as tf


class Network:
    """A file for TensorFlow Lite."""

    def __init__(self, path: str) -> None:
        self.interpreter = tf.lite.Interpreter(path)
        self.interpreter.allocate_tensors()
        self.inputs = {item["name"]: item for item in self.interpreter.get_input_details()}
        self.outputs = {item["name"]: item for item in self.interpreter.get_output_details()}

    def run(self, **values: np.ndarray) -> None:
        for name, value in values.items():
            self.interpreter.set_tensor(self.inputs[name]["index"], value.astype(np.float32))
        self.interpreter.invoke()

    def get(self, name: str) -> np.ndarray:
        return self.interpreter.get_tensor(self.outputs[name]["index"]).copy()

    def number(self, name: str) -> int:
        self.interpreter.invoke()
        return int(self.get("metadata_" + name).reshape(-1)[0])


class FrozenGraph:
    """The same of a frozen graph."""

    def __init__(self, path: str) -> None:
        graph = tf.GraphDef()
        graph.ParseFromString(Path(path).read_bytes())
        self.session = tf.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            tf.import_graph_def(graph, name="")
        names = ("input_samples", "input_node", "previous_state_c", "previous_state_h")
        self.inputs = {name: {"shape": self.session.graph.get_tensor_by_name(name + ":0").shape} for name in names}
        self.results = {}

    def run(self, **values: np.ndarray) -> None:
        names = ["mfccs"] if "input_samples" in values else ["logits", "new_state_c", "new_state_h"]
        feed = {name + ":0": value for name, value in values.items()}
        if "input_node" in values:
            feed["input_lengths:0"] = [values["input_node"].shape[1]]
        self.results = self.session.run({name: name + ":0" for name in names}, feed)

    def get(self, name: str) -> np.ndarray:
        return self.results[name]

    def number(self, name: str) -> int:
        return int(self.session.run("metadata_" + name + ":0").reshape(-1)[0])


def compute(network: "Network | FrozenGraph", samples: np.ndarray) -> np.ndarray:
    rate = network.number("sample_rate")
    window = int(rate * (network.number("feature_win_len") / 1000))
    step = int(rate * (network.number("feature_win_step") / 1000))
    frames, start = [], 0
    while start + window <= len(samples):
        frames.append(samples[start : start + window])
        start += step
    frames.append(np.pad(samples[start:], (0, window - len(samples[start:])), mode="constant"))
    mfccs = []
    for frame in frames:
        network.run(input_samples=frame)
        mfccs.append(network.get("mfccs").reshape(-1))
    _, steps, width, size = map(int, network.inputs["input_node"]["shape"])
    zeros = [np.zeros(size)] * (width // 2)
    padded = np.array(zeros + mfccs + zeros)
    windows = np.array([padded[index : index + width] for index in range(len(mfccs))])
    state = {
        name: np.zeros([int(size) for size in network.inputs[name]["shape"]])
        for name in ("previous_state_c", "previous_state_h")
    }
    outputs = []
    for first in range(0, len(windows), steps):
        batch = windows[first : first + steps]
        padding = np.zeros((steps - len(batch), width, size))
        network.run(input_node=np.concatenate([batch, padding])[None], **state)
        outputs.append(network.get("logits").reshape(steps, -1)[: len(batch)])
        state = {"previous_state_" + name: network.get("new_state_" + name) for name in "ch"}
    return np.log(np.maximum(np.concatenate(outputs), 1e-30))


def main() -> None:
    path, output, *recordings = sys.argv[1:]
    network, results = (FrozenGraph if path.endswith(".pb") else Network)(path), {}
    started = time.perf_counter()
    for recording in recordings:
        with wave.open(recording) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        results[recording] = compute(network, samples / np.float32(32768))
    np.savez(output, seconds=time.perf_counter() - started, **results)


main()
