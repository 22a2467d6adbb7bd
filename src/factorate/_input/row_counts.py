"""Count the ratings of each row, and cut rows into chunks of about as many ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._kernels import counting

if TYPE_CHECKING:
    from factorate._utils.types import Offsets, Rows


def count_rows(rows: Rows, n: int, what: str) -> Offsets:
    """Count the ratings of each row and check that every row is in range.

    Parameters
    ----------
    rows : ndarray of int32
        Row of each rating.
    n : int
        Number of rows.
    what : str
        Name of the rows in errors.

    Returns
    -------
    ndarray of int64, shape (n,)
        Number of ratings of each row.

    Raises
    ------
    ValueError
        If a row is not in ``range(n)``.
    """
    counts = np.zeros(n, np.int64)
    bad = counting.count(rows, counts)
    if bad >= 0:
        raise ValueError(f"{what} row {rows[bad]} of rating {bad} is outside 0…{n - 1}")
    return counts


def chunk_edges(starts: Offsets, n_ratings: int) -> list[int]:
    """Return the first row of each chunk of at least one row and about `n_ratings`, and the end.

    Parameters
    ----------
    starts : ndarray of int64, shape (n + 1,)
        Where the ratings of each row begin, and the end of the last.
    n_ratings : int
        Maximum number of ratings of a chunk of more than one row.

    Examples
    --------
    >>> chunk_edges(np.array([0, 2, 2, 9, 10, 12]), 4)
    [0, 2, 3, 5]
    """
    last, edges = len(starts) - 1, [0]
    while edges[-1] < last:
        end = int(np.searchsorted(starts, starts[edges[-1]] + n_ratings, "right")) - 1
        edges.append(max(edges[-1] + 1, end))
    return edges
