"""DistinctRatings: number the distinct ratings of a column that is read in batches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.levels import EMPTY, MAX_LEVELS, find_levels
from factorate._kernels import levels as level_kernel
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Doubles, Floats


class DistinctRatings:
    """Numbers the distinct ratings in the order in which batches bring them: their codes.

    -0.0 and 0.0 are the same rating.

    Parameters
    ----------
    max_levels : int, default=65536
        Maximum number of distinct ratings, at most 65,536.

    Attributes
    ----------
    code_by_value : dict of float to int
        The distinct ratings and their codes.
    counts : ndarray of int64, shape (max_levels,)
        Number of ratings of each code.

    Examples
    --------
    >>> ratings = DistinctRatings()
    >>> [ratings.add(np.array(batch)).tolist() for batch in ([4.0, 0.0, 4.0], [5.0, -0.0])]
    [[1, 0, 1], [2, 0]]
    >>> ratings.levels.tolist(), ratings.counts[:3].tolist()
    ([0.0, 4.0, 5.0], [2, 2, 1])
    """

    def __init__(self, max_levels: int = MAX_LEVELS) -> None:
        self.code_by_value: dict[float, int] = {}
        self.counts = np.zeros(max_levels, np.int64)
        self._max_levels = max_levels
        # A hash table as that of `Levels`, to which distinct ratings are added.
        self._multiplier = int.from_bytes(os.urandom(8), "little") | 1
        self._bits = 0
        self._make_table(2)

    def __len__(self) -> int:
        """Return the number of distinct ratings."""
        return len(self.code_by_value)

    @property
    def levels(self) -> Doubles:
        """The distinct ratings in the order of their codes."""
        return np.array(list(self.code_by_value))

    def add(self, values: Floats) -> NDArray[np.uint16] | None:
        """Return the code of each rating of a batch; None if there are too many distinct ones.

        Parameters
        ----------
        values : ndarray of float32 or float64
            Finite ratings. If there are too many, none of them is added.
        """
        codes = np.empty(len(values), np.uint16)
        n_known = self._encode(values, codes)
        if n_known == len(values):
            return codes
        if not self._enter(values[n_known:]):
            self.counts -= np.bincount(codes[:n_known], minlength=len(self.counts))
            return None
        n_known += self._encode(values[n_known:], codes[n_known:])
        if n_known < len(values):
            raise ValueError("the ratings change while they are read; pass a copy of them")
        return codes

    def _encode(self, values: Floats, codes: NDArray[np.uint16]) -> int:
        """Write and count the codes of ratings up to the first that is unknown."""
        table = self._keys, self._multiplier, 64 - self._bits, self._codes
        return level_kernel.encode(values, *table, self.counts, codes)

    def _enter(self, values: Floats) -> bool:
        """Give codes to unknown ratings, in ascending order, unless there are too many."""
        found = find_levels(values, Workers(), 1, max_levels=self._max_levels)
        known = self.code_by_value
        new = [level for level in found.levels.tolist() if level not in known]
        n = len(known) + len(new)
        if not len(found.levels) or n > self._max_levels:
            return False
        first = len(known)
        known |= {level: first + number for number, level in enumerate(new)}
        bits = (4 * n).bit_length()
        if bits > self._bits:
            self._make_table(bits)
            first, new = 0, list(known)
        table = self._keys, self._multiplier, 64 - self._bits, self._codes
        level_kernel.enter(np.array(new), *table, first)
        return True

    def _make_table(self, bits: int) -> None:
        self._bits = bits
        self._keys, self._codes = (
            np.full(1 << bits, EMPTY, np.uint64),
            np.zeros(1 << bits, np.uint16),
        )
