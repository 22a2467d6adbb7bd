"""partial_fit of a store is a pass over each of its batches, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stores import write_store

import factorate as ft

if TYPE_CHECKING:
    from pathlib import Path

NAMES = "user_factors_", "item_factors_", "user_bias_", "item_bias_", "users_", "items_"
OLD = [3, 4, 5, 9], ["a", "b", "a", "c"], [5.0, 1.0, 4.0, 2.0]


@pytest.fixture(scope="module")
def columns() -> Any:
    generator = np.random.default_rng(0)
    items = np.array(list("abcdefgh"), object)[generator.integers(0, 8, 2500)]
    return generator.integers(0, 300, 2500), items, generator.integers(1, 6, 2500) / 1.0


@pytest.fixture
def store(columns: Any, tmp_path: Path) -> Any:
    return write_store(tmp_path / "a.store", columns, chunk_ratings=1000)


@pytest.mark.parametrize(
    "settings", [{}, {"learning_rate_schedule": "adagrad"}, {"keep_seen": False}], ids=str
)
def test_the_result_is_that_of_the_batches(store: Any, settings: dict[str, Any]) -> None:
    given: dict[str, Any] = {"n_factors": 4, "random_state": 0} | settings
    expected, model = (ft.MatrixFactorization(**given).fit(OLD) for _ in range(2))
    batches = list(store.batches())
    assert len(batches) == 3
    for batch in batches:
        expected.partial_fit(batch)
    assert model.partial_fit(store) is model
    for name in NAMES:
        np.testing.assert_array_equal(getattr(model, name), getattr(expected, name), name)
    assert model._fitted.n_partial_fits == 3
    assert model._fitted.bounds == expected._fitted.bounds
    if model.keep_seen:
        pairs = [(3, "a"), (batches[2].users[0], batches[2].items[0])]
        for user, item in pairs:
            assert item not in model.recommend(user, n=8)[0]


def test_a_store_of_one_batch_is_the_ratings_in_memory(columns: Any, tmp_path: Path) -> None:
    store = ft.RatingStore.create(tmp_path / "a.store", columns)
    expected, model = (ft.MatrixFactorization(4, random_state=0).fit(OLD) for _ in range(2))
    expected.partial_fit(columns)
    model.partial_fit(store)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(model, name), getattr(expected, name), name)


def test_an_error_in_a_later_batch_leaves_the_old_model(store: Any) -> None:
    model = ft.MatrixFactorization(4, random_state=0).fit(OLD)
    before = model._fitted
    path = store.path / "ratings-000002.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ft.RatingStoreError, match=r"ratings-000002\.npy is damaged"):
        model.partial_fit(store)
    assert model._fitted is before


def test_a_model_without_a_fit_is_fitted(store: Any) -> None:
    models = [ft.MatrixFactorization(4, random_state=0) for _ in range(2)]
    np.testing.assert_array_equal(
        models[0].partial_fit(store).user_factors_, models[1].fit(store).user_factors_
    )


def test_the_model_of_a_search_takes_a_store(columns: Any, store: Any) -> None:
    model = ft.MatrixFactorizationCV(1, n_factors=2, random_state=0).fit(columns)
    model.partial_fit(store)
    assert model._fitted.n_partial_fits == 3


def test_a_progress_bar_counts_the_ratings(store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = ft.MatrixFactorization(4, random_state=0).fit(OLD).set_params(verbose=True)
    model.partial_fit(store)
    assert "2.50k/2.50k" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "error", "reason"),
    [
        ({"y": [1]}, ValueError, "holds its ratings; pass it without y"),
        ({"sample_weight": [1]}, ValueError, "sample_weight cannot be used with a RatingStore"),
        ({"wide": True}, TypeError, "got RatingStore with wide=True"),
    ],
)
def test_a_store_is_passed_alone(
    store: Any, arguments: dict[str, Any], error: type[Exception], reason: str
) -> None:
    model = ft.MatrixFactorization(4, random_state=0).fit(OLD)
    with pytest.raises(error, match=reason):
        model.partial_fit(store, **arguments)
