"""Integers are replaced by their offsets and by the numbers of their first entries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._kernels import integers


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
@given(first=st.integers(0, 2**64 - 1), drawn=st.lists(st.integers(0, 15), min_size=1))
def test_offsets_wrap_around(dtype: type[np.unsignedinteger], first: int, drawn: list[int]) -> None:
    largest = int(np.iinfo(dtype).max)
    values = np.array([(first + offset) & largest for offset in drawn], dtype)
    seen, out = np.zeros(16, np.uint8), np.empty(len(drawn), np.int32)
    every = integers.offsets(values, first & largest, seen, out)
    assert max(drawn) <= every == np.bitwise_or.reduce(drawn)
    assert out.tolist() == drawn
    assert np.flatnonzero(seen).tolist() == sorted(set(drawn))


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
@pytest.mark.parametrize("entry", [0, 5000, 9999])
@pytest.mark.parametrize("wrong", [4, 23])
def test_offsets_outside_are_found(dtype: type[np.unsignedinteger], entry: int, wrong: int) -> None:
    """Values below the first, or so large that their offset is no index, are not written."""
    values, seen = np.full(10_000, 7, dtype), np.zeros(16, np.uint8)
    values[entry] = wrong
    assert integers.offsets(values, 7, seen, np.empty(10_000, np.int32)) == -1
    assert not seen[1:].any()


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3), min_size=1), st.data())
def test_numbers_in_order_of_first_entries(drawn: list[int], data: st.DataObject) -> None:
    """The first values are numbered in one call, the others in another."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(drawn))}
    values, out = np.array(drawn, np.int64), np.empty(len(drawn), np.int32)
    distinct, entries = np.empty((2, len(drawn)), np.int64)
    table = np.full(2 << len(drawn).bit_length(), -1, np.int32)
    begin = data.draw(st.integers(0, len(drawn) - 1))
    n_distinct = 0
    if begin:
        done, n_distinct = integers.number(
            values[:begin].copy(), 0, distinct, entries, 0, table, out
        )
        assert (done, n_distinct) == (begin, len(set(drawn[:begin])))
    done, n_distinct = integers.number(values, begin, distinct, entries, n_distinct, table, out)
    assert (done, n_distinct) == (len(drawn), len(numbers))
    assert distinct[:n_distinct].tolist() == list(numbers)
    assert entries[:n_distinct].tolist() == [drawn.index(value) for value in numbers]
    assert out.tolist() == [numbers[value] for value in drawn]


def test_numbering_stops_when_distinct_values_are_full() -> None:
    values, out = np.array([5, 6, 5, 7, 5]), np.empty(5, np.int32)
    distinct, entries = np.empty((2, 2), np.int64)
    table = np.full(8, -1, np.int32)
    assert integers.number(values, 0, distinct, entries, 0, table, out) == (3, 2)
    assert out[:3].tolist() == [0, 1, 0]


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@given(drawn=st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(-5, 5), min_size=1))
def test_numbers_by_table_stop_outside_it(dtype: type[np.signedinteger], drawn: list[int]) -> None:
    values, out = np.array(drawn, dtype), np.full(len(drawn), -1, np.int32)
    table, distinct = np.full(8, -1, np.int32), np.empty(6, np.int64)
    done, n = integers.number_by_table(values, 0, -4, table, distinct, 0, out)
    numbers: dict[int, int] = {}
    expected = []
    for value in drawn:
        if not -4 <= value < 4 or (value not in numbers and len(numbers) == 6):
            break
        expected.append(numbers.setdefault(value, len(numbers)))
    assert (done, n) == (len(expected), len(numbers))
    assert out[:done].tolist() == expected
    assert distinct[:n].tolist() == list(numbers)


def test_numbers_by_table_of_extreme_integers_wrap_around() -> None:
    values, out = np.array([2**63 - 1, -(2**63)]), np.empty(2, np.int32)
    table, distinct = np.full(2, -1, np.int32), np.empty(4, np.int64)
    assert integers.number_by_table(values, 0, 2**63 - 1, table, distinct, 0, out) == (2, 2)
    assert integers.number_by_table(values[::-1].copy(), 0, 0, table, distinct, 0, out) == (0, 0)


def test_numbers_without_entries() -> None:
    values, out = np.array([5, 6, 5]), np.empty(3, np.int32)
    distinct, table = np.empty(3, np.int64), np.full(8, -1, np.int32)
    assert integers.number(values, 0, distinct, distinct[:0], 0, table, out) == (3, 2)
    assert out.tolist() == [0, 1, 0]
