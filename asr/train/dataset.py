"""Cuts in, batches out: audio, augmentation, features, tokens; in an order that can be resumed.

A batch holds a certain number of seconds of speech, in utterances of similar length. Some batches join
their utterances to longer rows, because a network trained on single utterances fails on long recordings.
Random draws depend on seed, epoch and utterances only (augment.py).
"""

import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import numpy as np
import torch
from lhotse import CutSet
from lhotse.dataset import DynamicBucketingSampler, DynamicCutSampler
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from asr.config import AugmentSettings, NormalizerSettings
from asr.corpus.cuts import read_waveform
from asr.corpus.feature_cache import FeatureCache
from asr.corpus.ranges import ByteRange, fetch
from asr.errors import AsrError, ConfigError, TrainingError, one_line
from asr.recognize.runner import NetworkRunner
from asr.runtime.network import LogProbs
from asr.seeds import draw_seed
from asr.signal.features import Features, Statistic, band_centres
from asr.signal.front_end import Extractor, frame_layout
from asr.text.normalize import normalize
from asr.text.tokenizer import Tokenizer
from asr.train.augment import augment_waveform, join_waveforms, prepare_augmentation, spec_augment, warp_bands

_POLL_SECONDS = 1  # between checks whether to stop waiting for a batch
_STALL_SECONDS = 60  # without a batch, after which one may have been lost
_PREFETCHED = 2  # batches that each process reads in advance
_SHARED_MEMORY = Path("/dev/shm")
_LOST_PROCESS = ("killed by signal", "exited unexpectedly", "shared memory")  # in torch's messages
_READ_HERE = "set train.num_workers=0 to read audio in the training process"
_SHUFFLE_BUFFER = 10_000  # cuts that the sampler holds at once
_NUM_BUCKETS = 10
_MOST_JOINED = 4  # utterances in a row
_FETCHED = 64  # utterances that are read from a store at once, when they are measured
_STATISTICS_CUTS = 2000  # approximate size of the sample for the statistics of features


class Targets(NamedTuple):
    """What a teacher makes of the utterances of a batch."""

    log_probs: Tensor  # (B, T', V), padded with zeros
    lengths: Tensor  # (B,) valid frames of T'


@dataclass(frozen=True)
class Batch:
    """Utterances side by side. With two views of each, tensors have 2B rows: all first views, then all second ones."""

    utterances: list[str]  # B names; joined utterances have all their names, with plus signs between them
    texts: list[str]  # B normalised references
    features: Tensor  # (B, T, F), padded with zeros
    lengths: Tensor  # (B,) valid frames
    tokens: Tensor  # (B, U) padded token ids
    token_lengths: Tensor  # (B,) valid tokens
    seconds: float  # of speech as recorded, before any change of speed
    targets: Targets | None = None  # of a teacher, if there is one

    def to(self, device: torch.device) -> "Batch":
        """Move features and tokens to a device; lengths stay on the CPU."""
        targets = None if self.targets is None else self.targets._replace(log_probs=self.targets.log_probs.to(device))
        return replace(self, features=self.features.to(device), tokens=self.tokens.to(device), targets=targets)


@dataclass
class Teacher:
    """A trained model, whose log probabilities a network learns to predict."""

    runner: NetworkRunner
    cache: FeatureCache | None  # keeps its log probabilities


