"""The filled matrix equals the predictions of its pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate._serving.complete import complete, fill


@pytest.fixture(scope="module")
def model(columns: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(8, 5, random_state=0).fit(columns)


@pytest.mark.parametrize("cells_at_once", [1, 100, 1 << 20])
def test_fill_equals_predict_for_any_number_of_cells_at_once(
    cells_at_once: int, model: ft.MatrixFactorization
) -> None:
    users, items = np.array([5, 3, 41], np.int32), np.array([7, 70, 2], np.int32)
    pairs = np.repeat(users, 3), np.tile(items, 3)
    expected = model.predict(pairs).reshape(3, 3)
    filled = fill(model._fitted, users, items, clip=False, cells_at_once=cells_at_once)
    np.testing.assert_array_equal(filled, expected)
    np.testing.assert_array_equal(model.complete(users, items), expected)


def test_complete_equals_predict_bit_for_bit(columns: Any, dtype: str) -> None:
    model = ft.MatrixFactorization(5, 2, random_state=0, dtype=dtype).fit(columns)
    users, items = np.indices((60, 80)).reshape(2, -1)
    np.testing.assert_array_equal(model.complete().ravel(), model.predict((users, items)))


def test_complete_clips_as_predict_does(columns: Any) -> None:
    model = ft.MatrixFactorization(5, 40, shrinkage=0, random_state=0, clip=True).fit(columns)
    filled = model.complete()
    assert filled.min() >= columns[2].min()
    assert filled.max() == columns[2].max()


def test_complete_raises_for_too_many_cells(model: ft.MatrixFactorization) -> None:
    with pytest.raises(
        ValueError, match=r"60 × 80 cells, more than 4,799; pass the users or items"
    ):
        complete(model._fitted, max_cells=4799)
    assert complete(model._fitted, max_cells=4800).shape == (60, 80)
    assert complete(model._fitted, users=model.users_, max_cells=4799).shape == (60, 80)
