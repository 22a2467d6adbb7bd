"""Random streams that are the same in every version of NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stream(seed: int, *purpose: int) -> np.random.PCG64:
    """Return a bit generator that is independent of those with another seed or purpose.

    Parameters
    ----------
    seed : int
        Seed of the whole computation.
    *purpose : int
        Integers that identify the use of the stream.
    """
    return np.random.PCG64(np.random.SeedSequence(seed, spawn_key=purpose))


def permutation(n: int, bits: np.random.PCG64) -> NDArray[np.intp]:
    """Return a random permutation of ``range(n)``, made from the raw output of `bits`."""
    numbers = bits.random_raw(n)
    return numbers.argsort(kind="stable") if n > 1 else np.zeros(n, np.intp)


def uniform(n: int, bits: np.random.PCG64) -> NDArray[np.float64]:
    """Return `n` uniform numbers in [0, 1), made from the raw output of `bits`."""
    # When memory is short, NumPy may crash in an operation that casts, so the cast stands apart.
    integers = (bits.random_raw(n) >> np.uint64(11)).astype(np.float64)
    return integers * 2.0**-53
