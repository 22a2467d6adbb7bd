"""index_integers: assign rows to integer ids, in time linear in their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._input.id_index import SMALL_TABLE, TABLE_ENTRIES, IdIndex
from factorate._kernels import integers as kernel
from factorate._utils.validation import MAX_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Rows

FIRST_CAPACITY = 1 << 12  # distinct integers in the first hash table
MAX_DISTINCT = 1 << 29  # of an array that is numbered


def index_integers(values: NDArray[Any], what: str) -> tuple[IdIndex, Rows]:
    """Assign a row to each distinct integer: its rank among them.

    Parameters
    ----------
    values : ndarray of int32, int64 or uint64, shape (n,)
        At least one id.
    what : str
        Name of the column in errors.

    Returns
    -------
    index : IdIndex
        The distinct ids, int64 or uint64.
    rows : ndarray of int32, shape (n,)
        The row of each entry. Kernels do not check rows, so they are a new array, which no other
        thread can change.

    Raises
    ------
    ValueError
        If there are too many ids.

    Examples
    --------
    >>> index, rows = index_integers(np.array([30, 10, 30]), "users")
    >>> index.ids.tolist(), rows.tolist()
    ([10, 30], [1, 0, 1])
    """
    values = np.ascontiguousarray(values)
    rows = np.empty(len(values), np.int32)
    ids = _index_near(values, rows)
    if ids is None:
        ids = _index_far(
            values.astype(np.int64) if values.dtype == np.int32 else values, rows, what
        )
    return IdIndex(ids, "integer"), rows


class Numbered(NamedTuple):
    """Integers, numbered in the order of their first entries.

    Parameters
    ----------
    distinct, entries : ndarray of int64, shape (n_distinct,)
        The distinct integers, and the index of the first entry of each.
    numbers : ndarray of int32, shape (n,)
        The number of each entry.
    """

    distinct: NDArray[np.int64]
    entries: NDArray[np.int64]
    numbers: Rows


def number_distinct(values: NDArray[np.int64], out: Rows | None = None) -> Numbered | None:
    """Assign numbers to distinct integers with a hash table.

    Parameters
    ----------
    values : ndarray of int64, shape (n,)
        The integers.
    out : ndarray of int32, shape (n,), optional
        The array to write the numbers to.

    Returns
    -------
    Numbered or None
        None if too many of their hashes are equal, or there are too many of them.
    """
    numbers = np.empty(len(values), np.int32) if out is None else out
    distinct, entries = np.empty(0, np.int64), np.empty(0, np.int64)
    n_distinct, n_done = 0, 0
    while n_done < len(values):
        if n_distinct < len(distinct) or n_distinct > MAX_DISTINCT:
            return None
        known, first = distinct, entries
        capacity = max(FIRST_CAPACITY, 2 * n_distinct)
        distinct, entries = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
        table = np.full(2 << capacity.bit_length(), -1, np.int32)
        if n_distinct:
            scratch = np.empty(n_distinct, np.int32)
            if kernel.number(known, 0, distinct, entries, 0, table, scratch)[0] < n_distinct:
                return None
            entries[:n_distinct] = first
        n_done, n_distinct = kernel.number(
            values, n_done, distinct, entries, n_distinct, table, numbers
        )
    return Numbered(distinct[:n_distinct], entries[:n_distinct], numbers)


def _index_near(values: NDArray[Any], rows: Rows) -> NDArray[Any] | None:
    """Write the rows of integers in a small range, without sorting; None if the range is large."""
    first, bits = values.min(), np.dtype(f"u{values.itemsize}")
    n_entries = 1 << min(max(SMALL_TABLE, TABLE_ENTRIES * len(values)).bit_length() - 1, 30)
    # Memory for the zeros is allocated when they are overwritten.
    seen = np.zeros(n_entries, np.uint8)
    every = kernel.offsets(values.view(bits), int(first.view(bits)), seen, rows)
    if every < 0:
        return None
    seen = seen[: every + 1]  # no offset is greater
    offsets = np.flatnonzero(seen)
    if len(offsets) <= offsets[-1]:
        kernel.replace(rows, np.cumsum(seen, dtype=np.int32) - np.int32(1))
    wide = np.uint64 if values.dtype == np.uint64 else np.int64
    return offsets.astype(wide) + wide(first)


def _index_far(values: NDArray[Any], rows: Rows, what: str) -> NDArray[Any]:
    """Write the rows of any integers: number them in a hash table, and sort the distinct ones."""
    numbered = number_distinct(values.view(np.int64), rows)
    if numbered is None:
        ids, inverse = np.unique(values, return_inverse=True)
        if len(ids) > MAX_ROWS:
            raise ValueError(f"{len(ids)} different {what}; there can be at most {MAX_ROWS}")
        rows[:] = inverse
        return ids
    ids = numbered.distinct.view(values.dtype)
    order = np.argsort(ids)
    ranks = np.empty(len(ids), np.int32)
    ranks[order] = np.arange(len(ids), dtype=np.int32)
    kernel.replace(rows, ranks)
    return ids[order]
