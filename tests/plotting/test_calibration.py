"""CalibrationDisplay draws the mean rating of bins of similar predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate import CalibrationDisplay

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")

pytestmark = pytest.mark.usefixtures("canvas")


def test_points_are_means_with_confidence_intervals() -> None:
    predicted = np.repeat([1.0, 2.0, 3.0], 100)
    rng = np.random.default_rng(0)
    ratings = predicted + rng.normal(size=300)
    display = CalibrationDisplay.from_predictions(ratings, predicted, n_bins=3)
    line, _, (bars,) = display.errorbar_
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    parts = ratings.reshape(3, 100)
    means, half = parts.mean(axis=1), 1.96 * parts.std(axis=1) / 10
    np.testing.assert_allclose(line.get_ydata(), means)
    ends = np.array([[end[1] for end in segment] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, np.stack([means - half, means + half], 1))


def test_equal_predictions_share_a_bin() -> None:
    display = CalibrationDisplay.from_predictions([1, 2, 3, 4], [2, 2, 2, 5], n_bins=4)
    np.testing.assert_array_equal(display.errorbar_[0].get_xdata(), [2, 5])
    np.testing.assert_array_equal(display.errorbar_[0].get_ydata(), [2, 4])


def test_estimator_and_its_probabilities_are_drawn(columns: Any) -> None:
    users, items, ratings = columns
    liked = (ratings > 3).astype(int)
    model = ft.MatrixFactorization(2, loss="logistic", random_state=0).fit((users, items, liked))
    display = CalibrationDisplay.from_estimator(model, (users, items, liked), name="rating")
    probabilities = model.predict_proba((users, items))[:, 1]
    other = CalibrationDisplay.from_predictions(liked, probabilities, name="p", ax=display.ax_)
    assert other.figure_ is display.figure_
    legend = other.ax_.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["rating", "p"]
    assert (np.asarray(other.y_pred) >= 0).all()
    other.figure_.canvas.draw()


def test_plot_replaces_the_drawing_on_the_same_axes() -> None:
    display = CalibrationDisplay.from_predictions([1, 2, 3, 4], [1, 2, 3, 4])
    ax, color = display.ax_, display.errorbar_[0].get_color()
    display.plot(n_bins=2)
    assert display.ax_ is ax
    assert len(ax.containers) == 1
    assert display.errorbar_[0].get_color() == color
    np.testing.assert_array_equal(display.errorbar_[0].get_xdata(), [1.5, 3.5])
    assert len(ax.lines) == 4  # diagonal, points and two rows of caps
