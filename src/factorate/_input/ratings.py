"""Ratings: any input -> codes, values and the two id indexes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._input import files, frames
from factorate._input.id_columns import raise_masked, read_ids
from factorate._input.id_index import IdIndex, extend, look_up, make_index, range_index
from factorate._utils.validation import (
    check_column,
    check_numeric,
    check_rows,
    check_shape,
    is_sparse,
    to_numbers,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from factorate._utils.types import Floats, Rows


FORMS = (
    "a DataFrame, the path of a CSV or Parquet file, a tuple (users, items, ratings) of arrays, "
    "X of shape (n, 2) with y, a scipy.sparse matrix or a dense 2-d array"
)


class Columns(NamedTuple):
    """One input as columns, nothing checked but its form.

    ``users`` and ``items`` are ids, or for a matrix its row and column numbers, and then ``shape``
    is that of the matrix. ``library`` names the DataFrame library the input came from.
    """

    users: Any
    items: Any
    ratings: Any
    shape: tuple[int, int] | None = None
    library: str | None = None


@dataclass(frozen=True)
class Ratings:
    """Ratings as codes.

    Attributes
    ----------
    users, items
        Row of each rating in its index, int32, shape (n,).
    values
        Finite ratings, shape (n,), float32 or float64.
    user_index, item_index
        The ids of the rows.
    library
        The DataFrame library the ratings came from, if any.
    """

    users: Rows
    items: Rows
    values: Floats
    user_index: IdIndex
    item_index: IdIndex
    library: str | None


def _sparse(matrix: Any) -> Columns:
    shape = check_shape(matrix.shape, "the sparse matrix")
    stored = matrix.tocoo()
    for name, rows in (("row", stored.row), ("column", stored.col)):
        if len(rows) and rows.min() < 0:
            where = int(np.argmin(rows))
            raise ValueError(f"{name} index {rows[where]} of stored entry {where} is negative")
    return Columns(stored.row, stored.col, stored.data, shape)


def _dense(matrix: NDArray[Any], transposed: str) -> Columns:
    if matrix.shape[1] == 3:
        raise ValueError(
            f"an array of shape {matrix.shape} can be triples or a matrix of three items; for "
            f"(user, item, rating) triples pass {transposed}, for a matrix "
            f"scipy.sparse.coo_array(a)"
        )
    if matrix.shape[1] == 2:
        raise ValueError(
            f"X of shape {matrix.shape} is pairs of user and item, but their ratings are missing: "
            f"pass them too, as in fit(X, y); for a matrix of two items pass "
            f"scipy.sparse.coo_array(a)"
        )
    if matrix.dtype.kind in "OUS":
        matrix = to_numbers(matrix, "R", missing=np.nan)
    check_numeric(matrix, "the matrix")
    observed = (matrix != 0) & ~np.isnan(matrix)
    infinite = np.argwhere(np.isinf(matrix))
    if len(infinite):
        row, column = infinite[0].tolist()
        raise ValueError(
            f"R[{row}, {column}] is {matrix[row, column]}; ratings are finite, and entries that "
            f"were not observed are 0 or NaN"
        )
    users, items = np.nonzero(observed)
    return Columns(users, items, matrix[users, items], matrix.shape)


def read_columns(
    data: object,
    y: object,
    names: frames.Names | None,
    with_ratings: bool = True,
    kinds: tuple[str | None, str | None] = (None, None),
) -> Columns:
    """Bring any accepted form of input into columns of equal length.

    Parameters
    ----------
    data
        One of `FORMS`; without `with_ratings`, the same without the ratings.
    y
        Ratings of the pairs in `data`, or None.
    names
        Names of the columns (user, item, rating), or None to find them.
    with_ratings
        Whether there must be ratings.
    kinds
        Kinds of the ids that a model knows, which decide how those of a CSV file are read.

    Raises
    ------
    TypeError, ValueError
        If the form is none of these, or an ambiguous one.
    FileNotFoundError
        If `data` is a path where no file is.
    """
    columns = _columns(data, y, names, with_ratings, kinds)
    wanted = frames.ROLES if with_ratings or y is not None else frames.ROLES[:2]
    _check_lengths(**dict(zip(wanted, columns, strict=False)))
    return columns


def _columns(
    data: object,
    y: object,
    names: frames.Names | None,
    with_ratings: bool,
    kinds: tuple[str | None, str | None],
) -> Columns:
    inside = with_ratings and y is None  # where the ratings are
    if isinstance(data, tuple):
        return _tuple(data, y, inside)
    if isinstance(data, list | np.ndarray):
        return _array(data, y, inside)
    if is_sparse(data):
        if y is not None:
            raise ValueError("a sparse matrix holds its ratings; pass it without y")
        return _sparse(data)
    from_file = isinstance(data, str | os.PathLike)
    if isinstance(data, str | os.PathLike):
        data = files.read_file(Path(data), names, inside, kinds)
    frame = frames.to_frame(data)
    if frame is None:
        raise TypeError(f"got {type(data).__name__}; expected {FORMS}")
    users, items, ratings, library = frames.columns(frame, names, inside)
    return Columns(users, items, ratings if y is None else y, None, None if from_file else library)


def _tuple(data: tuple[Any, ...], y: object, with_ratings: bool) -> Columns:
    if (len(data) == 3 and y is None) or (len(data) == 2 and not with_ratings):
        users, items, *rest = map(frames.column, data, frames.ROLES)
        return Columns(users, items, rest[0] if rest else y)
    expected = "(users, items, ratings)" if with_ratings else "(users, items)"
    raise ValueError(f"a tuple of {len(data)} was given; expected {expected}")


def _array(data: list[Any] | NDArray[Any], y: object, with_ratings: bool) -> Columns:
    array = _as_array(data)
    if not with_ratings and array.size == 0:
        return Columns([], [], y)
    if array.ndim != 2:
        raise ValueError(f"an array of shape {array.shape} was given; expected {FORMS}")
    if not with_ratings and array.shape[1] == 2:
        return Columns(array[:, 0], array[:, 1], y)
    if y is not None:
        raise ValueError(f"with y, X has shape (n, 2), user and item; got {array.shape}")
    if not with_ratings and array.shape[1] == 3:
        raise ValueError(f"pairs of user and item have shape (n, 2); got {array.shape}")
    if isinstance(data, list) and len(data) == 3:
        raise ValueError(
            "a list of three rows can be three columns, three ratings or a matrix of three users; "
            "for columns pass a tuple (users, items, ratings), for (user, item, rating) triples "
            "tuple(zip(*a)), for a matrix scipy.sparse.coo_array(a)"
        )
    return _dense(array, "tuple(zip(*a))" if isinstance(data, list) else "tuple(a.T)")


def _as_array(data: list[Any] | NDArray[Any]) -> NDArray[Any]:
    if isinstance(data, np.ma.MaskedArray):
        if data.ndim == 2 and data.shape[1] == 2:
            raise_masked(data.ravel(), "X")
        return np.asarray(data.filled(0) if data.dtype.kind in "biufO" else data.data)
    if isinstance(data, np.ndarray):
        return np.asarray(data)  # a plain array, whatever its subclass
    check_rows(data)
    return np.asarray(data, object)  # not yet numbers or text: [1, "a"] keeps its integer


def read_values(ratings: ArrayLike, dtype: np.dtype[Any], what: str = "ratings") -> Floats:
    """Return ratings as an array of `dtype`, having proved that every one is finite.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If one is NaN, infinite, or too large for `dtype`, or the shape is not (n,).
    """
    if isinstance(ratings, np.ma.MaskedArray):
        raise_masked(ratings.ravel(), what)
    check_column(ratings, what)
    array = np.asarray(ratings)
    if array.dtype.kind in "OUS":
        array = to_numbers(array, what)
    check_numeric(array, what)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{what} has shape {array.shape}; expected (n,)")
    with np.errstate(over="ignore"):
        values: Floats = np.ascontiguousarray(array, dtype)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        value = array[bad[0]]
        reason = "is too large for " + dtype.name if np.isfinite(value) else "is not finite"
        raise ValueError(
            f"{what}[{bad[0]}] is {value}, which {reason}; drop it or give it a finite value "
            f"({len(bad)} of {len(values)} are like it)"
        )
    return values


def _check_lengths(**columns: Any) -> None:
    for what, column in columns.items():
        check_column(column, what)
    if len({len(column) for column in columns.values()}) > 1:
        listed = ", ".join(f"{len(column)} {what}" for what, column in columns.items())
        raise ValueError(f"columns have different lengths: {listed}")


def _values(columns: Columns, dtype: np.dtype[Any]) -> Floats:
    if not len(columns.users):
        raise ValueError("there are no ratings; at least one is needed")
    return read_values(columns.ratings, dtype)


def read_ratings(
    data: object, y: object = None, *, dtype: np.dtype[Any], names: frames.Names | None = None
) -> Ratings:
    """Read ratings and give their users and items rows.

    Parameters
    ----------
    data, y
        Ratings in any accepted form.
    dtype
        float32 or float64.
    names
        Names of the columns (user, item, rating) of a DataFrame, or None to find them.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        For input that is not ratings; the message names the value and where it is.

    Examples
    --------
    >>> import numpy as np
    >>> ratings = read_ratings(([7, 7, 8], ["a", "b", "a"], [5, 3, 4]), dtype=np.dtype("f4"))
    >>> ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist()
    ([0, 0, 1], [0, 1, 0], [5.0, 3.0, 4.0])
    """
    columns = read_columns(data, y, names)
    values = _values(columns, dtype)
    if columns.shape is None:
        user_index, users = make_index(read_ids(columns.users, "users"), "users")
        item_index, items = make_index(read_ids(columns.items, "items"), "items")
    else:
        user_index, item_index = map(range_index, columns.shape)
        users, items = columns.users, columns.items
    users, items = (np.ascontiguousarray(codes, np.int32) for codes in (users, items))
    return Ratings(users, items, values, user_index, item_index, columns.library)


def read_further(
    data: object,
    y: object,
    user_index: IdIndex,
    item_index: IdIndex,
    *,
    dtype: np.dtype[Any],
    names: frames.Names | None = None,
    new_users: bool = True,
    new_items: bool = True,
) -> tuple[Ratings, Columns]:
    """Read ratings that come after those of a model.

    Parameters
    ----------
    data, y
        Ratings in any accepted form; the rows and columns of a matrix are the ids 0, 1, ….
    user_index, item_index
        Those of the model, whose rows stay.
    dtype, names
        As for `read_ratings`.
    new_users, new_items
        Whether ids that the model does not know get rows after the others; else they are −1.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        As `read_ratings`, and if a column is of another type than the model's ids.
    """
    columns = read_columns(data, y, names, kinds=(user_index.kind, item_index.kind))
    values = _values(columns, dtype)
    sides = []
    for index, ids, grows, what in (
        (user_index, columns.users, new_users, "users"),
        (item_index, columns.items, new_items, "items"),
    ):
        column = read_ids(ids, what)
        longer, codes = (
            extend(index, column, what) if grows else (index, look_up(index, column, what))
        )
        sides.append((longer, np.ascontiguousarray(codes)))
    (user_index, users), (item_index, items) = sides
    return Ratings(users, items, values, user_index, item_index, columns.library), columns


def read_ratings_of_one(
    ratings: object, item_index: IdIndex, *, dtype: np.dtype[Any]
) -> tuple[Rows, Floats, ArrayLike]:
    """Read the ratings of one user.

    Parameters
    ----------
    ratings
        A mapping {item: rating}, or a tuple (items, ratings); there may be none.
    item_index
        That of the model.
    dtype
        float32 or float64.

    Returns
    -------
    rows, values, items
        Rows of the items, −1 for unknown ones; the ratings; the items as they were given.

    Raises
    ------
    TypeError, ValueError
        For input that is not ratings, or items of another type than the model's.
    """
    if isinstance(ratings, Mapping):
        ratings = list(ratings.keys()), list(ratings.values())
    if not isinstance(ratings, tuple) or len(ratings) != 2:
        raise TypeError(
            f"got {type(ratings).__name__}; expected the ratings of one user as a mapping "
            f"{{item: rating}} or a tuple (items, ratings)"
        )
    items, values = ratings
    _check_lengths(items=items, ratings=values)
    rows = look_up(item_index, read_ids(items, "items"), "items")
    return np.ascontiguousarray(rows), read_values(values, dtype), items


def read_pairs(
    data: object,
    user_index: IdIndex,
    item_index: IdIndex,
    *,
    y: object = None,
    names: frames.Names | None = None,
    with_ratings: bool = False,
) -> tuple[Rows, Rows, Columns]:
    """Read pairs, with or without ratings, in the rows of a model; −1 is an unknown id.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        As `read_ratings`, and if a whole column is of another type than the model's ids.
    """
    kinds = user_index.kind, item_index.kind
    columns = read_columns(data, y, names, with_ratings, kinds)
    if not with_ratings and columns.shape is not None and not is_sparse(data):
        raise ValueError(
            f"pairs of user and item have shape (n, 2); got {columns.shape}; for those of the "
            f"entries of a matrix pass scipy.sparse.coo_array(a)"
        )
    users = look_up(user_index, read_ids(columns.users, "users"), "users")
    items = look_up(item_index, read_ids(columns.items, "items"), "items")
    return np.ascontiguousarray(users), np.ascontiguousarray(items), columns
