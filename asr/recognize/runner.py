"""Waveforms in, log probabilities out: features, segmentation and the network of one model.

Knows nothing of text: `UtteranceDecoder` continues from here.
"""

from collections.abc import Iterable, Iterator, Sequence

from asr.config import BATCH_SECONDS
from asr.runtime.network import Features, LogProbs, Network, make_batches
from asr.runtime.threads import map_in_threads
from asr.signal.front_end import Extractor, frame_layout
from asr.signal.resample import Waveform
from asr.signal.segment import AudioSegment, split_at_quiet

BLOCK_SECONDS = 20.0  # of a long recording that are read at a time


class NetworkRunner:
    """Runs a model's network on waveforms at the model's sample rate.

    Attributes:
        sample_rate: Hz of the waveforms.
        layout: What the frames of features show.
        frame_samples: Samples from one frame of log probabilities to the next.
        frame_seconds: The same in seconds.
    """

    def __init__(self, extractor: Extractor, network: Network) -> None:
        self.extractor = extractor
        self.network = network
        self.sample_rate = extractor.settings.sample_rate
        self.layout = frame_layout(extractor.settings)
        self.frame_samples = self.layout.output_step
        self.frame_seconds = self.frame_samples / self.sample_rate  # the step in the settings may be no whole samples

    def extract(self, waveform: Waveform) -> Features:
        """Compute the features (T, F) of a waveform (S,)."""
        return self.extractor(waveform)

    def compute_log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """Compute the log probabilities (T', V) of waveforms (S,), as one batch."""
        return self.network.run(map_in_threads(self.extract, waveforms))

    def split(self, blocks: Iterable[Waveform]) -> Iterator[AudioSegment]:
        """Split a recording of any length, which arrives in blocks (S,), into segments."""
        return split_at_quiet(blocks, self.sample_rate, self.frame_samples)

    def run_segments(
        self, segments: Iterable[AudioSegment], batch_seconds: float = BATCH_SECONDS
    ) -> Iterator[tuple[AudioSegment, LogProbs]]:
        """Yield segments, of any recordings, with their log probabilities (T', V)."""
        for batch in make_batches(segments, lambda segment: segment.duration, batch_seconds):
            yield from zip(batch, self.compute_log_probs([segment.waveform for segment in batch]), strict=True)
