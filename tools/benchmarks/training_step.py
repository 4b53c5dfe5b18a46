"""Measure the speed of a training step: `python tools/benchmarks/training_step.py [--json FILE]`.

One run measures, on the same batches and weights and with the settings of `conf/an4.yaml`: asr's step; the step of
the same network on packed sequences, which is how bidirectional layers are usually run; and both while another process
is busy. Medians.
"""

import argparse
import json
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import asr  # noqa: F401  before torch: it tames OpenMP, which is part of what is measured

# isort: split
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.acoustic.ctc import consistency_loss, ctc_loss
from asr.acoustic.model import AcousticModel
from asr.acoustic.rnn import RecurrentLayer
from asr.config import Config
from asr.runtime.torch_device import pick_torch_precision

CONF = Path(__file__).parents[2] / "conf" / "an4.yaml"
VOCAB_SIZE = 29
CPU = torch.device("cpu")
FRAMES_PER_SECOND = 100
LONGEST = (1.9, 2.9, 4.2)  # seconds: the median utterance of each third of AN4's training speech
Rows = tuple[Tensor, Tensor, Tensor, Tensor]  # features, lengths, tokens, token_lengths


class PackedLayer(nn.Module):
    """The same layer with torch's own bidirectional LSTM on packed sequences."""

    def __init__(self, layer: RecurrentLayer) -> None:
        super().__init__()
        one_way = layer.forward_rnn
        self.lstm = nn.LSTM(one_way.input_size, one_way.hidden_size, batch_first=True, bidirectional=True)
        weights = dict(layer.forward_rnn.state_dict())
        weights |= {f"{name}_reverse": value for name, value in layer.backward_rnn.state_dict().items()}
        self.lstm.load_state_dict(weights)

    def forward(self, inputs: Tensor, lengths: Tensor, state: None = None) -> Tensor:
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=inputs.shape[1])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    parser.add_argument("--steps", type=int, default=11, help="steps per median")
    options = parser.parse_args()
    result = measure(options.steps)
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def measure(num_steps: int) -> dict[str, object]:
    config = Config.load(CONF)
    batches = [make_batch(config.train.batch_seconds, seconds, seed) for seed, seconds in enumerate(LONGEST)]
    ours = make_model(config)
    packed = make_model(config)
    packed.load_state_dict(ours.state_dict())
    for block in packed.blocks:
        block.recurrent = PackedLayer(block.recurrent)
    models = {"asr": ours, "packed": packed}
    steps = {name: make_step(model, config, batches) for name, model in models.items()}
    layers = {name: make_layer_step(model, config, batches) for name, model in models.items()}
    alone = median_seconds(steps, num_steps)
    recurrent = median_seconds(layers, num_steps)
    single = make_single_layer_steps(config)
    one_layer = median_seconds(single, num_steps)
    with busy_process():
        busy = median_seconds(steps, num_steps)
    speech = config.train.batch_seconds
    return {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "precision": pick_torch_precision(config.train.precision, CPU),
        "step_seconds": alone["asr"],
        "packed_step_seconds": alone["packed"],
        "ratio_to_packed": alone["packed"] / alone["asr"],
        "ratio_to_packed_recurrent_layers": recurrent["packed"] / recurrent["asr"],
        "ratio_to_packed_one_layer_150_frames_40_rows": one_layer["packed"] / one_layer["asr"],
        "audio_seconds_per_second": speech / alone["asr"],
        "step_seconds_with_busy_process": busy["asr"],
        "packed_step_seconds_with_busy_process": busy["packed"],
        "audio_seconds_per_second_with_busy_process": speech / busy["asr"],
    }


def make_model(config: Config) -> AcousticModel:
    return AcousticModel(config.acoustic, feature_size=config.features.num_mels, vocab_size=VOCAB_SIZE)


def make_batch(batch_seconds: float, longest_seconds: float, seed: int) -> Rows:
    """Return random features with AN4's lengths, two views of each, of similar length as the sampler draws them."""
    generator = torch.Generator().manual_seed(seed)
    longest = int(longest_seconds * FRAMES_PER_SECOND)
    count = int(batch_seconds * FRAMES_PER_SECOND / longest)
    lengths = torch.randint(int(0.8 * longest), longest + 1, (count,), generator=generator)
    lengths[0] = longest
    lengths = lengths.repeat(2)
    features = torch.randn(2 * count, longest, 80, generator=generator)
    token_lengths = lengths // 12
    tokens = torch.randint(1, VOCAB_SIZE, (2 * count, int(token_lengths.max())), generator=generator)
    return features, lengths, tokens, token_lengths


def make_step(model: AcousticModel, config: Config, batches: list[Rows]) -> Callable[[], None]:
    """Return a training step: CTC and consistency of two views, clipping, AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    settings = config.train

    def step() -> None:
        for features, lengths, tokens, token_lengths in batches:
            with autocast(config):
                output = model(features, lengths)
            loss = ctc_loss(output.log_probs, output.lengths, tokens, token_lengths)
            loss = loss + settings.loss.consistency_weight * consistency_loss(output.log_probs, output.lengths)
            (loss.sum() / token_lengths.sum()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings.optimizer.clip_norm)
            optimizer.step()
            optimizer.zero_grad()

    return step


def make_layer_step(model: AcousticModel, config: Config, batches: list[Rows]) -> Callable[[], None]:
    """Return a step of the recurrent layers alone, forward and backward."""
    width = model.norm.normalized_shape[0]
    inputs = [(torch.randn(len(f), f.shape[1] // 4, width), lengths // 4) for f, lengths, _, _ in batches]

    def step() -> None:
        for hidden, lengths in inputs:
            with autocast(config):
                for block in model.blocks:
                    hidden = block.recurrent(hidden, lengths)
            hidden.float().square().mean().backward()

    return step


def make_single_layer_steps(config: Config) -> dict[str, Callable[[], None]]:
    """Return steps of one layer on rows of 6 s: longer than AN4's, where packing costs more."""
    layer = RecurrentLayer(config.acoustic.hidden_size, config.acoustic.hidden_size)
    lengths = torch.randint(100, 151, (40,), generator=torch.Generator().manual_seed(0))
    lengths[0] = 150
    inputs = torch.randn(40, 150, config.acoustic.hidden_size, requires_grad=True)

    def make(module: nn.Module) -> Callable[[], None]:
        def step() -> None:
            for _ in LONGEST:
                with autocast(config):
                    outputs = module(inputs, lengths)
                outputs.float().square().mean().backward()

        return step

    return {"asr": make(layer), "packed": make(PackedLayer(layer))}


def autocast(config: Config) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=pick_torch_precision(config.train.precision, CPU) == "bf16")


def median_seconds(steps: dict[str, Callable[[], None]], count: int) -> dict[str, float]:
    """Return the median seconds per batch of each; they run in turns, so that whatever slows the machine slows both."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(count + 1):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if turn > 0:  # the first warms up
                times[name].append((time.perf_counter() - started) / len(LONGEST))
    return {name: statistics.median(values) for name, values in times.items()}


class busy_process:  # noqa: N801  reads as a phrase: with busy_process()
    """Keeps a core busy with another process."""

    def __enter__(self) -> None:
        self._process = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
        self._process.start()
        time.sleep(3)  # until it has imported this module

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()


def _spin() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
