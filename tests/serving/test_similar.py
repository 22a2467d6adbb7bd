"""Neighbours are the rows with the largest cosines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate._serving.similar import similar_rows


@pytest.fixture(scope="module")
def model(columns: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(8, 5, random_state=0).fit(columns)


@pytest.mark.parametrize("side", ["user", "item"])
def test_neighbours_have_the_largest_cosines(side: str, model: ft.MatrixFactorization) -> None:
    rows = {"user": model.user_factors_, "item": model.item_factors_}[side].astype(np.float64)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = unit @ unit.T
    np.fill_diagonal(expected, -2)
    similar = model.similar_users if side == "user" else model.similar_items
    ids, cosines = similar(n=6)
    np.testing.assert_array_equal(ids, np.argsort(-expected, axis=1)[:, :6])
    np.testing.assert_allclose(cosines, -np.sort(-expected, axis=1)[:, :6], atol=1e-6)
    np.testing.assert_array_equal(similar(5, n=6)[0], ids[5])
    np.testing.assert_array_equal(similar(5, n=6)[1], cosines[5])


def test_unknown_ids_have_no_neighbours(model: ft.MatrixFactorization) -> None:
    with pytest.warns(ft.UnknownIdWarning, match="1 unknown item .*: nothing is found"):
        items, cosines = model.similar_items([3, 999], n=3)
    assert items[1].tolist() == [-1] * 3
    assert np.isnan(cosines[1]).all()
    assert not np.isnan(cosines[0]).any()
    with pytest.warns(ft.UnknownIdWarning, match="1 of 1 rows names 1 unknown user"):
        model.similar_users(999)


def test_cosines_with_zeros_are_zero_and_none_exceeds_one() -> None:
    rows = np.zeros((40, 3), np.float32)
    rows[:20] = np.float32(0.1) * np.array([1, 2, 3], np.float32)
    for queries in (np.arange(40, dtype=np.int32), np.array([0, 30], np.int32)):
        found, cosines = similar_rows(rows, queries, 39, 1)
        assert (cosines[0, :19] > 0.999).all()
        assert cosines.max() <= 1
        assert (cosines[0, 19:] == 0).all()
        assert (cosines[-1] == 0).all()
        assert found[0, :19].tolist() == list(range(1, 20))
