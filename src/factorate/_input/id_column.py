"""Read any sequence of ids as an IdColumn: ids of one kind, none missing."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._utils.validation import check_column, check_unmasked, show

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from factorate._utils.types import Rows


_KINDS: dict[type, str] = {
    bool: "bool",
    np.bool: "bool",
    int: "integer",
    str: "str",
    np.str_: "str",
    bytes: "bytes",
    np.bytes_: "bytes",
    uuid.UUID: "UUID",
    datetime.datetime: "datetime",
    datetime.date: "date",
    np.datetime64: "datetime",
}
_ALLOWED = "bool, integer, str, bytes, UUID, datetime or date"
_EXACT = 53  # bits of the integers that a float represents exactly


@dataclass(frozen=True)
class IdColumn:
    """Ids of one kind, none missing.

    Parameters
    ----------
    values : ndarray
        bool, int32, int64, uint64 or datetime64; object for ids of any other kind.
    kind : str
        Kind of the ids, such as "integer" or "str".
    indices : ndarray of int32, optional
        If given, the ids are ``values[indices]``. No other thread changes this array.
    """

    values: NDArray[Any]
    kind: str
    indices: Rows | None = None


@dataclass(frozen=True)
class Encoded:
    """A column as its distinct values and, for each entry, the index of its value among them.

    Indices are in range, because kernels do not check them; no other thread changes their array.
    Values are distinct objects; those of `encode_array` may be equal.
    """

    distinct: NDArray[Any]
    indices: Rows

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.indices)

    def __getitem__(self, entry: int) -> Any:
        """Return one entry."""
        return self.distinct[self.indices[entry]]


def read_ids(values: ArrayLike | Encoded, what: str) -> IdColumn:
    """Read a column of ids and check that they are of one kind and none is missing.

    Parameters
    ----------
    values : array-like of shape (n,) or Encoded
        bool, integers, str, bytes, UUID, datetime or date. Floats that are whole numbers, such as
        those of pandas after a merge, are read as integers.
    what : str
        Name of the column in errors.

    Returns
    -------
    IdColumn
        The ids, in a dtype of `IdColumn.values`.

    Raises
    ------
    ValueError
        If an id is missing (None, NaN, NA, NaT) or a float that is not a whole number, or the shape
        is not (n,).
    TypeError
        If ids are of another type, or of types that cannot be sorted together.

    Examples
    --------
    >>> read_ids(["b", "a"], "users").kind
    'str'
    >>> read_ids([2.0, 1.0], "users").values
    array([2, 1])
    """
    if isinstance(values, Encoded):
        distinct = read_ids(values.distinct, what)
        return IdColumn(distinct.values, distinct.kind, values.indices)
    check_column(values, what)
    array = values if isinstance(values, np.ndarray) else _to_array(values)
    if array.ndim != 1:
        raise ValueError(f"{what} has shape {array.shape}; a column of ids has shape (n,)")
    if not len(array):
        return IdColumn(np.empty(0, object), "str")
    if np.ma.isMaskedArray(array):
        check_unmasked(array, what)
        array = array.data
    kind = array.dtype.kind
    if kind == "b":
        return IdColumn(array, "bool")
    if kind in "iu":
        return IdColumn(_integer_array(array), "integer")
    if kind == "M":
        missing = np.flatnonzero(np.isnat(array))
        if len(missing):
            _raise_missing(array[missing[0]], int(missing[0]), what)
        return IdColumn(array, "datetime")
    if kind == "f":
        return IdColumn(_whole_numbers(array, what), "integer")
    if kind in "USTO":
        return _objects(array.astype(object), what)
    raise TypeError(f"{what} are {array.dtype}; ids must be {_ALLOWED}")


def is_scalar(ids: object) -> bool:
    """Return whether an object is one id, not a column of ids; None is neither.

    Examples
    --------
    >>> is_scalar("ann"), is_scalar(7), is_scalar(["ann"]), is_scalar(None)
    (True, True, False, False)
    """
    if isinstance(ids, str | bytes):
        return True
    if isinstance(ids, np.ndarray):
        return ids.ndim == 0
    return ids is not None and not hasattr(ids, "__len__")


def as_column(ids: Any) -> Any:
    """Return one id as a column of one, and a column as it is."""
    if not is_scalar(ids):
        return ids
    return [ids.item() if isinstance(ids, np.ndarray) else ids]


def integers(listed: list[Any]) -> IdColumn:
    """Return integers as int64, uint64 or objects, the first that represents all exactly."""
    listed = [int(value) for value in listed]  # a NumPy integer would wrap, not overflow
    for dtype in (np.int64, np.uint64):
        try:
            return IdColumn(np.array(listed, dtype), "integer")
        except OverflowError:
            continue
    return IdColumn(np.fromiter(listed, object, len(listed)), "integer")


def _is_missing(value: object) -> bool:
    return (
        value is None
        or (isinstance(value, float | np.floating) and value != value)
        or type(value).__name__ in {"NAType", "NaTType"}
        or (isinstance(value, np.datetime64) and np.isnat(value))
    )


def _raise_missing(value: object, entry: int, what: str) -> None:
    raise ValueError(
        f"{what}[{entry}] is {show(value)}, a missing id; drop that row or give it an id"
    )


def _whole_numbers(floats: NDArray[Any], what: str) -> NDArray[np.int64]:
    """Return floats as integers; raise ValueError if one is not exactly an integer."""
    bound = 2 ** min(np.finfo(floats.dtype).nmant + 1, _EXACT)
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~((floats == np.trunc(floats)) & (np.abs(floats) <= bound)))
    if len(wrong):
        _check_whole(floats[wrong[0]], int(wrong[0]), what, bound)
    return floats.astype(np.int64)


def _check_whole(value: Any, entry: int, what: str, bound: int = 2**_EXACT) -> None:
    """Raise ValueError unless a float is an integer of at most `bound`, so that it is exact."""
    if value != value:
        _raise_missing(value, entry, what)
    if not np.isfinite(value) or value != np.trunc(value):
        raise ValueError(f"{what}[{entry}] is {show(value)}; ids that are floats are whole numbers")
    if abs(value) > bound:
        raise ValueError(
            f"{what}[{entry}] is {show(value)}, and a float of this type represents integers "
            f"exactly up to {bound} only; pass the ids as integers or text"
        )


def _kind_of(value: object) -> str | None:
    for base in type(value).__mro__:
        if base in _KINDS:
            return _KINDS[base]
    return "integer" if isinstance(value, np.integer | np.floating | float) else None


def _objects(values: NDArray[Any], what: str) -> IdColumn:
    """Read an object array, whose entries must be of one kind."""
    listed = values.tolist()
    types = set(map(type, listed))
    if types == {str}:
        return IdColumn(values, "str")
    if types == {int}:
        return integers(listed)
    first_of_kind: dict[str, int] = {}
    kind_of_type: dict[type, str] = {}
    for entry, value in enumerate(listed):
        kind = kind_of_type.get(type(value))
        if kind is None:
            if _is_missing(value):
                _raise_missing(value, entry, what)
            kind = _kind_of(value)
            if kind is None:
                raise TypeError(
                    f"{what}[{entry}] is {show(value)} of type {type(value).__name__}; "
                    f"ids must be {_ALLOWED}"
                )
            kind_of_type[type(value)] = kind
            first_of_kind.setdefault(kind, entry)
    if len(first_of_kind) > 1:
        (kind, first), (other_kind, other) = list(first_of_kind.items())[:2]
        raise TypeError(
            f"{what} mix {kind} ({what}[{first}] is {show(listed[first])}) and {other_kind} "
            f"({what}[{other}] is {show(listed[other])}), which cannot be "
            f"sorted; convert them to one type"
        )
    (kind,) = first_of_kind
    if kind == "integer":
        for entry, value in enumerate(listed):
            if isinstance(value, float | np.floating):
                _check_whole(value, entry, what)
        return integers(listed)
    if kind == "bool":
        return IdColumn(values.astype(np.bool), kind)
    if kind == "date":
        return IdColumn(np.array(listed, "datetime64[D]"), "datetime")
    if kind == "datetime":
        return _datetimes(listed, what)
    return IdColumn(values, kind)


def _to_utc(value: Any, where: str) -> Any:
    """Return a datetime in UTC; ambiguous local times compare unequal to any other zone."""
    try:
        return value.astimezone(datetime.UTC)
    except OverflowError:
        raise ValueError(f"{where} is {show(value)}, which is out of range in UTC") from None


def _datetimes(listed: list[Any], what: str) -> IdColumn:
    zoned = [getattr(value, "tzinfo", None) is not None for value in listed]
    if all(zoned):
        utc = (_to_utc(value, f"{what}[{position}]") for position, value in enumerate(listed))
        return IdColumn(np.fromiter(utc, object, len(listed)), "zoned datetime")
    if any(zoned):
        raise TypeError(f"{what} mix datetimes with and without a zone, which cannot be sorted")
    # NumPy drops the nanoseconds of a pandas Timestamp that it converts itself.
    exact = [v.to_datetime64() if hasattr(v, "to_datetime64") else v for v in listed]
    return read_ids(np.array([np.datetime64(value) for value in exact]), what)


def _integer_array(array: NDArray[Any]) -> NDArray[Any]:
    """Return integers as int32, int64 or uint64; not a copy unless their size is another."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.itemsize < 4:
        return array.astype(np.int32)
    signed = np.dtype(f"i{array.dtype.itemsize}")
    if array.dtype.kind == "i" or int(array.max()) <= np.iinfo(signed).max:
        return array.view(signed)
    return array.astype(np.int64 if signed.itemsize == 4 else np.uint64, copy=False)


def _to_array(values: ArrayLike) -> NDArray[Any]:
    """Return the objects in a sequence as an array; NumPy would turn [True, 2] into integers."""
    if not isinstance(values, list | tuple):
        return np.asarray(values)
    if values and all(type(value) is float for value in values):
        return np.array(values)
    return np.fromiter(values, object, len(values))
