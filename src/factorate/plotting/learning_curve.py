"""LearningCurveDisplay: RMSE, or loss and NDCG, by epoch."""

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
NDCG = "NDCG@10"


class LearningCurveDisplay:
    """Learning curve: training and validation RMSE by epoch, or loss and validation NDCG.

    Use `from_estimator` to draw the curve of a fitted model. Models of implicit feedback have a
    loss, whose scale is on the left, and an NDCG, whose scale is on the right.

    Parameters
    ----------
    history : dict of str to ndarray
        Arrays "epoch", "seconds", "train_rmse" and "valid_rmse", or "epoch", "seconds", "loss" and
        "valid_ndcg", such as the `history_` of a model.
    best_epoch : int or None, default=None
        Epoch to mark, counted from 1. None marks none.
    name : str or None, default=None
        Name of the model in the legend. None is no name.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the last drawing.
    ndcg_ax_ : matplotlib Axes or None
        Axes of the NDCG, which share the horizontal axis of `ax_`. None without an NDCG.
    figure_ : matplotlib Figure
        Figure of the last drawing.
    lines_ : list of matplotlib Line2D
        Lines of the last drawing: training, validation if there is any, and the marked epoch.

    See Also
    --------
    MatrixFactorization : The model of ratings, which records its `history_`.
    ImplicitMatrixFactorization : The model of implicit feedback.

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
    ndcg_ax_: Axes | None
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
        estimator : MatrixFactorization or ImplicitMatrixFactorization
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
        ValueError
            If `x` has another value, or the model was trained for 0 epochs.
        ImportError
            If matplotlib is not installed.
        """
        return cls(estimator.history_, estimator.best_epoch_, name).plot(ax, x=x)

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
        this is why validation errors can be lower. The loss and the NDCG are measured at the end of
        the epoch.
        """
        if x not in AXES:
            raise ValueError(f"x is {x!r}; expected 'epoch' or 'seconds'")
        if not len(self.history["epoch"]):
            raise ValueError("the model was trained for 0 epochs; there is no curve to draw")
        old = vars(self).get("lines_", [])
        color = old[0].get_color() if old else None
        ax = choose_axes(self, ax, old)
        self.ndcg_ax_ = self._choose_ndcg_axes(old)
        self.lines_ = self._draw(x, color)
        ax.set(xlabel=AXES[x], ylabel="loss" if "loss" in self.history else "RMSE")
        if x == "epoch":
            locator: Any = ax.xaxis.get_major_locator()
            locator.set_params(integer=True)
        below = _ndcg_axes(ax)
        ax.legend(handles=[*ax.get_lines(), *(below.get_lines() if below else [])])
        return self

    def _choose_ndcg_axes(self, old: list[Line2D]) -> Axes | None:
        """Return the axes for the NDCG, if there is any, without the old lines of this display."""
        ax = self.ax_
        found = _ndcg_axes(ax)
        for line in old:
            if found is not None and line.axes is found:
                line.remove()
        if np.isnan(self.history.get("valid_ndcg", np.nan)).all():
            return None
        if found is None:
            found = ax.twinx()
            found.set(ylabel=NDCG, label=NDCG)
            # Behind the other axes, so that their legend is in front of all lines.
            ax.set_zorder(found.get_zorder() + 1)
            found.patch.set(visible=ax.patch.get_visible(), facecolor=ax.get_facecolor())
            ax.patch.set_visible(False)
        return found

    def _draw(self, x: str, color: Any) -> list[Line2D]:
        history, ax = self.history, self.ax_
        is_implicit = "loss" in history
        train = history["loss" if is_implicit else "train_rmse"]
        valid = history["valid_ndcg" if is_implicit else "valid_rmse"]
        xs = history[x]
        label = f"{self.name}, {{}}" if self.name else "{}"
        # A line through a single point shows nothing without a marker.
        style = {"marker": "." if len(xs) == 1 else "", "color": color}
        name = label.format("loss" if is_implicit else "training")
        lines: list[Line2D] = ax.plot(xs, train, "--", label=name, **style)
        style["color"] = lines[0].get_color()
        monitored, number = train, ".6g" if is_implicit else ".4f"
        if not np.isnan(valid).all():
            monitored, number, ax = valid, ".4f", self.ndcg_ax_ or ax
            name = label.format(f"validation {NDCG}" if is_implicit else "validation")
            lines += ax.plot(xs, valid, label=name, **style)
        if self.best_epoch:
            row = self.best_epoch - 1
            best = label.format(f"epoch {self.best_epoch}: {monitored[row]:{number}}")
            style["marker"] = "o"
            lines += ax.plot(xs[row], monitored[row], linestyle="", label=best, **style)
        return lines


def _ndcg_axes(ax: Axes) -> Axes | None:
    """Return the axes of the NDCG that a display has made behind some axes."""
    siblings: list[Axes] = ax.get_shared_x_axes().get_siblings(ax)
    for other in siblings:
        if other.get_label() == NDCG and other.bbox.bounds == ax.bbox.bounds:
            return other
    return None
