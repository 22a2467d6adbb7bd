"""select: find the number with a given rank among numbers in a file, or in other processes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._utils.columns import map_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Column, Floats, Offsets

DIGIT_BITS = 16
CHUNK = 1 << 17  # numbers read at a time


def select(values: Column, rank: int) -> float:
    """Return the number that would be at an index if all were sorted.

    It is found by its bits, which are ordered as the numbers are: each pass over the numbers counts
    the next 16 bits of those whose higher bits are known.

    Parameters
    ----------
    values : Column
        Numbers of 32 or 64 bits, none of which is NaN or -0.0.
    rank : int
        The index, from 0.

    Examples
    --------
    >>> select(np.array([2.5, -1.0, 7.0]), 1)
    2.5
    """
    dtype = np.dtype(values.dtype)
    key = 0
    for shift in range(8 * dtype.itemsize - DIGIT_BITS, -1, -DIGIT_BITS):
        of_parts = map_parts(partial(_count_digits, key=key, shift=shift), values)
        counts = sum(of_parts, np.zeros(1 << DIGIT_BITS, np.int64))
        ends = np.cumsum(counts)
        digit = int(np.searchsorted(ends, rank, side="right"))
        rank -= int(ends[digit] - counts[digit])
        key = key << DIGIT_BITS | digit
    return _to_number(key, dtype)


def _count_digits(values: Column, key: int, shift: int) -> Offsets:
    """Return how many of the numbers with these higher bits have each next digit."""
    counts = np.zeros(1 << DIGIT_BITS, np.int64)
    for first in range(0, len(values), CHUNK):
        found = _to_keys(values[first : first + CHUNK]) >> shift
        digits = found[found >> DIGIT_BITS == key] & ((1 << DIGIT_BITS) - 1)
        counts += np.bincount(digits.astype(np.intp), minlength=len(counts))
    return counts


def _to_keys(numbers: Floats) -> NDArray[Any]:
    """Return unsigned integers that are ordered as the numbers are.

    The bits of positive numbers are, and those of negative numbers are in the reverse order.
    """
    bits = np.ascontiguousarray(numbers).view(f"u{numbers.itemsize}")
    sign = bits.dtype.type(1 << (8 * bits.itemsize - 1))
    keys: NDArray[Any] = np.where(bits & sign, ~bits, bits | sign)
    return keys


def _to_number(key: int, dtype: np.dtype[Any]) -> float:
    """Return the number of a key."""
    sign = 1 << (8 * dtype.itemsize - 1)
    bits = key ^ sign if key & sign else ~key & (2 * sign - 1)
    return float(np.array([bits], f"u{dtype.itemsize}").view(dtype)[0])
