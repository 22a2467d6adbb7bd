"""Assign rows to ids: make an IdIndex, extend it with later ids, or remove rows from it."""

from __future__ import annotations

import itertools
import operator
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.id_column import IdColumn, integers
from factorate._input.id_index import IdIndex, keys
from factorate._input.id_to_row import cast_datetimes, look_up
from factorate._input.index_integers import index_integers
from factorate._kernels import integers as kernel
from factorate._utils.validation import MAX_ROWS, show

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from factorate._utils.types import Rows


def make_index(column: IdColumn, what: str) -> tuple[IdIndex, Rows]:
    """Assign a row to each distinct id: its rank among the sorted ids.

    Parameters
    ----------
    column : IdColumn
        At least one id.
    what : str
        Name of the column in errors.

    Returns
    -------
    index : IdIndex
        The distinct ids.
    rows : ndarray of int32, shape (len(column),)
        The row of each entry, a new array.

    Raises
    ------
    TypeError
        If the ids cannot be sorted.
    ValueError
        If there are too many ids.

    Examples
    --------
    >>> from factorate._input.id_column import read_ids
    >>> index, rows = make_index(read_ids([30, 10, 30], "users"), "users")
    >>> index.ids.tolist(), rows.tolist()
    ([10, 30], [1, 0, 1])
    """
    values, kind = column.values, column.kind
    if column.indices is not None:
        index, ranks = make_index(IdColumn(values, kind), what)
        rows = column.indices
        if not np.array_equal(ranks, np.arange(len(ranks))):
            rows = rows.copy()
            kernel.replace(rows, ranks)
        return index, rows
    if values.dtype == object:
        if kind == "str" and _ascend(values.tolist()):
            return IdIndex(values.copy(), kind), np.arange(len(values), dtype=np.int32)
        try:
            distinct = sorted(dict(zip(keys(values, kind), values.tolist(), strict=True)).values())
        except TypeError as error:
            raise TypeError(f"{what} cannot be sorted: {error}; convert them to one type") from None
        index = IdIndex(np.fromiter(distinct, object, len(distinct)), kind)
        return index, look_up(index, column, what)
    if kind == "integer":
        return index_integers(values, what)
    # Booleans and datetimes are sorted as integers are.
    dtype = values.dtype.newbyteorder("=")
    bits = values.astype(np.int32) if kind == "bool" else values.astype(dtype).view(np.int64)
    index, rows = index_integers(bits, what)
    ids = index.ids.astype(np.bool) if kind == "bool" else index.ids.view(dtype)
    return IdIndex(ids, kind), rows


def extend(index: IdIndex, column: IdColumn, what: str) -> tuple[IdIndex, Rows]:
    """Append unknown ids to an index, in ascending order.

    Parameters
    ----------
    index : IdIndex
        The ids that have rows, which do not change.
    column : IdColumn
        Known and unknown ids.
    what : str
        Name of the column in errors.

    Returns
    -------
    index : IdIndex
        The longer index, or `index` itself if no id is unknown.
    rows : ndarray of int32, shape (len(column),)
        The row of each entry, a new array.

    Raises
    ------
    TypeError
        If the ids are of another kind than those of the index.
    ValueError
        If there would be too many ids, or no unit can represent all datetimes.

    Examples
    --------
    >>> from factorate._input.id_column import read_ids
    >>> index, _ = make_index(read_ids([10, 30], "users"), "users")
    >>> longer, rows = extend(index, read_ids([25, 30, 20, 25], "users"), "users")
    >>> longer.ids.tolist(), rows.tolist()
    ([10, 30, 20, 25], [3, 1, 2, 3])
    """
    if column.indices is not None:
        used = np.unique(column.indices)  # unused categories get no row
        longer, rows = extend(index, IdColumn(column.values[used], column.kind), what)
        return longer, rows[np.searchsorted(used, column.indices)]
    rows = look_up(index, column, what)
    unknown = np.flatnonzero(rows < 0)
    if not len(unknown):
        return index, rows
    new, ranks = make_index(IdColumn(column.values[unknown], column.kind), what)
    n_ids = len(index.ids) + len(new.ids)
    if n_ids > MAX_ROWS:
        raise ValueError(f"{n_ids} different {what}; there can be at most {MAX_ROWS}")
    rows[unknown] = ranks + np.int32(len(index.ids))
    return IdIndex(_join(index.ids, new.ids, what), index.kind), rows


def without(index: IdIndex, rows: Rows) -> IdIndex:
    """Remove rows from an index; later rows move up.

    Parameters
    ----------
    index : IdIndex
        The ids.
    rows : ndarray of int32
        The rows to remove.

    Returns
    -------
    IdIndex
        The remaining ids, in the same order.

    Examples
    --------
    >>> import numpy as np
    >>> from factorate._input.id_column import read_ids
    >>> index, _ = make_index(read_ids([10, 20, 30], "users"), "users")
    >>> without(index, np.array([1], np.int32)).ids.tolist()
    [10, 30]
    """
    return IdIndex(index.ids.take(remaining_rows(rows, len(index.ids))), index.kind)


def remaining_rows(removed: Rows, n: int) -> NDArray[np.intp]:
    """Return the rows of ``range(n)`` that are not removed, in ascending order.

    When memory is short, `take` with these raises MemoryError, where `numpy.delete` may raise
    SystemError.
    """
    remains = np.ones(n, np.bool)
    remains[removed.astype(np.intp)] = False
    return np.flatnonzero(remains)


def _ascend(texts: list[str]) -> bool:
    """Return whether each text is greater than the one before."""
    return all(map(operator.lt, texts, itertools.islice(texts, 1, None)))


def _join(old: NDArray[Any], new: NDArray[Any], what: str) -> NDArray[Any]:
    """Concatenate ids in a dtype that represents all of them exactly."""
    if old.dtype.kind in "iu" and old.dtype != new.dtype:
        return integers([*old.tolist(), *new.tolist()]).values  # NumPy would make them float64
    if old.dtype == new.dtype or old.dtype.kind != "M":
        return np.concatenate([old, new])
    unit = np.result_type(old, new)
    joined = [cast_datetimes(ids, unit) for ids in (old, new)]
    for cast, before in zip(joined, (old, new), strict=True):
        changed = np.flatnonzero(cast_datetimes(cast, before.dtype) != before)
        if len(changed):
            raise ValueError(
                f"{what} have {show(before[changed[0]])}, which the unit of the others, "
                f"{np.datetime_data(unit)[0]}, cannot represent; convert them to one unit"
            )
    return np.concatenate(joined)
