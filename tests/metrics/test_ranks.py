"""Metrics of tied items agree with the mean over all orders of these items."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate.metrics.ranks import Ranks, area_under_curve, metrics_at

Candidates = list[tuple[int, bool]]  # score, and whether the candidate is relevant
candidates = st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=7)
n_unranked = st.integers(0, 2)  # relevant items that are not among the candidates
a_user = st.tuples(candidates, n_unranked).filter(
    lambda user: user[1] > 0 or any(relevant for _, relevant in user[0])
)


def all_metrics(hits: list[bool], n: int, n_relevant: int) -> dict[str, float]:
    """Return the metrics of one order, by their definitions."""
    first = hits[:n]
    limit = min(n, n_relevant)
    precisions = [sum(first[:k]) / k for k in range(1, len(first) + 1) if first[k - 1]]
    gains = [1 / math.log2(1 + k) for k in range(1, len(first) + 1) if first[k - 1]]
    return {
        "precision": sum(first) / n,
        "recall": sum(first) / n_relevant,
        "capped_recall": sum(first) / limit,
        "ndcg": sum(gains) / sum(1 / math.log2(1 + k) for k in range(1, limit + 1)),
        "map": sum(precisions) / limit,
        "hit_rate": float(any(first)),
    }


def expected_metrics(user: tuple[Candidates, int], n: int) -> dict[str, float]:
    """Return the mean of the metrics over all orders in which scores do not increase."""
    some, n_more = user
    n_relevant = sum(relevant for _, relevant in some) + n_more
    groups = [
        [relevant for score, relevant in some if score == each]
        for each in sorted({score for score, _ in some}, reverse=True)
    ]
    orders = itertools.product(*(itertools.permutations(group) for group in groups))
    found = [
        all_metrics(list(itertools.chain.from_iterable(order)), n, n_relevant) for order in orders
    ]
    return {name: sum(each[name] for each in found) / len(found) for name in found[0]}


def ranks_of(users: list[tuple[Candidates, int]]) -> Ranks:
    """Count the candidates above each relevant one, and those tied with it."""
    rows = [
        (number, sum(other > score for other, _ in some), sum(other == score for other, _ in some))
        for number, (some, _) in enumerate(users)
        for score, relevant in some
        if relevant
    ]
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    n_relevant = [sum(relevant for _, relevant in some) + n_more for some, n_more in users]
    return Ranks(
        users=columns[0], n_above=columns[1], n_tied=columns[2], n_relevant=np.array(n_relevant)
    )


@given(st.lists(a_user, min_size=1, max_size=3), st.integers(1, 9))
def test_metrics_are_means_over_the_orders_of_tied_items(
    users: list[tuple[Candidates, int]], n: int
) -> None:
    expected = [expected_metrics(user, n) for user in users]
    assert metrics_at(ranks_of(users), n) == pytest.approx(
        {name: np.mean([each[name] for each in expected]) for name in expected[0]}, rel=1e-12
    )


@given(st.lists(a_user, min_size=1))
def test_auc_is_the_fraction_of_pairs_in_the_right_order(
    users: list[tuple[Candidates, int]],
) -> None:
    found = area_under_curve(ranks_of(users), np.array([len(some) for some, _ in users]))
    each = []
    for some, n_more in users:
        relevant = [score for score, is_relevant in some if is_relevant] + [-1] * n_more
        others = [score for score, is_relevant in some if not is_relevant]
        if others:
            pairs = itertools.product(relevant, others)
            each.append(np.mean([(a > b) + (a == b) / 2 for a, b in pairs]))
    assert found == pytest.approx(np.mean(each) if each else np.nan, nan_ok=True)


def test_large_groups_of_tied_items() -> None:
    """All of 10,000 candidates are tied, 5,000 of them relevant."""
    ones = np.ones(5000, np.int64)
    ranks = Ranks(
        users=0 * ones, n_above=0 * ones, n_tied=10_000 * ones, n_relevant=np.array([5000])
    )
    found = metrics_at(ranks, 10)
    assert found["precision"] == pytest.approx(0.5)
    assert found["ndcg"] == pytest.approx(0.5)
    chance_of_no_hit = math.comb(5000, 10) / math.comb(10_000, 10)
    assert found["hit_rate"] == pytest.approx(1 - chance_of_no_hit, rel=1e-12)
    assert area_under_curve(ranks, np.array([10_000])) == 0.5
