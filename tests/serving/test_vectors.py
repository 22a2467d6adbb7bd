"""Inner products of augmented vectors are predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft


@pytest.fixture(scope="module")
def model(columns: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(8, 5, random_state=0).fit(columns)


def test_products_of_augmented_vectors_equal_predictions(model: ft.MatrixFactorization) -> None:
    P, Q = model.user_vectors(augmented=True), model.item_vectors(augmented=True)
    assert P.shape == (60, 10)
    assert P.dtype == Q.dtype == np.float32
    np.testing.assert_allclose(P @ Q.T, model.complete(), rtol=1e-5)
    assert model.user_vectors() is model.user_factors_
    assert model.item_vectors() is model.item_factors_


def test_the_largest_products_of_augmented_vectors_are_the_recommendations() -> None:
    model = ft.MatrixFactorization(16, 10, random_state=0)
    model.fit(ft.datasets.synthetic(20_000, 300, 1000))
    products = model.user_vectors(augmented=True) @ model.item_vectors(augmented=True).T
    found = np.argsort(-products, axis=1)[:, :10]
    exact, _ = model.recommend(exclude_seen=False)
    rows = np.searchsorted(model.items_, exact)
    common = [len(set(a) & set(b)) for a, b in zip(found.tolist(), rows.tolist(), strict=True)]
    assert np.mean(common) >= 9.99  # rounding may order two equal predictions differently
