"""Look up the rows of ids in an IdIndex, and the ids of rows."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_column import IdColumn, read_ids
from factorate._input.id_index import differences, keys
from factorate._utils.validation import show

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._input.id_index import IdIndex
    from factorate._utils.types import Rows


def look_up(
    index: IdIndex, column: IdColumn, what: str, known: str = "the ids of the model are"
) -> Rows:
    """Return the row of each id, −1 if it is unknown.

    Parameters
    ----------
    index : IdIndex
        The ids that have rows.
    column : IdColumn
        The ids to look up.
    what : str
        Name of the column in errors.
    known : str, default="the ids of the model are"
        Beginning of the clause in errors that gives the kind of the ids in the index.

    Returns
    -------
    ndarray of int32, shape (len(column),)
        A new array.

    Raises
    ------
    TypeError
        If the ids are of another kind than those of the index.

    Examples
    --------
    >>> from factorate._input.make_index import make_index
    >>> index, _ = make_index(read_ids([30, 10], "users"), "users")
    >>> look_up(index, read_ids([30, 20], "users"), "users").tolist()
    [1, -1]
    """
    values = column.values
    if not len(values):
        return np.empty(0, np.int32)
    if column.indices is not None:
        distinct = IdColumn(values, column.kind)
        rows: Rows = look_up(index, distinct, what, known).take(column.indices)
        return rows
    if column.kind != index.kind:
        example = f" ({show(index.ids[0])})" if len(index.ids) else ""
        raise TypeError(
            f"{what} are {column.kind} ({what}[0] is {show(values[0])}), but {known} "
            f"{index.kind}{example}; convert them"
        )
    if not len(index.ids):
        return np.full(len(values), -1, np.int32)
    # NumPy compares int64 with uint64 as float64, in which large integers can become equal.
    signs_differ = (values.dtype == np.uint64) != (index.ids.dtype == np.uint64)
    if values.dtype == object or index.ids.dtype == object or signs_differ:
        rows_by_key = index.rows_by_key
        return np.fromiter(
            (rows_by_key.get(key, -1) for key in keys(values, column.kind)), np.int32, len(values)
        )
    if column.kind == "integer" and index.table is not None:
        return _in_table(*index.table, values)
    return _by_bisection(*index.ascending, values)


def rows_of(ids: Any, index: IdIndex, what: str) -> tuple[Any, Rows]:
    """Return a column of ids as an array, and their rows.

    Parameters
    ----------
    ids : array-like of shape (n,) or None
        The ids to look up; None for all ids of the index.
    index : IdIndex
        The ids that have rows.
    what : str
        Name of the column in errors.

    Returns
    -------
    ids : ndarray of shape (n,)
        The ids.
    rows : ndarray of int32, shape (n,)
        Their rows, −1 if unknown.

    Raises
    ------
    TypeError, ValueError
        If they are not ids of the kind of the index.
    """
    if ids is None:
        return index.ids, np.arange(len(index.ids), dtype=np.int32)
    column = read_ids(ids, what)
    return column.values, look_up(index, column, what)


def ids_of(index: IdIndex, rows: Rows) -> NDArray[Any]:
    """Return the ids of rows of any shape; entries of row −1 are fillers.

    Examples
    --------
    >>> from factorate._input.make_index import make_index
    >>> index, _ = make_index(read_ids(["b", "a"], "items"), "items")
    >>> ids_of(index, np.array([[1, -1]], np.int32)).tolist()
    [['b', None]]
    """
    known = rows >= 0
    if known.all():
        return index.ids.take(rows)
    dtype = index.ids.dtype
    filler = {"O": None, "M": "NaT", "b": False, "u": 0}.get(dtype.kind, -1)
    ids = np.full(rows.shape, filler, dtype)
    ids[known] = index.ids.take(rows[known])
    return ids


def cast_datetimes(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Change the unit of datetimes; NaT where NumPy raises OverflowError.

    Before NumPy 2.5 such a value wraps around, so callers must compare the result with the
    original.
    """
    try:
        return values.astype(dtype, copy=False)
    except OverflowError:
        cast = np.full(len(values), "NaT", dtype)
        for entry, value in enumerate(values):
            with contextlib.suppress(OverflowError):
                cast[entry] = value.astype(dtype)
        return cast


def _in_table(first: int, table: Rows, values: NDArray[Any]) -> Rows:
    inside = (values >= first) & (values <= first + len(table) - 1)
    if inside.all():
        every: Rows = table.take(differences(values, first).astype(np.intp, copy=False))
        return every
    rows = np.full(len(values), -1, np.int32)
    rows[inside] = table.take(differences(values[inside], first).astype(np.intp, copy=False))
    return rows


def _by_bisection(ids: NDArray[Any], rows_of_ids: Rows | None, values: NDArray[Any]) -> Rows:
    cast = cast_datetimes(values, ids.dtype)
    found = np.searchsorted(ids, cast).clip(max=len(ids) - 1)
    rows = (found if rows_of_ids is None else rows_of_ids[found]).astype(np.int32)
    # A datetime that changes with its unit is not one of the ids.
    rows[(ids[found] != cast) | (cast.astype(values.dtype, copy=False) != values)] = -1
    return rows
