"""Batches: what is drawn depends on seed, epoch and utterance only, and loading can resume anywhere."""

import dataclasses
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lhotse import CutSet

from asr.config import AugmentSettings, FeatureSettings, NormalizerSettings, TokenizerSettings
from asr.corpus.cuts import load_cuts, read_waveform
from asr.corpus.feature_cache import FeatureCache
from asr.errors import TrainingError
from asr.signal.features import FeatureExtractor
from asr.text.load import build_tokenizer
from asr.train import dataset
from asr.train.dataset import Batch, SpeechDataset, SpeechLoader, Teacher, measure_features


@pytest.fixture
def cuts(tone_manifests: Path):
    return load_cuts([tone_manifests / "train.jsonl.gz"])


def make_loader(
    cuts,
    *,
    views: int = 1,
    augment: bool = True,
    concatenation_probability: float = 0.3,
    epochs: int = 1,
    num_workers: int = 0,
    **process: int,
) -> SpeechLoader:
    tokenizer = build_tokenizer([cut.supervisions[0].text for cut in cuts], TokenizerSettings())
    dataset = SpeechDataset(
        FeatureExtractor(FeatureSettings()),
        tokenizer,
        NormalizerSettings(),
        augment=AugmentSettings(concatenation_probability=concatenation_probability) if augment else None,
        epochs=epochs,
        views=views,
        seed=3,
    )
    return SpeechLoader(cuts, dataset, batch_seconds=8.0, shuffle=augment, num_workers=num_workers, **process)


def assert_equal(first: list[Batch], second: list[Batch]) -> None:
    assert [batch.utterances for batch in first] == [batch.utterances for batch in second]
    for ours, theirs in zip(first, second, strict=True):
        assert torch.equal(ours.features, theirs.features)
        assert torch.equal(ours.tokens, theirs.tokens)


def test_an_epoch_holds_every_utterance_once_in_batches_of_limited_length(cuts):
    batches = list(make_loader(cuts).batches())
    names = [name for batch in batches for row in batch.utterances for name in row.split("+")]
    assert sorted(names) == sorted(cut.id for cut in cuts)
    assert all(batch.seconds <= 8.0 for batch in batches)
    assert len(batches) > 3


def test_workers_and_skipped_batches_change_nothing(cuts):
    whole = list(make_loader(cuts).batches(2))
    assert_equal(whole, list(make_loader(cuts, num_workers=1).batches(2)))
    assert_equal(whole[2:], list(make_loader(cuts).batches(2, skip=2)))
    other = list(make_loader(cuts).batches(3))
    assert [batch.utterances for batch in whole] != [batch.utterances for batch in other]


def test_each_process_gets_its_share(cuts):
    shares = [list(make_loader(cuts, rank=rank, world_size=2).batches()) for rank in range(2)]
    assert len(shares[0]) == len(shares[1])
    names = [{name for batch in share for row in batch.utterances for name in row.split("+")} for share in shares]
    assert names[0] | names[1] == {cut.id for cut in cuts}


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_development_batches_without_repeating_any(cuts, world_size: int):
    loader = make_loader(cuts, augment=False)
    whole = list(loader.batches())
    shares = [dict(loader.own_batches(rank, world_size)) for rank in range(world_size)]
    assert [len(share) for share in shares] == [len(range(rank, len(whole), world_size)) for rank in range(world_size)]
    assert_equal([shares[number % world_size][number] for number in range(len(whole))], whole)


def test_utterances_are_joined_in_the_later_half_with_pauses_and_all_of_their_words(cuts):
    texts = {cut.id: cut.supervisions[0].text for cut in cuts}
    plain = {name: row for batch in make_loader(cuts, augment=False).batches() for name, row in rows(batch)}
    early, late = (list(make_loader(cuts, concatenation_probability=1.0, epochs=6).batches(epoch)) for epoch in (2, 3))
    assert not any("+" in name for batch in early for name in batch.utterances)
    joined = [
        (name.split("+"), row, text)
        for batch in late
        for (name, row), text in zip(rows(batch), batch.texts, strict=True)
    ]
    assert sorted(name for names, _, _ in joined for name in names) == sorted(texts)
    sizes = {len(names) for names, _, _ in joined}
    assert max(sizes) > 2
    assert sizes <= {1, 2, 3, 4}
    for names, row, text in joined:
        assert text == " ".join(texts[name] for name in names)
        speech = sum(len(plain[name]) for name in names)
        # Played at 0.9 to 1.1 of its speed, with pauses of at most 1.5 s between.
        assert speech / 1.1 - 5 <= len(row) <= speech / 0.9 + 150 * (len(names) - 1) + 5


