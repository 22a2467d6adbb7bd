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
    "mean_test_rmse": np.array([1.0, 0.75, np.inf, 0.75]),
    "split0_test_rmse": np.array([0.5, 0.75, np.inf, 0.5]),  # the first fold is the easier one
    "split1_test_rmse": np.array([1.5, np.nan, np.inf, 1.0]),
    "rank_test_loss": np.array([2, 4, 3, 1]),
}


def labels(display: TuningDisplay) -> list[str]:
    legend = display.ax_.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_trials_are_points_by_number_and_round() -> None:
    display = TuningDisplay(RESULTS, name="shop").plot()
    points = np.asarray(display.points_.get_offsets())
    np.testing.assert_array_equal(points, [[1, 1.0], [2, 1.25], [4, 0.75]])  # one diverged
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
    on_all = model.cv_results_["n_folds"] == model.cv_results_["n_folds"].max()
    assert on_all[0]
    rmse = model.cv_results_["mean_test_rmse"][on_all]
    drawn = np.asarray(display.points_.get_offsets())[:, 1]
    np.testing.assert_array_equal(drawn[on_all], rmse)
    assert labels(display)[1] == f"chosen: {model.best_rmse_:.4f}"
    with pytest.raises(ft.NotFittedError):
        TuningDisplay.from_estimator(ft.MatrixFactorizationCV())


def test_a_search_by_ndcg_is_drawn_as_such(columns: Any) -> None:
    model = ft.ImplicitMatrixFactorizationCV(4, n_factors=4, cv=2, random_state=0)
    display = TuningDisplay.from_estimator(model.fit(columns[:2]), name="clicks")
    assert display.ax_.get_ylabel() == "validation NDCG@10"
    results = model.cv_results_
    first = np.asarray(display.points_.get_offsets())[0]
    np.testing.assert_array_equal(first, [1, results["mean_test_ndcg"][0]])
    assert labels(display)[1] == f"clicks, chosen: {model.best_ndcg_:.4f}"
    best = 1 + int(results["rank_test_ndcg"].argmin())
    np.testing.assert_array_equal(display.best_.get_xydata(), [[best, model.best_ndcg_]])


def test_trials_of_some_folds_are_drawn_by_their_difference_from_the_defaults() -> None:
    """A trial on an easy fold only does not look better than the one that was chosen."""
    display = TuningDisplay(RESULTS).plot()
    assert np.asarray(display.points_.get_offsets())[1].tolist() == [2, 1.0 + (0.75 - 0.5)]


def test_errors_are_drawn_as_they_are_if_the_defaults_diverged() -> None:
    first = np.array([np.inf, 0.75, np.inf, 0.5])
    changes = {"mean_test_rmse": first, "split0_test_rmse": first, "split1_test_rmse": first}
    display = TuningDisplay(RESULTS | changes).plot()
    points = np.asarray(display.points_.get_offsets())
    np.testing.assert_array_equal(points, [[2, 0.75], [4, 0.5]])


def test_plot_replaces_the_drawing_on_the_same_axes() -> None:
    display = TuningDisplay(RESULTS).plot()
    ax = display.ax_
    display.plot()
    assert display.ax_ is ax
    assert len(ax.collections) == 1
    assert len(ax.lines) == 2
    assert len(pyplot.get_fignums()) == 1
