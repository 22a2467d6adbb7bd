"""Removed items are unknown, and the rest of the model stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft

REMOVED = [3, 0, 79, 41, 3]
REMAINING = np.setdiff1d(np.arange(80), REMOVED)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "adagrad": {"learning_rate_schedule": "adagrad"},
    "svdpp": {"svdpp": True},
    "without seen items": {"keep_seen": False},
}
variants = pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)


def fitted(columns: Any, **changes: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(5, 3, random_state=3, n_threads=1, **changes).fit(columns)


def seen_items(model: ft.MatrixFactorization) -> list[list[int]]:
    """Return the ids of the items that each user has rated."""
    seen = model._fitted.seen
    assert seen is not None
    return [model.items_[rows].tolist() for rows in np.split(seen.items, seen.starts[1:-1])]


@variants
def test_remove_items_removes_all_that_belongs_to_their_rows(columns: Any, changes: Any) -> None:
    old, model = fitted(columns, **changes), fitted(columns, **changes)
    assert model.remove_items(REMOVED) is model
    assert model.items_.tolist() == REMAINING.tolist()
    np.testing.assert_array_equal(model.item_factors_, old.item_factors_[REMAINING])
    np.testing.assert_array_equal(model.item_bias_, old.item_bias_[REMAINING])
    np.testing.assert_array_equal(model.user_factors_, old.user_factors_)
    np.testing.assert_array_equal(model.user_bias_, old.user_bias_)
    np.testing.assert_array_equal(model._fitted.progress[0], old._fitted.progress[0])
    np.testing.assert_array_equal(model._fitted.progress[1], old._fitted.progress[1][REMAINING])
    if changes == VARIANTS["svdpp"]:
        np.testing.assert_array_equal(model.svdpp_factors_, old.svdpp_factors_[REMAINING])
    if changes == VARIANTS["adagrad"]:
        before, after = old._fitted.accumulators, model._fitted.accumulators
        assert before is not None
        assert after is not None
        np.testing.assert_array_equal(after[0], before[0])
        np.testing.assert_array_equal(after[1], before[1][REMAINING])
    if changes == VARIANTS["without seen items"]:
        assert model._fitted.seen is None
    else:
        expected = [[i for i in items if i not in REMOVED] for items in seen_items(old)]
        assert seen_items(model) == expected


@variants
def test_the_other_items_are_predicted_and_recommended_as_before(
    columns: Any, changes: Any
) -> None:
    old, model = fitted(columns, **changes), fitted(columns, **changes).remove_items(REMOVED)
    np.testing.assert_array_equal(model.complete(), old.complete(items=REMAINING))
    exclude_seen = changes.get("keep_seen", True)
    expected = old.recommend(n=9, exclude=REMOVED, exclude_seen=exclude_seen)
    for got, want in zip(model.recommend(n=9, exclude_seen=exclude_seen), expected, strict=True):
        np.testing.assert_array_equal(got, want)
    with pytest.warns(ft.UnknownIdWarning, match=r"1 of 1 rows names 1 unknown item \(3\)"):
        model.predict(([5], [3]))


@variants
@pytest.mark.parametrize("mmap", [False, True])
def test_a_model_with_removed_items_is_saved(
    columns: Any, changes: Any, mmap: bool, tmp_path: Any
) -> None:
    model = fitted(columns, **changes).remove_items(REMOVED)
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz", mmap=mmap)
    assert again.items_.tolist() == REMAINING.tolist()
    np.testing.assert_array_equal(again.complete(), model.complete())
    again.add_items(([1, 2], [900, 900], [3.0, 4.0]))
    assert again.items_.tolist() == [*REMAINING.tolist(), 900]


@variants
def test_items_added_after_a_removal_are_appended(columns: Any, changes: Any) -> None:
    """An item that was removed and comes back gets a new row."""
    model = fitted(columns, **changes).remove_items(REMOVED)
    model.add_items(([1, 2, 1], [3, 3, 900], [3.0, 4.0, 5.0]))
    model.add_users(([70, 70, 70], [1, 3, 900], [3.0, 4.0, 5.0]))
    assert model.items_.tolist() == [*REMAINING.tolist(), 3, 900]
    if changes.get("keep_seen", True):
        assert seen_items(model)[-1] == [1, 3, 900]
        assert 3 in seen_items(model)[1]


@pytest.mark.parametrize("schedule", ["linear", "adagrad"])
def test_partial_fit_after_a_removal(columns: Any, schedule: str) -> None:
    """Ratings of other items give the factors that they give without the removal."""
    changes = {"learning_rate_schedule": schedule}
    old, model = fitted(columns, **changes), fitted(columns, **changes).remove_items(REMOVED)
    more = [1, 2, 70], [5, 78, 30], [4.0, 2.0, 5.0]
    old.partial_fit(more)
    model.partial_fit(more)
    np.testing.assert_array_equal(model.complete(), old.complete(items=REMAINING))
    model.partial_fit(([1], [3], [2.0]))
    assert model.items_.tolist() == [*REMAINING.tolist(), 3]


@variants
def test_a_warm_start_after_a_removal(columns: Any, changes: Any) -> None:
    model = fitted(columns, **changes).remove_items(REMOVED)
    model.set_params(warm_start=True).fit(columns)
    assert model.items_.tolist() == list(range(80))
    assert model.evaluate(columns)["rmse"] < np.std(columns[2])


@variants
def test_all_items_can_be_removed_and_others_added(
    columns: Any, changes: Any, tmp_path: Any
) -> None:
    model = fitted(columns, **changes)
    model.remove_items(model.items_)
    assert model.item_factors_.shape == (0, 5)
    exclude_seen = changes.get("keep_seen", True)
    lists = model.recommend([1, 2], exclude_seen=exclude_seen, as_lists=True)
    assert lists == {1: [], 2: []}
    assert model.complete().shape == (60, 0)
    assert model.similar_items()[0].shape == (0, 10)
    with pytest.raises(ValueError, match="the model has no items to group; all were removed"):
        model.group_items(1)
    model.save(tmp_path / "model.npz")
    for other in (ft.load(tmp_path / "model.npz"), ft.load(tmp_path / "model.npz", mmap=True)):
        predicted = other.predict(([1], [3]), unknown="ignore")
        np.testing.assert_array_equal(predicted, model.global_mean_ + model.user_bias_[1])
        assert other.add_items(([1, 2], [900, 901], [3.0, 4.0])).items_.tolist() == [900, 901]
    assert model.add_users(([70], [3], [4.0]), unknown="ignore").users_[-1] == 70
    if changes != VARIANTS["svdpp"]:
        assert model.partial_fit(([1], [3], [2.0])).items_.tolist() == [3]


def test_an_unknown_item_raises_and_removes_none(columns: Any) -> None:
    model = fitted(columns)
    before = model._fitted
    with pytest.raises(ft.UnknownIdError, match=r"items\[1\] is 777, which is not an item of the"):
        model.remove_items([3, 777])
    with pytest.raises(ft.UnknownIdError, match=r"users\[0\] is 777, which is not a user of the"):
        model.remove_users(777)
    with pytest.raises(TypeError, match=r"items are str .* the ids of the model are integer"):
        model.remove_items(["3"])
    with pytest.raises(TypeError, match="items is None; expected a column"):
        model.remove_items(None)  # type: ignore[arg-type]
    assert model._fitted is before
    with pytest.raises(ft.NotFittedError):
        ft.MatrixFactorization().remove_items([1])
    assert model.remove_items([])._fitted.factors.item_factors.shape == (80, 5)
    assert model.remove_items(5).items_.tolist() == [*range(5), *range(6, 80)]
