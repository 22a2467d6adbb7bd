"""LearningCurveDisplay draws the history of a model with matplotlib."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate import LearningCurveDisplay

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")

pytestmark = pytest.mark.usefixtures("canvas")


def fitted(columns: Any, **changes: Any) -> ft.MatrixFactorization:
    parameters: dict[str, Any] = {"n_factors": 4, "n_epochs": 6, "random_state": 0}
    return ft.MatrixFactorization(**(parameters | changes)).fit(columns)


def labels(display: LearningCurveDisplay) -> list[str]:
    legend = display.ax_.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_both_errors_are_drawn_and_the_best_epoch_is_marked(columns: Any) -> None:
    model = fitted(columns, early_stopping=True, n_epochs=30, learning_rate=0.3)
    assert model.best_epoch_ < model.n_epochs_
    display = LearningCurveDisplay.from_estimator(model)
    training, validation, best = display.lines_
    history = model.history_
    for line, name in ((training, "train_rmse"), (validation, "valid_rmse")):
        np.testing.assert_array_equal(line.get_xdata(), history["epoch"])
        np.testing.assert_array_equal(line.get_ydata(), history[name])
    row = model.best_epoch_ - 1
    np.testing.assert_array_equal(best.get_xdata(), [row + 1])
    np.testing.assert_array_equal(best.get_ydata(), [history["valid_rmse"].min()])
    assert labels(display)[:2] == ["training", "validation"]
    assert labels(display)[2].startswith(f"epoch {row + 1}: {history['valid_rmse'][row]:.4f}")
    assert display.figure_ is display.ax_.figure
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("epoch", "RMSE")
    display.figure_.canvas.draw()


def test_without_validation_only_the_training_curve_is_drawn(columns: Any) -> None:
    model = fitted(columns)
    display = LearningCurveDisplay.from_estimator(model, x="seconds", name="plain")
    line, best = display.lines_
    np.testing.assert_array_equal(line.get_xdata(), model.history_["seconds"])
    np.testing.assert_array_equal(best.get_ydata(), model.history_["train_rmse"][-1:])
    assert labels(display)[0] == "plain, training"
    assert display.ax_.get_xlabel() == "seconds of training"


def test_plot_replaces_the_curves_on_the_same_axes(columns: Any) -> None:
    display = LearningCurveDisplay.from_estimator(fitted(columns))
    first, ax = display.lines_[0], display.ax_
    assert display.plot(x="seconds") is display
    assert display.ax_ is ax
    assert ax.get_lines()[:] == display.lines_
    assert display.lines_[0].get_color() == first.get_color()
    _, other = pyplot.subplots()
    display.plot(other)
    assert display.ax_ is other
    assert len(ax.get_lines()) == len(other.get_lines()) == 2
    assert len(pyplot.get_fignums()) == 2


def test_several_models_on_one_axes_have_different_colours(columns: Any) -> None:
    one = LearningCurveDisplay.from_estimator(fitted(columns), name="one")
    two = LearningCurveDisplay.from_estimator(
        fitted(columns, learning_rate=0.01), name="two", ax=one.ax_
    )
    assert two.figure_ is one.figure_
    assert len(one.ax_.get_lines()) == 4
    colours = [{line.get_color() for line in display.lines_} for display in (one, two)]
    assert [len(some) for some in colours] == [1, 1]
    assert colours[0] != colours[1]


def fitted_to_interactions(
    columns: Any, *, validate: bool = True, **changes: Any
) -> ft.ImplicitMatrixFactorization:
    parameters: dict[str, Any] = {"n_factors": 4, "n_epochs": 6, "random_state": 0}
    model = ft.ImplicitMatrixFactorization(**(parameters | changes))
    users, items, _ = columns
    training, held_out = (users[:2700], items[:2700]), (users[2700:], items[2700:])
    return model.fit(training, eval_set=held_out if validate else None)


def test_loss_and_ndcg_of_implicit_feedback_have_axes_of_their_own(columns: Any) -> None:
    model = fitted_to_interactions(columns, n_epochs=30, early_stopping=True, regularization=1e-6)
    assert model.best_epoch_ < model.n_epochs_
    display = LearningCurveDisplay.from_estimator(model)
    loss, ndcg, best = display.lines_
    assert display.ax_.get_lines()[:] == [loss]
    right = display.ndcg_ax_
    assert right is not None
    assert right.get_lines()[:] == [ndcg, best]
    np.testing.assert_array_equal(loss.get_ydata(), model.history_["loss"])
    np.testing.assert_array_equal(ndcg.get_ydata(), model.history_["valid_ndcg"])
    np.testing.assert_array_equal(best.get_xdata(), [model.best_epoch_])
    np.testing.assert_array_equal(best.get_ydata(), [model.history_["valid_ndcg"].max()])
    assert (display.ax_.get_ylabel(), right.get_ylabel()) == ("loss", "NDCG@10")
    assert labels(display)[:2] == ["loss", "validation NDCG@10"]
    assert (
        labels(display)[2] == f"epoch {model.best_epoch_}: {model.history_['valid_ndcg'].max():.4f}"
    )
    display.figure_.canvas.draw()


def test_without_validation_only_the_loss_is_drawn(columns: Any) -> None:
    model = fitted_to_interactions(columns, validate=False)
    display = LearningCurveDisplay.from_estimator(model, x="seconds")
    assert display.ndcg_ax_ is None
    assert display.ax_.get_lines()[:] == display.lines_
    assert labels(display) == ["loss", f"epoch 6: {model.history_['loss'][-1]:.6g}"]
    assert len(display.figure_.axes) == 1


def test_models_of_implicit_feedback_share_both_axes(columns: Any) -> None:
    one = LearningCurveDisplay.from_estimator(fitted_to_interactions(columns), name="one")
    other = fitted_to_interactions(columns, regularization=1.0)
    two = LearningCurveDisplay.from_estimator(other, name="two", ax=one.ax_)
    right = one.ndcg_ax_
    assert two.ndcg_ax_ is right
    assert right is not None
    assert len(one.figure_.axes) == 2
    assert labels(two) == [line.get_label() for line in (*one.lines_[:1], *two.lines_[:1])] + [
        line.get_label() for line in (*one.lines_[1:], *two.lines_[1:])
    ]
    two.plot(x="seconds")
    assert len(one.figure_.axes) == 2
    assert right.get_lines()[:] == one.lines_[1:] + two.lines_[1:]
    assert two.ax_.get_lines()[:] == one.lines_[:1] + two.lines_[:1]


def test_axes_that_share_an_axis_do_not_share_that_of_the_ndcg(columns: Any) -> None:
    _, (left, right) = pyplot.subplots(1, 2, sharex=True)
    model = fitted_to_interactions(columns)
    displays = [LearningCurveDisplay.from_estimator(model, ax=ax) for ax in (left, right)]
    assert displays[0].ndcg_ax_ is not displays[1].ndcg_ax_


def test_a_single_epoch_is_drawn_as_a_point(columns: Any) -> None:
    display = LearningCurveDisplay.from_estimator(fitted(columns, n_epochs=1))
    assert display.lines_[0].get_marker() == "."


def test_figure_of_a_subfigure_is_the_whole_figure(columns: Any) -> None:
    figure = pyplot.figure()
    parts: Any = figure.subfigures(1, 2)
    ax = parts[0].subplots()
    assert LearningCurveDisplay.from_estimator(fitted(columns), ax=ax).figure_ is figure


def test_errors_leave_no_figure(columns: Any) -> None:
    with pytest.raises(ft.NotFittedError):
        LearningCurveDisplay.from_estimator(ft.MatrixFactorization())
    with pytest.raises(ValueError, match="trained for 0 epochs; there is no curve"):
        LearningCurveDisplay.from_estimator(fitted(columns, n_epochs=0))
    with pytest.raises(ValueError, match="x is 'hours'; expected 'epoch' or 'seconds'"):
        LearningCurveDisplay.from_estimator(fitted(columns), x="hours")
    assert not pyplot.get_fignums()


def test_error_without_matplotlib_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import factorate as ft\n"
        "model = ft.MatrixFactorization(2).fit(([1], [1], [1.0]))\n"
        "try: ft.LearningCurveDisplay.from_estimator(model)\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "plots need matplotlib: pip install 'factorate[plot]'\n"
