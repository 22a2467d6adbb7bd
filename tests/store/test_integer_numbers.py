"""Integers that are read in batches are numbered in the order of their first entries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._input.id_column import IdColumn
from factorate._store.id_numbers import IdNumbers
from factorate._store.integer_numbers import FIRST_CAPACITY, IntegerNumbers

FAR = st.integers(-(2**63), 2**63 - 1)
NEAR = st.integers(-9, 9)
EDGES = st.sampled_from([-(2**63), 2**63 - 1, -1, 0, 2**16, 2**17])


def check(batches: list[list[int]], dtype: type[np.signedinteger] = np.int64) -> None:
    """Compare with a dict."""
    numbers = IntegerNumbers("users")
    expected: dict[int, int] = {}
    for batch in batches:
        found = numbers.add(np.array(batch, dtype))
        assert found is not None
        assert found.tolist() == [expected.setdefault(v, len(expected)) for v in batch]
        assert numbers.distinct.tolist() == list(expected)
        assert len(numbers) == len(expected)


@given(st.lists(st.lists(FAR | NEAR | EDGES, max_size=8), max_size=6))
def test_numbers_are_those_of_a_dict(batches: list[list[int]]) -> None:
    check(batches)


@given(st.lists(st.lists(st.integers(-(2**31), 2**31 - 1) | NEAR, max_size=8), max_size=6))
def test_short_integers(batches: list[list[int]]) -> None:
    check(batches, np.int32)


@pytest.mark.parametrize("step", [1, -1, 3, -3, 97, -(2**40)])
@pytest.mark.parametrize("outlier", [None, 2**62])
def test_tables_grow_with_the_number_and_the_range(step: int, outlier: int | None) -> None:
    n = 5 * FIRST_CAPACITY
    values = np.random.default_rng(0).permutation(n) * step
    batches = np.array_split(values, 7)
    if outlier is not None:
        batches.insert(3, np.array([outlier]))
    again = [batch[::-1] for batch in batches]
    check([batch.tolist() for batch in (*batches, *again)])


def equal_hashes(n: int) -> np.ndarray:
    """Return integers whose hashes are equal in the lowest 24 bits: mix is inverted."""
    mask = 2**64 - 1

    def unshift(value: int, shift: int) -> int:
        found = value
        for _ in range(64 // shift):
            found = value ^ (found >> shift)
        return found

    def unmix(value: int) -> int:
        value = unshift(value, 31) * pow(0x94D049BB133111EB, -1, 2**64) & mask
        value = unshift(value, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) & mask
        return unshift(value, 30)

    return np.array([unmix(number << 24) for number in range(1, n + 1)], np.uint64).view(np.int64)


@pytest.mark.parametrize("kind", ["integer", "datetime"])
def test_equal_hashes_are_kept_in_a_dict(kind: str) -> None:
    """A hash table would take quadratic time; ids before and after have the numbers of a dict."""
    bits = equal_hashes(3000)
    assert IntegerNumbers("users").add(bits) is None
    batches = [np.array([7, 2**60, 7]), bits, np.array([2**60, 8]), bits[::-1]]
    dtype = np.dtype("M8[ns]" if kind == "datetime" else np.int64)
    numbers = IdNumbers("users")
    found = [numbers.add(IdColumn(batch.view(dtype), kind)) for batch in batches]
    index, rows = numbers.finish()
    every = np.concatenate(batches).view(dtype)
    assert index.ids.dtype == dtype
    assert index.ids.tolist() == np.unique(every).tolist()
    assert (index.ids[rows[np.concatenate(found)]] == every).all()
    assert len(numbers) == len(index.ids)
