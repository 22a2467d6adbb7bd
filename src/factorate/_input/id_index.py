"""IdIndex: the distinct ids of users or items, in the order of their rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
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
    def rows_by_key(self) -> dict[Any, int]:
        """The row of each id, by its key of `keys`."""
        return {key: row for row, key in enumerate(keys(self.ids, self.kind))}

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


def keys(ids: NDArray[Any], kind: str) -> list[Any]:
    """Return a key for each id, equal for equal ids of a kind, to use in a dict or set.

    Python hashes text and bytes with a secret, but anyone can compute integers, UUIDs or datetimes
    whose hashes are equal, with which building a dict takes quadratic time.

    Examples
    --------
    >>> keys(np.array([2**70, -1], object), "integer"), keys(np.array(["a"], object), "str")
    (['0x400000000000000000', '-0x1'], ['a'])
    """
    to_key = _TO_KEY.get(kind)
    return ids.tolist() if to_key is None else list(map(to_key, ids.tolist()))


_TO_KEY: dict[str, Callable[[Any], str | bytes]] = {
    "integer": hex,
    "UUID": lambda value: value.bytes,
    "zoned datetime": lambda value: value.isoformat(),
}


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
