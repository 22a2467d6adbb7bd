"""Read any accepted form of input as columns: users, items and ratings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._input.arrays import read_array, read_matrix
from factorate._input.column_names import ROLES, find_columns
from factorate._input.files import InputFile, read_file
from factorate._input.find_sources import is_file_object
from factorate._input.frame_columns import read_frame, read_series, to_frame
from factorate._input.id_column import Encoded
from factorate._input.sparse_entries import read_sparse
from factorate._input.wide import Wide, find_observed, read_table
from factorate._utils.validation import as_sized, check_column, is_sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._input.column_names import Names


FORMS = (
    "a DataFrame, the path of a file, an open file, a tuple (users, items, ratings) of arrays, "
    "X of shape (n, 2) with y, a dict of columns, a list of tuples (user, item, rating), "
    "a scipy.sparse matrix or a dense 2-d array"
)


class Columns(NamedTuple):
    """Input as columns of equal length, whose values are not checked yet.

    Parameters
    ----------
    user_ids, item_ids : array-like of shape (n,) or Encoded
        Ids; for a matrix, its row and column numbers, already checked.
    ratings : array-like of shape (n,) or None
        Ratings, if there are any.
    shape : tuple of int, optional
        Shape of the matrix, if the input is one.
    library : str, optional
        Name of the DataFrame library, if the input is a DataFrame.
    names : tuple of str, optional
        Names of the columns of users and items, if the input is a DataFrame or a file.
    """

    user_ids: Any
    item_ids: Any
    ratings: Any
    shape: tuple[int, int] | None = None
    library: str | None = None
    names: tuple[str, str] | None = None


def read_columns(
    data: object,
    y: object = None,
    *,
    names: Names | None = None,
    with_ratings: bool = True,
    kinds: tuple[str | None, str | None] = (None, None),
    what: str = ROLES[2],
) -> Columns:
    """Read any accepted form of input as columns of equal length.

    Parameters
    ----------
    data : object
        One of `FORMS`, without the ratings if `with_ratings` is False.
    y : array-like of shape (n,), optional
        Ratings of the pairs in `data`.
    names : tuple of str, optional
        Names or numbers of the columns (user, item, rating); None to recognize them.
    with_ratings : bool, default=True
        Whether ratings are needed.
    kinds : tuple of str or None, default=(None, None)
        Kinds of the ids of a model, which decide how ids in a CSV file are read.
    what : {"ratings", "counts"}, default="ratings"
        What the third column holds, in errors. In a wide table of counts, 0 is a missing one.

    Returns
    -------
    Columns
        The columns.

    Raises
    ------
    TypeError, ValueError
        If the input has none of the accepted forms, or its form is ambiguous.
    FileNotFoundError
        If `data` is a path and there is no such file.
    """
    data, y = as_sized(data), as_sized(y)
    in_data = with_ratings and y is None  # whether the ratings are in `data`
    if isinstance(data, np.ndarray) and not in_data and not _is_structured(data):
        check_pairs(data, y is not None)
    if isinstance(data, Wide):
        columns = _read_wide(data.table, y, what)
    elif isinstance(data, tuple):
        columns = _read_tuple(data, y, in_data, what)
    elif is_sparse(data):  # before mappings, because one kind is a mapping
        if y is not None:
            raise ValueError(f"a sparse matrix holds its {what}; pass it without y")
        columns = Columns(*read_sparse(data, "the sparse matrix"))
    elif isinstance(data, Mapping) or _is_structured(data):
        columns = _read_named(data, y, names, in_data, what)
    elif isinstance(data, list | np.ndarray):
        columns = Columns(*read_array(data, y, names, in_data, what))
    elif isinstance(data, str | os.PathLike | InputFile) or is_file_object(data):
        table = read_file(data, names, in_data, kinds)
        chosen = tuple(table.column_names)
        columns = _read_frame(table, y, chosen, in_data, what)._replace(library=None)
    else:
        columns = _read_frame(data, y, names, in_data, what)
    wanted = (*ROLES[:2], what) if with_ratings or y is not None else ROLES[:2]
    check_lengths(**dict(zip(wanted, columns, strict=False)))
    return columns


def check_pairs(array: NDArray[Any], with_y: bool) -> None:
    """Raise ValueError, with the terms of scikit-learn, if an array cannot be pairs of ids."""
    if array.ndim == 1 and array.size:
        raise ValueError(
            f"pairs of user and item have shape (n, 2); got {array.shape}. Reshape your data: one "
            f"pair is [[user, item]], two columns are a tuple (users, items)"
        )
    if with_y and array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: X has dtype {array.dtype}")
    if with_y and array.ndim == 2 and array.shape[1] < 2:
        raise ValueError(
            f"with y, X has shape (n, 2), user and item; got an array with {array.shape[1]} "
            f"feature(s) (shape={array.shape}) while a minimum of 2 is required."
        )


def check_lengths(**columns: Any) -> None:
    """Raise TypeError or ValueError unless all arguments are columns of equal length."""
    for what, column in columns.items():
        check_column(column, what)
    if len({len(column) for column in columns.values()}) > 1:
        listed = ", ".join(f"{len(column)} {what}" for what, column in columns.items())
        raise ValueError(f"columns have different lengths: {listed}")


def _read_frame(
    data: object, y: object, names: Names | None, with_ratings: bool, what: str
) -> Columns:
    frame = to_frame(data)
    if frame is None:
        forms = FORMS.replace("rating", what.removesuffix("s"))
        in_memory = "; or pass ratings in memory, such as one of its batches()"
        advice = in_memory if hasattr(data, "batches") else ""
        raise TypeError(f"got {type(data).__name__}; expected {forms}{advice}")
    users, items, *rest = read_frame(frame, names, with_ratings, what)
    library = frame.implementation.name.lower()
    user, item, *_ = find_columns(frame.columns, names, with_ratings)
    return Columns(users, items, rest[0] if rest else y, library=library, names=(user, item))


def _read_wide(table: object, y: object, what: str) -> Columns:
    """Read a table or matrix of users × items."""
    if y is not None:
        raise ValueError(f"a wide table holds its {what}; pass it without y")
    if isinstance(table, list | np.ndarray):
        return Columns(*read_matrix(table))
    if is_sparse(table):
        return Columns(*read_sparse(table, "the sparse matrix"))
    frame = to_frame(table)
    if frame is None:
        raise TypeError(
            f"got {type(table).__name__} with wide=True; expected a DataFrame, an array or a "
            f"sparse matrix of users × items"
        )
    wide = read_table(frame)
    library = frame.implementation.name.lower()
    if not wide.ratings.size:
        return Columns([], [], [], library=library)
    users, items = find_observed(wide, zeros_are_missing=what != ROLES[2])
    user_ids, item_ids = (
        _take(ids, rows) for ids, rows in ((wide.user_ids, users), (wide.item_ids, items))
    )
    return Columns(user_ids, item_ids, wide.ratings[users, items], library=library)


def _take(ids: Any, rows: NDArray[np.intp]) -> Encoded:
    """Return the ids of rows."""
    indices = rows.astype(np.int32)
    if isinstance(ids, Encoded):
        return Encoded(ids.distinct, ids.indices[indices])
    return Encoded(ids, indices)


def _read_named(
    data: Any, y: object, names: Names | None, with_ratings: bool, what: str
) -> Columns:
    """Read a mapping of columns by name, or an array with named fields."""
    present = list(data.keys() if isinstance(data, Mapping) else data.dtype.names)
    chosen = find_columns(present, names, with_ratings)
    roles = *ROLES[:2], what
    users, items, *rest = (
        read_series(data[name], role) for name, role in zip(chosen, roles, strict=False)
    )
    return Columns(users, items, rest[0] if rest else y)


def _is_structured(data: object) -> bool:
    return isinstance(data, np.ndarray) and data.dtype.names is not None


def _read_tuple(data: tuple[Any, ...], y: object, with_ratings: bool, what: str) -> Columns:
    if (len(data) == 3 and y is None) or (len(data) == 2 and not with_ratings):
        users, items, *rest = map(read_series, data, (*ROLES[:2], what))
        return Columns(users, items, rest[0] if rest else y)
    expected = f"(users, items, {what})" if with_ratings else "(users, items)"
    if what != ROLES[2] and y is None:  # ratings are needed, counts are optional
        expected = f"(users, items) or (users, items, {what})"
    raise ValueError(
        f"a tuple of {len(data)} was given{'' if y is None else ' with y'}; expected {expected}, "
        f"or rows in a list or an array"
    )
