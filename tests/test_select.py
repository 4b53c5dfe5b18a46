"""Selection and sorting against numpy's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.select import find_first, nth_largest, sort_descending

NUMBERS = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5]), min_size=1, max_size=60)


@given(NUMBERS, st.data())
@settings(deadline=None)  # the first call may compile
def test_nth_largest(numbers, data):
    n = data.draw(st.integers(1, len(numbers)))
    assert nth_largest(np.array([*numbers, 9.0]), len(numbers), n) == sorted(numbers, reverse=True)[n - 1]


@given(NUMBERS)
@settings(deadline=None)
def test_items_are_sorted_with_their_keys(numbers):
    keys, items = np.array([*numbers, 9.0]), np.arange(len(numbers) + 1, dtype=np.int32)
    sort_descending(keys, items, len(numbers))
    assert keys[:-1].tolist() == sorted(numbers, reverse=True)
    assert [numbers[item] for item in items[:-1]] == keys[:-1].tolist()
    assert (keys[-1], items[-1]) == (9.0, len(numbers))


@given(st.lists(st.integers(0, 20), max_size=30).map(sorted), st.integers(-1, 21), st.data())
@settings(deadline=None)
def test_find_first(numbers, least, data):
    low, high = sorted(data.draw(st.integers(0, len(numbers))) for _ in range(2))
    expected = low + np.searchsorted(numbers[low:high], least)
    assert find_first(np.array(numbers, np.int32), low, high, least) == expected
