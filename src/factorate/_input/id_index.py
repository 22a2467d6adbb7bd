"""IdIndex: the distinct ids of users or items, in the order of their rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from factorate._utils.types import Rows


TABLE_ENTRIES = 4  # maximum entries of a lookup table per id,
SMALL_TABLE = 1 << 16  # unless the table has at most this many entries in all


@dataclass(frozen=True)
class IdIndex:
    """The distinct ids of users or items: the id of a row is ``ids[row]``.

    `make_index` gives ids their rows, and `look_up` finds the row of an id.

    Parameters
    ----------
    ids : ndarray of shape (n_rows,)
        The ids of the first fit in ascending order, followed by each later batch in ascending
        order. The array becomes read-only.
    kind : str
        Kind of the ids, such as "integer" or "str".
    """

    ids: NDArray[Any]
    kind: str

    def __post_init__(self) -> None:
        """Make the ids read-only."""
        self.ids.flags.writeable = False

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, without the cached lookup structures."""
        return {"ids": self.ids, "kind": self.kind}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled state."""
        vars(self).update(state)
        self.__post_init__()

    @cached_property
    def rows_by_id(self) -> dict[Any, int]:
        """The row of each id."""
        return {value: row for row, value in enumerate(self.ids.tolist())}

    @cached_property
    def table(self) -> tuple[int, Rows] | None:
        """The smallest integer id, and the row (or −1) of each integer from it to the largest.

        None if the integers are so far apart that the table would be large.
        """
        first, last = int(self.ids.min()), int(self.ids.max())
        if not is_compact(first, last, len(self.ids)):
            return None
        table = np.full(last - first + 1, -1, np.int32)
        table[differences(self.ids, first)] = np.arange(len(self.ids), dtype=np.int32)
        return first, table

    @cached_property
    def ascending(self) -> tuple[NDArray[Any], Rows | None]:
        """The ids in ascending order and their rows; None for the rows if they are 0, 1, …."""
        if (self.ids[:-1] < self.ids[1:]).all():
            return self.ids, None
        order = np.argsort(self.ids, kind="stable").astype(np.int32)
        return self.ids[order], order


def range_index(n: int) -> IdIndex:
    """Return the index of the rows or columns of a matrix, whose ids are 0 … n − 1."""
    return IdIndex(np.arange(n, dtype=np.int64), "integer")


def is_compact(first: int, last: int, n: int) -> bool:
    """Return whether a table of the integers from `first` to `last` is small enough for `n` ids."""
    return last - first < max(SMALL_TABLE, TABLE_ENTRIES * n)


def differences(values: NDArray[Any], first: int) -> NDArray[Any]:
    """Return ``values - first`` without overflow, where no value is below `first`."""
    if first == 0:
        return values
    wide = np.uint64 if values.dtype == np.uint64 else np.int64
    return values.astype(wide, copy=False) - wide(first)
