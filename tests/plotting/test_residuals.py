"""ResidualsDisplay draws the errors of predictions by predicted rating."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate import ResidualsDisplay

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")

pytestmark = pytest.mark.usefixtures("canvas")


def test_line_is_the_median_and_bands_are_quantiles_of_each_bin() -> None:
    predicted = np.repeat([1.0, 2.0], 101)
    rng = np.random.default_rng(0)
    residuals = rng.normal(size=202)
    display = ResidualsDisplay.from_predictions(predicted + residuals, predicted, n_bins=2)
    halves = residuals.reshape(2, 101)
    np.testing.assert_array_equal(display.line_.get_xdata(), [1, 2])
    assert np.asarray(display.line_.get_ydata()) == pytest.approx(np.median(halves, axis=1))
    for band, (low, high) in zip(display.bands_, [(5, 95), (25, 75)], strict=True):
        box = band.get_datalim(display.ax_.transData)
        assert box.y0 == pytest.approx(np.percentile(halves, low, axis=1).min())
        assert box.y1 == pytest.approx(np.percentile(halves, high, axis=1).max())


def test_estimator_is_compared_with_ratings_in_any_form(columns: Any) -> None:
    model = ft.MatrixFactorization(4, random_state=0).fit(columns)
    display = ResidualsDisplay.from_estimator(model, columns, name="plain")
    pairs = np.stack(columns[:2], 1)
    again = ResidualsDisplay.from_estimator(model, pairs, columns[2])
    np.testing.assert_array_equal(display.y_pred, model.predict(pairs))
    np.testing.assert_array_equal(display.y_true, columns[2])
    np.testing.assert_array_equal(display.line_.get_ydata(), again.line_.get_ydata())
    legend = display.ax_.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "plain, median",
        "plain, 90 %",
        "plain, 50 %",
    ]
    display.figure_.canvas.draw()


def test_points_are_limited_and_span_all_predictions(columns: Any) -> None:
    model = ft.MatrixFactorization(4, random_state=0).fit(columns)
    display = ResidualsDisplay.from_estimator(model, columns, n_points=50)
    assert display.scatter_ is not None
    points = np.asarray(display.scatter_.get_offsets())
    predicted = np.asarray(display.y_pred)
    assert len(points) == 50
    assert points[:, 0].min() == predicted.min()
    assert points[:, 0].max() == predicted.max()
    assert ResidualsDisplay.from_estimator(model, columns, n_points=0).scatter_ is None


def test_plot_replaces_the_drawing_on_the_same_axes(columns: Any) -> None:
    model = ft.MatrixFactorization(4, random_state=0).fit(columns)
    display = ResidualsDisplay.from_estimator(model, columns)
    color, ax = display.line_.get_color(), display.ax_
    assert display.plot(n_bins=5) is display
    assert display.ax_ is ax
    assert np.asarray(display.line_.get_xdata()).shape == (5,)
    assert display.line_.get_color() == color
    assert (len(ax.lines), len(ax.collections)) == (2, 3)


def test_a_single_prediction_is_drawn_as_a_point() -> None:
    display = ResidualsDisplay.from_predictions([1, 2, 3], [2, 2, 2])
    assert display.line_.get_marker() == "."
    assert display.line_.get_ydata() == [0]


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([1, 2], [1], r"y_true has shape \(2,\) and y_pred \(1,\)"),
        ([[1]], [[1]], r"y_true has shape \(1, 1\)"),
        ([], [], "y_true is empty"),
        ([1, np.nan], [1, 1], r"y_true\[1\] is nan; expected finite"),
        ([1, 1], [np.inf, 1], r"y_pred\[0\] is inf; expected finite"),
    ],
)
def test_errors_name_what_does_not_match_and_leave_no_figure(
    y_true: Any, y_pred: Any, message: str
) -> None:
    for display in (ResidualsDisplay, ft.CalibrationDisplay):
        with pytest.raises(ValueError, match=message):
            display.from_predictions(y_true, y_pred)
    with pytest.raises(ValueError, match="n_bins is 0; expected an integer ≥ 1"):
        ResidualsDisplay.from_predictions([1], [1], n_bins=0)
    with pytest.raises(ft.NotFittedError):
        ResidualsDisplay.from_estimator(ft.MatrixFactorization(), ([1], [1], [1]))
    assert not pyplot.get_fignums()
