"""How fast does a training step go? `python tools/benchmark_training.py [--json FILE]`

One run measures, on the same batches and weights and with the settings of `conf/an4.yaml`:
the step as asr takes it; the step of the same network on packed sequences, which is how
bidirectional layers are usually run; and both beside one busy process. Medians.
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

from asr.acoustic.ctc import ctc_loss
from asr.acoustic.model import AcousticModel
from asr.acoustic.rnn import RecurrentLayer
from asr.config import Config, load_config
from asr.train.run import pick_precision

CONF = Path(__file__).parent.parent / "conf" / "an4.yaml"
VOCAB_SIZE = 29
FRAMES_PER_SECOND = 100


class PackedLayer(nn.Module):
    """The same layer by torch's own bidirectional LSTM on packed sequences."""

    def __init__(self, layer: RecurrentLayer) -> None:
        super().__init__()
        one_way = layer.forward_rnn
        self.lstm = nn.LSTM(one_way.input_size, one_way.hidden_size, batch_first=True, bidirectional=True)
        weights = dict(layer.forward_rnn.state_dict())
        weights |= {f"{name}_reverse": value for name, value in layer.backward_rnn.state_dict().items()}
        self.lstm.load_state_dict(weights)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=inputs.shape[1])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the result there, too")
    parser.add_argument("--steps", type=int, default=11, help="steps a median is taken of")
    options = parser.parse_args()
    result = measure(options.steps)
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def measure(num_steps: int) -> dict[str, object]:
    config = load_config(CONF)
    batches = [make_batch(config.train.batch_seconds, seed) for seed in range(3)]
    ours = AcousticModel(config.acoustic, num_mels=config.features.num_mels, vocab_size=VOCAB_SIZE)
    packed = AcousticModel(config.acoustic, num_mels=config.features.num_mels, vocab_size=VOCAB_SIZE)
    packed.load_state_dict(ours.state_dict())
    for block in packed.blocks:
        block.recurrent = PackedLayer(block.recurrent)
    steps = {"asr": make_step(ours, config, batches), "packed": make_step(packed, config, batches)}
    alone = {name: median_seconds(step, num_steps) for name, step in steps.items()}
    with busy_process():
        beside = median_seconds(steps["asr"], num_steps)
    layers = {"asr": make_layer_step(ours, config, batches), "packed": make_layer_step(packed, config, batches)}
    recurrent = {name: median_seconds(step, num_steps) for name, step in layers.items()}
    speech = config.train.batch_seconds
    return {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "precision": pick_precision(config.train.precision),
        "step_seconds": alone["asr"],
        "packed_step_seconds": alone["packed"],
        "ratio_to_packed": alone["packed"] / alone["asr"],
        "ratio_to_packed_recurrent_layers_only": recurrent["packed"] / recurrent["asr"],
        "audio_seconds_per_second": speech / alone["asr"],
        "step_seconds_beside_busy_process": beside,
        "audio_seconds_per_second_beside_busy_process": speech / beside,
    }


def make_batch(seconds: float, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random features with AN4's lengths: utterances alike in length, as the sampler draws them."""
    generator = torch.Generator().manual_seed(seed)
    longest = int((1.5 + seed) * FRAMES_PER_SECOND)
    count = int(seconds * FRAMES_PER_SECOND / longest)
    lengths = torch.randint(int(0.8 * longest), longest + 1, (count,), generator=generator)
    lengths[0] = longest
    features = torch.randn(count, longest, 80, generator=generator)
    token_lengths = lengths // 12
    tokens = torch.randint(1, VOCAB_SIZE, (count, int(token_lengths.max())), generator=generator)
    return features, lengths, tokens, token_lengths


def make_step(
    model: AcousticModel, config: Config, batches: list[tuple[Tensor, Tensor, Tensor, Tensor]]
) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    bf16 = pick_precision(config.train.precision) == "bf16-mixed"

    def step() -> None:
        for features, lengths, tokens, token_lengths in batches:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                output = model(features, lengths)
            ctc_loss(output.log_probs, output.lengths, tokens, token_lengths).mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    return step


def make_layer_step(
    model: AcousticModel, config: Config, batches: list[tuple[Tensor, Tensor, Tensor, Tensor]]
) -> Callable[[], None]:
    """The recurrent layers alone, forward and backward."""
    bf16 = pick_precision(config.train.precision) == "bf16-mixed"
    width = model.norm.normalized_shape[0]
    inputs = [(torch.randn(len(f), f.shape[1] // 4, width), lengths // 4) for f, lengths, _, _ in batches]

    def step() -> None:
        for hidden, lengths in inputs:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                for block in model.blocks:
                    hidden = block.recurrent(hidden, lengths)
            hidden.float().square().mean().backward()

    return step


def median_seconds(step: Callable[[], None], count: int) -> float:
    """Median time of a batch; a step goes over three."""
    step()
    times = []
    for _ in range(count):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return statistics.median(times) / 3


class busy_process:  # noqa: N801  reads as a phrase: with busy_process()
    """Another process that keeps a core busy."""

    def __enter__(self) -> None:
        self._process = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
        self._process.start()
        time.sleep(3)  # it has to import its way here first

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()


def _spin() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