@dataclass
class SpeechDataset(Dataset[Batch]):
    """Makes a `Batch` of the cuts that a sampler chose."""

    extractor: Extractor  # with the training set's statistics
    tokenizer: Tokenizer
    normalizer: NormalizerSettings
    augment: AugmentSettings | None = None
    views: int = 1  # masked copies of each utterance: 2 for consistency regularisation
    epochs: int = 1  # of the whole training; utterances are not joined in the first ones (`concatenation_start`)
    seed: int = 0  # of all random draws
    epoch: int = 0  # the present one
    cache: FeatureCache | None = None  # keeps the features of utterances, which are then joined without pauses
    variations: int = 0  # of each utterance that are drawn, one epoch after the other; 0: others in each epoch
    teacher: Teacher | None = None

    def __post_init__(self) -> None:
        self._layout = frame_layout(self.extractor.settings)
        self._fetched: dict[ByteRange, bytes] = {}  # of the present batch, from shards in stores
        if self.augment is not None:
            if self.augment.vocal_tract is not None and not self._layout.has_bands:
                raise ConfigError("train.augment.vocal_tract: an encoder's features have no bands; take speeds instead")
            prepare_augmentation(self.augment, sample_rate=self.extractor.settings.sample_rate)

    def __getitem__(self, cuts: CutSet) -> Batch:
        cuts = list(cuts)
        # What is in the cache need not be read.
        self._fetched = fetch(cuts) if self.cache is None else {}
        rows = self._rows(cuts)
        utterances = ["+".join(cut.id for cut in row) for row in rows]
        texts = [" ".join(normalize(cut.supervisions[0].text, self.normalizer) for cut in row) for row in rows]
        tokens = [torch.tensor(self.tokenizer.encode(text)) for text in texts] * self.views
        with _one_thread():
            plain = [torch.from_numpy(self._extract(row)) for row in rows]
            targets = self._ask_teacher(rows)
        features = [
            self._vary(frames, name, view)
            for view in range(self.views)
            for name, frames in zip(utterances, plain, strict=True)
        ]
        return Batch(
            utterances=utterances,
            texts=texts,
            features=pad_sequence(features, batch_first=True),
            lengths=torch.tensor([len(frames) for frames in features]),
            tokens=pad_sequence(tokens, batch_first=True),
            token_lengths=torch.tensor([len(ids) for ids in tokens]),
            seconds=sum(cut.duration for cut in cuts),
            targets=targets,
        )

    def _rows(self, cuts: list[Any]) -> list[list[Any]]:
        """Group cuts into rows: one cut each or, in some randomly drawn batches, several."""
        if self.augment is None or self.epoch < self.augment.concatenation_start * self.epochs:
            return [[cut] for cut in cuts]
        rng = np.random.default_rng(draw_seed(self.seed, self.epoch, "rows", cuts[0].id))
        size = int(rng.integers(2, _MOST_JOINED + 1)) if rng.random() < self.augment.concatenation_probability else 1
        return [cuts[start : start + size] for start in range(0, len(cuts), size)]

    def _extract(self, row: list[Any]) -> Features:
        """Compute the features (T, F) of a row, before warps and masks."""
        if self.cache is None:
            return self.extractor(self._waveform(row).numpy())
        variation = None if self.augment is None else self._variation
        parts = [self.cache.get(cut, variation, partial(self._extract_plain, cut)) for cut in row]
        return self.extractor.normalise(np.concatenate(parts))

    def _extract_plain(self, cut: Any) -> Features:
        return self.extractor.plain(self._waveform([cut]).numpy())

    def _ask_teacher(self, rows: list[list[Any]]) -> Targets | None:
        """Return what the teacher says; None without a teacher, or for joined utterances."""
        teacher = self.teacher
        if teacher is None or any(len(row) > 1 for row in rows):
            return None
        found = []
        for (cut,) in rows:

            def compute(cut: Any = cut) -> LogProbs:
                return teacher.runner.compute_log_probs([self._waveform([cut]).numpy()])[0]

            found.append(compute() if teacher.cache is None else teacher.cache.get(cut, self._variation, compute))
        log_probs = [torch.from_numpy(one) for one in found] * self.views
        return Targets(pad_sequence(log_probs, batch_first=True), torch.tensor([len(one) for one in log_probs]))

    @property
    def _variation(self) -> int:
        """The variation of each utterance in the present epoch."""
        return self.epoch % self.variations if self.variations else self.epoch

    def _waveform(self, row: list[Any]) -> Tensor:
        rate = self.extractor.settings.sample_rate
        waveforms = [torch.from_numpy(read_waveform(cut, rate, self._fetched)) for cut in row]
        if self.augment is None:
            return waveforms[0]
        rngs = [np.random.default_rng(draw_seed(self.seed, self._variation, cut.id)) for cut in row]
        varied = [
            augment_waveform(waveform, self.augment, rng, sample_rate=rate)
            for waveform, rng in zip(waveforms, rngs, strict=True)
        ]
        return join_waveforms(varied, rngs[0], sample_rate=rate)

    def _vary(self, features: Tensor, utterance: str, view: int) -> Tensor:
        """Warp and mask the features (T, F) of an utterance."""
        if self.augment is None:
            return features
        sizes, seed = self.extractor.settings, draw_seed(self.seed, self.epoch, utterance, view)
        if self.augment.vocal_tract is not None:
            factor = np.random.default_rng(seed).uniform(*self.augment.vocal_tract)
            frequencies = band_centres(sizes.num_mels, sizes.sample_rate)
            features = warp_bands(features, factor, frequencies)
        masks = self.augment.spec_augment
        if masks is None:
            return features
        step_seconds = self._layout.step / sizes.sample_rate
        if not self._layout.has_bands:
            shorter = round(masks.max_frames * sizes.step_seconds / step_seconds)
            masks = masks.model_copy(update={"num_band_masks": 0, "max_frames": shorter})
        return spec_augment(features, masks, step_seconds=step_seconds, seed=seed)


