"""Merged, dropped and selected interactions equal those of the list of all interactions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from factorate._fitted.seen import Seen, remove_seen_items, remove_seen_users
from factorate._fitted.seen_interactions import (
    counts_of,
    drop,
    merge,
    of_items,
    of_users,
    to_seen,
)
from factorate._training.interactions import make_interactions

FLOAT = np.dtype(np.float32)
N_USERS, N_ITEMS = 5, 6
Rows = list[tuple[int, int, int]]
ROWS = st.lists(
    st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1), st.integers(1, 3)),
    max_size=20,
)


def arrays(rows: Rows) -> tuple[Any, Any, Any]:
    users, items, counts = np.array(rows, np.int32).reshape(-1, 3).T
    return np.ascontiguousarray(users), np.ascontiguousarray(items), counts.astype(FLOAT)


def make(rows: Rows, n_users: int = N_USERS) -> Seen:
    return to_seen(make_interactions(*arrays(rows), (n_users, N_ITEMS), FLOAT))


def content(seen: Seen) -> dict[tuple[int, int], float]:
    users = np.repeat(np.arange(len(seen.starts) - 1), np.diff(seen.starts)).tolist()
    counts = counts_of(seen, FLOAT).tolist()
    return dict(zip(zip(users, seen.items.tolist(), strict=True), counts, strict=True))


def summed(rows: Rows) -> dict[tuple[int, int], float]:
    total: Counter[tuple[int, int]] = Counter()
    for user, item, count in rows:
        total[user, item] += count
    return {pair: float(count) for pair, count in total.items()}


@given(ROWS, ROWS)
def test_counts_of_merged_interactions_add_up(old: Rows, new: Rows) -> None:
    merged = merge(make(old), *arrays(new), (N_USERS, N_ITEMS))
    assert content(merged) == summed(old + new)
    assert (merged.counts is None) == (set(summed(old + new).values()) <= {1.0})
    appended = merge(make(old), *arrays([(u + N_USERS, i, c) for u, i, c in new]), (10, N_ITEMS))
    assert content(appended) == summed(old + [(u + N_USERS, i, c) for u, i, c in new])


@given(ROWS, st.sets(st.integers(0, N_USERS - 1)), st.sets(st.integers(0, N_ITEMS - 1)))
def test_dropped_and_removed_rows_have_no_interactions(
    rows: Rows, users: set[int], items: set[int]
) -> None:
    seen = make(rows)
    of_dropped = np.array(sorted(users), np.int32), np.array(sorted(items), np.int32)
    found = drop(seen, users=of_dropped[0], items=of_dropped[1])
    rest = [(u, i, c) for u, i, c in rows if u not in users and i not in items]
    assert content(found) == summed(rest)
    removed = remove_seen_items(remove_seen_users(seen, of_dropped[0]), of_dropped[1], N_ITEMS)
    np.testing.assert_array_equal(counts_of(removed, FLOAT), counts_of(found, FLOAT))


@given(ROWS, st.sets(st.integers(0, N_USERS - 1)), st.sets(st.integers(0, N_ITEMS - 1)))
def test_the_interactions_of_some_users_and_items_are_found(
    rows: Rows, users: set[int], items: set[int]
) -> None:
    seen, total = make(rows), summed(rows)
    for chosen, find, own, other in (
        (sorted(users), of_users, 0, 1),
        (sorted(items), of_items, 1, 0),
    ):
        lists = find(seen, np.array(chosen, np.int32), FLOAT)
        assert len(lists.starts) == len(chosen) + 1
        counts = lists.counts if len(lists.counts) else np.ones(len(lists.others), FLOAT)
        for k, row in enumerate(chosen):
            entries = slice(*lists.starts[k : k + 2].tolist())
            found = list(zip(lists.others[entries].tolist(), counts[entries].tolist(), strict=True))
            assert found == sorted(
                (pair[other], count) for pair, count in total.items() if pair[own] == row
            )
