"""DistinctRatings: number the distinct ratings of a column that is read in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._input.levels import MAX_LEVELS, find_levels
from factorate._kernels import levels as level_kernel
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Doubles


class DistinctRatings:
    """Numbers the distinct ratings, which are their codes, in the order in which they appear.

    -0.0 and 0.0 are the same rating.

    Parameters
    ----------
    max_levels : int, default=65536
        Maximum number of distinct ratings, at most 65,536.

    Attributes
    ----------
    code_by_value : dict of float to int
        The distinct ratings and their codes.

    Examples
    --------
    >>> ratings = DistinctRatings()
    >>> [ratings.add(np.array(batch)).tolist() for batch in ([4.0, 0.0, 4.0], [5.0, -0.0])]
    [[1, 0, 1], [2, 0]]
    >>> list(ratings.code_by_value)
    [0.0, 4.0, 5.0]
    """

    def __init__(self, max_levels: int = MAX_LEVELS) -> None:
        self.code_by_value: dict[float, int] = {}
        self._max_levels = max_levels

    def add(self, values: Doubles) -> NDArray[np.uint16] | None:
        """Return the code of each rating of a batch; None if there are too many distinct ones.

        Parameters
        ----------
        values : ndarray of float64
            Finite ratings. If there are too many, none of them is added.
        """
        out = np.empty(len(values), np.uint16)
        if not len(values):
            return out
        found = find_levels(values, Workers(), 1, max_levels=self._max_levels)
        codes = self.code_by_value
        new = [level for level in found.levels.tolist() if level not in codes]
        if not len(found.levels) or len(codes) + len(new) > self._max_levels:
            return None
        codes |= {level: len(codes) + number for number, level in enumerate(new)}
        code_of_level = np.array([codes[level] for level in found.levels.tolist()], np.uint16)
        of_slots = code_of_level.take(found.codes)
        table = found.keys, found.multiplier, found.shift
        level_kernel.encode(values, *table, of_slots, out)
        return out
