"""Real ratings: the error that plain stochastic gradient descent is known to reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft


@pytest.mark.filterwarnings("ignore::factorate.UnknownIdWarning")
def test_the_defaults_learn_movielens_1m_to_a_test_rmse_of_0_8405(movielens_1m: Any) -> None:
    data = movielens_1m
    columns = data["user_id"][data["user"]], data["item_id"][data["item"]], data["rating"]
    order = np.random.default_rng(0).permutation(len(columns[0]))
    held_out, known = np.split(order, [len(order) // 10])
    model = ft.MatrixFactorization(random_state=0)
    model.fit(tuple(column[known] for column in columns))
    assert model.evaluate(tuple(column[held_out] for column in columns))["rmse"] < 0.8405
