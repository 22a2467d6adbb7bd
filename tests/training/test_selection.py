"""The number with a rank is the one that sorting puts there."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from factorate._training.selection import CHUNK, select


@given(data=st.data(), bits=st.sampled_from([32, 64]))
def test_the_number_is_that_of_the_sorted_ones(data: st.DataObject, bits: Literal[32, 64]) -> None:
    finite = st.floats(width=bits, allow_nan=False, allow_infinity=False)
    numbers = st.integers(-3, 3) | finite if data.draw(st.booleans()) else finite
    values = data.draw(arrays.arrays(f"f{bits // 8}", st.integers(1, 30), elements=numbers))
    values += 0.0  # without -0.0
    ordered = np.sort(values)
    for rank in range(len(values)):
        assert select(values, rank) == ordered[rank]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_read_in_slices(dtype: Any) -> None:
    values = np.random.default_rng(0).normal(size=CHUNK + 1000).astype(dtype)
    ordered = np.sort(values)
    for rank in (0, len(values) // 2, len(values) - 1):
        assert select(values, rank) == ordered[rank]
