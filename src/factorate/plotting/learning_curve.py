"""LearningCurveDisplay: RMSE by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from factorate.plotting._axes import choose_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

    from factorate.base import FactorModel

AXES = {"epoch": "epoch", "seconds": "seconds of training"}


class LearningCurveDisplay:
    """Learning curve: training and validation RMSE by epoch.

    Use `from_estimator` to draw the curve of a fitted model.

    Parameters
    ----------
    history : dict of str to ndarray
        Arrays "epoch", "seconds", "train_rmse" and "valid_rmse", such as the `history_` of a model.
    best_epoch : int or None, default=None
        Epoch to mark, counted from 1. None marks none.
    name : str or None, default=None
        Name of the model in the legend. None is no name.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the last drawing.
    figure_ : matplotlib Figure
        Figure of the last drawing.
    lines_ : list of matplotlib Line2D
        Lines of the last drawing: training, validation if there is any, and the marked epoch.

    See Also
    --------
    MatrixFactorization : The model, which records its `history_`.

    Examples
    --------
    >>> import factorate as ft
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> model = ft.MatrixFactorization(8, early_stopping=True, random_state=0)
    >>> _ = model.fit(ft.datasets.synthetic(5000, 200, 100))
    >>> display = ft.LearningCurveDisplay.from_estimator(model)
    >>> display.ax_.get_ylabel()
    'RMSE'
    """

    ax_: Axes
    figure_: Figure
    lines_: list[Line2D]

    def __init__(
        self,
        history: dict[str, NDArray[Any]],
        best_epoch: int | None = None,
        name: str | None = None,
    ) -> None:
        self.history = history
        self.best_epoch = best_epoch
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: FactorModel,
        *,
        x: str = "epoch",
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the learning curve of a fitted model.

        Parameters
        ----------
        estimator : MatrixFactorization
            A fitted model.
        x : str, default="epoch"
            Horizontal axis: "epoch" or "seconds".
        name : str or None, default=None
            Name of the model in the legend. None is no name.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates new ones.

        Returns
        -------
        LearningCurveDisplay
            The display that was drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If it is a model of implicit feedback.
        ValueError
            If `x` has another value, or the model was trained for 0 epochs.
        ImportError
            If matplotlib is not installed.
        """
        history = estimator.history_
        if "train_rmse" not in history:
            raise TypeError(
                f"estimator is {estimator!r}, whose history_ has no errors of ratings; plot its "
                f"columns {', '.join(history)} instead"
            )
        return cls(history, estimator.best_epoch_, name).plot(ax, x=x)

    def plot(self, ax: Axes | None = None, *, x: str = "epoch") -> Self:
        """Draw the curves.

        If the display has already been drawn on the same axes, the new curves replace the old ones.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None reuses the axes of the last drawing, or creates new ones.
        x : str, default="epoch"
            Horizontal axis: "epoch" or "seconds".

        Returns
        -------
        LearningCurveDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `x` has another value, or the model was trained for 0 epochs.
        ImportError
            If matplotlib is not installed.

        Notes
        -----
        Training errors are measured before each update, validation errors at the end of the epoch;
        this is why validation errors can be lower.
        """
        if x not in AXES:
            raise ValueError(f"x is {x!r}; expected 'epoch' or 'seconds'")
        if not len(self.history["epoch"]):
            raise ValueError("the model was trained for 0 epochs; there is no curve to draw")
        old = vars(self).get("lines_", [])
        ax = choose_axes(self, ax, old)
        color = old[0].get_color() if old else None
        self.lines_ = self._draw(ax, x, color)
        ax.set(xlabel=AXES[x], ylabel="RMSE")
        if x == "epoch":
            locator: Any = ax.xaxis.get_major_locator()
            locator.set_params(integer=True)
        ax.legend()
        return self

    def _draw(self, ax: Axes, x: str, color: Any) -> list[Line2D]:
        xs, train, valid = (self.history[key] for key in (x, "train_rmse", "valid_rmse"))
        label = f"{self.name}, {{}}" if self.name else "{}"
        # A line through a single point shows nothing without a marker.
        marker = "." if len(xs) == 1 else ""
        style = {"marker": marker, "color": color}
        lines: list[Line2D] = ax.plot(xs, train, "--", label=label.format("training"), **style)
        style["color"] = lines[0].get_color()
        monitored = train
        if not np.isnan(valid).all():
            monitored = valid
            lines += ax.plot(xs, valid, label=label.format("validation"), **style)
        if self.best_epoch:
            row = self.best_epoch - 1
            best = label.format(f"epoch {self.best_epoch}: {monitored[row]:.4f}")
            style["marker"] = "o"
            lines += ax.plot(xs[row], monitored[row], linestyle="", label=best, **style)
        return lines
