"""Values of ratings are finite real numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from factorate._input.rating_values import read_values


@pytest.mark.parametrize(
    "values",
    [
        [True, False],
        [1, 2],
        [Decimal("1.5"), 2],
        np.array([1, 2], np.uint8),
        np.array([1.5, 2], np.float16),
        np.array([1, 2], object),
        np.array([[1.5], [2]]),
    ],
)
def test_ratings_may_be_any_real_numbers(values: Any) -> None:
    read = read_values(values, np.dtype(np.float32))
    assert read.dtype == np.float32
    assert read.tolist() == [float(value) for value in np.ravel(values)]


def test_errors_count_the_wrong_values() -> None:
    message = r"ratings\[1\] is nan, which is not finite.*\(2 of 3 are not finite in float32\)"
    with pytest.raises(ValueError, match=message):
        read_values([1, np.nan, np.inf], np.dtype(np.float32))
