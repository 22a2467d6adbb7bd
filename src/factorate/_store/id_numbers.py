"""IdNumbers: number the distinct ids of a column that is read in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_column import IdColumn, integers
from factorate._input.id_index import IdIndex, keys
from factorate._input.make_index import make_index
from factorate._store.integer_numbers import IntegerNumbers
from factorate._utils.validation import MAX_ROWS, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from factorate._utils.types import Rows


class IdNumbers:
    """Numbers the distinct ids of a column in the order in which batches bring them.

    Within a batch, ids that fit in int64 are numbered in the order of their first entries, and all
    others, which are kept in a dict, in ascending order.

    Parameters
    ----------
    what : str
        Name of the column in errors.

    Examples
    --------
    >>> from factorate._input.id_column import read_ids
    >>> numbers = IdNumbers("users")
    >>> [numbers.add(read_ids(batch, "users")).tolist() for batch in ([9, 7, 9], [8, 7])]
    [[0, 1, 0], [2, 1]]
    >>> index, rows = numbers.finish()
    >>> index.ids.tolist(), rows.tolist()
    ([7, 8, 9], [2, 0, 1])
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._kind: str | None = None
        self._dtype: np.dtype[Any] = np.dtype(np.int64)  # of datetimes
        self._integers = IntegerNumbers(what)  # ids that fit in int64
        self._number_by_key: dict[Any, int] = {}  # all ids, if one does not fit
        self._objects: list[Any] = []

    def __len__(self) -> int:
        """Return the number of distinct ids."""
        return len(self._objects) or len(self._integers)

    def add(self, column: IdColumn) -> Rows:
        """Return the number of each id of a batch; ids that are new are numbered.

        Raises
        ------
        TypeError, ValueError
            If the ids are not of the kind and unit of those before, or there are too many.
        """
        if column.indices is None:
            return self._number(column)
        n_values = len(column.values)
        used = np.flatnonzero(np.bincount(column.indices, minlength=n_values))
        numbers = np.zeros(n_values, np.int32)
        numbers[used] = self._number(IdColumn(column.values[used], column.kind))
        return numbers.take(column.indices)

    def finish(
        self, convert: Callable[[NDArray[Any]], IdColumn] | None = None
    ) -> tuple[IdIndex, Rows]:
        """Return the index of the distinct ids, and the row of each number.

        Parameters
        ----------
        convert : callable, default=None
            Converts the distinct ids, if they are text, such as "7", to others. Several may become
            the same id.
        """
        kind = self._kind or "str"
        if not self._objects:
            order = np.argsort(self._integers.distinct)
            rows = np.empty(len(order), np.int32)
            rows[order] = np.arange(len(order), dtype=np.int32)
            ids = self._integers.distinct[order]
            return IdIndex(
                ids.astype(np.bool) if kind == "bool" else ids.view(self._dtype), kind
            ), rows
        values = np.fromiter(self._objects, object, len(self._objects))
        column = integers(self._objects) if kind == "integer" else IdColumn(values, kind)
        if kind == "datetime":
            column = IdColumn(values.astype(np.int64).view(self._dtype), kind)
        if kind == "str" and convert is not None:
            column = convert(values)
        return make_index(column, self._what)

    def _number(self, column: IdColumn) -> Rows:
        """Return the numbers of ids that are not encoded."""
        if not len(column.values):
            return np.empty(0, np.int32)
        self._check_kind(column)
        bits = _to_bits(column)
        if bits is not None and not self._objects:
            numbers = self._integers.add(bits)
            if numbers is not None:
                return numbers
        if len(self._integers):  # others follow, or too many hashes are equal
            distinct = self._integers.distinct
            self._objects = distinct.tolist()
            found = keys(distinct, "integer")
            self._number_by_key = {key: number for number, key in enumerate(found)}
            self._integers = IntegerNumbers(self._what)
        return self._number_objects(column)

    def _number_objects(self, column: IdColumn) -> Rows:
        """Do the same with a dict."""
        index, ranks = make_index(column, self._what)
        if index.kind == "datetime":
            index = IdIndex(index.ids.view(np.int64), "integer")
        table, objects = self._number_by_key, self._objects
        numbers = np.empty(len(index.ids), np.int32)
        for entry, (key, value) in enumerate(
            zip(keys(index.ids, index.kind), index.ids.tolist(), strict=True)
        ):
            number = table.setdefault(key, len(objects))
            if number == len(objects):
                objects.append(value)
            numbers[entry] = number
        if len(objects) > MAX_ROWS:
            raise ValueError(
                f"{len(objects)} different {self._what}; there can be at most {MAX_ROWS}"
            )
        return numbers.take(ranks)

    def _check_kind(self, column: IdColumn) -> None:
        dtype = column.values.dtype.newbyteorder("=")
        if self._kind is None:
            self._kind = column.kind
            if column.kind == "datetime":
                self._dtype = dtype
        unit_differs = column.kind == "datetime" and dtype != self._dtype
        if column.kind != self._kind or unit_differs:
            first, before = show(column.values[0]), f"of kind {self._kind}"
            if unit_differs:
                before = f"in units of {np.datetime_data(self._dtype)[0]}"
            raise TypeError(
                f"{self._what} hold {first} of kind {column.kind}, but those before are {before}; "
                f"convert all to one type"
            )


def _to_bits(column: IdColumn) -> NDArray[Any] | None:
    """Return ids as int32 or int64; None if some do not fit."""
    values = column.values
    if values.dtype.kind == "M":
        return values.astype(values.dtype.newbyteorder("="), copy=False).view(np.int64)
    if values.dtype.kind == "b":
        return values.astype(np.int32)
    return values if values.dtype.kind == "i" else None
