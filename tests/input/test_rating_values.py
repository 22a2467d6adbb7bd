"""Ratings are finite real numbers."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from forms import read


def test_ratings_may_be_any_real_numbers() -> None:
    for values in (
        [True, False], [1, 2], [Decimal("1.5"), 2], np.array([1, 2], np.uint8),
        np.array([1.5, 2], np.float16), np.array([1, 2], object),
    ):  # fmt: skip
        assert len(read(([0, 1], [0, 1], values)).values) == 2
