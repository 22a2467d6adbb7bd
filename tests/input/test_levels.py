"""Levels: the distinct ratings, for any order of the input and any number of chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from factorate._input.levels import EMPTY, find_levels
from factorate._utils.workers import Workers


def finite(dtype: Any) -> Any:
    is_short = dtype == np.float32
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=32 if is_short else 64)
    some = st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.0, 5.0])
    return st_numpy.arrays(dtype, st.integers(1, 80), elements=numbers | some)


@pytest.mark.parametrize("n_chunks", [1, 3, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_levels_are_the_distinct_ratings_with_their_counts(
    dtype: Any, n_chunks: int, data: st.DataObject
) -> None:
    values = data.draw(finite(dtype))
    found = find_levels(values, Workers(), n_chunks)
    levels, counts = np.unique(values, return_counts=True)
    assert found.levels.tolist() == levels.tolist()
    assert found.counts.tolist() == counts.tolist()
    assert found.levels.dtype == dtype
    assert not np.signbit(found.levels[found.levels == 0]).any()


def test_the_table_has_the_code_of_every_level() -> None:
    found = find_levels(np.arange(1000, dtype=np.float32), Workers(), 1)
    used = found.keys != EMPTY
    assert 0 < used.sum() < len(found.keys) == 1 << (64 - found.shift)
    assert found.keys[used].view(np.float64).tolist() == found.levels[found.codes[used]].tolist()


@pytest.mark.parametrize("n_chunks", [1, 2])
def test_more_levels_than_the_maximum_have_no_codes(n_chunks: int) -> None:
    values = np.repeat(np.arange(8.0), 5)
    assert len(find_levels(values, Workers(), n_chunks, max_levels=8).levels) == 8
    assert len(find_levels(values, Workers(), n_chunks, max_levels=7).levels) == 0


def test_chosen_ratings_do_not_have_adjacent_slots() -> None:
    """Regression: the time to find one of such ratings was linear in their number."""
    products = np.arange(1 << 14, dtype=np.uint64)  # with the number that was once the multiplier
    keys = products * np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
    keys ^= keys >> np.uint64(32)
    numbers = keys.view(np.float64)
    found = find_levels(numbers[np.isfinite(numbers)], Workers(), 1)
    assert len(found.levels) > 16_000
    empty = np.flatnonzero(found.keys == EMPTY)
    assert np.diff(empty, prepend=-1).max() < 1000  # from an empty slot to the next


def test_65536_distinct_ratings_are_levels() -> None:
    values = np.arange(65_537, dtype=np.float32)
    assert len(find_levels(values[1:], Workers(), 1).levels) == 65_536
    assert len(find_levels(values, Workers(), 1).levels) == 0
