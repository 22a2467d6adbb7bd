"""Levels: the distinct ratings, and their codes."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._kernels import levels as level_kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Doubles, Floats
    from factorate._utils.workers import Workers

MAX_LEVELS = 1 << 16  # with more, a code is as long as a float32
MAX_SHORT = 1 << 8  # with more, a code has 16 bits
EMPTY = 2**64 - 1  # key of an empty slot


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The distinct ratings; no arrays have entries if there are more than 65,536.

    Attributes
    ----------
    levels : ndarray
        The distinct ratings, ascending. The code of a rating is its index here.
    counts : ndarray of float64
        Number of ratings of each level.
    keys : ndarray of uint64
        Slots of a hash table of the levels: the bits of the level as float64, or `EMPTY`.
    codes : ndarray of uint16
        The code of the level in each slot.
    multiplier : int
        The random odd number by which keys are multiplied to find their slots. It affects the order
        of the slots only, not the codes.
    shift : int
        64 minus the binary logarithm of the number of slots.
    """

    levels: Floats
    counts: Doubles
    keys: NDArray[np.uint64]
    codes: NDArray[np.uint16]
    multiplier: int
    shift: int


def find_levels(
    values: Floats, workers: Workers, n_chunks: int, *, max_levels: int = MAX_LEVELS
) -> Levels:
    """Find the distinct ratings, unless there are more than `max_levels`.

    -0.0 and 0.0 are the same rating. The number of chunks does not affect the result.

    Examples
    --------
    >>> from factorate._utils.workers import Workers
    >>> found = find_levels(np.array([4.0, 0.0, 4.0, -0.0, 2.5]), Workers(), 1)
    >>> found.levels.tolist(), found.counts.tolist()
    ([0.0, 2.5, 4.0], [2.0, 1.0, 2.0])
    """
    edges = np.linspace(0, len(values), n_chunks + 1).astype(int).tolist()
    multiplier = int.from_bytes(os.urandom(8), "little") | 1
    tables = workers.map(
        lambda ends: _count(values[ends[0] : ends[1]], multiplier, max_levels),
        itertools.pairwise(edges),
    )
    levels, counts = np.empty(0), np.empty(0)
    if None not in tables:
        merged = _merge([table for table in tables if table is not None])
        if len(merged[0]) <= max_levels:
            levels, counts = merged
    bits = max(2, (4 * len(levels)).bit_length())
    keys, codes = np.full(1 << bits, EMPTY, np.uint64), np.zeros(1 << bits, np.uint16)
    typed = levels.astype(values.dtype)
    level_kernel.enter(typed, keys, multiplier, 64 - bits, codes, 0)
    return Levels(
        levels=typed,
        counts=counts,
        keys=keys,
        codes=codes,
        multiplier=multiplier,
        shift=64 - bits,
    )


def _merge(tables: list[tuple[NDArray[np.uint64], Doubles]]) -> tuple[Doubles, Doubles]:
    """Return the levels of some tables, ascending, and their counts."""
    keys, counts = (np.concatenate(arrays) for arrays in zip(*tables, strict=True))
    levels, index = np.unique(keys.view(np.float64), return_inverse=True)
    return levels, np.bincount(index, counts).astype(np.float64, copy=False)


def _count(
    values: Floats, multiplier: int, max_levels: int
) -> tuple[NDArray[np.uint64], Doubles] | None:
    """Return the keys and counts of the levels, or None if there are too many."""
    bits = max(1, 2 * min(len(values), max_levels)).bit_length()
    keys, counts = np.full(1 << bits, EMPTY, np.uint64), np.zeros(1 << bits, np.int64)
    if level_kernel.count(values, keys, multiplier, 64 - bits, counts, max_levels) > max_levels:
        return None
    used = np.flatnonzero(counts)
    return keys[used], counts[used].astype(np.float64)
