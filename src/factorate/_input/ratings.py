"""Read ratings in any accepted form as rows and values, with the index of their ids."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.column_names import ROLES
from factorate._input.columns import check_lengths, read_columns
from factorate._input.encode import encode_array
from factorate._input.frame_columns import read_series
from factorate._input.id_column import read_ids
from factorate._input.id_index import IdIndex, range_index
from factorate._input.id_to_row import look_up
from factorate._input.make_index import extend, make_index
from factorate._input.rating_values import read_values
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from factorate._input.column_names import Names
    from factorate._input.columns import Columns
    from factorate._input.id_column import IdColumn
    from factorate._utils.types import Floats, Rows

THREAD_IDS = 1 << 16  # minimum ids for which threads are started


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """Ratings with a row for each user and item.

    Parameters
    ----------
    user_rows, item_rows : ndarray of int32, shape (n,)
        Row of the user and of the item of each rating; never arrays of the caller.
    values : ndarray of float32 or float64, shape (n,)
        Finite ratings.
    user_index, item_index : IdIndex
        The ids of the rows.
    library : str or None
        Name of the DataFrame library that the ratings came from, if any.
    column_names : tuple of str or None
        Names of the columns of users and items, if they had any.
    """

    user_rows: Rows
    item_rows: Rows
    values: Floats
    user_index: IdIndex
    item_index: IdIndex
    library: str | None
    column_names: tuple[str, str] | None = None


def read_ratings(
    data: object,
    y: object = None,
    *,
    dtype: np.dtype[Any],
    names: Names | None = None,
    workers: Workers | None = None,
) -> Ratings:
    """Read ratings, and assign a row to each user and item.

    Parameters
    ----------
    data, y : object
        Ratings in any accepted form.
    dtype : numpy.dtype
        float32 or float64.
    names : tuple of str, optional
        Names of the columns (user, item, rating) of a DataFrame or file; None to recognize them.
    workers : Workers, optional
        Threads to use, which do not affect the result; None for the calling thread.

    Returns
    -------
    Ratings
        The ratings, in the order of the input.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        If the input is not ratings; the message names the value and where it is.

    Examples
    --------
    >>> import numpy as np
    >>> ratings = read_ratings(([7, 7, 8], ["a", "b", "a"], [5, 3, 4]), dtype=np.dtype("f4"))
    >>> ratings.user_rows.tolist(), ratings.item_rows.tolist(), ratings.values.tolist()
    ([0, 0, 1], [0, 1, 0], [5.0, 3.0, 4.0])
    """
    columns = read_columns(data, y, names=names)
    return index_columns(columns, _values(columns, dtype), workers)


def index_columns(columns: Columns, values: Floats, workers: Workers | None = None) -> Ratings:
    """Assign a row to each user and item of columns whose values have been read."""
    if columns.shape is None:
        (user_index, users), (item_index, items) = _make_indexes(columns, workers or Workers())
    else:
        user_index, item_index = map(range_index, columns.shape)
        users, items = columns.user_ids, columns.item_ids
    users, items = (np.ascontiguousarray(rows, np.int32) for rows in (users, items))
    return Ratings(
        user_rows=users,
        item_rows=items,
        values=values,
        user_index=user_index,
        item_index=item_index,
        library=columns.library,
        column_names=columns.names,
    )


def read_further(
    data: object,
    y: object,
    user_index: IdIndex,
    item_index: IdIndex,
    *,
    dtype: np.dtype[Any],
    names: Names | None = None,
    new_users: bool = True,
    new_items: bool = True,
) -> tuple[Ratings, Columns]:
    """Read further ratings for a model; the rows of its users and items stay the same.

    Parameters
    ----------
    data, y : object
        Ratings in any accepted form; the rows and columns of a matrix are the ids 0, 1, ….
    user_index, item_index : IdIndex
        The ids of the model.
    dtype, names
        As for `read_ratings`.
    new_users, new_items : bool, default=True
        Whether unknown ids are assigned new rows; otherwise their row is −1.

    Returns
    -------
    ratings : Ratings
        The ratings, with longer indexes if there are new ids.
    columns : Columns
        The input as columns.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        As `read_ratings`, and if a column is of another type than the model's ids.
    """
    columns = read_columns(data, y, names=names, kinds=(user_index.kind, item_index.kind))
    indexes, may_grow = (user_index, item_index), (new_users, new_items)
    return index_further(columns, _values(columns, dtype), indexes, may_grow), columns


def index_further(
    columns: Columns, values: Floats, indexes: tuple[IdIndex, IdIndex], may_grow: tuple[bool, bool]
) -> Ratings:
    """Look up the users and items of columns, and assign new rows where an index may grow.

    Parameters
    ----------
    columns : Columns
        The columns.
    values : ndarray of shape (n,)
        Their values, which have been read.
    indexes : tuple of IdIndex
        The ids of users and of items.
    may_grow : tuple of bool
        Whether unknown users, and unknown items, are assigned new rows; otherwise their row is −1.

    Returns
    -------
    Ratings
    """
    sides = []
    for index, grows, ids, what in zip(
        indexes,
        may_grow,
        (columns.user_ids, columns.item_ids),
        ("users", "items"),
        strict=True,
    ):
        column = read_ids(ids, what)
        longer, rows = (
            extend(index, column, what) if grows else (index, look_up(index, column, what))
        )
        sides.append((longer, np.ascontiguousarray(rows)))
    (user_index, users), (item_index, items) = sides
    return Ratings(
        user_rows=users,
        item_rows=items,
        values=values,
        user_index=user_index,
        item_index=item_index,
        library=columns.library,
    )


def read_ratings_of_one(
    ratings: object, item_index: IdIndex, *, dtype: np.dtype[Any]
) -> tuple[Rows, Floats, ArrayLike]:
    """Read the ratings of one user.

    Parameters
    ----------
    ratings : mapping or tuple
        ``{item: rating}`` or ``(items, ratings)``; it may be empty.
    item_index : IdIndex
        The items of the model.
    dtype : numpy.dtype
        float32 or float64.

    Returns
    -------
    rows : ndarray of int32, shape (n,)
        Rows of the items, −1 if unknown.
    values : ndarray of shape (n,)
        The ratings.
    items : array-like of shape (n,)
        The items as given; those of a Series as an array.

    Raises
    ------
    TypeError, ValueError
        If the input is not ratings, or the items are of another type than the model's.
    """
    if isinstance(ratings, Mapping):
        ratings = list(ratings.keys()), list(ratings.values())
    if not isinstance(ratings, tuple) or len(ratings) != 2:
        raise TypeError(
            f"got {type(ratings).__name__}; expected the ratings of one user as a mapping "
            f"{{item: rating}} or a tuple (items, ratings)"
        )
    items, values = map(read_series, ratings, ROLES[1:])
    check_lengths(items=items, ratings=values)
    rows = look_up(item_index, read_ids(items, "items"), "items")
    return np.ascontiguousarray(rows), read_values(values, dtype), items


def _make_indexes(columns: Columns, workers: Workers) -> list[tuple[IdIndex, Rows]]:
    """Make the indexes of users and items, at the same time if both have numbers for ids.

    Python converts text, one thread at a time. Sorting it may raise an error, of which that of the
    users comes first.
    """
    ids = [(columns.user_ids, "users"), (columns.item_ids, "items")]
    sides = [(read_id_column(column, what), what) for column, what in ids]
    in_order = len(columns.user_ids) < THREAD_IDS or any(
        column.values.dtype == object for column, _ in sides
    )
    return (Workers() if in_order else workers).map(lambda side: make_index(*side), sides)


def read_id_column(ids: Any, what: str) -> IdColumn:
    """Read a column of ids, encoded if it is a large array of objects or text."""
    if type(ids) is np.ndarray and ids.ndim == 1 and ids.dtype.kind in "OUT":
        encoded = encode_array(ids)
        if encoded is not None:
            with contextlib.suppress(TypeError, ValueError):  # the error of all ids names the entry
                return read_ids(encoded, what)
    return read_ids(ids, what)


def _values(columns: Columns, dtype: np.dtype[Any]) -> Floats:
    if not len(columns.user_ids):
        raise ValueError("there are no ratings; at least one is needed")
    return read_values(columns.ratings, dtype)
