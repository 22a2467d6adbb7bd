"""MatrixFactorization: parameters, reproducibility, predictions and errors."""

from __future__ import annotations

import copy
import io
import pickle
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd
from optional import polars as pl
from optional import pyarrow as pa
from optional import scipy

import factorate as ft

SMALL: dict[str, Any] = {"n_factors": 5, "n_epochs": 4, "random_state": 3, "n_threads": 1}


def fitted(data: Any, y: Any = None, **changes: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(**(SMALL | changes)).fit(data, y)


def fitted_attributes(model: ft.MatrixFactorization) -> tuple[Any, ...]:
    return (
        model.user_factors_, model.item_factors_, model.user_bias_, model.item_bias_,
        model.global_mean_, model.history_["train_rmse"],
    )  # fmt: skip


def assert_same_bits(a: ft.MatrixFactorization, b: ft.MatrixFactorization) -> None:
    for left, right in zip(fitted_attributes(a), fitted_attributes(b), strict=True):
        np.testing.assert_array_equal(left, right)


# Fitting


def test_fit_reaches_the_noise_of_synthetic_ratings() -> None:
    users, items, ratings = ft.datasets.synthetic(220_000, 1000, 800, n_factors=4, noise=0.5)
    cut = 200_000
    model = ft.MatrixFactorization(
        n_factors=8, n_epochs=40, learning_rate=0.01, regularization=0.03, random_state=0
    )
    model.fit((users[:cut], items[:cut], ratings[:cut]))
    test = users[cut:], items[cut:], ratings[cut:]
    assert 0.49 < model.evaluate(test)["rmse"] < 0.55
    biases_only = model.set_params(n_factors=1, n_epochs=0).fit(test).evaluate(test)["rmse"]
    assert biases_only > 1


def test_training_error_falls_and_is_on_the_scale_of_the_ratings(columns: Any) -> None:
    users, items, ratings = columns
    errors = fitted(columns, n_epochs=30).history_["train_rmse"]
    assert errors[0] == pytest.approx(np.std(ratings), rel=0.1)
    assert (np.diff(errors) < 0).all()
    tens = fitted((users, items, 10 * ratings), n_epochs=30).history_["train_rmse"]
    np.testing.assert_allclose(tens, 10 * errors, rtol=1e-4)


def test_the_scale_of_the_ratings_does_not_matter(columns: Any) -> None:
    users, items, ratings = columns
    model = fitted(columns)
    moved = fitted((users, items, 20 * ratings - 50))
    pairs = users, items
    np.testing.assert_allclose(moved.predict(pairs), 20 * model.predict(pairs) - 50, atol=2e-3)


def test_without_biases_and_mean_there_are_none(columns: Any) -> None:
    model = fitted(columns, fit_bias=False, fit_mean=False)
    assert model.global_mean_ == 0
    assert not model.user_bias_.any()
    assert not model.item_bias_.any()
    model = fitted(columns)
    assert model.global_mean_ == pytest.approx(columns[2].mean())
    assert model.user_bias_.any()
    assert model.item_bias_.any()


def test_equal_ratings_are_predicted_as_they_are() -> None:
    model = fitted(([0, 1, 2], [0, 1, 0], [3.3, 3.3, 3.3]))
    np.testing.assert_allclose(model.predict(([0, 1], [1, 0])), 3.3, atol=0.05)


def test_one_rating_one_user_one_item() -> None:
    for data in (([7], ["x"], [4.0]), ([7] * 5, list("abcde"), [1, 2, 3, 4, 5.0])):
        assert np.isfinite(fitted(data).predict(([7], [data[1][0]]))).all()


# Reproducibility


def test_every_form_of_input_gives_the_same_factors(columns: Any) -> None:
    users, items, ratings = columns
    shape = (60, 80)
    frame = {"user": users, "item": items, "rating": ratings}
    sparse = scipy.sparse.coo_array((ratings, (users, items)), shape=shape)
    forms: list[tuple[Any, ...]] = [
        (pd.DataFrame(frame),), (pl.DataFrame(frame),), (pa.table(frame),),
        (np.stack([users, items], 1), ratings), (sparse,), (sparse.tocsr(),),
        (sparse.toarray(),), (sparse.toarray().tolist(),),
        ((users.astype(np.int64), items.tolist(), ratings.astype(np.float64)),),
        ((users + 0, items.astype(">i8"), ratings.tolist()),),
    ]  # fmt: skip
    expected = fitted(columns)
    for form in forms:
        assert_same_bits(fitted(*form), expected)


def test_the_names_of_ids_do_not_change_the_factors(columns: Any) -> None:
    users, items, ratings = columns
    expected = fitted(columns)
    assert_same_bits(fitted((users * 1000 - 7, items, ratings)), expected)
    assert_same_bits(fitted(([f"{u:05}" for u in users], items, ratings)), expected)


def test_the_order_of_the_rows_does_not_change_the_factors(columns: Any) -> None:
    order = np.random.default_rng(1).permutation(len(columns[0]))
    shuffled = tuple(column[order] for column in columns)
    assert_same_bits(fitted(shuffled), fitted(columns))


def test_empty_rows_of_a_matrix_do_not_change_the_factors(columns: Any) -> None:
    users, items, ratings = columns
    wide = scipy.sparse.coo_array((ratings, (users, items + 1)), shape=(70, 90))
    model, expected = fitted(wide), fitted(columns)
    assert model.user_factors_.shape == (70, 5)
    np.testing.assert_array_equal(model.user_factors_[:60], expected.user_factors_)
    np.testing.assert_array_equal(model.item_factors_[1:81], expected.item_factors_)
    assert not model.user_factors_[60:].any()
    known = np.float32(model.global_mean_) + model.item_bias_[5]
    assert model.predict(([65], [5]))[0] == pytest.approx(known)


def test_the_seed_determines_the_factors(columns: Any) -> None:
    assert_same_bits(fitted(columns), fitted(columns))
    other = fitted(columns, random_state=4)
    assert not np.array_equal(other.user_factors_, fitted(columns).user_factors_)
    one, two = (fitted(columns, random_state=None).user_factors_ for _ in range(2))
    assert not np.array_equal(one, two)


def test_random_state_may_be_a_generator(columns: Any) -> None:
    for make in (np.random.default_rng, np.random.RandomState):
        one, same = (fitted(columns, random_state=make(1)) for _ in range(2))
        assert_same_bits(one, same)


# Predictions


def test_predict_computes_the_formula(columns: Any, dtype: str) -> None:
    users, items, _ = columns
    model = fitted(columns, dtype=dtype)
    expected = (
        model.global_mean_ + model.user_bias_[users] + model.item_bias_[items]
        + (model.user_factors_[users] * model.item_factors_[items]).sum(1)
    )  # fmt: skip
    got = model.predict((users, items))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_unknown_ids_are_predicted_without_their_terms_and_warn_once() -> None:
    model = fitted((["a", "b"], ["x", "y"], [1.0, 2.0]))
    mean = model.global_mean_
    with pytest.warns(
        ft.UnknownIdWarning, match=r"2 of 3 users are unknown \('q', 'z'\); 2 of 3 items"
    ) as seen:
        got = model.predict((["q", "a", "z"], ["y", "n", "m"]))
    assert len(seen) == 1
    assert seen[0].filename == __file__
    expected = [mean + model.item_bias_[1], mean + model.user_bias_[0], mean]
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_predict_raises_for_ids_of_another_type(columns: Any) -> None:
    model = fitted(columns)
    with pytest.raises(TypeError, match=r"users are str .* the model knows them as integer"):
        model.predict((["1", "2"], [1, 2]))


def test_predict_accepts_no_pairs(columns: Any) -> None:
    assert fitted(columns).predict(([], [])).shape == (0,)
    model = fitted(columns)
    empty: list[Any] = [np.empty((0, 2)), [], pd.DataFrame({"user": [], "item": []})]
    for nothing in empty:
        assert model.predict(nothing).shape == (0,)


def test_evaluate_and_score_are_the_metrics(columns: Any) -> None:
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
    with pytest.warns(ft.UnknownIdWarning, match="1 of 2 users") as seen:
        assert model.evaluate(([0, 99], [0, 0], [1.0, 2.0]))["n_unknown"] == 1
    assert seen[0].filename == __file__
    with pytest.raises(ValueError, match="there are no ratings"):
        model.evaluate(([], [], []))


# The filled matrix


def test_complete_is_a_frame_when_the_ratings_came_as_one() -> None:
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
    with pytest.warns(ft.UnknownIdWarning, match=r"1 of 2 users are unknown \(99\)"):
        assert fitted(columns).complete(users=[0, 99], items=[0]).shape == (2, 1)


# Parameters


def test_parameters_are_stored_untouched_and_validated_by_fit(columns: Any) -> None:
    parameters: dict[str, Any] = {"n_factors": "many"}
    model = ft.MatrixFactorization(**parameters)
    assert model.get_params()["n_factors"] == "many"
    with pytest.raises(TypeError, match="n_factors is 'many'; expected an integer from 1 to 65536"):
        model.fit(columns)


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


def test_repr_shows_what_differs_from_the_defaults() -> None:
    assert repr(ft.MatrixFactorization()) == "MatrixFactorization()"
    assert (
        repr(ft.MatrixFactorization(n_factors=8, dtype="float64"))
        == "MatrixFactorization(n_factors=8, dtype='float64')"
    )


BAD_PARAMETERS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "n_factors": ({"n_factors": 0}, ValueError, "n_factors is 0; expected an integer from 1"),
    "n_factors huge": ({"n_factors": 10**400}, ValueError, "from 1 to 65536"),
    "rate huge": ({"learning_rate": 10**400}, ValueError, "expected a finite number"),
    "fit_bias": ({"fit_bias": "no"}, TypeError, "fit_bias is 'no'; expected True or False"),
    "no dtype": ({"dtype": None}, ValueError, "dtype is None"),
    "n_factors bool": ({"n_factors": True}, TypeError, "n_factors is True"),
    "n_epochs": ({"n_epochs": -1}, ValueError, "n_epochs is -1; expected an integer ≥ 0"),
    "rate zero": ({"learning_rate": 0.0}, ValueError, r"learning_rate is 0\.0.*> 0"),
    "rate NaN": ({"learning_rate": float("nan")}, ValueError, "learning_rate is nan"),
    "rate infinite": ({"learning_rate": float("inf")}, ValueError, "learning_rate is inf"),
    "rate text": ({"learning_rate": "fast"}, TypeError, "learning_rate is 'fast'"),
    "regularization": ({"regularization": -0.1}, ValueError, r"regularization is -0\.1.*≥ 0"),
    "dtype": ({"dtype": "int32"}, ValueError, "dtype is 'int32'; expected 'float32' or 'float64'"),
    "dtype text": ({"dtype": "single?"}, ValueError, "dtype is 'single?"),
    "threads": ({"n_threads": 0}, ValueError, "n_threads is 0"),
    "seed": ({"random_state": -1}, ValueError, "random_state is -1"),
    "seed text": ({"random_state": "x"}, TypeError, "random_state is 'x'"),
    "columns": ({"columns": "user"}, ValueError, r"columns is 'user'; expected names"),
    "columns number": ({"columns": 5}, ValueError, "columns is 5; expected names"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_an_invalid_parameter_is_named_and_the_model_does_not_change(
    case: str, columns: Any
) -> None:
    changed, error, message = BAD_PARAMETERS[case]
    model = fitted(columns)
    before = fitted_attributes(model)
    with pytest.raises(error, match=message):
        model.set_params(**changed).fit(columns)
    for left, right in zip(fitted_attributes(model), before, strict=True):
        assert left is right


def test_a_failed_fit_does_not_change_the_model(columns: Any) -> None:
    model = fitted(columns)
    before = fitted_attributes(model)
    with pytest.raises(ValueError, match="is nan"):
        model.fit(([0], [0], [float("nan")]))
    with pytest.raises(ft.DivergenceError, match=r"diverged in epoch 1 of 4.*learning_rate=1000"):
        model.set_params(learning_rate=1000.0).fit(columns)
    for left, right in zip(fitted_attributes(model), before, strict=True):
        assert left is right


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


def test_no_epochs_keep_the_initial_factors(columns: Any) -> None:
    model = fitted(columns, n_epochs=0)
    assert model.n_epochs_ == 0
    assert model.user_factors_.any()
    assert not model.user_bias_.any()


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
    assert {name: len(column) for name, column in model.history_.items()} == {
        "epoch": 4, "learning_rate": 4, "train_rmse": 4, "valid_rmse": 4, "valid_loss": 4,
        "seconds": 4,
    }  # fmt: skip
    assert (np.diff(model.history_["seconds"]) > 0).all()


def test_pickle_and_copy_keep_everything(columns: Any) -> None:
    model = fitted(columns)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):  # noqa: S301
        assert_same_bits(again, model)
        assert again.get_params() == model.get_params()
        assert again.predict(([1], [1])) == model.predict(([1], [1]))
        assert not again.user_factors_.flags.writeable
        assert not again.users_.flags.writeable


def test_an_error_before_fit_can_be_pickled() -> None:
    with pytest.raises(ft.NotFittedError) as caught:
        ft.MatrixFactorization().complete()
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert str(again) == str(caught.value)
    assert isinstance(again, ft.NotFittedError)


def test_divergence_in_the_last_update_raises() -> None:
    """Regression: errors are measured before each update, so the last ones need a check."""
    data = [0, 0, 1, 1], [0, 1, 1, 0], [5.0, 1, 2, 4]
    with pytest.raises(ft.DivergenceError, match="epoch 1 of 1"):
        fitted(data, n_epochs=1, learning_rate=1e25)


@pytest.mark.parametrize("size", [1e38, 1e-38])
def test_ratings_of_any_size_are_fitted(size: float) -> None:
    """Regression: ratings near the limits of float32 are scaled without overflow."""
    model = fitted(([0, 1, 2], [0, 1, 0], [3 * size, -3 * size, -3 * size]), n_epochs=30)
    predicted = model.predict(([0, 1], [0, 1]))
    assert np.isfinite(predicted).all()
    assert predicted[0] > predicted[1]


def test_columns_can_be_named(columns: Any) -> None:
    names = ("who", "what", "much")
    frame = pd.DataFrame(dict(zip(names, columns, strict=True))).assign(user=1, item=2)
    model = fitted(frame, columns=names)
    assert_same_bits(model, fitted(columns))
    assert model.predict(frame).shape == (3000,)
    assert model.evaluate(frame)["n_unknown"] == 0


def test_a_path_is_read(columns: Any, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    pd.DataFrame(dict(zip(("user", "item", "rating"), columns, strict=True))).to_csv(
        path, index=False
    )
    model = fitted(path)
    assert_same_bits(model, fitted(columns))
    assert model.predict(path).shape == (3000,)
    assert isinstance(model.complete(), np.ndarray)


def test_progress_shows_epoch_rmse_and_speed(columns: Any) -> None:
    shown = io.StringIO()
    with redirect_stderr(shown):
        fitted(columns, verbose=True)
    assert "4/4" in shown.getvalue()
    assert "rmse " in shown.getvalue()
    assert "M ratings/s" in shown.getvalue()
    with redirect_stderr(silent := io.StringIO()):
        fitted(columns)
    assert silent.getvalue() == ""


def test_predictions_do_not_depend_on_the_number_of_threads(columns: Any) -> None:
    model = ft.MatrixFactorization(5, 2, random_state=0, n_threads=1).fit(columns)
    pairs = np.append(np.tile(columns[0], 70), 999), np.append(np.tile(columns[1], 70), 3)
    with pytest.warns(ft.UnknownIdWarning):
        one = model.predict(pairs)
    with pytest.warns(ft.UnknownIdWarning):
        three = model.set_params(n_threads=3).predict(pairs)
    np.testing.assert_array_equal(three, one)
