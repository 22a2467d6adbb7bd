"""The row of an integer is its rank, however far apart the integers are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._input.id_column import read_ids
from factorate._input.make_index import make_index

DTYPES = [f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)]
MASK = 2**64 - 1


def check(values: np.ndarray[Any, Any]) -> None:
    """Compare rows and ids with the definition."""
    before = values.copy()
    index, rows = make_index(read_ids(values, "users"), "users")
    ids, ranks = np.unique(values, return_inverse=True)
    assert index.ids.tolist() == ids.tolist()
    assert rows.dtype == np.int32
    assert rows.tolist() == ranks.tolist()
    assert not np.shares_memory(rows, values)
    assert values.tolist() == before.tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_rows_are_ranks(dtype: str, data: st.DataObject) -> None:
    limits = np.iinfo(dtype)
    least, greatest = int(limits.min), int(limits.max)
    first = data.draw(st.integers(least, greatest))
    near = st.integers(first, min(first + 20, greatest))
    drawn = data.draw(st.lists(near | st.integers(least, greatest), min_size=1))
    step = data.draw(st.sampled_from([1, 2, -1]))
    check(np.array(drawn, dtype)[::step])


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
@pytest.mark.parametrize("spread", [1, 3, 100, 2**15])
@pytest.mark.parametrize("first", [0, 1, 1000])
def test_many_rows(dtype: type[np.integer], spread: int, first: int) -> None:
    """The integers are in several blocks, and in a hash table that grows."""
    drawn = np.random.default_rng(spread).integers(0, 20_000, 50_000)
    check((drawn * spread + first).astype(dtype))


def test_all_rows_of_a_fit_from_zero() -> None:
    check(np.arange(10_000, dtype=np.int32))


def test_numbers_with_equal_hashes() -> None:
    """Integers that were chosen to be in the same place of a hash table do not slow it down."""
    chosen = [_unmix(number << 40) for number in range(5000)]
    check(np.array(chosen, np.uint64))
    check(np.array(chosen, np.uint64).view(np.int64))


@pytest.mark.parametrize("dtype", ["<M8[s]", ">M8[us]", "M8[D]"])
@given(drawn=st.lists(st.integers(-(2**40), 2**40) | st.integers(0, 5), min_size=1))
def test_datetimes(dtype: str, drawn: list[int]) -> None:
    values = np.array(drawn, np.int64).view("M8[s]").astype(dtype)
    index, rows = make_index(read_ids(values, "users"), "users")
    ids, ranks = np.unique(values, return_inverse=True)
    assert index.ids.dtype == values.dtype.newbyteorder("=")
    assert index.ids.tolist() == ids.tolist()
    assert rows.tolist() == ranks.tolist()


@given(st.lists(st.booleans(), min_size=1))
def test_booleans(drawn: list[bool]) -> None:
    check(np.array(drawn))
    assert make_index(read_ids(drawn, "users"), "users")[0].ids.dtype == np.bool


def _unmix(value: int) -> int:
    """Return the integer whose hash, by the last steps of SplitMix64, is the value."""
    value ^= value >> 31 ^ value >> 62
    value = value * pow(0x94D049BB133111EB, -1, 2**64) & MASK
    value ^= value >> 27 ^ value >> 54
    value = value * pow(0xBF58476D1CE4E5B9, -1, 2**64) & MASK
    return value ^ value >> 30 ^ value >> 60
