"""Ratings: any input -> codes, values and the two id indexes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate import files, frames
from factorate.checks import check_numeric, check_shape, is_sparse
from factorate.ids import IdIndex, extend, look_up, make_index, raise_masked, range_index, read_ids

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.floating[Any]]
    Codes = NDArray[np.int32]

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

    users: Codes
    items: Codes
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


def _dense(matrix: NDArray[Any]) -> Columns:
    if matrix.shape[1] == 3:
        raise ValueError(
            f"an array of shape {matrix.shape} can be triples or a matrix of three items; for "
            f"(user, item, rating) triples pass tuple(a.T), for a matrix scipy.sparse.coo_array(a)"
        )
    if matrix.shape[1] == 2:
        raise ValueError(
            f"X of shape {matrix.shape} is pairs of user and item, but their ratings are missing: "
            f"pass them too, as in fit(X, y); for a matrix of two items pass "
            f"scipy.sparse.coo_array(a)"
        )
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
    pairs: bool,
    kinds: tuple[str | None, str | None] = (None, None),
) -> Columns:
    """Bring any accepted form of input into columns.

    Parameters
    ----------
    data
        One of `FORMS`; with `pairs`, the same without the ratings.
    y
        Ratings of the pairs in `data`, or None.
    names
        Names of the columns (user, item, rating), or None to find them.
    pairs
        Whether ratings may be absent.
    kinds
        Kinds of the ids that a model knows, which decide how those of a CSV file are read.

    Raises
    ------
    TypeError, ValueError
        If the form is none of these, or an ambiguous one.
    FileNotFoundError
        If `data` is a path where no file is.
    """
    with_rating = not pairs and y is None
    if isinstance(data, tuple):
        return _tuple(data, y, with_rating)
    if isinstance(data, list | np.ndarray):
        return _array(_as_array(data), y, pairs)
    if is_sparse(data):
        if y is not None:
            raise ValueError("a sparse matrix holds its ratings; pass it without y")
        return _sparse(data)
    from_file = isinstance(data, str | os.PathLike)
    if isinstance(data, str | os.PathLike):
        data = files.read_file(Path(data), names, with_rating, kinds)
    frame = frames.to_frame(data)
    if frame is None:
        raise TypeError(f"got {type(data).__name__}; expected {FORMS}")
    users, items, ratings, library = frames.columns(frame, names, with_rating)
    return Columns(users, items, ratings if y is None else y, None, None if from_file else library)


def _tuple(data: tuple[Any, ...], y: object, with_rating: bool) -> Columns:
    if (len(data) == 3 and y is None) or (len(data) == 2 and not with_rating):
        users, items, *rest = map(frames.column, data, frames.ROLES)
        return Columns(users, items, rest[0] if rest else y)
    expected = "(users, items, ratings)" if with_rating else "(users, items)"
    raise ValueError(f"a tuple of {len(data)} was given; expected {expected}")


def _array(array: NDArray[Any], y: object, pairs: bool) -> Columns:
    if pairs and array.size == 0:
        return Columns([], [], None)
    if array.ndim != 2:
        raise ValueError(f"an array of shape {array.shape} was given; expected {FORMS}")
    if array.shape[1] == 2 and (pairs or y is not None):
        return Columns(array[:, 0], array[:, 1], y)
    if y is not None:
        raise ValueError(f"with y, X has shape (n, 2), user and item; got {array.shape}")
    if pairs and array.shape[1] == 3:
        raise ValueError(f"pairs of user and item have shape (n, 2); got {array.shape}")
    return _dense(array)


def _as_array(data: list[Any] | NDArray[Any]) -> NDArray[Any]:
    if isinstance(data, np.ma.MaskedArray):
        if data.ndim == 2 and data.shape[1] == 2:
            raise_masked(data.ravel(), "X")
        return np.asarray(data.filled(0) if data.dtype.kind in "biuf" else data.data)
    if isinstance(data, np.ndarray):
        return np.asarray(data)  # a plain array, whatever its subclass
    if len(data) == 3 and all(hasattr(row, "__len__") for row in data):
        raise ValueError(
            "a list of three rows can be three columns or a matrix of three users; for columns "
            "pass a tuple (users, items, ratings), for a matrix np.array(…)"
        )
    objects = np.asarray(data, object)  # not yet text: [1, "a"] keeps its integer
    return objects if objects.ndim == 2 and objects.shape[1] == 2 else np.asarray(data)


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
    array = np.asarray(ratings)
    if array.dtype.kind in "OUS":
        array = _to_numbers(array, what)
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


def _to_numbers(objects: NDArray[Any], what: str) -> NDArray[np.float64]:
    """Turn objects, such as Decimal, into numbers."""
    numbers = np.empty(objects.size, np.float64)
    for position, value in enumerate(objects.ravel().tolist()):
        if value is None or type(value).__name__ == "NAType":
            raise ValueError(f"{what}[{position}] is {value!r}; drop it or give it a finite value")
        try:
            if isinstance(value, str | bytes):
                raise TypeError
            numbers[position] = value
        except OverflowError:
            raise ValueError(f"{what}[{position}] is an integer too large for a float") from None
        except (TypeError, ValueError):
            raise TypeError(f"{what}[{position}] is {value!r}; expected a real number") from None
    return numbers.reshape(objects.shape)


def _check_lengths(**lengths: int) -> None:
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{n} {name}" for name, n in lengths.items())
        raise ValueError(f"columns have different lengths: {listed}")


def _length(column: Any) -> int:
    try:
        return len(column)
    except TypeError:
        raise TypeError(f"got {column!r}; expected a column of shape (n,)") from None


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
    columns = read_columns(data, y, names, pairs=False)
    lengths = {"users": _length(columns.users), "items": _length(columns.items)}
    _check_lengths(**lengths, ratings=_length(columns.ratings))
    if not lengths["users"]:
        raise ValueError("there are no ratings; at least one is needed")
    values = read_values(columns.ratings, dtype)
    sides = []
    for position, what in enumerate(("users", "items")):
        ids = (columns.users, columns.items)[position]
        if columns.shape is None:
            sides.append(make_index(read_ids(ids, what), what))
        else:
            codes = np.ascontiguousarray(ids, np.int32)
            sides.append((range_index(columns.shape[position]), codes))
    (user_index, users), (item_index, items) = sides
    users, items = (np.ascontiguousarray(codes) for codes in (users, items))
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
    kinds = user_index.kind, item_index.kind
    columns = read_columns(data, y, names, pairs=False, kinds=kinds)
    lengths = {"users": _length(columns.users), "items": _length(columns.items)}
    _check_lengths(**lengths, ratings=_length(columns.ratings))
    if not lengths["users"]:
        raise ValueError("there are no ratings; at least one is needed")
    values = read_values(columns.ratings, dtype)
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
    users, items = np.ascontiguousarray(users), np.ascontiguousarray(items)
    return Ratings(users, items, values, user_index, item_index, columns.library), columns


def read_ratings_of_one(
    ratings: object, item_index: IdIndex, *, dtype: np.dtype[Any]
) -> tuple[Codes, Floats, ArrayLike]:
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
    _check_lengths(items=_length(items), ratings=_length(values))
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
) -> tuple[Codes, Codes, Columns]:
    """Read pairs, with or without ratings, in the rows of a model; −1 is an unknown id.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        As `read_ratings`, and if a whole column is of another type than the model's ids.
    """
    kinds = user_index.kind, item_index.kind
    columns = read_columns(data, y, names, pairs=not with_ratings, kinds=kinds)
    lengths = {"users": _length(columns.users), "items": _length(columns.items)}
    if with_ratings or y is not None:
        lengths["ratings"] = _length(columns.ratings)
    _check_lengths(**lengths)
    users = look_up(user_index, read_ids(columns.users, "users"), "users")
    items = look_up(item_index, read_ids(columns.items, "items"), "items")
    return np.ascontiguousarray(users), np.ascontiguousarray(items), columns
