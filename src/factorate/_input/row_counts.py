"""Count the ratings of each row."""

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
