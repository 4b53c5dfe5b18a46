"""Binary search, selection of the n-th largest number, and short sorts, in place and without allocation."""

from asr.jit import Array, jit


@jit
def nth_largest(values: Array, count: int, n: int) -> float:
    """Return the n-th largest (1: the largest) of `values[:count]`, which is reordered (Hoare's selection)."""
    left, right, rank = 0, count - 1, n - 1
    while left < right:
        # 1. Move larger values before the pivot, smaller ones behind it.
        pivot = values[(left + right) >> 1]
        low, high = left, right
        while low <= high:
            while values[low] > pivot:
                low += 1
            while values[high] < pivot:
                high -= 1
            if low <= high:
                values[low], values[high] = values[high], values[low]
                low += 1
                high -= 1
        # 2. Continue in the part that holds the rank.
        if rank <= high:
            right = high
        elif rank >= low:
            left = low
        else:
            break
    return values[rank]


@jit
def sort_descending(keys: Array, items: Array, count: int) -> None:
    """Sort `keys[:count]`, largest first, and `items` with them (Shell's sort; equal keys in any order)."""
    # 1. The largest gap.
    gap = 1
    while gap < count // 3:
        gap = 3 * gap + 1
    # 2. Insertion sorts of the elements that lie a gap apart, with falling gaps.
    while gap > 0:
        for index in range(gap, count):
            key, item = keys[index], items[index]
            target = index
            while target >= gap and keys[target - gap] < key:
                keys[target] = keys[target - gap]
                items[target] = items[target - gap]
                target -= gap
            keys[target] = key
            items[target] = item
        gap //= 3


@jit
def find_first(values: Array, low: int, high: int, least: int) -> int:
    """Return the first index in `low` to `high` of a value that is at least `least`, or `high`; values must rise."""
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < least:
            low = middle + 1
        else:
            high = middle
    return low
