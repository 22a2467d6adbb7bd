"""MatrixFactorization: fitting, reproducibility, parameters and errors."""

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
        model.user_factors_,
        model.item_factors_,
        model.user_bias_,
        model.item_bias_,
        model.global_mean_,
        model.history_["train_rmse"],
    )


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


def test_predictions_scale_with_the_ratings(columns: Any) -> None:
    users, items, ratings = columns
    model = fitted(columns)
    moved = fitted((users, items, 20 * ratings - 50))
    pairs = users, items
    np.testing.assert_allclose(moved.predict(pairs), 20 * model.predict(pairs) - 50, atol=2e-3)


def test_fit_bias_and_fit_mean_disable_biases_and_mean(columns: Any) -> None:
    model = fitted(columns, fit_bias=False, fit_mean=False)
    assert model.global_mean_ == 0
    assert not model.user_bias_.any()
    assert not model.item_bias_.any()
    model = fitted(columns)
    assert model.global_mean_ == pytest.approx(columns[2].mean())
    assert model.user_bias_.any()
    assert model.item_bias_.any()


def test_constant_ratings_are_predicted() -> None:
    model = fitted(([0, 1, 2], [0, 1, 0], [3.3, 3.3, 3.3]))
    np.testing.assert_allclose(model.predict(([0, 1], [1, 0])), 3.3, atol=0.05)


def test_a_single_rating_or_a_single_user_is_fitted() -> None:
    for data in (([7], ["x"], [4.0]), ([7] * 5, list("abcde"), [1, 2, 3, 4, 5.0])):
        assert np.isfinite(fitted(data).predict(([7], [data[1][0]]))).all()


# Reproducibility


def test_every_form_of_input_gives_the_same_factors(columns: Any) -> None:
    users, items, ratings = columns
    shape = (60, 80)
    frame = {"user": users, "item": items, "rating": ratings}
    sparse = scipy.sparse.coo_array((ratings, (users, items)), shape=shape)
    forms: list[tuple[Any, ...]] = [
        (pd.DataFrame(frame),),
        (pl.DataFrame(frame),),
        (pa.table(frame),),
        (pa.table(frame).to_reader(),),
        (frame,),
        (list(zip(users.tolist(), items.tolist(), ratings.tolist(), strict=True)),),
        ((users.astype(float), items.astype(np.float32), ratings),),
        (np.stack([users, items], 1), ratings),
        (sparse,),
        (sparse.tocsr(),),
        (sparse.toarray(),),
        (sparse.toarray().tolist(),),
        ((users.astype(np.int64), items.tolist(), ratings.astype(np.float64)),),
        ((users + 0, items.astype(">i8"), ratings.tolist()),),
    ]
    expected = fitted(columns)
    for form in forms:
        assert_same_bits(fitted(*form), expected)
    triples = np.stack([users, items, ratings], 1)
    assert_same_bits(fitted(triples, columns=(0, 1, 2)), expected)
    wide = pd.DataFrame(frame).pivot(index="user", columns="item", values="rating")
    assert_same_bits(ft.MatrixFactorization(**SMALL).fit(wide, wide=True), expected)
    assert_same_bits(ft.MatrixFactorization(**SMALL).fit(sparse.toarray(), wide=True), expected)


def test_every_method_that_reads_ratings_reads_a_pivoted_frame(columns: Any) -> None:
    long = pd.DataFrame(dict(zip(("user", "item", "rating"), columns, strict=True)))
    first, second = long[:2000], long[2000:3000]
    wide_first, wide_second = (
        frame.pivot(index="user", columns="item", values="rating") for frame in (first, second)
    )
    model = ft.MatrixFactorization(**SMALL).fit(first, eval_set=second)
    wide = ft.MatrixFactorization(**SMALL).fit(wide_first, wide=True, eval_set=wide_second)
    assert_same_bits(wide, model)
    np.testing.assert_allclose(wide.history_["valid_rmse"], model.history_["valid_rmse"])
    pairs = second[["user", "item"]], second["rating"]
    assert_same_bits(
        ft.MatrixFactorization(**SMALL).fit(wide_first, wide=True, eval_set=pairs), model
    )
    assert wide.evaluate(wide_second, wide=True) == pytest.approx(model.evaluate(second))
    assert wide.score(wide_second, wide=True) == pytest.approx(model.score(second))
    for change in ("partial_fit", "add_users", "add_items"):
        getattr(model, change)(second)
        getattr(wide, change)(wide_second, wide=True)
        np.testing.assert_allclose(wide.item_factors_, model.item_factors_, rtol=1e-4, atol=1e-6)
    completed = wide.complete()
    assert completed.index.tolist() == wide.users_.tolist()
    full = ft.MatrixFactorization(**SMALL).fit(completed, wide=True)
    assert full.users_.tolist() == wide.users_.tolist()


def test_factors_do_not_depend_on_the_values_of_ids(columns: Any) -> None:
    users, items, ratings = columns
    expected = fitted(columns)
    assert_same_bits(fitted((users * 1000 - 7, items, ratings)), expected)
    assert_same_bits(fitted(([f"{u:05}" for u in users], items, ratings)), expected)


def test_factors_do_not_depend_on_the_order_of_ratings(columns: Any) -> None:
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


# Parameters


def test_parameters_are_stored_unchanged_and_validated_by_fit(columns: Any) -> None:
    parameters: dict[str, Any] = {"n_factors": "many"}
    model = ft.MatrixFactorization(**parameters)
    assert model.get_params()["n_factors"] == "many"
    with pytest.raises(TypeError, match="n_factors is 'many'; expected an integer from 0 to 65536"):
        model.fit(columns)


BAD_PARAMETERS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "n_factors": ({"n_factors": -1}, ValueError, "n_factors is -1; expected an integer from 0"),
    "n_factors huge": ({"n_factors": 10**400}, ValueError, "from 0 to 65536"),
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
}


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


def test_zero_epochs_return_the_initial_factors(columns: Any) -> None:
    model = fitted(columns, n_epochs=0)
    assert model.n_epochs_ == 0
    assert model.user_factors_.any()
    assert not model.user_bias_.any()


def test_pickles_and_copies_equal_the_model(columns: Any) -> None:
    model = fitted(columns)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):  # noqa: S301
        assert_same_bits(again, model)
        assert again.get_params() == model.get_params()
        assert again.predict(([1], [1])) == model.predict(([1], [1]))
        assert not again.user_factors_.flags.writeable
        assert not again.users_.flags.writeable


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


def test_columns_selects_the_columns_of_a_frame(columns: Any) -> None:
    names = ("who", "what", "much")
    frame = pd.DataFrame(dict(zip(names, columns, strict=True))).assign(user=1, item=2)
    model = fitted(frame, columns=names)
    assert_same_bits(model, fitted(columns))
    assert model.predict(frame).shape == (3000,)
    assert model.evaluate(frame)["n_unknown"] == 0


def test_fit_and_predict_read_a_file(columns: Any, tmp_path: Path) -> None:
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
