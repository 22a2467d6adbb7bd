"""IdNumbers: number the distinct ids of a column that is read in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_column import IdColumn, integers
from factorate._input.id_index import IdIndex, keys
from factorate._input.id_to_row import look_up
from factorate._input.make_index import make_index
from factorate._utils.validation import MAX_ROWS, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from factorate._utils.types import Rows


class IdNumbers:
    """Numbers the distinct ids of a column in the order in which batches bring them.

    Ids of 64 bits are kept in a sorted array, all others in a dict.

    Parameters
    ----------
    what : str
        Name of the column in errors.

    Examples
    --------
    >>> from factorate._input.id_column import read_ids
    >>> numbers = IdNumbers("users")
    >>> [numbers.add(read_ids(batch, "users")).tolist() for batch in ([7, 9, 7], [8, 9])]
    [[0, 1, 0], [2, 1]]
    >>> index, rows = numbers.finish()
    >>> index.ids.tolist(), rows.tolist()
    ([7, 8, 9], [0, 2, 1])
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._kind: str | None = None
        self._dtype: np.dtype[Any] = np.dtype(np.int64)  # of ids that are kept as integers
        self._bits = np.empty(0, np.int64)  # ids of 64 bits, ascending, and their numbers
        self._numbers = np.empty(0, np.int32)
        self._index: IdIndex | None = None  # of the same, once it is needed
        self._number_by_key: dict[Any, int] = {}  # all ids, if one does not have 64 bits
        self._objects: list[Any] = []

    def __len__(self) -> int:
        """Return the number of distinct ids."""
        return len(self._objects) or len(self._bits)

    def add(self, column: IdColumn) -> Rows:
        """Return the number of each id of a batch; ids that are new are numbered.

        Raises
        ------
        TypeError, ValueError
            If the ids are not of the kind and unit of those before, or there are too many.
        """
        if not len(column.values):
            return np.empty(0, np.int32)
        if column.indices is None:
            known = self._known(column)
            if known is not None:
                return self._add_to(known, column)
            index, ranks = make_index(column, self._what)
            return self._number(index).take(ranks)
        n_values = len(column.values)
        used = np.flatnonzero(np.bincount(column.indices, minlength=n_values))
        index, ranks = make_index(IdColumn(column.values[used], column.kind), self._what)
        numbers = np.zeros(n_values, np.int32)
        numbers[used] = self._number(index).take(ranks)
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
            rows = np.empty(len(self._bits), np.int32)
            rows[self._numbers] = np.arange(len(rows), dtype=np.int32)
            ids = self._bits
            if kind != "integer":
                ids = ids.astype(np.bool) if kind == "bool" else ids.view(self._dtype)
            return IdIndex(ids, kind), rows
        values = np.fromiter(self._objects, object, len(self._objects))
        column = integers(self._objects) if kind == "integer" else IdColumn(values, kind)
        if kind == "str" and convert is not None:
            column = convert(values)
        return make_index(column, self._what)

    def _known(self, column: IdColumn) -> IdIndex | None:
        """Return the index of the ids so far, if a table of them finds those of the column."""
        if self._kind != "integer" or column.values.dtype.kind != "i" or not len(self._bits):
            return None
        if self._index is None:
            self._index = IdIndex(self._bits, "integer")
        return None if self._index.table is None else self._index

    def _add_to(self, known: IdIndex, column: IdColumn) -> Rows:
        """Do the same as `add`, with a table of the ids so far."""
        ranks = look_up(known, column, self._what)
        numbers: Rows = self._numbers.take(ranks)
        unknown = np.flatnonzero(ranks < 0)
        if len(unknown):
            new = IdColumn(column.values[unknown], column.kind)
            index, new_ranks = make_index(new, self._what)
            numbers[unknown] = self._number(index).take(new_ranks)
        return numbers

    def _number(self, index: IdIndex) -> Rows:
        """Return the numbers of distinct ids in ascending order."""
        self._check_kind(index)
        bits = self._to_bits(index)
        if bits is not None and not self._objects:
            return self._number_bits(bits)
        if len(self._bits):  # integers beyond 64 bits follow others
            in_order = self._bits[np.argsort(self._numbers)]
            self._objects = in_order.tolist()
            found = keys(in_order, index.kind)
            self._number_by_key = {key: number for number, key in enumerate(found)}
            self._bits, self._numbers = self._bits[:0], self._numbers[:0]
        return self._number_objects(index)

    def _check_kind(self, index: IdIndex) -> None:
        if self._kind is None:
            self._kind = index.kind
            self._dtype = index.ids.dtype
        unit_differs = index.kind == "datetime" and index.ids.dtype != self._dtype
        if index.kind != self._kind or unit_differs:
            first, before = show(index.ids[0]), f"{self._kind}s"
            if unit_differs:
                before = f"in units of {np.datetime_data(self._dtype)[0]}"
            raise TypeError(
                f"{self._what} hold {first} of kind {index.kind}, but those of earlier batches are "
                f"{before}; convert all to one type"
            )

    def _to_bits(self, index: IdIndex) -> NDArray[np.int64] | None:
        if index.ids.dtype.kind == "M":
            return index.ids.view(np.int64)
        if index.ids.dtype.kind in "bi":
            return index.ids.astype(np.int64, copy=False)
        return None

    def _number_bits(self, bits: NDArray[np.int64]) -> Rows:
        n_known = len(self._bits)
        where = np.searchsorted(self._bits, bits)
        known = np.zeros(len(bits), np.bool)
        if n_known:
            known = self._bits[np.minimum(where, n_known - 1)] == bits
        numbers = np.empty(len(bits), np.int32)
        numbers[known] = self._numbers[where[known]]
        n_new = len(bits) - int(np.count_nonzero(known))
        if n_new:
            self._check_number(n_known + n_new)
            new = np.arange(n_known, n_known + n_new, dtype=np.int32)
            numbers[~known] = new
            self._index = None
            self._bits = np.insert(self._bits, where[~known], bits[~known])
            self._numbers = np.insert(self._numbers, where[~known], new)
        return numbers

    def _number_objects(self, index: IdIndex) -> Rows:
        table, objects = self._number_by_key, self._objects
        numbers = np.empty(len(index.ids), np.int32)
        for entry, (key, value) in enumerate(
            zip(keys(index.ids, index.kind), index.ids.tolist(), strict=True)
        ):
            number = table.setdefault(key, len(objects))
            if number == len(objects):
                objects.append(value)
            numbers[entry] = number
        self._check_number(len(objects))
        return numbers

    def _check_number(self, n: int) -> None:
        if n > MAX_ROWS:
            raise ValueError(f"{n} different {self._what}; there can be at most {MAX_ROWS}")
