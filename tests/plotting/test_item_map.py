"""ItemMapDisplay draws the principal components of the item factors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate import ItemMapDisplay

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")

pytestmark = pytest.mark.usefixtures("canvas")


def fitted(columns: Any, **parameters: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(**({"n_factors": 4, "random_state": 0} | parameters)).fit(columns)


def test_positions_are_the_principal_components(columns: Any) -> None:
    decomposition = pytest.importorskip(
        "sklearn.decomposition", reason="scikit-learn is not installed"
    )
    model = fitted(columns)
    display = ItemMapDisplay.from_estimator(model)
    pca = decomposition.PCA(2).fit(model.item_factors_.astype(float))
    expected = pca.transform(model.item_factors_.astype(float))
    np.testing.assert_allclose(np.abs(display.positions), np.abs(expected), atol=1e-6)
    assert display.explained_variance_ratio == pytest.approx(pca.explained_variance_ratio_)
    largest = np.abs(display.positions).argmax(axis=0)
    assert (display.positions[largest, [0, 1]] > 0).all()
    display.figure_.canvas.draw()


def test_the_most_rated_items_are_labelled_and_colored_by_bias(columns: Any) -> None:
    model = fitted(columns)
    ids, counts = np.unique(columns[1], return_counts=True)
    most = ids[np.argsort(-counts, kind="stable")[0]].item()
    display = ItemMapDisplay.from_estimator(model, labels={most: "Best $"}, n_labels=5)
    assert len(display.texts_) == 5
    assert display.texts_[0].get_text() == r"Best \$"
    np.testing.assert_array_equal(display.scatter_.get_array(), model.item_bias_)
    assert display.colorbar_ is not None
    boxes = [text.get_window_extent() for text in display.texts_]
    overlaps = [a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert not any(overlaps)


def test_a_selection_has_the_positions_of_the_whole_map(columns: Any) -> None:
    model = fitted(columns)
    whole = ItemMapDisplay.from_estimator(model)
    some = ItemMapDisplay.from_estimator(model, items=[7, 3], n_labels=0)
    np.testing.assert_array_equal(some.positions, whole.positions[[7, 3]])
    assert some.texts_ == []
    with pytest.raises(ValueError, match=r"items\[1\] is 999, which is not an item of the model"):
        ItemMapDisplay.from_estimator(model, items=[7, 999])


def test_models_without_biases_or_seen_items_or_with_one_factor_are_drawn(columns: Any) -> None:
    display = ItemMapDisplay.from_estimator(
        fitted(columns, n_factors=1, fit_bias=False, keep_seen=False), n_labels=1
    )
    assert display.colorbar_ is None
    np.testing.assert_array_equal(display.positions[:, 1], 0)
    farthest = int(np.abs(display.positions[:, 0]).argmax())
    assert display.texts_[0].get_text() == str(farthest)
    assert display.explained_variance_ratio == pytest.approx((1, 0))


def test_plot_replaces_the_drawing_on_the_same_axes(columns: Any) -> None:
    display = ItemMapDisplay.from_estimator(fitted(columns))
    ax = display.ax_
    display.plot(n_labels=1)
    assert display.ax_ is ax
    assert (len(ax.collections), len(ax.texts)) == (1, 1)
    assert len(display.figure_.axes) == 2  # the map and one color bar


def test_model_must_be_fitted() -> None:
    with pytest.raises(ft.NotFittedError):
        ItemMapDisplay.from_estimator(ft.MatrixFactorization())
    assert not pyplot.get_fignums()


@pytest.mark.usefixtures("canvas")
def test_a_map_of_no_items_is_an_error(columns: Any) -> None:
    model = ft.MatrixFactorization(2, 2, random_state=0).fit(columns)
    with pytest.raises(ValueError, match="there are no items to draw"):
        ft.ItemMapDisplay.from_estimator(model, items=[])
