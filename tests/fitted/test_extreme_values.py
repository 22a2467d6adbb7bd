"""Finite input gives finite output, or an error that names the value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factorate as ft
from factorate._serving.similar import similar_rows
from factorate._training.losses import average, centre_and_scale, median
from factorate._training.sample_weights import normalize_weights
from factorate._training.update_rule import UpdateRule as Rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

USERS, ITEMS = np.divmod(np.random.default_rng(0).permutation(30 * 20)[:300], 20)
STARS = np.random.default_rng(1).integers(1, 11, 300) / 2

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def fitted(ratings: NDArray[Any], weights: Any = None, **changes: Any) -> ft.MatrixFactorization:
    model = ft.MatrixFactorization(4, **({"n_epochs": 5, "random_state": 0} | changes))
    return model.fit((USERS, ITEMS, ratings), sample_weight=weights)


def assert_like_stars(
    model: ft.MatrixFactorization, unit: float, rtol: float, **changes: Any
) -> None:
    """Assert that the predictions are those of the same ratings in another unit."""
    expected = fitted(STARS, **changes).predict((USERS, ITEMS))
    predicted = model.predict((USERS, ITEMS)).astype(np.float64)
    np.testing.assert_allclose(predicted / unit, expected, rtol=rtol)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
def test_the_centre_of_large_float32_ratings_is_finite(loss: str) -> None:
    """Regression: the median of float32 ratings of 2e38 is finite."""
    model = fitted(np.full(300, 2e38), loss=loss)
    assert model.global_mean_ == pytest.approx(2e38)
    assert np.isfinite(model.predict((USERS, ITEMS))).all()


def test_the_median_of_numbers_whose_sum_overflows_is_finite() -> None:
    assert median(np.array([3e38, 2e38], np.float32)) == pytest.approx(2.5e38)
    assert median(np.array([1.6e308, 1.4e308])) == 1.5e308


@pytest.mark.parametrize(("largest", "dtype"), [(3e38, "float32"), (1.7e308, "float64")])
def test_large_weights_count_in_proportion(largest: float, dtype: str) -> None:
    """Regression: weights count in proportion even if their sum overflows."""
    weights = np.random.default_rng(2).uniform(0.1, 1, 300)
    model = fitted(STARS, weights * largest, dtype=dtype)
    expected = fitted(STARS, weights, dtype=dtype)
    np.testing.assert_allclose(model.user_factors_, expected.user_factors_, rtol=1e-3, atol=1e-6)


def test_no_weight_above_0_becomes_0(dtype: str) -> None:
    numbers = np.finfo(dtype)
    weights = normalize_weights(np.array([numbers.max, numbers.tiny, numbers.max], dtype))
    assert weights is not None
    assert (weights > 0).all()
    assert average(np.ones(1), weights[1:2]) == 1


@pytest.mark.parametrize("fit_mean", [True, False])
@pytest.mark.parametrize("value", [1e-40, 1e20, 3e37])
def test_equal_ratings_are_predicted_in_every_unit(value: float, fit_mean: bool) -> None:
    """Regression: training on equal ratings of any size converges."""
    model = fitted(np.full(300, value), fit_mean=fit_mean, n_epochs=40)
    predicted = model.predict((USERS, ITEMS)).astype(np.float64)
    np.testing.assert_allclose(predicted / value, 1, atol=0.1)


def test_ratings_whose_squares_underflow_are_scaled() -> None:
    """Regression: ratings of 1e-300 are divided by their standard deviation."""
    unit = 2.0**-1000
    assert_like_stars(fitted(STARS * unit, dtype="float64"), unit, 1e-12, dtype="float64")
    assert_like_stars(fitted(STARS * 2.0**-130), 2.0**-130, 1e-3)


@pytest.mark.parametrize("loss", ["logistic", "hinge", "squared_hinge"])
@pytest.mark.parametrize("size", [1e-45, 1e30, 3e37])
def test_two_values_of_any_size_give_finite_predictions(loss: str, size: float) -> None:
    ratings = np.where(STARS > 2.5, size, -size)
    model = fitted(ratings, loss=loss)
    assert np.isfinite(model.predict((USERS, ITEMS))).all()


def test_the_scale_of_two_nearly_equal_values_is_not_0(dtype: str) -> None:
    smallest = np.finfo(dtype).smallest_subnormal
    _, scale = centre_and_scale(np.array([0, smallest], dtype), Rule("hinge"), True)
    assert np.dtype(dtype).type(scale) > 0


def test_predictions_that_can_overflow_are_an_error(dtype: str) -> None:
    """Regression: with margin losses too, factors whose predictions can overflow are an error."""
    size = 1e30 if dtype == "float32" else 1e300
    ratings = np.where(STARS > 2.5, size, -size)
    settings: dict[str, Any] = {
        "regularization": 0.0,
        "loss": "logistic",
        "learning_rate": 10.0,
        "dtype": dtype,
    }
    assert np.isfinite(fitted(np.sign(ratings), **settings).predict((USERS, ITEMS))).all()
    with pytest.raises(ft.exceptions.DivergenceError, match=rf"too large for {dtype}; divide the"):
        fitted(ratings, **settings)


def test_ratings_far_from_the_scale_of_the_model_are_an_error() -> None:
    model = fitted(STARS, dtype="float64")
    before = model.user_factors_.copy()
    with pytest.raises(ValueError, match=r"a rating is 1e\+200, too far from 2\.\d+ in units of"):
        model.partial_fit((USERS, ITEMS, np.full(300, 1e200)))
    np.testing.assert_array_equal(model.user_factors_, before)
    far = (USERS, ITEMS, np.full(300, 1e200))
    with pytest.raises(ValueError, match=r"a validation rating is 1e\+200"):
        ft.MatrixFactorization(2, 1, dtype="float64").fit((USERS, ITEMS, STARS), eval_set=far)


@pytest.mark.parametrize("n_distinct", [5, 70_000])
def test_a_rating_too_far_for_float32_is_an_error_that_names_it(n_distinct: int) -> None:
    """Regression: it became infinite, and training seemed to diverge."""
    ratings = 1e-30 * np.random.default_rng(0).integers(1, n_distinct, 300)
    model = fitted(ratings / n_distinct)
    before = model.user_factors_.copy()
    more = 1e-30 * np.arange(1, n_distinct + 1)
    more[-1] = 1e30
    users, items = np.resize(USERS, n_distinct), np.resize(ITEMS, n_distinct)
    with pytest.raises(ValueError, match=r"a rating is 1e\+30, too far from .* in units of"):
        model.partial_fit((users, items, more))
    np.testing.assert_array_equal(model.user_factors_, before)


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**900])
@pytest.mark.parametrize("n", [2, 60])
def test_fold_in_has_no_preferred_unit(unit: float, n: int) -> None:
    """Regression: the equations of fold-in neither overflow nor underflow."""
    models = [fitted(STARS, dtype="float64"), fitted(STARS * unit, dtype="float64")]
    users = np.resize(np.arange(3) + 100, n)
    for model, scale in zip(models, (1.0, unit), strict=True):
        model.add_users((users, ITEMS[:n], STARS[:n] * scale))
    expected, got = (model.predict((users, ITEMS[:n])) for model in models)
    np.testing.assert_allclose(got / unit, expected, rtol=1e-9)


def test_huge_penalties_give_rows_of_zeros() -> None:
    model = fitted(STARS, dtype="float64").set_params(regularization=1e300)
    model.add_users((np.full(5, 100), ITEMS[:5], STARS[:5]))
    assert np.abs(model.user_factors_[-1]).max() < 1e-90
    assert abs(model.user_bias_[-1]) < 1e-90


@pytest.mark.parametrize("name", ["regularization", "l1_regularization", "learning_rate"])
@pytest.mark.parametrize("value", [1e39, 1e308])
def test_extreme_settings_train_or_diverge(name: str, value: float, dtype: str) -> None:
    settings: dict[str, Any] = {"dtype": dtype, "early_stopping": True, name: value}
    if name == "l1_regularization":
        model = fitted(STARS, **settings)
        assert np.isfinite(model.history_["valid_rmse"]).all()
        assert not model.user_factors_.any()
        return
    for svdpp in (False, True):
        with pytest.raises(ft.exceptions.DivergenceError, match=f"{name}="):
            fitted(STARS, svdpp=svdpp, **settings)


@pytest.mark.parametrize("unit", [2.0**-90, 2.0**90])
def test_cosines_do_not_depend_on_the_unit_of_the_factors(unit: float) -> None:
    """Regression: cosines are right also where squares of factors underflow or overflow."""
    factors = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    rows = np.arange(40, dtype=np.int32)
    expected = similar_rows(factors, rows, n=5)
    found = similar_rows(factors * np.float32(unit), rows, n=5)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_of_huge_ratings_are_finite(weighted: bool) -> None:
    """Regression: metrics are right also where squares of errors overflow or underflow."""
    weights = np.array([1e308, 1e308, 1e308]) if weighted else None
    for unit in (2.0**-1050, 2.0**600, 2.0**1020):
        true, predicted = np.array([1.0, 2.0, 4.0]) * unit, np.array([1.0, 3.0, 3.0]) * unit
        assert ft.metrics.rmse(true, predicted) / unit == pytest.approx((2 / 3) ** 0.5)
        assert ft.metrics.mae(true, predicted) / unit == pytest.approx(2 / 3)
        expected = ft.metrics.r2([1, 2, 4], [1, 3, 3])
        assert ft.metrics.r2(true, predicted, weights) == pytest.approx(expected)
    with pytest.raises(ValueError, match="too large for float64; divide the ratings"):
        ft.metrics.rmse([1.7e308], [-1.7e308])
