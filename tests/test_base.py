"""FactorModel: predictions, the filled matrix, parameters and fitted attributes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd
from optional import polars as pl
from optional import pyarrow as pa

import factorate as ft

SMALL: dict[str, Any] = {"n_factors": 5, "n_epochs": 4, "random_state": 3, "n_threads": 1}


def fitted(data: Any, y: Any = None, **changes: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(**(SMALL | changes)).fit(data, y)


# Predictions


def test_predict_computes_the_formula(columns: Any, dtype: str) -> None:
    users, items, _ = columns
    model = fitted(columns, dtype=dtype)
    expected = model.global_mean_ + model.user_bias_[users] + model.item_bias_[items]
    expected += (model.user_factors_[users] * model.item_factors_[items]).sum(1)
    got = model.predict((users, items))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_unknown_ids_are_predicted_without_their_terms_and_warn_once() -> None:
    model = fitted((["a", "b"], ["x", "y"], [1.0, 2.0]))
    mean = model.global_mean_
    with pytest.warns(
        ft.UnknownIdWarning, match=r"2 of 3 rows name 2 unknown users \('q', 'z'\); 2 of 3 rows"
    ) as seen:
        got = model.predict((["q", "a", "z"], ["y", "n", "m"]))
    assert len(seen) == 1
    assert seen[0].filename == __file__
    expected = [mean + model.item_bias_[1], mean + model.user_bias_[0], mean]
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_predict_raises_for_ids_of_another_type(columns: Any) -> None:
    model = fitted(columns)
    with pytest.raises(TypeError, match=r"users are str .* the ids of the model are integer"):
        model.predict((["1", "2"], [1, 2]))


def test_predict_of_no_pairs_is_empty(columns: Any) -> None:
    assert fitted(columns).predict(([], [])).shape == (0,)
    model = fitted(columns)
    empty: list[Any] = [np.empty((0, 2)), [], pd.DataFrame({"user": [], "item": []})]
    for nothing in empty:
        assert model.predict(nothing).shape == (0,)


def test_evaluate_and_score_compute_rmse_mae_and_r2(columns: Any) -> None:
    model = fitted(columns)
    users, items, ratings = columns
    predicted = model.predict((users, items)).astype(np.float64)
    scores = model.evaluate(columns)
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - ratings) ** 2)))
    assert scores["mae"] == pytest.approx(np.abs(predicted - ratings).mean())
    assert scores["n_unknown"] == 0
    assert model.evaluate(np.stack([users, items], 1), ratings) == scores
    r2 = 1 - np.sum((predicted - ratings) ** 2) / np.sum((ratings - ratings.mean()) ** 2)
    assert model.score(np.stack([users, items], 1), ratings) == pytest.approx(r2)
    with pytest.warns(ft.UnknownIdWarning, match="1 of 2 rows names 1 unknown user") as seen:
        assert model.evaluate(([0, 99], [0, 0], [1.0, 2.0]))["n_unknown"] == 1
    assert seen[0].filename == __file__
    with pytest.raises(ValueError, match="there are no ratings"):
        model.evaluate(([], [], []))


def test_predictions_do_not_depend_on_the_number_of_threads(columns: Any) -> None:
    model = ft.MatrixFactorization(5, 2, random_state=0, n_threads=1).fit(columns)
    pairs = np.append(np.tile(columns[0], 70), 999), np.append(np.tile(columns[1], 70), 3)
    with pytest.warns(ft.UnknownIdWarning):
        one = model.predict(pairs)
    with pytest.warns(ft.UnknownIdWarning):
        three = model.set_params(n_threads=3).predict(pairs)
    np.testing.assert_array_equal(three, one)


# The filled matrix


def test_complete_returns_a_frame_after_a_fit_on_a_frame() -> None:
    data = {"user": ["b", "a", "b"], "item": ["x", "y", "y"], "rating": [1.0, 2.0, 3.0]}
    wide = fitted(pd.DataFrame(data)).complete()
    assert isinstance(wide, pd.DataFrame)
    assert wide.index.tolist() == ["a", "b"]
    assert wide.columns.tolist() == ["x", "y"]
    assert wide.dtypes.tolist() == [np.float32, np.float32]
    polars = fitted(pl.DataFrame(data)).complete(users=["b"])
    assert isinstance(polars, pl.DataFrame)
    assert polars.columns == ["user", "x", "y"]
    assert polars["user"].to_list() == ["b"]
    assert isinstance(fitted(pa.table(data)).complete(), pa.Table)
    np.testing.assert_array_equal(polars["y"].to_numpy(), wide.loc[["b"], "y"])


def test_complete_raises_for_duplicate_column_names() -> None:
    """Regression: an item named "user" must not replace the column of users."""
    data = {"user": [1, 2], "item": ["user", "x"], "rating": [1.0, 2.0]}
    with pytest.raises(ValueError, match="would be named 'user'"):
        fitted(pl.DataFrame(data)).complete()
    with pytest.raises(ValueError, match="would be named 'x'"):
        fitted(pl.DataFrame(data)).complete(items=["x", "x"])


def test_complete_of_unknown_ids_warns(columns: Any) -> None:
    with pytest.warns(ft.UnknownIdWarning, match=r"1 of 2 rows names 1 unknown user \(99\)"):
        assert fitted(columns).complete(users=[0, 99], items=[0]).shape == (2, 1)


# Parameters


def test_get_and_set_params() -> None:
    model = ft.MatrixFactorization(n_factors=7)
    assert model.get_params()["n_factors"] == 7
    assert ft.MatrixFactorization(**model.get_params()).get_params() == model.get_params()
    assert model.set_params(n_epochs=3) is model
    assert model.n_epochs == 3
    with pytest.raises(
        ValueError, match=r"^Invalid parameter 'factors' for estimator MatrixFactorization"
    ):
        model.set_params(factors=3)
    with pytest.raises(ValueError, match=r"Invalid parameter '\\x1b\\nx+… for") as error:
        model.set_params(**{"\x1b\n" + "x" * 10_000: 3})
    assert len(str(error.value)) < 2000


def test_repr_shows_parameters_that_differ_from_the_defaults() -> None:
    assert repr(ft.MatrixFactorization()) == "MatrixFactorization()"
    assert (
        repr(ft.MatrixFactorization(n_factors=8, dtype="float64"))
        == "MatrixFactorization(n_factors=8, dtype='float64')"
    )


# Fitted attributes


def test_methods_raise_not_fitted_error_of_scikit_learn() -> None:
    model = ft.MatrixFactorization()
    assert not hasattr(model, "user_factors_")
    for use in (
        lambda: model.predict(([1], [1])),
        lambda: model.evaluate(([1], [1], [1])),
        model.complete,
        lambda: model.users_,
        lambda: model.save("never.npz"),
    ):
        with pytest.raises(ft.NotFittedError, match="call fit"):
            use()
    exceptions = pytest.importorskip("sklearn.exceptions", reason="scikit-learn is not installed")
    with pytest.raises(exceptions.NotFittedError, match="call fit"):
        model.predict(([1], [1]))


def test_not_fitted_error_can_be_pickled() -> None:
    with pytest.raises(ft.NotFittedError) as caught:
        ft.MatrixFactorization().complete()
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert str(again) == str(caught.value)
    assert isinstance(again, ft.NotFittedError)


def test_the_history_is_read_only(columns: Any) -> None:
    model = fitted(columns)
    for each in (model, copy.deepcopy(model), model.partial_fit(columns)):
        with pytest.raises(ValueError, match="read-only"):
            each.history_["train_rmse"][0] = 0


def test_fitted_attributes_are_read_only(columns: Any) -> None:
    model = fitted(columns)
    with pytest.raises(ValueError, match="read-only"):
        model.user_factors_[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        model.users_[0] = 1
    with pytest.raises(AttributeError):
        model.user_factors_ = np.zeros(3)  # type: ignore[misc]


def test_shapes_and_dtypes_of_fitted_attributes(columns: Any, dtype: str) -> None:
    model = fitted(columns, dtype=dtype)
    assert model.user_factors_.shape == (60, 5)
    assert model.item_factors_.shape == (80, 5)
    assert model.user_bias_.shape == (60,)
    assert model.item_bias_.shape == (80,)
    assert model.user_factors_.dtype == model.item_bias_.dtype == dtype
    assert model.users_.tolist() == list(range(60))
    assert model.items_.tolist() == list(range(80))
    assert model.n_epochs_ == 4
    names = ["epoch", "learning_rate", "train_rmse", "valid_rmse", "valid_loss", "seconds"]
    assert list(model.history_) == names
    assert all(len(column) == 4 for column in model.history_.values())
    assert (np.diff(model.history_["seconds"]) > 0).all()