def test_joined_speech_is_in_the_order_of_its_names(cuts):
    def samples(waveform: np.ndarray) -> np.ndarray:
        return waveform[:, None]

    samples.settings = FeatureSettings()
    tokenizer = build_tokenizer([cut.supervisions[0].text for cut in cuts], TokenizerSettings())
    augment = AugmentSettings(concatenation_probability=1.0, concatenation_start=0.0, speeds=[], spec_augment=None)
    dataset = SpeechDataset(samples, tokenizer, NormalizerSettings(), augment=augment, seed=3)
    spoken = {cut.id: torch.from_numpy(read_waveform(cut, 16000)) for cut in cuts}
    for batch in SpeechLoader(cuts, dataset, batch_seconds=8.0, shuffle=True).batches():
        for name, row in rows(batch):
            first, *_, last = [spoken[name] for name in name.split("+")] * 2
            assert torch.equal(row[: len(first), 0], first)
            assert torch.equal(row[-len(last) :, 0], last)


def rows(batch: Batch) -> list[tuple[str, torch.Tensor]]:
    return [
        (name, row[:length])
        for name, row, length in zip(batch.utterances, batch.features, batch.lengths.tolist(), strict=True)
    ]


def test_two_views_share_the_speech_and_differ_in_their_masks(cuts):
    batch = next(make_loader(cuts, views=2).batches())
    count = len(batch.utterances)
    first, second = batch.features.chunk(2)
    assert first.shape[0] == count
    assert torch.equal(batch.lengths[:count], batch.lengths[count:])
    assert torch.equal(batch.tokens[:count], batch.tokens[count:])
    assert not torch.equal(first, second)
    unmasked = (first != 0) & (second != 0)
    assert torch.equal(first[unmasked], second[unmasked])


