"""Factors: predictions of pairs of rows, and read-only arrays."""

from __future__ import annotations

import numpy as np
import pytest

from factorate._training.factors import Factors, check_predictions, predict, replace_rows
from factorate.exceptions import DivergenceError


def make_factors(dtype: str) -> Factors:
    generator = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape).astype(dtype)

    return Factors(
        user_factors=draw(20, 5),
        item_factors=draw(30, 5),
        user_bias=draw(20),
        item_bias=draw(30),
        mean=3.0,
        scale=1.0,
    )


@pytest.mark.parametrize("unknown", [False, True])
def test_threads_and_chunks_do_not_change_predictions(dtype: str, unknown: bool) -> None:
    factors = make_factors(dtype)
    lowest = -1 if unknown else 0
    generator = np.random.default_rng(1)
    users, items = (generator.integers(lowest, n, 1000).astype(np.int32) for n in (20, 30))
    expected = predict(factors, users, items)
    p = np.where((users < 0)[:, None], 0, factors.user_factors[users])
    q = np.where((items < 0)[:, None], 0, factors.item_factors[items])
    biases = np.where(users < 0, 0, factors.user_bias[users])
    biases = biases + np.where(items < 0, 0, factors.item_bias[items])
    np.testing.assert_allclose(expected, 3 + biases + (p * q).sum(axis=1), rtol=1e-4, atol=1e-5)
    for n_threads in (1, 3):
        got = predict(factors, users, items, n_threads, chunk=70)
        np.testing.assert_array_equal(got, expected)


def test_the_arrays_of_factors_are_read_only() -> None:
    factors = make_factors("float32")
    with pytest.raises(ValueError, match="read-only"):
        factors.user_factors[0] = 1


def test_replaced_rows_are_checked_and_the_others_are_known(dtype: str) -> None:
    old = make_factors(dtype)
    assert old.sizes.item_bias == pytest.approx(np.abs(old.item_bias).max())
    largest = np.finfo(dtype).max
    item_bias = np.append(old.item_bias, np.array([0.5 * largest], dtype))
    item_factors = np.append(old.item_factors, np.zeros((1, 5), dtype), axis=0)
    arrays = {"item_bias": item_bias, "item_factors": item_factors}
    new = replace_rows(old, arrays, items=np.array([30]))
    assert new.sizes == old.sizes._replace(item_bias=float(item_bias[30]))
    check_predictions(new)
    user_bias = np.append(old.user_bias, np.array([0.6 * largest], dtype))
    user_factors = np.append(old.user_factors, np.zeros((1, 5), dtype), axis=0)
    arrays = {"user_bias": user_bias, "user_factors": user_factors}
    newer = replace_rows(new, arrays, users=np.array([20]))
    with pytest.raises(DivergenceError, match="too large for"):
        check_predictions(newer)
    # Sizes of rows that were removed only cause a second look.
    arrays = {"user_bias": old.user_bias, "user_factors": old.user_factors}
    check_predictions(replace_rows(newer, arrays))
