"""Biases that models are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from factorate.cli.baselines import DAMPING, damped_biases


def test_biases_minimize_the_penalized_squared_error(columns: Any) -> None:
    """The alternating passes end near the exact solution of the least-squares problem."""
    users, items, ratings = columns
    values = ratings.astype(np.float64)
    n, n_users, n_items = len(values), 60, 80
    design = np.zeros((n, n_users + n_items))
    design[np.arange(n), users] = design[np.arange(n), n_users + items] = 1
    centered = values - values.mean()
    exact = np.linalg.solve(
        design.T @ design + DAMPING * np.eye(n_users + n_items), design.T @ centered
    )
    biases = damped_biases(users, items, values, (n_users, n_items))
    np.testing.assert_allclose(biases.user_bias, exact[:n_users], atol=1e-3)
    np.testing.assert_allclose(biases.item_bias, exact[n_users:], atol=1e-3)
    assert biases.mean == values.mean()


def test_users_and_items_without_ratings_have_no_bias() -> None:
    rows = np.zeros(3, np.int32)
    biases = damped_biases(rows, rows, np.array([1.0, 2.0, 6.0]), (2, 2))
    assert biases.user_bias[1] == biases.item_bias[1] == 0
    assert biases.predict(np.array([1]), np.array([1])) == [3.0]
