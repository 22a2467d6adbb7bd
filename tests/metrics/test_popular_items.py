"""Lists of the most popular items agree with their definition in plain loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from factorate._fitted.seen import find_seen
from factorate.metrics.popular_items import popular_items

N_USERS, N_ITEMS = 5, 7
pairs = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1)))
user_rows = st.lists(st.integers(-1, N_USERS - 1), min_size=1)


@given(pairs, user_rows, st.integers(1, N_ITEMS + 2))
def test_lists_hold_the_unseen_items_that_most_users_have_rated(
    rated: list[tuple[int, int]], users: list[int], n: int
) -> None:
    rows = np.array(rated, np.int32).reshape(-1, 2).T
    seen = find_seen(rows[0].copy(), rows[1].copy(), N_USERS, N_ITEMS)
    n_raters = [len({user for user, one in rated if one == item}) for item in range(N_ITEMS)]
    found, counts = popular_items(seen, np.array(users, np.int32), np.array(n_raters), n)
    assert found.shape == counts.shape == (len(users), n)
    for user, row, row_counts in zip(users, found.tolist(), counts.tolist(), strict=True):
        unseen = [item for item in range(N_ITEMS) if (user, item) not in rated]
        unseen.sort(key=lambda item: -n_raters[item])  # stable: equal ones stay in order
        expected = unseen[:n]
        assert row == expected + [-1] * (n - len(expected))
        assert row_counts[: len(expected)] == [n_raters[item] for item in expected]
        assert np.isnan(row_counts[len(expected) :]).all()
