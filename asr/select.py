"""The n-th largest of some numbers, and short sorts, in place and without allocation."""

# mypy: disable-error-code="no-any-return"
# Elements of arrays have no type that mypy knows; numba checks them.

from asr.jit import Array, jit


@jit
def nth_largest(values: Array, count: int, n: int) -> float:
    """The n-th largest (1 the largest) of `values[:count]`, which is reordered (Hoare's selection)."""
    left, right, wanted = 0, count - 1, n - 1
    while left < right:
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
        if wanted <= high:
            right = high
        elif wanted >= low:
            left = low
        else:
            break
    return values[wanted]


@jit
def sort_descending(keys: Array, items: Array, count: int) -> None:
    """Sort `keys[:count]`, largest first, and `items` with them (Shell's sort; equal keys in any order)."""
    gap = 1
    while gap < count // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for index in range(gap, count):
            key, item = keys[index], items[index]
            place = index
            while place >= gap and keys[place - gap] < key:
                keys[place] = keys[place - gap]
                items[place] = items[place - gap]
                place -= gap
            keys[place] = key
            items[place] = item
        gap //= 3
