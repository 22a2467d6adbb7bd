"""Metrics agree with scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from factorate import metrics

numbers = st.floats(-100, 100)


@given(st.lists(st.tuples(numbers, numbers), min_size=2))
def test_they_are_scikit_learns(pairs: list[tuple[float, float]]) -> None:
    true, predicted = zip(*pairs, strict=True)
    assert metrics.rmse(true, predicted) == pytest.approx(root_mean_squared_error(true, predicted))
    assert metrics.mae(true, predicted) == pytest.approx(mean_absolute_error(true, predicted))
    assert metrics.r2(true, predicted) == pytest.approx(r2_score(true, predicted), abs=1e-9)


@pytest.mark.parametrize("metric", [metrics.rmse, metrics.mae, metrics.r2])
def test_shapes_are_checked(metric: Callable[[ArrayLike, ArrayLike], float]) -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\) and y_pred \(1,\)"):
        metric([1, 2], [1])
    with pytest.raises(ValueError, match="there are no ratings"):
        metric([], [])
