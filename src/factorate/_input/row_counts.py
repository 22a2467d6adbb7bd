"""Ratings per row, and the proof that every row is in range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._kernels import counting

if TYPE_CHECKING:
    from factorate._utils.types import Offsets, Rows


def count_rows(rows: Rows, n: int, what: str) -> Offsets:
    """Count the ratings of each row and prove that every row is one of ``range(n)``."""
    counts = np.zeros(n, np.int64)
    bad = counting.count(rows, counts)
    if bad >= 0:
        raise ValueError(
            f"{what} row {rows[bad]} of rating {bad} is outside 0…{n - 1}; rows must be rows"
        )
    return counts
