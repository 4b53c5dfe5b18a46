"""Measure how fast a recurrent language model trains, next to plain PyTorch at the same sizes.

    python tools/benchmarks/lm_training.py [--json out.json]

The sizes are those of PyTorch's word_language_model example: two LSTM layers of 200 units, embeddings of 200, dropout
0.2, batches of 20 streams, segments of 35 tokens, the vocabulary of WikiText-2 (33,278 words). The peer does what that
example describes, written anew: `nn.Embedding`, one `nn.LSTM` of two layers, `nn.Linear`, log-softmax and `nll_loss`,
clipping, and plain gradient descent. Ours is a whole step of `asr lm train`: AdamW, which needs three more passes over
the weights, logging and bookkeeping included. "characters" is the same with 65 tokens, where the recurrence takes most
of the time rather than the output. Both run in turns.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import asr  # noqa: F401  before torch: it tames OpenMP

# isort: split
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr.config import LanguageNetworkSettings, LanguageSettings, LanguageTrainSettings
from asr.language.rnn.bptt import continuous_segments
from asr.language.rnn.model import RnnModel
from asr.text.tokenizer import CharTokenizer
from asr.train.checkpoint import CheckpointFolder, Fingerprint
from asr.train.launch import launch
from asr.train.loop import LoopSetup
from asr.train.monitor import RnnMonitor
from asr.train.rnn_network import LanguageNetwork, TorchLanguageNetwork
from asr.train.rnn_trainer import RnnTrainer, Text

WIDTH, LAYERS, DROPOUT = 200, 2, 0.2
BATCH, SEGMENT = 20, 35
CLIP, RATE = 0.25, 20.0
VOCABULARIES = {"words": 33_278, "characters": 65}
STEPS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps per median")
    options = parser.parse_args()
    result: dict[str, object] = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
    }
    for name, vocab_size in VOCABULARIES.items():
        ours, plain = measure(vocab_size, options.steps)
        tokens = BATCH * SEGMENT
        result[name] = {
            "step_seconds": ours,
            "plain_step_seconds": plain,
            "tokens_per_second": tokens / ours,
            "plain_tokens_per_second": tokens / plain,
            "ratio_to_plain": plain / ours,
        }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def measure(vocab_size: int, num_steps: int) -> tuple[float, float]:
    """Return median seconds per step, ours and plain. Both run in turns, so other work slows both."""
    text = torch.randint(vocab_size, (BATCH * SEGMENT * 8,), generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        steps = {"ours": make_our_step(text, vocab_size, Path(folder)), "plain": make_plain_step(text, vocab_size)}
        times: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(num_steps + 2):
            for name, step in steps.items():
                started = time.perf_counter()
                step()
                if turn >= 2:  # the first ones warm up
                    times[name].append(time.perf_counter() - started)
    return statistics.median(times["ours"]), statistics.median(times["plain"])


def make_our_step(text: Tensor, vocab_size: int, folder: Path) -> Callable[[], None]:
    sizes = LanguageNetworkSettings(num_layers=LAYERS, hidden_size=WIDTH, embedding_size=WIDTH, dropout=DROPOUT)
    settings = LanguageSettings(lines="continuous", normalizer=None, network=sizes)
    symbols = ["<blank>", *(chr(0x4E00 + number) for number in range(vocab_size - 1))]
    network = LanguageNetwork(sizes, vocab_size)
    model = RnnModel(TorchLanguageNetwork(network), CharTokenizer(symbols), settings)
    recipe = LanguageTrainSettings(batch_size=BATCH, segment=SEGMENT, epochs=1000)
    setup = LoopSetup(recipe, CheckpointFolder(folder), RnnMonitor(folder), Fingerprint())
    tokens = text.numpy()
    trainer = RnnTrainer(launch("fp32"), network, model, Text([tokens], [tokens], len(tokens)), setup)
    segments = cycle(continuous_segments(tokens, batch_size=BATCH, length=SEGMENT))
    return lambda: trainer.step([next(segments)])


class PlainModel(nn.Module):
    """Encoder, recurrent layers and decoder, with dropout before and after the recurrence."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(DROPOUT)
        self.encoder = nn.Embedding(vocab_size, WIDTH)
        self.rnn = nn.LSTM(WIDTH, WIDTH, LAYERS, dropout=DROPOUT)
        self.decoder = nn.Linear(WIDTH, vocab_size)

    def forward(self, tokens: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hidden, state = self.rnn(self.drop(self.encoder(tokens)), state)
        decoded = self.decoder(self.drop(hidden)).flatten(0, 1)
        return F.log_softmax(decoded, dim=1), state


def make_plain_step(text: Tensor, vocab_size: int) -> Callable[[], None]:
    model = PlainModel(vocab_size)
    state = (torch.zeros(LAYERS, BATCH, WIDTH), torch.zeros(LAYERS, BATCH, WIDTH))
    streams = text[: len(text) // BATCH * BATCH].view(BATCH, -1).t().contiguous()
    places = cycle(range(0, len(streams) - SEGMENT - 1, SEGMENT))

    def step() -> None:
        nonlocal state
        first = next(places)
        inputs, targets = streams[first : first + SEGMENT], streams[first + 1 : first + SEGMENT + 1].flatten()
        model.zero_grad()
        state = (state[0].detach(), state[1].detach())
        output, state = model(inputs, state)
        loss = F.nll_loss(output, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(parameter.grad, alpha=-RATE)
        loss.item()

    return step


if __name__ == "__main__":
    main()
