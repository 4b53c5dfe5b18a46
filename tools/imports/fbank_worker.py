"""Log probabilities of models in sherpa-onnx's format, by the libraries that it stands on: kaldi-native-fbank and
onnxruntime. sherpa-onnx gives texts only. Knows nothing of asr.

python fbank_worker.py zipformer|nemo|stream MODEL OUTPUT.npz WAV...
"""

import sys
import wave

import kaldi_native_fbank
import numpy as np
import onnxruntime


def read_samples(path: str) -> np.ndarray:
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768


def compute_features(kind: str, samples: np.ndarray) -> np.ndarray:
    """Return log-mel energies (T, 80) with the options that sherpa-onnx sets."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = 80
    options.mel_opts.low_freq, options.mel_opts.high_freq = 20, -400
    if kind == "nemo":
        options.mel_opts.low_freq = options.mel_opts.high_freq = 0
        options.mel_opts.is_librosa = True
        options.frame_opts.remove_dc_offset = False
        options.frame_opts.window_type = "hann"
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(16000, samples.tolist())
    fbank.input_finished()
    return np.stack([fbank.get_frame(frame) for frame in range(fbank.num_frames_ready)])


def run_whole(session: onnxruntime.InferenceSession, kind: str, features: np.ndarray) -> np.ndarray:
    if kind == "nemo":
        features = ((features - features.mean(axis=0)) / (features.std(axis=0) + 1e-5)).T
    names = [entry.name for entry in session.get_inputs()]
    length = np.array([features.shape[kind == "nemo"]])
    outputs = session.run(None, dict(zip(names, (features[None], length), strict=True)))
    log_probs = outputs[0][0]
    return log_probs if kind == "nemo" else log_probs[: int(outputs[1][0])]


def run_stream(session: onnxruntime.InferenceSession, features: np.ndarray) -> np.ndarray:
    """Run the chunks that are whole, each with the states that the one before left."""
    metadata = session.get_modelmeta().custom_metadata_map
    window, chunk = int(metadata["T"]), int(metadata["decode_chunk_len"])
    _, *states = session.get_inputs()
    types = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    values = [
        np.zeros([size if isinstance(size, int) else 1 for size in state.shape], types[state.type]) for state in states
    ]
    outputs = []
    for first in range(0, len(features) - window + 1, chunk):
        feed = dict(zip((state.name for state in states), values, strict=True))
        log_probs, *values = session.run(None, {"x": features[None, first : first + window], **feed})
        outputs.append(log_probs[0])
    return np.concatenate(outputs)


def main() -> None:
    kind, model, output, *recordings = sys.argv[1:]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    results = {}
    for recording in recordings:
        features = compute_features(kind, read_samples(recording))
        results[recording] = run_stream(session, features) if kind == "stream" else run_whole(session, kind, features)
    np.savez(output, **results)


main()
