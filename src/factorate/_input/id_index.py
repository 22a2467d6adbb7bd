"""IdIndex: id <-> row, for whole columns at a time."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.id_columns import IdColumn, integers
from factorate._utils.validation import MAX_ROWS, show

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from factorate._utils.types import Rows


TABLE_SLACK = 4  # a lookup table may have this many entries for each id or rating
SMALLEST_TABLE = 1 << 16


@dataclass(frozen=True)
class IdIndex:
    """The distinct ids of users or items; an id's row is its place in ``ids``.

    Those of the first fit are sorted; ids that came later follow, each batch sorted among itself.
    """

    ids: NDArray[Any]
    kind: str

    def __post_init__(self) -> None:
        """Make the ids read-only."""
        self.ids.flags.writeable = False

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the lookups, which are made again when first asked for."""
        return {"ids": self.ids, "kind": self.kind}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore, read-only again."""
        vars(self).update(state)
        self.__post_init__()

    @cached_property
    def _rows(self) -> dict[Any, int]:
        return {value: row for row, value in enumerate(self.ids.tolist())}

    @cached_property
    def _table(self) -> tuple[int, Rows] | None:
        """Smallest id, and the row of each integer from it on, where that is not too long."""
        first, last = int(self.ids.min()), int(self.ids.max())
        if last - first >= max(SMALLEST_TABLE, TABLE_SLACK * len(self.ids)):
            return None
        table = np.full(last - first + 1, -1, np.int32)
        table[_offsets(self.ids, first)] = np.arange(len(self.ids), dtype=np.int32)
        return first, table

    @cached_property
    def _sorted(self) -> tuple[NDArray[Any], Rows | None]:
        """Ids in order and their rows; None for the rows where that is the order they are in."""
        if (self.ids[:-1] < self.ids[1:]).all():
            return self.ids, None
        order = np.argsort(self.ids, kind="stable").astype(np.int32)
        return self.ids[order], order


def _offsets(values: NDArray[Any], first: int) -> NDArray[Any]:
    """Return values − first; no value is less than first."""
    if first == 0:
        return values
    wide = np.uint64 if values.dtype == np.uint64 else np.int64
    return values.astype(wide, copy=False) - wide(first)


def make_index(column: IdColumn, what: str) -> tuple[IdIndex, Rows]:
    """Give each distinct id a row, its rank, and return the row of every entry.

    Examples
    --------
    >>> from factorate._input.id_columns import read_ids
    >>> index, codes = make_index(read_ids([30, 10, 30], "users"), "users")
    >>> index.ids.tolist(), codes.tolist()
    ([10, 30], [1, 0, 1])
    """
    values, kind = column.values, column.kind
    if column.codes is not None:
        index, ranks = make_index(IdColumn(values, kind), what)
        return index, ranks[column.codes]
    if values.dtype == object:
        try:
            distinct = sorted(set(values.tolist()))
        except TypeError as error:
            raise TypeError(f"{what} do not sort: {error}; convert them to one type") from None
        index = IdIndex(np.fromiter(distinct, object, len(distinct)), kind)
        return index, look_up(index, column, what)
    if kind == "integer":
        first, last = int(values.min()), int(values.max())
        if last - first < max(SMALLEST_TABLE, TABLE_SLACK * len(values)):
            seen = np.zeros(last - first + 1, np.bool)
            offsets = _offsets(values, first)
            seen[offsets] = True
            ids = np.flatnonzero(seen).astype(values.dtype) + values.dtype.type(first)
            # Whole ranges from 0, already int32, are their own codes: nothing is copied.
            codes = values if first == 0 and len(ids) == last + 1 else None
            if codes is None:
                codes = (np.cumsum(seen, dtype=np.int32) - np.int32(1))[offsets]
            return IdIndex(_wide(ids), kind), codes.astype(np.int32, copy=False)
    ids, inverse = np.unique(values, return_inverse=True)
    if len(ids) > MAX_ROWS:
        raise ValueError(f"{len(ids)} different {what}; there can be at most {MAX_ROWS}")
    return IdIndex(_wide(ids), kind), inverse.astype(np.int32)


def _wide(ids: NDArray[Any]) -> NDArray[Any]:
    return ids.astype(np.int64) if ids.dtype == np.int32 else ids


def range_index(n: int) -> IdIndex:
    """Return the index of the rows of a matrix: 0 … n - 1."""
    return IdIndex(np.arange(n, dtype=np.int64), "integer")


def _cast(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Change the unit of datetimes; one that NumPy says does not fit becomes NaT, known to none."""
    try:
        return values.astype(dtype, copy=False)
    except OverflowError:  # from NumPy 2.5 on; before, it wraps
        out = np.full(len(values), "NaT", dtype)
        for row, value in enumerate(values):
            with contextlib.suppress(OverflowError):
                out[row] = value.astype(dtype)
        return out


