"""Ranks by predictions and by popularity agree with those counted from all scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._fitted.seen import find_seen
from factorate._training.factors import Factors, predict
from factorate._utils.types import Floats
from factorate.metrics.ranks import Ranks
from factorate.metrics.relevant_pairs import (
    RelevantPairs,
    count_candidates,
    rank_by_model,
    rank_by_popularity,
)

N_USERS, N_ITEMS = 20, 9
pairs = st.sets(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1)))
row_lists = st.lists(st.integers(-1, N_USERS - 1), min_size=1, max_size=30)


def make_factors(seed: int) -> Factors:
    """Return factors of few distinct values, so that many scores are equal."""
    generator = np.random.default_rng(seed)
    P, Q = (generator.integers(-1, 2, (n, 2)).astype(np.float32) for n in (N_USERS, N_ITEMS))
    zeros = np.zeros(N_USERS, np.float32)
    item_bias = generator.integers(0, 2, N_ITEMS).astype(np.float32)
    return Factors(
        user_factors=P,
        item_factors=Q,
        user_bias=zeros,
        item_bias=item_bias,
        mean=0.0,
        scale=1.0,
    )


def make_pairs(user_rows: list[int], seen: set[tuple[int, int]], seed: int) -> RelevantPairs:
    """Draw relevant items of each user, some of them unknown, none of them seen."""
    generator = np.random.default_rng(seed)
    drawn = generator.random((len(user_rows), N_ITEMS + 1)) < 0.4
    for number, user in enumerate(user_rows):
        for item in range(N_ITEMS):
            drawn[number, item] &= (user, item) not in seen
    users, items = np.nonzero(drawn)
    items[items == N_ITEMS] = -1
    return RelevantPairs(np.array(user_rows, np.int32), users, items.astype(np.int32))


def counted(scores: Floats, relevant: RelevantPairs, n: int | None) -> Ranks:
    """Count the candidates above each relevant one in a table where seen items are NaN."""
    known = relevant.known()
    mine = scores[known.users, known.item_rows, None]
    n_above = (scores[known.users] > mine).sum(axis=1)
    n_tied = (scores[known.users] == mine).sum(axis=1)
    kept = n_above < (len(scores.T) if n is None else n)
    return Ranks(
        users=known.users[kept],
        n_above=n_above[kept],
        n_tied=n_tied[kept],
        n_relevant=relevant.n_relevant,
    )


def assert_same(found: Ranks, expected: Ranks) -> None:
    for name, array in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), array)


def exclude(scores: Floats, users: list[int], seen: set[tuple[int, int]]) -> None:
    """Write NaN for the seen items of each user."""
    for number, user in enumerate(users):
        for item in range(N_ITEMS):
            if (user, item) in seen:
                scores[number, item] = np.nan


@given(
    users=row_lists,
    rated=pairs,
    n=st.integers(1, N_ITEMS + 1),
    seed=st.integers(0, 99),
    complete=st.booleans(),
)
@pytest.mark.parametrize("block_scores", [1, 40, 1 << 18])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ranks_by_model_are_those_of_all_scores(
    users: list[int],
    rated: set[tuple[int, int]],
    n: int,
    seed: int,
    complete: bool,
    block_scores: int,
    n_threads: int,
) -> None:
    factors = make_factors(seed)
    columns = np.array(sorted(rated), np.int32).reshape(-1, 2).T.copy()
    seen = find_seen(columns[0], columns[1], N_USERS, N_ITEMS)
    relevant = make_pairs(users, rated, seed)
    ranks, lists = rank_by_model(
        factors,
        seen,
        relevant,
        n,
        complete=complete,
        n_threads=n_threads,
        block_scores=block_scores,
    )
    rows = np.repeat(relevant.user_rows, N_ITEMS), np.tile(np.arange(N_ITEMS), len(users))
    scores = predict(factors, rows[0], rows[1].astype(np.int32)).reshape(-1, N_ITEMS)
    exclude(scores, users, rated)
    assert_same(ranks, counted(scores, relevant, None if complete else n))
    n_candidates = count_candidates(seen, relevant.user_rows, N_ITEMS)
    np.testing.assert_array_equal(n_candidates, (~np.isnan(scores)).sum(axis=1))
    best = np.argsort(-scores, axis=1, kind="stable")[:, :n].astype(np.int32)
    best[np.isnan(np.take_along_axis(scores, best, axis=1))] = -1
    np.testing.assert_array_equal(lists, best)


@given(row_lists, pairs, st.integers(0, 99))
def test_ranks_by_popularity_are_those_of_all_counts(
    users: list[int], rated: set[tuple[int, int]], seed: int
) -> None:
    columns = np.array(sorted(rated), np.int32).reshape(-1, 2).T.copy()
    seen = find_seen(columns[0], columns[1], N_USERS, N_ITEMS)
    relevant = make_pairs(users, rated, seed)
    n_raters = np.bincount(columns[1], minlength=N_ITEMS)
    scores = np.tile(n_raters.astype(np.float64), (len(users), 1))
    exclude(scores, users, rated)
    assert_same(rank_by_popularity(seen, relevant, n_raters), counted(scores, relevant, None))
