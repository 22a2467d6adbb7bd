"""The items that each user has rated."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factorate as ft
from factorate._fitted.seen import add_seen, collect_seen, find_seen, was_seen


def rows_of(seen: Any) -> list[list[int]]:
    return [items.tolist() for items in np.split(seen.items, seen.starts[1:-1])]


@given(
    pairs=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=60),
    n_users=st.integers(7, 9),
    n_items=st.integers(6, 8),
    n_batches=st.integers(1, 3),
    chunk_ratings=st.sampled_from([1, 10, 100]),
)
def test_each_user_gets_the_distinct_items_in_order(
    pairs: list[tuple[int, int]], n_users: int, n_items: int, n_batches: int, chunk_ratings: int
) -> None:
    rows = np.array(pairs, np.int32).reshape(-1, 2)
    batches = [
        (users.copy(), items.copy())
        for users, items in (batch.T for batch in np.array_split(rows, n_batches))
    ]
    expected = [sorted({i for u, i in pairs if u == user}) for user in range(n_users)]
    for seen in (
        find_seen(rows[:, 0].copy(), rows[:, 1].copy(), n_users, n_items),
        collect_seen(lambda: batches, n_users, n_items, chunk_ratings=chunk_ratings),
    ):
        assert rows_of(seen) == expected
        assert seen.starts.dtype == np.int64
        assert seen.items.dtype == np.int32


@given(
    pairs=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=60),
    asked=st.lists(st.tuples(st.integers(-1, 6), st.integers(-1, 5)), max_size=20),
)
def test_rated_pairs_are_found_and_others_are_not(
    pairs: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    users, items = (np.array([pair[side] for pair in pairs], np.int32) for side in (0, 1))
    rows, columns = (np.array([pair[side] for pair in asked], np.int32) for side in (0, 1))
    found = was_seen(find_seen(users, items, 7, 6), rows, columns)
    assert found.tolist() == [pair in pairs for pair in asked]


@given(
    before=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=60),
    more=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 8)), max_size=60),
    insert_ratio=st.sampled_from([0, 10**9]),  # insert always, or never
)
def test_adding_gives_the_same_as_starting_with_all_pairs(
    before: list[tuple[int, int]], more: list[tuple[int, int]], insert_ratio: int
) -> None:
    (users, items), (more_users, more_items) = (
        np.array(pairs, np.int32).reshape(-1, 2).T.copy() for pairs in (before, more)
    )
    seen = find_seen(users, items, 7, 6)
    got = add_seen(seen, more_users, more_items, 10, 9, insert_ratio=insert_ratio)
    expected = find_seen(np.append(users, more_users), np.append(items, more_items), 10, 9)
    assert rows_of(got) == rows_of(expected)
    assert got.starts.dtype == np.int64
    assert got.items.dtype == np.int32


@pytest.mark.parametrize("n_distinct", [1_000_000, 500_000])
def test_seen_items_take_little_memory_besides_the_result(n_distinct: int) -> None:
    n, n_users, n_items = 1_000_000, 2000, 1000
    pairs = np.random.default_rng(0).permutation(n_users * n_items)[:n_distinct]
    pairs = np.resize(pairs, n)  # repeated if there are fewer
    users, items = (rows.astype(np.int32) for rows in np.divmod(pairs, n_items))
    tracemalloc.start()
    try:
        seen = collect_seen(lambda: [(users, items)], n_users, n_items, chunk_ratings=10_000)
        size, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(seen.items) == n_distinct
    n_packed = n_distinct if n_distinct < n else 0  # repeated pairs are left out of a copy
    assert peak < 1.2 * 4 * (n + n_packed)
    assert size < 1.2 * 4 * n_distinct


def test_the_arrays_are_read_only() -> None:
    seen = find_seen(np.zeros(1, np.int32), np.zeros(1, np.int32), 1, 1)
    for array in (seen.starts, seen.items):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_row_out_of_range_is_rejected() -> None:
    with pytest.raises(ValueError, match="item row 3 of rating 1 is outside 0…2"):
        find_seen(np.zeros(2, np.int32), np.array([0, 3], np.int32), 1, 3)


def test_a_fit_collects_seen_items_unless_keep_seen_is_false(columns: Any) -> None:
    users, items, _ = columns
    model = ft.MatrixFactorization(2, 1, random_state=0).fit(columns)
    assert rows_of(model._fitted.seen) == [sorted(items[users == u].tolist()) for u in range(60)]
    without = ft.MatrixFactorization(2, 1, random_state=0, keep_seen=False).fit(columns)
    assert without._fitted.seen is None
    with pytest.raises(TypeError, match="keep_seen is 1; expected True or False"):
        ft.MatrixFactorization(keep_seen=1).fit(columns)  # type: ignore[arg-type]


@pytest.mark.parametrize("early_stopping", [True, False])
def test_held_out_ratings_are_seen_and_those_without_weight_are_not(
    columns: Any, early_stopping: bool
) -> None:
    users, items, _ = columns
    weights = np.arange(len(users)) % 3
    model = ft.MatrixFactorization(2, 1, random_state=0, early_stopping=early_stopping)
    model.fit(columns, sample_weight=weights)
    counts = weights > 0
    assert rows_of(model._fitted.seen) == [
        sorted(items[counts & (users == u)].tolist()) for u in np.unique(users)
    ]


def test_ratings_of_an_eval_set_are_not_seen(columns: Any) -> None:
    model = ft.MatrixFactorization(2, 1, random_state=0)
    train, validation = (tuple(column[half] for column in columns) for half in np.s_[:-200, -200:])
    model.fit(train, eval_set=validation)
    assert len(model._fitted.seen.items) == len(columns[0]) - 200  # type: ignore[union-attr]


def test_adding_seen_pairs_again_gives_the_same_object() -> None:
    users, items = np.array([[0, 0, 1, 1], [0, 2, 1, 2]], np.int32)
    seen = find_seen(users, items, n_users=2, n_items=3)
    users, items = np.array([[1, 0, 1], [2, 0, 2]], np.int32)
    assert add_seen(seen, users, items, 2, 3, insert_ratio=0) is seen
    longer = add_seen(seen, users, items, 4, 3, insert_ratio=0)
    assert rows_of(longer) == [[0, 2], [1, 2], [], []]
