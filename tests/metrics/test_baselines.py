"""The mean and the biases that models are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optional import pandas as pd

import factorate as ft
from factorate.metrics.baselines import DAMPING, damped_biases


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
    assert biases.predict(np.array([-1, 0]), np.array([-1, -1])).tolist() == [
        3.0,
        3.0 + biases.user_bias[0],
    ]


def test_sums_of_large_ratings_do_not_overflow() -> None:
    """Biases are proportional to the ratings, up to the largest numbers."""
    users, items = np.array([[0, 0, 1, 1], [0, 1, 0, 1]], np.int32)
    values = np.array([1.0, 0.5, 0.75, 0.25])
    small, large = (damped_biases(users, items, values * 2.0**k, (2, 2)) for k in (0, 1023))
    assert large.mean == small.mean * 2.0**1023
    np.testing.assert_array_equal(large.item_bias, small.item_bias * 2.0**1023)


@pytest.fixture
def split(columns: Any) -> tuple[Any, Any]:
    return tuple(c[:2500] for c in columns), tuple(c[2500:] for c in columns)


def test_evaluate_compares_with_the_mean_and_biases(split: tuple[Any, Any]) -> None:
    training, (users, items, ratings) = split
    model = ft.MatrixFactorization(3, 3, random_state=0).fit(training)
    errors = model.evaluate((users, items, ratings), baselines=training)
    alone = model.evaluate((users, items, ratings))
    assert list(errors) == [*alone, "mean_rmse", "mean_mae", "biases_rmse", "biases_mae"]
    assert {name: errors[name] for name in alone} == alone
    rows = training[0], training[1]
    biases = damped_biases(*rows, training[2].astype(np.float64), (60, 80))
    for name, predicted in (
        ("mean", np.full(len(ratings), training[2].mean(dtype=np.float64))),
        ("biases", biases.predict(users, items)),
    ):
        assert errors[f"{name}_rmse"] == pytest.approx(ft.metrics.rmse(ratings, predicted))
        assert errors[f"{name}_mae"] == pytest.approx(ft.metrics.mae(ratings, predicted))


def test_training_ratings_may_have_any_form(split: tuple[Any, Any], tmp_path: Any) -> None:
    training, test = split
    names = "who", "what", "stars"
    frame = pd.DataFrame(dict(zip(names, training, strict=True)))
    model = ft.MatrixFactorization(2, 1, random_state=0, columns=names).fit(frame)
    expected = model.evaluate(test, baselines=training)
    assert model.evaluate(test, baselines=frame) == expected
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert model.evaluate(test, baselines=tmp_path / "r.csv") == expected
    X, y = np.column_stack(training[:2]), training[2]
    assert model.evaluate(test, baselines=(X, y)) == expected


def test_wide_tables_of_training_ratings() -> None:
    nan = np.nan
    training = np.array([[5, 3, nan], [4, nan, 1], [nan, 2, 1.0]])
    test = np.array([[nan, nan, 2], [nan, 2, nan], [4.0, nan, nan]])
    model = ft.MatrixFactorization(1, 2, random_state=0).fit(training, wide=True)
    errors = model.evaluate(test, baselines=training, wide=True)
    differences = test[~np.isnan(test)] - np.nanmean(training)
    assert errors["mean_mae"] == pytest.approx(np.abs(differences).mean())


def test_unknown_users_and_items_have_no_bias() -> None:
    """A rating of neither a known user nor a known item has the mean as the prediction of both."""
    model = ft.MatrixFactorization(1, 1, random_state=0).fit(([1, 2], [1, 2], [2.0, 4.0]))
    known = [1, 2, 3], [1, 2, 3], [2.0, 4.0, 6.0]  # more than the model was fitted on
    errors = model.evaluate(([7], [9], [1.0]), unknown="ignore", baselines=known)
    assert errors["mean_rmse"] == errors["biases_rmse"] == 3.0


def test_clip_applies_to_the_baselines() -> None:
    training = [0] * 9 + [1] * 9, [*range(9)] * 2, [1.0] * 9 + [5.0] * 9
    model = ft.MatrixFactorization(1, 1, random_state=0, clip=True)
    model.fit((training[0], training[1], [3.0] * 9 + [3.5] * 9))
    errors = model.evaluate(([0, 1], [0, 0], [3.0, 3.5]), baselines=training)
    assert errors["biases_rmse"] == 0


def test_errors_of_baselines(split: tuple[Any, Any]) -> None:
    model = ft.MatrixFactorization(1, 1, random_state=0).fit(split[0])
    with pytest.raises(TypeError, match="baselines is True; expected the training ratings, or No"):
        model.evaluate(split[1], baselines=True)
    with pytest.raises(TypeError, match=r"users are str .* the ids of the model are integer"):
        model.evaluate(split[1], baselines=(["a"], [1], [2.0]))
    with pytest.raises(ValueError, match="there are no ratings"):
        model.evaluate(split[1], baselines=([], [], []))
