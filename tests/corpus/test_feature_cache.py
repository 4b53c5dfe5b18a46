"""Features are computed once for each utterance and variation, and anything broken is computed again."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asr.corpus.feature_cache import FeatureCache
from asr.errors import AsrError

FEATURES = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
CUT = SimpleNamespace(id="a/../b c", recording_id="r", start=0.0, duration=1.0, channel=0)


class Computed:
    """Counts how often features were computed."""

    def __init__(self, features: np.ndarray = FEATURES) -> None:
        self.features, self.count = features, 0

    def __call__(self) -> np.ndarray:
        self.count += 1
        return self.features


def test_features_are_in_half_precision_whether_kept_or_computed(tmp_path: Path):
    computed = Computed()
    for _ in range(2):
        found = FeatureCache(tmp_path, "settings").get(CUT, 0, computed)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, FEATURES.astype(np.float16))
    assert computed.count == 1


def test_utterances_variations_and_settings_are_apart(tmp_path: Path):
    cuts = [CUT, *(SimpleNamespace(**{**vars(CUT), **change}) for change in ({"id": "c"}, {"start": 1.0}))]
    places = [(settings, cut, variation) for settings in ("one", "two") for cut in cuts for variation in (None, 0, 1)]
    for number, (settings, cut, variation) in enumerate(places):
        FeatureCache(tmp_path, settings).get(cut, variation, Computed(FEATURES + number))
    for number, (settings, cut, variation) in enumerate(places):
        found = FeatureCache(tmp_path, settings).get(cut, variation, Computed(FEATURES * 0))
        np.testing.assert_array_equal(found, (FEATURES + number).astype(np.float16))


@pytest.mark.parametrize("content", [b"", b"no array", None, "other"])
def test_a_broken_file_is_computed_again(tmp_path: Path, content: bytes | str | None):
    cache, computed = FeatureCache(tmp_path, "settings"), Computed()
    cache.get(CUT, 0, computed)
    (path,) = tmp_path.rglob("*.npy")
    if content == "other":
        np.save(path, FEATURES)  # not in half precision
    else:
        path.write_bytes(path.read_bytes()[:-5] if content is None else content)
    np.testing.assert_array_equal(cache.get(CUT, 0, computed), FEATURES.astype(np.float16))
    assert computed.count == 2
    cache.get(CUT, 0, computed)
    assert computed.count == 2


def test_many_may_keep_the_same_at_once(tmp_path: Path):
    def get(_: int) -> np.ndarray:
        return FeatureCache(tmp_path, "settings").get(CUT, 0, Computed(np.tile(FEATURES, (500, 1))))

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(get, range(64)):
            np.testing.assert_array_equal(found, np.tile(FEATURES, (500, 1)).astype(np.float16))
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".npy"]


def test_a_folder_that_takes_nothing_is_named_with_a_remedy(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AsrError, match=r"file/.*: cannot be written: .*; name another .*train\.variations=0"):
        FeatureCache(tmp_path / "file", "settings").get(CUT, 0, Computed())