class CountingRunner:
    """Stands for a teacher: its log probabilities are the number of samples, one frame for every 640."""

    def __init__(self) -> None:
        self.calls = 0

    def compute_log_probs(self, waveforms):
        self.calls += len(waveforms)
        return [np.full((len(one) // 640, 3), -len(one) / 1000, np.float32) for one in waveforms]


def test_a_teacher_is_given_the_same_variation_of_each_utterance(cuts, tmp_path):
    runner = CountingRunner()
    loader = make_loader(cuts, views=2, concatenation_probability=0.0)
    loader.dataset.teacher = Teacher(runner, FeatureCache(tmp_path, "teacher"))
    loader.dataset.variations = 2
    for epoch, calls in ((0, len(cuts)), (1, 2 * len(cuts)), (2, 2 * len(cuts))):  # the third repeats the first's
        for batch in loader.batches(epoch):
            lengths = zip(batch.lengths.tolist(), batch.targets.lengths.tolist(), strict=True)
            for (length, num_targets), targets in zip(lengths, batch.targets.log_probs, strict=True):
                num_samples = -1000 * float(targets[0, 0])
                assert num_targets == round(num_samples) // 640
                assert length == pytest.approx((num_samples - 240) / 160, abs=2 + num_samples / 1e5)
        assert runner.calls == calls


def test_joined_utterances_have_no_teacher(cuts):
    loader = make_loader(cuts, concatenation_probability=1.0)
    loader.dataset = dataclasses.replace(loader.dataset, teacher=Teacher(CountingRunner(), None))
    loader.dataset.augment = loader.dataset.augment.model_copy(update={"concatenation_start": 0.0})
    batches = list(loader.batches())
    assert any("+" in name for batch in batches for name in batch.utterances)
    for batch in batches:
        assert (batch.targets is None) == any("+" in name for name in batch.utterances)


def test_development_speech_is_the_same_in_every_epoch(cuts):
    loaders = [make_loader(cuts, augment=False) for _ in range(2)]
    assert_equal(list(loaders[0].batches(0)), list(loaders[1].batches(5)))


def test_the_statistics_are_those_of_all_frames(cuts):
    extractor = FeatureExtractor(FeatureSettings())
    mean, deviation = measure_features(cuts, extractor)
    frames = np.concatenate([extractor.log_mel(cut.load_audio()[0]) for cut in cuts])
    np.testing.assert_allclose(mean, frames.mean(0), atol=1e-3, rtol=1e-4)
    np.testing.assert_allclose(deviation, frames.std(0), atol=1e-3, rtol=1e-3)
    assert mean.dtype == deviation.dtype == np.float32  # as the runtime and model files take them


def test_shared_memory_without_room_is_reported_before_the_first_batch(cuts, monkeypatch: pytest.MonkeyPatch):
    full = SimpleNamespace(total=2 << 20, used=2 << 20, free=1000)
    monkeypatch.setattr(dataset.shutil, "disk_usage", lambda path: full)
    monkeypatch.setattr(dataset, "_SHARED_MEMORY", Path("/"))
    with pytest.raises(TrainingError, match=r"^/ has room for 0\.0 MB, .* set train\.num_workers=0"):
        make_loader(cuts, num_workers=1).batches()
    assert len(list(make_loader(cuts, num_workers=0).batches())) > 3  # needs none
    monkeypatch.setattr(dataset, "_SHARED_MEMORY", Path("/nowhere"))  # not Linux
    make_loader(cuts, num_workers=1).batches()


def test_the_next_batch_is_taken_while_one_is_used():
    taken: list[int] = []

    def load(is_closed):
        for number in range(3):
            taken.append(number)
            yield number
        raise TrainingError("no more")

    batches = dataset._one_ahead(load)
    assert next(batches) == 0
    deadline = time.monotonic() + 10
    while len(taken) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(0.02)
    assert taken == [0, 1]
    assert [next(batches), next(batches)] == [1, 2]
    with pytest.raises(TrainingError, match="no more"):
        next(batches)


def test_batches_that_nobody_needs_any_more_are_not_waited_for():
    ended: list[bool] = []

    def load(is_closed):
        yield "batch"
        while not is_closed():
            time.sleep(0.001)
        ended.append(True)

    batches = dataset._one_ahead(load)
    assert next(batches) == "batch"
    batches.close()
    assert ended == [True]


class Stuck(Iterator):
    """What comes of processes that lost a batch: one, then nothing for ever."""

    def __init__(self) -> None:
        self.asked = 0

    def __next__(self) -> str:
        self.asked += 1
        if self.asked == 1:
            return "batch"
        raise RuntimeError("DataLoader timed out after 1 seconds")


def test_a_batch_that_never_comes_ends_the_wait(cuts, monkeypatch: pytest.MonkeyPatch):
    loader = make_loader(cuts, num_workers=1)
    small = SimpleNamespace(total=2 << 20, used=0, free=2 << 20)
    monkeypatch.setattr(dataset.shutil, "disk_usage", lambda path: small)
    monkeypatch.setattr(dataset, "_SHARED_MEMORY", Path("/"))
    loader.batch_seconds = 60.0
    batches = loader._await(Stuck(), lambda: False)
    assert next(batches) == "batch"
    with pytest.raises(TrainingError, match=r"set train\.num_workers=0"):
        next(batches)


def test_a_signal_ends_the_wait_for_a_batch(cuts):
    stuck = Stuck()
    assert list(make_loader(cuts, num_workers=1)._await(stuck, lambda: stuck.asked > 3)) == ["batch"]
    assert stuck.asked == 4


@pytest.mark.parametrize(
    "message", ["DataLoader worker (pid 7) is killed by signal: Bus error.", "shared memory: full"]
)
def test_a_process_that_died_is_reported_in_one_line(cuts, message: str):
    def die():
        raise RuntimeError(message)
        yield

    with pytest.raises(TrainingError, match=r"set train\.num_workers=0"):
        list(make_loader(cuts, num_workers=1)._await(die(), lambda: False))


def test_other_processes_may_be_started_afresh(cuts):
    """Windows and macOS do not fork: what goes to a process must bear pickling."""
    loader = make_loader(cuts)
    copy = pickle.loads(pickle.dumps(loader.dataset))
    some = CutSet(list(cuts)[:2])
    assert_equal([loader.dataset[some]], [copy[some]])
    assert pickle.loads(pickle.dumps(dataset._ignore_signals)) is dataset._ignore_signals
