"""Metrics of a model of implicit feedback agree with those counted from all of its scores."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

import factorate as ft

N = 7
NEW, UNKNOWN_ITEM = 1000, 500  # a user without factors, and an item


@pytest.fixture(scope="module")
def training(columns: Any) -> tuple[Any, Any, Any]:
    users, items, ratings = (column[:2000] for column in columns)
    return users, items, np.ceil(ratings)


@pytest.fixture(scope="module")
def held_out(columns: Any) -> tuple[Any, Any]:
    users, items = (column[2000:].tolist() for column in columns[:2])
    users += [0, 5, 5, NEW, NEW, NEW, NEW]
    items += [UNKNOWN_ITEM, UNKNOWN_ITEM, UNKNOWN_ITEM + 1, 3, 4, 5, UNKNOWN_ITEM]
    return np.array(users), np.array(items)


@pytest.fixture(scope="module")
def model(training: tuple[Any, Any, Any]) -> ft.ImplicitMatrixFactorization:
    """The scores of the user NEW, whose only item is unknown, are all 0."""
    fitted = ft.ImplicitMatrixFactorization(6, n_epochs=4, random_state=0).fit(training)
    return fitted.add_users(([NEW], [UNKNOWN_ITEM]), unknown="ignore")


def metrics_of_order(hits: Any, n_relevant: int) -> dict[str, float]:
    """Return the metrics of one user, all of whose candidates are in an order."""
    ranks = [rank for rank, hit in enumerate(hits[:N], 1) if hit]
    limit = min(N, n_relevant)
    misses = ~np.asarray(hits)
    n_worse = sum(np.count_nonzero(misses[better:]) for better in np.flatnonzero(hits))
    return {
        "precision": len(ranks) / N,
        "recall": len(ranks) / n_relevant,
        "capped_recall": len(ranks) / limit,
        "ndcg": sum(1 / math.log2(1 + rank) for rank in ranks)
        / sum(1 / math.log2(1 + rank) for rank in range(1, limit + 1)),
        "map": sum(number / rank for number, rank in enumerate(ranks, 1)) / limit,
        "hit_rate": float(bool(ranks)),
        "auc": n_worse / (n_relevant * np.count_nonzero(misses)),
    }


def metrics_of_tied(n: int, n_ranked: int, n_relevant: int) -> dict[str, float]:
    """Return the metrics of one user, all of whose n candidates have the same score.

    The items at two ranks are both relevant with the probability of two draws without replacement.
    """
    limit, first = min(N, n_relevant), n_ranked / n
    second = (n_ranked - 1) / (n - 1)
    gains = first * sum(1 / math.log2(1 + rank) for rank in range(1, N + 1))
    precisions = first * sum((1 + (rank - 1) * second) / rank for rank in range(1, N + 1))
    return {
        "precision": first,
        "recall": first * N / n_relevant,
        "capped_recall": first * N / limit,
        "ndcg": gains / sum(1 / math.log2(1 + rank) for rank in range(1, limit + 1)),
        "map": precisions / limit,
        "hit_rate": 1 - math.comb(n - n_ranked, N) / math.comb(n, N),
        "auc": n_ranked / n_relevant / 2,
    }


def expected_metrics(
    model: ft.ImplicitMatrixFactorization, training: Any, held_out: Any
) -> dict[str, float]:
    scores, found, listed = model.complete(), [], set()
    for user in sorted(set(held_out[0].tolist())):
        seen = set(training[1][training[0] == user].tolist())
        relevant = set(held_out[1][held_out[0] == user].tolist()) - seen
        row = scores[model.users_.tolist().index(user)]
        candidates = [item for item in range(80) if item not in seen]
        order = sorted(candidates, key=lambda item: -row[item])
        listed.update(order[:N])
        hits = [item in relevant for item in order]
        if user == NEW:
            found.append(metrics_of_tied(len(order), sum(hits), len(relevant)))
        else:
            assert len(set(row[candidates].tolist())) == len(candidates)
            found.append(metrics_of_order(hits, len(relevant)))
    means = {name: float(np.mean([each[name] for each in found])) for name in found[0]}
    return means | {"coverage": len(listed) / 80, "n_users": len(found)}


def test_evaluate_ranks_all_items_without_those_of_training(
    model: ft.ImplicitMatrixFactorization, training: Any, held_out: Any
) -> None:
    expected = expected_metrics(model, training, held_out)
    assert model.evaluate(held_out, N, auc=True) == pytest.approx(expected | {"n_seen": 0})
    with_seen = tuple(np.append(b, a[:30]) for a, b in zip(training, held_out, strict=False))
    assert model.evaluate(with_seen, N, auc=True) == pytest.approx(expected | {"n_seen": 30})
    with_counts = (*held_out, np.full(len(held_out[0]), 9))
    assert model.evaluate(with_counts, N, auc=True) == pytest.approx(expected | {"n_seen": 0})


def test_items_of_as_many_users_are_tied_in_the_popularity_baseline(
    model: ft.ImplicitMatrixFactorization, training: Any, held_out: Any
) -> None:
    """The baseline does not use the counts of interactions."""
    found = model.evaluate(held_out, N, popular=True, auc=True)
    alone = model.evaluate(held_out, N, auc=True)
    names = {name for name in alone if not name.startswith("n_")}
    assert found.keys() == alone.keys() | {f"popular_{name}" for name in names}
    n_users = np.bincount(training[1], minlength=80)
    draws = []
    generator = np.random.default_rng(0)
    for _ in range(300):  # orders of tied items
        order = np.lexsort((generator.random(80), -n_users))
        ndcg = []
        for user in sorted(set(held_out[0].tolist())):
            seen = set(training[1][training[0] == user].tolist())
            relevant = set(held_out[1][held_out[0] == user].tolist())
            hits = [item in relevant for item in order.tolist() if item not in seen]
            ndcg.append(metrics_of_order(hits, len(relevant))["ndcg"])
        draws.append(np.mean(ndcg))
    assert found["popular_ndcg"] == pytest.approx(np.mean(draws), abs=5 * np.std(draws) / 300**0.5)


def test_fold_in_evaluates_users_who_were_not_there_in_training(
    columns: Any, model: ft.ImplicitMatrixFactorization
) -> None:
    users, items, _ = columns
    given = users[:2000] + 2000, items[:2000]
    rest = users[2000:] + 2000, items[2000:]
    found = model.evaluate(rest, fold_in=given, auc=True)
    assert found == copy.copy(model).add_users(given).evaluate(rest, auc=True)
    assert found == ft.metrics.ranking(model, rest, fold_in=given, auc=True)
    assert found["n_users"] == 60
    assert NEW in model.users_
    assert 2000 not in model.users_
