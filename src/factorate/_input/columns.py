"""Read any accepted form of input as columns: users, items and ratings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._input.column_names import ROLES, find_columns
from factorate._input.files import read_file
from factorate._input.frame_columns import read_frame, read_series, to_frame
from factorate._input.sparse_entries import read_sparse
from factorate._utils.validation import (
    as_sized,
    check_column,
    check_numeric,
    check_rows,
    check_unmasked,
    is_sparse,
    to_numbers,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._input.column_names import Names


FORMS = (
    "a DataFrame, the path of a CSV or Parquet file, a tuple (users, items, ratings) of arrays, "
    "X of shape (n, 2) with y, a scipy.sparse matrix or a dense 2-d array"
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
) -> Columns:
    """Read any accepted form of input as columns of equal length.

    Parameters
    ----------
    data : object
        One of `FORMS`, without the ratings if `with_ratings` is False.
    y : array-like of shape (n,), optional
        Ratings of the pairs in `data`.
    names : tuple of str, optional
        Names of the columns (user, item, rating); None to recognize them.
    with_ratings : bool, default=True
        Whether ratings are needed.
    kinds : tuple of str or None, default=(None, None)
        Kinds of the ids of a model, which decide how ids in a CSV file are read.

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
    if isinstance(data, np.ndarray) and not in_data:
        check_pairs(data, y is not None)
    if isinstance(data, tuple):
        columns = _read_tuple(data, y, in_data)
    elif isinstance(data, list | np.ndarray):
        columns = _read_array(data, y, in_data)
    elif is_sparse(data):
        if y is not None:
            raise ValueError("a sparse matrix holds its ratings; pass it without y")
        columns = Columns(*read_sparse(data, "the sparse matrix"))
    elif isinstance(data, str | os.PathLike):
        table = read_file(Path(data), names, in_data, kinds)
        columns = _read_frame(table, y, names, in_data)._replace(library=None)
    else:
        columns = _read_frame(data, y, names, in_data)
    wanted = ROLES if with_ratings or y is not None else ROLES[:2]
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


def _read_frame(data: object, y: object, names: Names | None, with_ratings: bool) -> Columns:
    frame = to_frame(data)
    if frame is None:
        raise TypeError(f"got {type(data).__name__}; expected {FORMS}")
    users, items, *rest = read_frame(frame, names, with_ratings)
    library = frame.implementation.name.lower()
    user, item, *_ = find_columns(frame.columns, names, with_ratings)
    return Columns(users, items, rest[0] if rest else y, library=library, names=(user, item))


def _read_tuple(data: tuple[Any, ...], y: object, with_ratings: bool) -> Columns:
    if (len(data) == 3 and y is None) or (len(data) == 2 and not with_ratings):
        users, items, *rest = map(read_series, data, ROLES)
        return Columns(users, items, rest[0] if rest else y)
    expected = "(users, items, ratings)" if with_ratings else "(users, items)"
    raise ValueError(f"a tuple of {len(data)} was given; expected {expected}")


def _read_array(data: list[Any] | NDArray[Any], y: object, with_ratings: bool) -> Columns:
    array = _to_array(data)
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
    return _read_dense(array, "tuple(zip(*a))" if isinstance(data, list) else "tuple(a.T)")


def _read_dense(matrix: NDArray[Any], transposed: str) -> Columns:
    """Read the observed entries of a matrix, those that are neither 0 nor NaN."""
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


def _to_array(data: list[Any] | NDArray[Any]) -> NDArray[Any]:
    if isinstance(data, np.ma.MaskedArray):
        if data.ndim == 2 and data.shape[1] == 2:
            check_unmasked(data.ravel(), "X")
        return np.asarray(data.filled(0) if data.dtype.kind in "biufO" else data.data)
    if isinstance(data, np.ndarray):
        return np.asarray(data)  # drops subclasses such as matrix
    check_rows(data)
    return np.asarray(data, object)  # NumPy would turn the integer in [1, "a"] into text
