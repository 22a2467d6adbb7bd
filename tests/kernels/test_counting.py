"""Counting kernels: what NumPy gives for the same rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from factorate._kernels import counting

N_ROWS = 6
rows = st.lists(st.integers(0, N_ROWS - 1), max_size=40)


def int32(values: Any) -> Any:
    return np.array(values, np.int32)


@given(rows)
def test_count_adds_the_entries_of_each_row(drawn: list[int]) -> None:
    counts = np.zeros(N_ROWS, np.int64)
    assert counting.count(int32(drawn), counts) == -1
    assert counts.tolist() == np.bincount(int32(drawn), minlength=N_ROWS).tolist()


@given(rows, st.sampled_from([-1, N_ROWS, 2**31 - 1, -(2**31)]), rows)
def test_count_returns_the_index_of_the_first_row_out_of_range(
    before: list[int], bad: int, after: list[int]
) -> None:
    counts = np.zeros(N_ROWS, np.int64)
    assert counting.count(int32([*before, bad, *after]), counts) == len(before)


@given(rows, st.lists(st.integers(0, 600), min_size=N_ROWS, max_size=N_ROWS))
def test_bytes_and_their_carries_are_the_counts(drawn: list[int], before: list[int]) -> None:
    units, rest = np.zeros(N_ROWS, np.uint8), np.zeros(N_ROWS, np.int64)
    every = int32([*np.repeat(np.arange(N_ROWS), before).tolist(), *drawn, 0])
    counting.count_in_bytes(every, units, rest)
    assert (units + rest).tolist() == np.bincount(every, minlength=N_ROWS).tolist()


@given(rows)
def test_group_keeps_the_order_within_each_key(keys: list[int]) -> None:
    counts = np.bincount(int32(keys), minlength=N_ROWS)
    cursor, out = np.cumsum(counts) - counts, np.zeros(len(keys), np.int32)
    counting.group(int32(keys), np.arange(len(keys), dtype=np.int32), cursor, out)
    assert out.tolist() == np.argsort(int32(keys), kind="stable").tolist()
    assert cursor.tolist() == np.cumsum(counts).tolist()


@given(st.lists(rows, max_size=5))
def test_regroup_writes_the_distinct_items_of_each_user(users_by_item: list[list[int]]) -> None:
    item_starts = np.cumsum([0, *map(len, users_by_item)])
    users = int32(list(itertools.chain(*users_by_item)))
    counts = np.bincount(users, minlength=N_ROWS)
    starts = np.cumsum(counts) - counts
    ends, out = starts.copy(), np.zeros(len(users), np.int32)
    counting.regroup(users, item_starts, starts, ends, out)
    found = [out[start:end].tolist() for start, end in zip(starts, ends, strict=True)]
    assert found == [
        [item for item, raters in enumerate(users_by_item) if user in raters]
        for user in range(N_ROWS)
    ]


def test_pack_copies_the_first_values_of_each_group() -> None:
    values, out = int32([1, 2, 3, 4, 5, 6]), np.zeros(4, np.int32)
    counting.pack(np.array([0, 3, 3, 6]), np.array([0, 1, 1, 4]), values, out)
    assert out.tolist() == [1, 4, 5, 6]
