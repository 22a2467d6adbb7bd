"""Warm starts: the factors, mean and validation ratings of a fit that continues another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft


def fitted(columns: Any, **changes: Any) -> ft.MatrixFactorization:
    parameters: dict[str, Any] = {"n_factors": 5, "n_epochs": 4, "random_state": 0, "n_threads": 1}
    return ft.MatrixFactorization(**(parameters | changes)).fit(columns)


def assert_same(a: ft.MatrixFactorization, b: ft.MatrixFactorization) -> None:
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_warm_start_continues_from_the_fitted_factors(columns: Any) -> None:
    cold = fitted(columns, n_epochs=8)
    first_rmse = cold.history_["train_rmse"]
    model = fitted(columns, n_epochs=8, warm_start=True)
    assert_same(model, cold)
    model.fit(columns)
    assert model.history_["train_rmse"][0] < first_rmse[1]
    assert model.history_["learning_rate"][0] == cold.history_["learning_rate"][0]
    assert model.n_epochs_ == 8


def test_a_warm_start_without_an_epoch_keeps_the_factors_of_known_ids(columns: Any) -> None:
    users, items, ratings = (np.asarray(column) for column in columns)
    model = fitted(columns, dtype="float64")
    old = model.user_factors_
    model.set_params(warm_start=True, n_epochs=0)
    some = users >= 10
    model.fit((np.append(users[some], 777), np.append(items[some], 3), np.append(ratings[some], 4)))
    assert model.users_.tolist() == [*range(10, 60), 777]
    np.testing.assert_allclose(model.user_factors_[:-1], old[10:], rtol=1e-12)
    assert (model.user_factors_[-1] > 0).any()


def test_a_warm_start_with_other_factors_is_rejected(columns: Any) -> None:
    model = fitted(columns, warm_start=True)
    with pytest.raises(ValueError, match=r"continues from n_factors=5 .* n_factors=6"):
        model.set_params(n_factors=6).fit(columns)
    with pytest.raises(ValueError, match=r"dtype='float32', but .* dtype='float64'"):
        model.set_params(n_factors=5, dtype="float64").fit(columns)


def test_a_warm_start_accepts_ratings_of_a_smaller_scale(columns: Any) -> None:
    users, items, ratings = columns
    model = fitted((users, items, 20 * ratings), warm_start=True)
    model.fit(columns)
    assert model.evaluate(columns)["rmse"] < 2 * np.std(ratings)


def test_a_warm_start_without_biases_drops_them(columns: Any) -> None:
    model = fitted(columns)
    model.set_params(fit_bias=False, warm_start=True).fit(columns)
    assert not model.user_bias_.any()
    assert not model.item_bias_.any()


def test_a_warm_start_holds_out_the_same_ratings_again(columns: Any) -> None:
    """Regression: no rating that the model was trained on is held out."""
    model = fitted(columns, early_stopping=True, warm_start=True, random_state=None, n_epochs=1)
    before = model.history_["valid_rmse"][-1]
    model.set_params(learning_rate=1e-12).fit(columns)
    assert model.history_["valid_rmse"][-1] == pytest.approx(before, rel=1e-6)


def test_a_warm_start_uses_the_mean_of_the_new_ratings(columns: Any) -> None:
    users, items, ratings = columns
    model = fitted(columns, dtype="float64", warm_start=True)
    mean, predicted = model.global_mean_, model.predict((users, items))
    model.set_params(n_epochs=0).fit((users, items, ratings + 10))
    assert model.global_mean_ == pytest.approx(mean + 10)
    np.testing.assert_allclose(model.predict((users, items)), predicted + 10)
