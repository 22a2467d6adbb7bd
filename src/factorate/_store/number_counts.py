"""NumberCounts: count the ratings of each user or item while ratings are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._kernels import counting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Offsets, Rows


class NumberCounts:
    """Counts the ratings of each number of `IdNumbers`.

    Examples
    --------
    >>> counts = NumberCounts()
    >>> counts.add(np.array([0, 1, 0], np.int32), 2)
    >>> counts.add(np.array([2, 0], np.int32), 3)
    >>> counts.total(3).tolist()
    [3, 1, 1]
    """

    def __init__(self) -> None:
        self._units = np.zeros(0, np.uint8)
        self._rest = np.zeros(0, np.int64)

    def add(self, numbers: Rows, n_numbers: int) -> None:
        """Count numbers, all of which are below `n_numbers`."""
        if n_numbers > len(self._rest):
            longer = max(n_numbers, 2 * len(self._rest))
            self._units, self._rest = _extend(self._units, longer), _extend(self._rest, longer)
        if len(numbers):
            counting.count_in_bytes(numbers, self._units, self._rest)

    def total(self, n_numbers: int) -> Offsets:
        """Return how often each number below `n_numbers` was counted."""
        total: Offsets = self._rest[:n_numbers] + self._units[:n_numbers]
        return total


def _extend(counts: NDArray[Any], n: int) -> NDArray[Any]:
    """Return counts extended to `n` entries by zeros."""
    longer = np.zeros(n, counts.dtype)
    longer[: len(counts)] = counts
    return longer
