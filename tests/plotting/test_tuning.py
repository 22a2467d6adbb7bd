"""TuningDisplay draws the trials of a search with matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate import TuningDisplay

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")

pytestmark = pytest.mark.usefixtures("canvas")

RESULTS: dict[str, Any] = {
    "iter": np.array([0, 1, 1, 2]),
    "n_folds": np.array([2, 1, 2, 2]),
    "mean_test_rmse": np.array([1.0, 1.2, np.inf, 0.75]),
    "rank_test_loss": np.array([2, 4, 3, 1]),
}


def labels(display: TuningDisplay) -> list[str]:
    legend = display.ax_.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_trials_are_points_by_number_and_round() -> None:
    display = TuningDisplay(RESULTS, name="shop").plot()
    points = np.asarray(display.points_.get_offsets())
    np.testing.assert_array_equal(points, [[1, 1.0], [2, 1.2], [4, 0.75]])  # one diverged
    np.testing.assert_array_equal(display.points_.get_array(), [0, 1, 2])
    small, large = sorted(set(display.points_.get_sizes()))
    assert display.points_.get_sizes().tolist() == [large, small, large]
    np.testing.assert_array_equal(display.default_.get_ydata(), [1.0, 1.0])
    np.testing.assert_array_equal(display.best_.get_xydata(), [[4, 0.75]])
    assert labels(display) == ["shop, defaults: 1.0000", "shop, chosen: 0.7500"]
    display.figure_.canvas.draw()


def test_estimator_draws_its_search(columns: Any) -> None:
    model = ft.MatrixFactorizationCV(6, n_factors=4, random_state=0).fit(columns)
    display = TuningDisplay.from_estimator(model)
    rmse = model.cv_results_["mean_test_rmse"]
    np.testing.assert_array_equal(np.asarray(display.points_.get_offsets())[:, 1], rmse)
    assert labels(display)[1] == f"chosen: {model.best_rmse_:.4f}"
    with pytest.raises(ft.NotFittedError):
        TuningDisplay.from_estimator(ft.MatrixFactorizationCV())


def test_plot_replaces_the_drawing_on_the_same_axes() -> None:
    display = TuningDisplay(RESULTS).plot()
    ax = display.ax_
    display.plot()
    assert display.ax_ is ax
    assert len(ax.collections) == 1
    assert len(ax.lines) == 2
    assert len(pyplot.get_fignums()) == 1
