"""Plots, drawn with matplotlib, which is imported when something is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from factorate.exceptions import not_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

    from factorate.model import MatrixFactorization

AXES = {"epoch": "epoch", "seconds": "seconds of training"}


class LearningCurveDisplay:
    """The errors of a model in training and validation, epoch by epoch.

    Parameters
    ----------
    history
        Columns "epoch", "seconds", "train_rmse" and "valid_rmse", such as the model's `history_`.
    best_epoch
        Number of the epoch that is marked; None for no mark.
    name
        What the legend calls the model; None to say nothing of it.

    Attributes
    ----------
    ax_, figure_
        The matplotlib Axes and Figure that were drawn on last.
    lines_
        The lines there: of the training, of the validation where there was one, and the mark.

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
        estimator: MatrixFactorization,
        *,
        x: str = "epoch",
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the learning curve of a fitted model.

        Parameters
        ----------
        estimator
            The model.
        x, ax
            As for `plot`.
        name
            What the legend calls it.

        Returns
        -------
        LearningCurveDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the model was trained for no epoch.
        ImportError
            If matplotlib is not installed.
        """
        if not estimator.__sklearn_is_fitted__():
            raise not_fitted(type(estimator).__name__)
        return cls(estimator.history_, estimator.best_epoch_, name).plot(ax, x=x)

    def plot(self, ax: Axes | None = None, *, x: str = "epoch") -> Self:
        """Draw the curves; those that were drawn on the same axes before are replaced.

        The training's errors are dashed. They are those before each visit of an epoch, the
        validation's those after the epoch, which is why they may lie lower.

        Parameters
        ----------
        ax
            Axes to draw on; None for those of the last time, or new ones.
        x
            "epoch" or "seconds".

        Returns
        -------
        LearningCurveDisplay
            This display.

        Raises
        ------
        ValueError
            If `x` is another, or there is no epoch to draw.
        ImportError
            If matplotlib is not installed.
        """
        if x not in AXES:
            raise ValueError(f"x is {x!r}; expected 'epoch' or 'seconds'")
        if not len(self.history["epoch"]):
            raise ValueError("the model was trained for 0 epochs; there is no curve to draw")
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plots need matplotlib: pip install 'factorate[plot]'") from error
        old = vars(self).get("lines_", [])
        if ax is None:
            ax = self.ax_ if old else pyplot.subplots()[1]
        color = old[0].get_color() if old else None
        for line in old:
            if line.axes is ax:
                line.remove()
        root: Any = ax.get_figure(root=True)
        self.ax_, self.figure_ = ax, root
        self.lines_ = self._draw(ax, x, color)
        ax.set(xlabel=AXES[x], ylabel="RMSE")
        if x == "epoch":
            locator: Any = ax.xaxis.get_major_locator()
            locator.set_params(integer=True)
        ax.legend()
        return self

    def _draw(self, ax: Axes, x: str, color: Any) -> list[Line2D]:
        places, train, valid = (self.history[key] for key in (x, "train_rmse", "valid_rmse"))
        label = f"{self.name}, {{}}" if self.name else "{}"
        # One epoch is a point, which a line without marks would not show.
        mark = "." if len(places) == 1 else ""
        style = {"marker": mark, "color": color}
        lines: list[Line2D] = ax.plot(places, train, "--", label=label.format("training"), **style)
        style["color"] = lines[0].get_color()
        followed = train
        if not np.isnan(valid).all():
            followed = valid
            lines += ax.plot(places, valid, label=label.format("validation"), **style)
        if self.best_epoch:
            row = self.best_epoch - 1
            best = label.format(f"epoch {self.best_epoch}: {followed[row]:.4f}")
            style["marker"] = "o"
            lines += ax.plot(places[row], followed[row], linestyle="", label=best, **style)
        return lines
