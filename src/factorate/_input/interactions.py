"""Read interactions in any accepted form: pairs of user and item, with or without counts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.arrays import are_times
from factorate._input.column_names import MINIMUM_TIME, ROLES, find_interaction_columns
from factorate._input.columns import Columns, check_lengths, read_columns
from factorate._input.files import InputFile, read_chosen
from factorate._input.find_sources import is_file_object
from factorate._input.frame_columns import read_series, to_frame
from factorate._input.id_column import as_column, is_scalar, read_ids
from factorate._input.id_to_row import look_up
from factorate._input.rating_values import read_values
from factorate._input.ratings import index_columns, index_further
from factorate._input.wide import Wide
from factorate._utils.validation import as_sized, is_sparse, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factorate._input.column_names import Names
    from factorate._input.id_index import IdIndex
    from factorate._input.ratings import Ratings
    from factorate._utils.types import Floats, Rows
    from factorate._utils.workers import Workers

COUNTS = "counts"  # what the third column holds
MAX_TOTAL = 2.0**90  # of counts, so that no sum of weights overflows in float32
MAX_INTERACTIONS = 2**31 - 1  # they are numbered by int32
MAX_TIME = 1e19  # more than the nanoseconds since 1970
Kinds = tuple[str | None, str | None]


def read_interactions(
    data: object,
    y: object = None,
    *,
    dtype: np.dtype[Any],
    names: Names | None = None,
    workers: Workers | None = None,
) -> Ratings:
    """Read interactions, and assign a row to each user and item.

    Parameters
    ----------
    data : object
        Pairs in any form that ratings come in, with or without a third column of counts or weights.
        A column of ratings in a DataFrame or file is used only if `names` has it.
    y : array-like of shape (n,), optional
        Counts of the pairs in `data`.
    dtype : numpy.dtype
        float32 or float64.
    names : tuple of str, optional
        Names of the columns (user, item) or (user, item, count) of a DataFrame or file; None to
        recognize them.
    workers : Workers, optional
        Threads to use, which do not affect the result; None for the calling thread.

    Returns
    -------
    Ratings
        The interactions, in the order of the input; the values are their counts, 1 by default.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        If the input is not interactions, or a count is not above 0; the message names the value
        and where it is.

    Examples
    --------
    >>> import numpy as np
    >>> found = read_interactions(([7, 7, 8], ["a", "b", "a"]), dtype=np.dtype("f4"))
    >>> found.user_rows.tolist(), found.item_rows.tolist(), found.values.tolist()
    ([0, 0, 1], [0, 1, 0], [1.0, 1.0, 1.0])
    """
    columns = read_interaction_columns(data, y, names=names)
    counts = _read_counts(columns, dtype)
    _check_no_times(counts)
    return index_columns(columns, counts, workers)


def read_further_interactions(
    data: object,
    y: object,
    indexes: tuple[IdIndex, IdIndex],
    *,
    dtype: np.dtype[Any],
    names: Names | None = None,
    may_grow: tuple[bool, bool] = (True, True),
) -> tuple[Ratings, Columns]:
    """Read further interactions for a model; the rows of its users and items stay the same.

    Parameters
    ----------
    data, y : object
        Interactions in any accepted form; the rows and columns of a matrix are the ids 0, 1, ….
    indexes : tuple of IdIndex
        The users and the items of the model.
    dtype, names
        As for `read_interactions`.
    may_grow : tuple of bool, default=(True, True)
        Whether unknown users, and unknown items, are assigned new rows; otherwise their row is −1.

    Returns
    -------
    interactions : Ratings
        The interactions, with longer indexes if there are new ids.
    columns : Columns
        The input as columns.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        As `read_interactions`, and if a column is of another type than the model's ids.
    """
    users, items = indexes
    columns = read_interaction_columns(data, y, names=names, kinds=(users.kind, items.kind))
    return index_further(columns, _read_counts(columns, dtype), indexes, may_grow), columns


def read_interactions_of_one(
    interactions: Any, item_index: IdIndex, *, dtype: np.dtype[Any]
) -> tuple[Rows, Floats, Any]:
    """Read the interactions of one user.

    Parameters
    ----------
    interactions : array-like, set, mapping or tuple
        Items, one item, ``{item: count}`` or ``(items, counts)``; there may be none.
    item_index : IdIndex
        The items of the model.
    dtype : numpy.dtype
        float32 or float64.

    Returns
    -------
    rows : ndarray of int32, shape (n,)
        Rows of the items, −1 if unknown.
    counts : ndarray of shape (n,)
        The counts, 1 by default.
    items : array-like of shape (n,)
        The items as given; those of a Series as an array.

    Raises
    ------
    TypeError, ValueError
        If the input is not items, a count is not above 0, or the items are of another type than the
        model's.
    """
    counts: Any = None
    items = interactions
    if isinstance(interactions, Mapping):
        items, counts = list(interactions.keys()), list(interactions.values())
    elif isinstance(interactions, Set):
        items = list(interactions)
    elif _is_pair_of_columns(interactions):
        items, counts = interactions
    items = read_series(as_column(items), ROLES[1])
    check_lengths(items=items)
    values = np.ones(len(items), dtype)
    if counts is not None:
        counts = read_series(counts, COUNTS)
        check_lengths(items=items, counts=counts)
        values = check_counts(read_values(counts, dtype, COUNTS))
    rows = look_up(item_index, read_ids(items, "items"), "items")
    return np.ascontiguousarray(rows), values, items


def read_interaction_columns(
    data: Any, y: object = None, *, names: Names | None = None, kinds: Kinds = (None, None)
) -> Columns:
    """Read any accepted form of interactions as two or three columns of equal length.

    Parameters
    ----------
    data, y, names
        As for `read_interactions`.
    kinds : tuple of str or None, default=(None, None)
        Kinds of the ids of a model, which decide how ids in a CSV file are read.

    Returns
    -------
    Columns
        The columns; their ratings are the counts, None if there are none.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        As `read_columns`.
    """
    data, y = as_sized(data), as_sized(y)
    if y is not None or isinstance(data, Wide) or is_sparse(data):
        return read_columns(data, y, names=names, kinds=kinds, what=COUNTS)
    if isinstance(data, tuple):
        with_counts = len(data) == len(ROLES)
        return read_columns(data, with_ratings=with_counts, kinds=kinds, what=COUNTS)
    if isinstance(data, str | os.PathLike | InputFile) or is_file_object(data):
        table = read_chosen(data, lambda present: find_interaction_columns(present, names), kinds)
        return _read_named(table, table.column_names)._replace(library=None)
    if isinstance(data, Mapping) or (isinstance(data, np.ndarray) and data.dtype.names):
        present = list(data.keys() if isinstance(data, Mapping) else data.dtype.names)
        return _read_named(data, find_interaction_columns(present, names))
    if isinstance(data, list | np.ndarray):
        numbers = names is not None and all(isinstance(name, int) for name in names)
        n_columns = len(names) if names is not None and numbers else _count_columns(data)
        return read_columns(data, names=names, with_ratings=n_columns != 2, what=COUNTS)
    frame = to_frame(data)
    if frame is None:
        return read_columns(data, what=COUNTS)  # raises the error
    return _read_named(frame.to_native(), find_interaction_columns(frame.columns, names))


def check_size(n: int) -> None:
    """Raise ValueError if there are more interactions than can be numbered."""
    if n > MAX_INTERACTIONS:
        raise ValueError(
            f"there are {n:,} interactions; expected at most {MAX_INTERACTIONS:,}: pass repeated "
            f"pairs once, with their count, or leave out the oldest interactions"
        )


def check_counts(counts: Floats, columns: Columns | None = None) -> Floats:
    """Return counts or weights; raise ValueError unless all are above 0 and their sum is usable.

    The message locates an entry of a matrix, if the columns are those of one.
    """
    bad = np.flatnonzero(counts <= 0)
    if len(bad):
        where, advice = f"counts[{bad[0]}]", "drop that row"
        if columns is not None and columns.shape is not None:
            row, column = (ids[bad[0]] for ids in (columns.user_ids, columns.item_ids))
            where = f"the entry in row {row}, column {column}"
            advice = "call eliminate_zeros() of the matrix"
        reason = _reason(counts[bad[0]], advice)
        raise ValueError(
            f"{where} is {show(counts[bad[0]])}; {reason} ({len(bad):,} of {len(counts):,} are not "
            f"above 0)"
        )
    check_total(float(counts.sum(dtype=np.float64)))
    return counts


def check_count_range(low: np.floating[Any], high: np.floating[Any], folder: str) -> None:
    """Raise ValueError if counts of a store are not above 0, or look like times.

    Parameters
    ----------
    low, high : float32 or float64
        The lowest and the highest count.
    folder : str
        Folder of the store.
    """
    if low <= 0:
        raise ValueError(
            f"the lowest count of {folder} is {show(low)}; "
            f"{_reason(low, 'create the store without it')}"
        )
    _check_no_times(np.array([low, high]))


def check_total(total: float) -> None:
    """Raise ValueError if the sum of all counts is not usable."""
    if not total <= MAX_TOTAL:
        raise ValueError(
            f"the sum of the counts is {total:.3g}; expected at most {MAX_TOTAL:.3g}: divide the "
            f"counts by a number"
        )


def _reason(count: np.floating[Any], advice: str) -> str:
    """Return why a count is wrong, and what to do about a count of 0."""
    if count == 0:
        return f"a pair without interactions is not listed: {advice}"
    return (
        "an interaction has a count or weight above 0: drop dislikes, or fit MatrixFactorization "
        "to ratings"
    )


def _is_pair_of_columns(data: Any) -> bool:
    return isinstance(data, tuple) and len(data) == 2 and not any(map(is_scalar, data))


def _read_named(data: Any, chosen: Sequence[str]) -> Columns:
    names: Any = tuple(chosen)
    with_counts = len(chosen) == len(ROLES)
    return read_columns(data, names=names, with_ratings=with_counts, what=COUNTS)


def _count_columns(data: Any) -> int:
    """Return the number of columns of an array or a list of rows; 0 if it has none."""
    if isinstance(data, np.ndarray):
        return data.shape[1] if data.ndim == 2 else 0
    first = data[0] if data else None
    return len(first) if isinstance(first, list | tuple | np.ndarray) else 2 * (first is None)


def _read_counts(columns: Columns, dtype: np.dtype[Any]) -> Floats:
    n = len(columns.user_ids)
    if not n:
        raise ValueError("there are no interactions; at least one is needed")
    check_size(n)
    if columns.ratings is None:
        return np.ones(n, dtype)
    return check_counts(read_values(columns.ratings, dtype, COUNTS), columns)


def _check_no_times(counts: Floats) -> None:
    """Raise ValueError if all counts look like times."""
    if counts[0] >= MINIMUM_TIME and counts.max() < MAX_TIME and are_times(counts):
        raise ValueError(
            f"the counts look like times ({show(counts[0])} is the first, and none is below "
            f"{MINIMUM_TIME:,}): leave them out, or divide them by a number if they are counts"
        )
