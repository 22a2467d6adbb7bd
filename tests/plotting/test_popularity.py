"""PopularityDisplay draws numbers of ratings against their rank."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate import PopularityDisplay

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")

pytestmark = pytest.mark.usefixtures("canvas")


def test_counts_are_ranked_and_half_of_the_ratings_is_marked() -> None:
    display = PopularityDisplay([1, 0, 5, 2]).plot()
    np.testing.assert_array_equal(display.line_.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(display.line_.get_ydata(), [5, 2, 1])
    assert (display.half_.get_xdata(), display.half_.get_ydata()) == ([1], [5])
    assert display.half_.get_label() == "half of the ratings: 1 items (33 %)"
    assert (display.ax_.get_xscale(), display.ax_.get_yscale()) == ("log", "log")
    display.figure_.canvas.draw()


@pytest.mark.parametrize(("kind", "column"), [("users", 0), ("items", 1)])
def test_estimator_counts_the_ratings_of_the_fit(columns: Any, kind: str, column: int) -> None:
    model = ft.MatrixFactorization(2, random_state=0).fit(columns)
    display = PopularityDisplay.from_estimator(model, kind=kind)
    expected = np.sort(np.unique(columns[column], return_counts=True)[1])[::-1]
    np.testing.assert_array_equal(display.line_.get_ydata(), expected)
    assert display.line_.get_label() == kind


def test_plot_replaces_the_drawing_on_the_same_axes() -> None:
    display = PopularityDisplay([3, 2, 1], name="shop").plot()
    ax = display.ax_
    display.plot()
    assert display.ax_ is ax
    assert len(ax.lines) == 2
    assert len(pyplot.get_fignums()) == 1


def test_errors_leave_no_figure(columns: Any) -> None:
    with pytest.raises(ValueError, match="were not stored"):
        PopularityDisplay.from_estimator(
            ft.MatrixFactorization(2, keep_seen=False, random_state=0).fit(columns)
        )
    with pytest.raises(ValueError, match="kind is 'films'; expected 'items' or 'users'"):
        PopularityDisplay.from_estimator(
            ft.MatrixFactorization(2, random_state=0).fit(columns), kind="films"
        )
    with pytest.raises(ValueError, match="no count is above 0"):
        PopularityDisplay([0, 0]).plot()
    with pytest.raises(TypeError, match=r"counts .* expected real numbers"):
        PopularityDisplay(["many"]).plot()
    assert not pyplot.get_fignums()
