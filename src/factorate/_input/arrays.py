"""Read arrays and lists of rows: pairs, rows of user, item and rating, or a matrix."""

from __future__ import annotations

import datetime
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.column_names import MINIMUM_TIME, ROLES, find_columns
from factorate._utils.validation import (
    check_numeric,
    check_rows,
    check_unmasked,
    show,
    to_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from factorate._input.column_names import Names

    Data = list[Any] | NDArray[Any]


def read_array(
    data: Data, y: object, names: Names | None, with_ratings: bool, what: str = ROLES[2]
) -> tuple[Any, Any, Any, tuple[int, int] | None]:
    """Read an array, or a list of rows.

    Parameters
    ----------
    data : list or ndarray
        Pairs, a matrix of users × items, or rows of (user, item, rating) if they cannot be a
        matrix.
    y : array-like or None
        Ratings of pairs.
    names : tuple or None
        If it holds integers, the numbers of the columns (user, item, rating).
    with_ratings : bool
        Whether the array must hold ratings.
    what : {"ratings", "counts"}, default="ratings"
        What the third column holds, in errors.

    Returns
    -------
    users, items : array-like of shape (n,)
        Ids, or the rows and columns of a matrix.
    ratings : array-like of shape (n,)
        Ratings; `y` if the array holds none.
    shape : tuple of int or None
        Shape of the matrix.

    Raises
    ------
    TypeError, ValueError
        If the rows have none of these forms, or can have several.
    """
    array = _to_array(data)
    if not with_ratings and array.size == 0:
        return [], [], y, None
    if array.ndim != 2:
        raise ValueError(
            f"an array of shape {array.shape} was given; expected (n_users, n_items), a matrix, "
            f"or (n, 2), pairs of user and item"
        )
    n_columns = array.shape[1]
    if names is not None and all(isinstance(name, int) for name in names):
        chosen: list[Any] = find_columns([*range(n_columns)], names, with_ratings)
        return (*_columns(data, array, chosen, y), None)
    if not with_ratings and n_columns == 2:
        return (*_columns(data, array, [0, 1], y), None)
    if y is not None:
        raise ValueError(f"with y, X has shape (n, 2), user and item; got {array.shape}")
    if _are_triples(data, array):
        if y is None and with_ratings:
            _check_no_times(array[:, 2], what)
        return (*_columns(data, array, [0, 1, 2], y), None)
    if not with_ratings and n_columns == 3:
        raise ValueError(
            f"pairs of user and item have shape (n, 2); got {array.shape}; if the first two "
            f"columns are the pairs, set columns=(0, 1)"
        )
    _check_unambiguous(data, array, what)
    return read_matrix(data)


def read_matrix(
    data: Data,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[Any], tuple[int, int]]:
    """Read the observed entries of a matrix, those that are neither 0 nor NaN.

    Parameters
    ----------
    data : list or ndarray of shape (n_users, n_items)
        The matrix. Masked entries are not observed.

    Returns
    -------
    rows, columns, entries : ndarray of shape (n,)
        The observed entries in row-major order.
    shape : tuple of int
        Shape of the matrix.

    Raises
    ------
    TypeError, ValueError
        If it is not a matrix of real numbers.
    """
    matrix = _to_array(data)
    if isinstance(data, np.ma.MaskedArray) and data.dtype.kind in "biufO":
        matrix = np.asarray(data.filled(0))
    if matrix.ndim != 2:
        raise ValueError(f"an array of shape {matrix.shape} was given; expected (n_users, n_items)")
    if matrix.dtype.kind in "OUS":
        matrix = to_numbers(matrix, "R", missing=np.nan)
    check_numeric(matrix, "the matrix")
    observed = (matrix != 0) & ~np.isnan(matrix)
    infinite = np.argwhere(np.isinf(matrix))
    if len(infinite):
        row, column = infinite[0].tolist()
        raise ValueError(
            f"R[{row}, {column}] is {matrix[row, column]}; entries are finite, and those that "
            f"were not observed are 0 or NaN"
        )
    users, items = np.nonzero(observed)
    return users, items, matrix[users, items], (matrix.shape[0], matrix.shape[1])


def _to_array(data: Data) -> NDArray[Any]:
    """Return the rows as an array, without a mask."""
    if isinstance(data, np.ndarray):
        return np.asarray(data)  # drops subclasses such as matrix
    check_rows(data)
    return np.asarray(data, object)  # NumPy would turn the integer in [1, "a"] into text


def _columns(
    data: Data, array: NDArray[Any], chosen: Sequence[int], y: object
) -> tuple[Any, Any, Any]:
    """Return the chosen columns of users, items and ratings; the ratings are `y` if there are two.

    Raises
    ------
    ValueError
        If an entry is masked.
    """
    if isinstance(data, np.ma.MaskedArray):
        for column, what in zip(chosen, ROLES, strict=False):
            check_unmasked(data[:, column], what)
    users, items, *rest = (array[:, column] for column in chosen)
    return users, items, rest[0] if rest else y


def _are_triples(data: Data, array: NDArray[Any]) -> bool:
    """Return whether rows can only be (user, item, rating): they are tuples, or ids are text."""
    if array.shape[1] != 3 or not len(array):
        return False
    if _has_text(array) and not isinstance(array[0, 2], str | bytes):
        return True
    return isinstance(data, list) and len(data) != 3 and all(isinstance(r, tuple) for r in data)


def _has_text(array: NDArray[Any]) -> bool:
    """Return whether one of the first two entries is text or another id that is not a number."""
    kinds = str | bytes | uuid.UUID | datetime.date | np.datetime64
    return array.dtype.kind in "OUS" and any(isinstance(value, kinds) for value in array[0, :2])


def _check_unambiguous(data: Data, array: NDArray[Any], what: str) -> None:
    """Raise ValueError if rows can be a matrix of users × items and something else."""
    shape, row = array.shape, f"(user, item, {what.removesuffix('s')})"
    if isinstance(data, list) and len(data) == 3:
        raise ValueError(
            f"a list of three rows can be three columns, three {what} or a matrix of three users; "
            f"for columns pass a tuple (users, items, {what}), for rows of {row} set "
            f"columns=(0, 1, 2), for a matrix pass wide=True"
        )
    if shape[1] == 3:
        raise ValueError(
            f"an array of shape {shape} can be rows of {row} or a matrix of three items; for rows "
            f"of {row} set columns=(0, 1, 2), for a matrix pass wide=True"
        )
    if shape[1] == 2:
        raise ValueError(
            f"X of shape {shape} is pairs of user and item, but their {what} are missing: pass "
            f"them too, as in fit(X, y); for a matrix of two items pass wide=True"
        )
    if shape[1] > 3 and len(array) and _has_text(array):
        raise ValueError(
            f"an array of shape {shape} with ids of text is no matrix of {what}; for columns pass "
            f"a tuple, for {row} in the first columns set columns=(0, 1, 2)"
        )
    if shape[0] == 2 and what != ROLES[2]:
        raise ValueError(
            f"an array of shape {shape} can be two columns or a matrix of two users; for columns "
            f"pass a tuple (users, items), for a matrix pass wide=True"
        )
    if shape[1] == 4 and len(array) and are_times(array[:, 3]):
        raise ValueError(
            f"the last column of the array of shape {shape} looks like times "
            f"({show(array[0, 3])}); for rows of {row[:-1]}, time) set columns=(0, 1, 2), for a "
            f"matrix of four items pass wide=True"
        )


def _check_no_times(values: NDArray[Any], what: str) -> None:
    """Raise ValueError if all numbers in the third column look like times."""
    if len(values) and are_times(values):
        value = what.removesuffix("s")
        advice = f"if it is the {value}, pass a tuple (users, items, {what})"
        if what != ROLES[2]:
            advice = f"leave it out with columns=(0, 1), or divide it if it is the {value}"
        raise ValueError(
            f"the third entry of each row looks like a time ({show(values[0])}), not like a "
            f"{value}; {advice}"
        )


def are_times(values: NDArray[Any]) -> bool:
    """Return whether all values look like times: seconds, or smaller units, since 1970."""
    if values.dtype.kind == "O":
        return all(isinstance(v, int | float) and MINIMUM_TIME <= v < np.inf for v in values)
    if values.dtype.kind not in "iuf":
        return False
    return bool(((values >= MINIMUM_TIME) & np.isfinite(values)).all())
