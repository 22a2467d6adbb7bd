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


def test_an_index_of_augmented_vectors_finds_the_recommendations() -> None:
    hnswlib = pytest.importorskip("hnswlib", reason="hnswlib, a third-party index, is missing")
    model = ft.MatrixFactorization(16, 10, random_state=0)
    model.fit(ft.datasets.synthetic(60_000, 500, 3000))
    items = model.item_vectors(augmented=True)
    index = hnswlib.Index("ip", items.shape[1])
    index.init_index(len(items), ef_construction=200, M=16, random_seed=1)
    index.set_num_threads(1)
    index.add_items(items)
    index.set_ef(200)
    found, _ = index.knn_query(model.user_vectors(augmented=True), 10)
    exact, _ = model.recommend(exclude_seen=False)
    rows = np.searchsorted(model.items_, exact)
    common = [len(set(a) & set(b)) for a, b in zip(found.tolist(), rows.tolist(), strict=True)]
    assert np.mean(common) >= 9.5
