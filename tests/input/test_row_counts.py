"""The ratings of each row are counted, and rows are checked."""

from __future__ import annotations

import numpy as np
import pytest

from factorate._input.row_counts import count_rows


def test_ratings_of_each_row_are_counted() -> None:
    assert count_rows(np.array([2, 0, 2], np.int32), 4, "user").tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize("row", [-1, 3])
def test_a_row_out_of_range_raises(row: int) -> None:
    with pytest.raises(ValueError, match=f"user row {row} of rating 1 is outside 0…2"):
        count_rows(np.array([0, row], np.int32), 3, "user")