def _one_ahead(load: Callable[[Callable[[], bool]], Iterator[Batch]]) -> Iterator[Batch]:
    """Yield batches, while a thread takes the next one from other processes and picks the utterances of later ones.

    That takes some milliseconds, for which a network on a GPU would wait.

    Args:
        load: Returns the batches, given what tells whether they should end.
    """
    closed = Event()
    batches = load(closed.is_set)
    with ThreadPoolExecutor(1) as pool:
        try:
            upcoming = pool.submit(next, batches, None)
            while (batch := upcoming.result()) is not None:
                upcoming = pool.submit(next, batches, None)
                yield batch
        finally:
            closed.set()
            del batches


class _Guarded(Dataset["Batch | AsrError"]):
    """Returns errors that have a message for users; of those that are raised torch would send a traceback as text."""

    def __init__(self, dataset: SpeechDataset) -> None:
        self._dataset = dataset

    def __getitem__(self, cuts: CutSet) -> Batch | AsrError:
        try:
            return self._dataset[cuts]
        except AsrError as error:
            return error


@dataclass
class SpeechLoader:
    """Loads batches of a set of cuts, epoch after epoch."""

    cuts: CutSet
    dataset: SpeechDataset
    _: KW_ONLY
    batch_seconds: float  # of speech in a batch, at most
    shuffle: bool = False  # whether the order changes each epoch
    num_workers: int = 0  # processes that read audio; 0 reads in this one
    rank: int = 0  # of this process
    world_size: int = 1  # processes that share the batches

    def __post_init__(self) -> None:
        options = {"max_duration": self.batch_seconds, "shuffle": self.shuffle, "seed": self.dataset.seed}
        options |= {"rank": self.rank, "world_size": self.world_size}
        num_buckets = min(_NUM_BUCKETS, len(self.cuts))
        self._sampler = (
            DynamicBucketingSampler(self.cuts, num_buckets=num_buckets, buffer_size=_SHUFFLE_BUFFER, **options)
            if num_buckets > 2
            else DynamicCutSampler(self.cuts, **options)  # one or two utterances cannot fill two buckets
        )

    def batches(
        self, epoch: int = 0, *, skip: int = 0, is_stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[Batch]:
        """Load the batches of an epoch in their order, without the first `skip`, whose audio is not read.

        They end early if `is_stopping` returns true while the next batch is awaited from another process.

        Raises:
            TrainingError: If shared memory has no room for the batches of other processes.
            AsrError: If a recording cannot be read.
        """
        self.dataset.epoch = epoch
        self._sampler.set_epoch(epoch)
        return self._load(islice(self._sampler, skip, None), is_stopping)

    def _load(self, chosen: Iterator[CutSet], is_stopping: Callable[[], bool] = lambda: False) -> Iterator[Batch]:
        """Load the batches that the sampler has chosen."""
        if self.num_workers == 0:
            return iter(DataLoader(self.dataset, None, sampler=chosen))
        self._check_shared_memory(num_batches=1)
        loader = DataLoader(
            _Guarded(self.dataset),
            None,
            sampler=chosen,
            num_workers=self.num_workers,
            prefetch_factor=_PREFETCHED,
            worker_init_fn=_ignore_signals,
            timeout=_POLL_SECONDS,
        )
        return _one_ahead(lambda is_closed: self._await(iter(loader), lambda: is_closed() or is_stopping()))

    def own_batches(self, rank: int, world_size: int) -> Iterator[tuple[int, Batch]]:
        """Load every `world_size`-th batch from number `rank` on, with their numbers.

        The sampler itself would repeat utterances, so that all processes get equally many batches.
        """
        self.dataset.epoch = 0
        self._sampler.set_epoch(0)
        chosen = islice(self._sampler, rank, None, world_size)
        for index, batch in enumerate(self._load(chosen)):
            yield rank + index * world_size, batch

    def _await(self, batches: Iterator[Batch | AsrError], is_stopping: Callable[[], bool]) -> Iterator[Batch]:
        """Yield the batches of other processes; these may lose one for which shared memory has no room."""
        waited = 0
        try:
            while True:
                try:
                    batch = next(batches)
                except StopIteration:
                    return
                except RuntimeError as error:
                    if any(sign in str(error) for sign in _LOST_PROCESS):
                        raise TrainingError(f"{one_line(error)}; {_READ_HERE}") from None
                    if "timed out" not in str(error):
                        raise
                    waited += _POLL_SECONDS
                    if is_stopping():
                        return
                    if waited >= _STALL_SECONDS:
                        self._check_shared_memory(num_batches=_PREFETCHED * self.num_workers + 2)
                    continue
                waited = 0
                if isinstance(batch, AsrError):
                    raise batch
                yield batch
        finally:
            # Ends the processes, even if an error that is kept refers to this frame: Python would wait for them.
            del batches

    def _check_shared_memory(self, num_batches: int) -> None:
        """Raise TrainingError if shared memory, where processes put their batches, is smaller than so many."""
        if not _SHARED_MEMORY.exists():  # not Linux
            return
        settings = self.dataset.extractor.settings
        layout = frame_layout(settings)
        frames = self.batch_seconds * settings.sample_rate / layout.step * self.dataset.views
        needed = num_batches * 4 * frames * layout.size
        present = (
            shutil.disk_usage(_SHARED_MEMORY).free if num_batches == 1 else shutil.disk_usage(_SHARED_MEMORY).total
        )
        if present < needed:
            sizes = f"{present / 1e6:.1f} MB, and processes that read audio need {needed / 1e6:.1f} MB"
            raise TrainingError(f"{_SHARED_MEMORY} has room for {sizes}; make it larger, or {_READ_HERE}")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread, as processes that only read audio do: on some processors the order in which a library sums,
    and so the last bit of resampled or reverberated speech, differs with the number of threads."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def _ignore_signals(_: int) -> None:
    """Leave signals to the training process: those that read audio get them as well, but must outlive the last save."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _with_sound(cuts: Iterator[Any], *, is_read: bool) -> Iterator[tuple[Any, dict[ByteRange, bytes]]]:
    """Yield cuts with what was fetched of their sound, if anything must be."""
    while some := list(islice(cuts, _FETCHED)):
        fetched = fetch(some) if is_read else {}
        yield from ((cut, fetched) for cut in some)


def measure_features(cuts: Any, extractor: Extractor, cache: FeatureCache | None = None) -> tuple[Statistic, Statistic]:
    """Measure mean and standard deviation (F,) of the features of a sequence of cuts, on a sample of large ones."""
    count = 0
    sums = squares = np.zeros(frame_layout(extractor.settings).size)

    def compute(cut: Any, fetched: dict[ByteRange, bytes] | None = None) -> Features:
        return extractor.plain(read_waveform(cut, extractor.settings.sample_rate, fetched))

    # From the whole manifest, which may be sorted by speaker or corpus.
    chosen = (cuts[index] for index in range(0, len(cuts), max(1, len(cuts) // _STATISTICS_CUTS)))
    for cut, fetched in _with_sound(chosen, is_read=cache is None):
        kept = compute(cut, fetched) if cache is None else cache.get(cut, None, partial(compute, cut))
        features = kept.astype(np.float64)
        count += len(features)
        sums = sums + features.sum(0)
        squares = squares + np.square(features).sum(0)
    mean = sums / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), 1e-6))
    return mean.astype(np.float32), deviation.astype(np.float32)
