"""Sample weights: divided by their exact mean; ratings of weight 0 are replaced for checks."""

from __future__ import annotations

import math

import numpy as np

from factorate._training.sample_weights import normalize_weights, replace_unweighted


def test_the_mean_of_weights_does_not_depend_on_their_order(dtype: str) -> None:
    """Regression: float64 weights have the same bits in any order."""
    generator = np.random.default_rng(0)
    weights = generator.uniform(0.1, 2, 70_000).astype(dtype)
    expected = normalize_weights(weights)
    assert expected is not None
    assert expected.dtype == weights.dtype
    mean = weights.dtype.type(math.fsum(weights.tolist()) / len(weights))
    np.testing.assert_array_equal(expected, weights / mean)
    for _ in range(20):
        order = generator.permutation(len(weights))
        got = normalize_weights(weights[order])
        assert got is not None
        np.testing.assert_array_equal(got, expected[order])


def test_equal_weights_are_no_weights() -> None:
    assert normalize_weights(np.full(5, 3.0)) is None
    assert normalize_weights(None) is None


def test_ratings_without_weight_are_replaced_for_checks() -> None:
    values, weights = np.array([9.0, 1.0, 2.0, 9.0]), np.array([0.0, 1.0, 2.0, 0.0])
    assert replace_unweighted(values, weights).tolist() == [1.0, 1.0, 2.0, 1.0]
    assert replace_unweighted(values, None) is values
