"""IntegerNumbers: number the distinct integers of a column that is read in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_index import SMALL_TABLE, TABLE_ENTRIES
from factorate._kernels import integers as kernel
from factorate._utils.validation import MAX_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Offsets, Rows

FIRST_CAPACITY = 1 << 12
LOWEST = -(2**63)


class IntegerNumbers:
    """Numbers the distinct integers of 64 bits in the order of their first entries.

    A table finds the number of an integer. It has an entry for each integer of a range where these
    are few enough, and is a hash table otherwise. It becomes larger with the number of distinct
    integers and with their range, in time linear in their number.

    Parameters
    ----------
    what : str
        Name of the column in errors.

    Examples
    --------
    >>> numbers = IntegerNumbers("users")
    >>> [numbers.add(np.array(batch)).tolist() for batch in ([9, 7, 9], [2**60, 7])]
    [[0, 1, 0], [2, 1]]
    >>> numbers.distinct.tolist() == [9, 7, 2**60]
    True
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._distinct = np.empty(FIRST_CAPACITY, np.int64)
        self._n_distinct = 0
        self._first: int | None = 0  # of the range of the table; None if it is a hash table
        self._table = np.empty(0, np.int32)

    def __len__(self) -> int:
        """Return the number of distinct integers."""
        return self._n_distinct

    @property
    def distinct(self) -> Offsets:
        """The distinct integers in the order of their numbers."""
        return self._distinct[: self._n_distinct]

    def add(self, values: NDArray[Any]) -> Rows | None:
        """Return the number of each integer of a batch; those that are new are numbered.

        Parameters
        ----------
        values : ndarray of int32 or int64, shape (n,)
            The integers.

        Returns
        -------
        ndarray of int32, shape (n,), or None
            None if too many hashes are equal, so that a hash table would be slow. Some integers are
            numbered then.

        Raises
        ------
        ValueError
            If there are too many.
        """
        values, numbers = np.ascontiguousarray(values), np.empty(len(values), np.int32)
        done = 0
        while True:
            done += self._number(values[done:], numbers[done:])
            if done == len(values):
                return numbers
            if not self._grow(values[done:]):
                return None

    def _number(self, values: NDArray[Any], out: Rows) -> int:
        """Write the numbers of integers as long as the table suffices; return how many."""
        if not len(values) or not len(self._table):
            return 0
        known = self._table, self._distinct, self._n_distinct
        if self._first is None:
            wide = values.astype(np.int64, copy=False)
            done, self._n_distinct = _number_by_hash(wide, *known, out)
        else:
            done, self._n_distinct = kernel.number_by_table(values, 0, self._first, *known, out)
        return done

    def _grow(self, values: NDArray[Any]) -> bool:
        """Make a larger table, of which `values` are the next; return False if hashes are equal."""
        known, capacity = self.distinct, len(self._distinct)
        is_full = len(known) == capacity
        if len(known) == MAX_ROWS:
            raise ValueError(
                f"{MAX_ROWS + 1} different {self._what}; there can be at most {MAX_ROWS}"
            )
        if self._first is None and not is_full:
            return False
        distinct = self._distinct
        if is_full:
            distinct = np.empty(min(2 * capacity, MAX_ROWS), np.int64)
            distinct[:capacity] = known
        extremes = np.array([values.min(), values.max()], np.int64)
        if len(known):
            extremes = np.append(extremes, [known.min(), known.max()])
        low, high = int(extremes.min()), int(extremes.max())
        n_entries = high - low + 1
        spare = n_entries // 4  # on both sides, so that the table is not made again soon
        if n_entries + 2 * spare <= max(SMALL_TABLE, TABLE_ENTRIES * len(known)):
            begin = max(low - spare, LOWEST)
            first: int | None = begin
            table = np.full(n_entries + 2 * spare, -1, np.int32)
            table[known - begin] = np.arange(len(known), dtype=np.int32)
        else:
            first = None
            table = np.full(2 << (len(distinct) - 1).bit_length(), -1, np.int32)
            scratch = np.empty(len(known), np.int32)
            if len(known) and _number_by_hash(known, table, distinct, 0, scratch)[0] < len(known):
                return False
        self._distinct, self._first, self._table = distinct, first, table
        return True


def _number_by_hash(
    values: Offsets, table: Rows, distinct: Offsets, n_distinct: int, out: Rows
) -> tuple[int, int]:
    """Use a hash table; see `integers.number`."""
    return kernel.number(values, 0, distinct, np.empty(0, np.int64), n_distinct, table, out)