def look_up(
    index: IdIndex, column: IdColumn, what: str, known: str = "the model knows them as"
) -> Rows:
    """Return the row of each id, −1 where it is unknown.

    Parameters
    ----------
    index, column
        The ids that have rows, and those wanted.
    what, known
        What the column and the ids of the index are called in errors.

    Raises
    ------
    TypeError
        If the ids are of another kind than those of the index.
    """
    values = column.values
    if not len(values):
        return np.empty(0, np.int32)
    if column.codes is not None:
        rows: Rows = look_up(index, IdColumn(values, column.kind), what, known)[column.codes]
        return rows
    if column.kind != index.kind:
        example = f" ({show(index.ids[0])})" if len(index.ids) else ""
        raise TypeError(
            f"{what} are {column.kind} ({what}[0] is {show(values[0])}), but {known} "
            f"{index.kind}{example}; convert them"
        )
    if not len(index.ids):
        return np.full(len(values), -1, np.int32)
    # NumPy compares int64 with uint64 as float64, which joins neighbours; Python does not.
    signs_differ = (values.dtype == np.uint64) != (index.ids.dtype == np.uint64)
    if values.dtype == object or index.ids.dtype == object or signs_differ:
        rows_of = index._rows
        return np.fromiter(
            (rows_of.get(value, -1) for value in values.tolist()), np.int32, len(values)
        )
    if column.kind == "integer" and index._table is not None:
        first, table = index._table
        inside = (values >= first) & (values <= first + len(table) - 1)
        if inside.all():
            codes: Rows = table[_offsets(values, first)]
            return codes
        codes = np.full(len(values), -1, np.int32)
        codes[inside] = table[_offsets(values[inside], first)]
        return codes
    # Units of datetimes differ: casting to those of the index must not change the value, or wrap.
    same = _cast(values, index.ids.dtype)
    ids, rows_of_sorted = index._sorted
    places = np.searchsorted(ids, same).clip(max=len(ids) - 1)
    codes = (places if rows_of_sorted is None else rows_of_sorted[places]).astype(np.int32)
    codes[(ids[places] != same) | (same.astype(values.dtype, copy=False) != values)] = -1
    return codes


def extend(index: IdIndex, column: IdColumn, what: str) -> tuple[IdIndex, Rows]:
    """Append the ids that are unknown, sorted among themselves, and return the row of every entry.

    Raises
    ------
    TypeError
        If the ids are of another kind than those of the index.
    ValueError
        If there would be too many, or datetimes do not fit one unit.

    Examples
    --------
    >>> from factorate._input.id_columns import read_ids
    >>> index, _ = make_index(read_ids([10, 30], "users"), "users")
    >>> longer, codes = extend(index, read_ids([25, 30, 20, 25], "users"), "users")
    >>> longer.ids.tolist(), codes.tolist()
    ([10, 30, 20, 25], [3, 1, 2, 3])
    """
    if column.codes is not None:
        used = np.unique(column.codes)  # a category without a rating gets no row
        longer, rows = extend(index, IdColumn(column.values[used], column.kind), what)
        return longer, rows[np.searchsorted(used, column.codes)]
    codes = look_up(index, column, what)
    unknown = np.flatnonzero(codes < 0)
    if not len(unknown):
        return index, codes
    new, ranks = make_index(IdColumn(column.values[unknown], column.kind), what)
    if len(index.ids) + len(new.ids) > MAX_ROWS:
        raise ValueError(f"more than {MAX_ROWS} different {what}; there can be at most as many")
    codes[unknown] = ranks + np.int32(len(index.ids))
    return IdIndex(_join(index.ids, new.ids, what), index.kind), codes


def _join(old: NDArray[Any], new: NDArray[Any], what: str) -> NDArray[Any]:
    """Concatenate ids in a dtype that holds them all exactly."""
    if old.dtype.kind in "iu" and old.dtype != new.dtype:
        return integers([*old.tolist(), *new.tolist()]).values  # NumPy would make them float64
    if old.dtype == new.dtype or old.dtype.kind != "M":
        return np.concatenate([old, new])
    unit = np.result_type(old, new)
    joined = [_cast(part, unit) for part in (old, new)]
    for part, before in zip(joined, (old, new), strict=True):
        lost = np.flatnonzero(_cast(part, before.dtype) != before)
        if len(lost):
            raise ValueError(
                f"{what} have {show(before[lost[0]])}, which the unit of the others, "
                f"{np.datetime_data(unit)[0]}, cannot hold; convert them to one unit"
            )
    return np.concatenate(joined)


def without(index: IdIndex, rows: Rows) -> IdIndex:
    """Return the index without some rows; those after them move up.

    Examples
    --------
    >>> import numpy as np
    >>> from factorate._input.id_columns import read_ids
    >>> index, _ = make_index(read_ids([10, 20, 30], "users"), "users")
    >>> without(index, np.array([1], np.int32)).ids.tolist()
    [10, 30]
    """
    return IdIndex(np.delete(index.ids, rows), index.kind)
