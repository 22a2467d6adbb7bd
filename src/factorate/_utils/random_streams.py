"""Random numbers that are the same under any version of NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stream(seed: int, *purpose: int) -> np.random.PCG64:
    """Return a bit generator of its own for each seed and purpose."""
    return np.random.PCG64(np.random.SeedSequence(seed, spawn_key=purpose))


def permutation(n: int, bits: np.random.PCG64) -> NDArray[np.intp]:
    """Return a random order of ``range(n)`` from raw output, the same under any NumPy."""
    return np.argsort(bits.random_raw(n), kind="stable")


def uniform(n: int, bits: np.random.PCG64) -> NDArray[np.float64]:
    """Return `n` numbers in [0, 1) from raw output, the same under any NumPy."""
    return np.asarray((bits.random_raw(n) >> np.uint64(11)) * 2.0**-53, np.float64)
